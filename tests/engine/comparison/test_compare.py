"""Methods compared on a raster: one level up, against a finer one, and what is told of it."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import rasterio

from engine.commands.cli import main
from engine.commands.jobs import State, run_job
from engine.comparison.compare import compare
from engine.comparison.known_field import MOST_DATES, level_up
from engine.comparison.request import CompareRequest
from engine.errors import Cancelled, InputError
from engine.feedback import Silent
from engine.raster.reference import RasterRef
from tests.engine.pipeline.noisy_rain import package
from tests.engine.pipeline.rough_ground import CELL, UTM, bands, block_mean, ground

K = 4
ROWS, COLUMNS = 64, 72


@pytest.fixture()
def asked(write_raster, tmp_path: Path) -> CompareRequest:
    """A temperature that follows the ground, with its fine truth, and every file that there can be."""
    z = ground(K, rows=ROWS, columns=COLUMNS)
    truth = 10 - 0.0065 * z
    return CompareRequest(
        target=RasterRef(write_raster("coarse.tif", block_mean(truth, K), CELL, **UTM, units="degC")),
        table=str(tmp_path / "table.csv"),
        page=str(tmp_path / "page.html"),
        differences=str(tmp_path / "up.tif"),
        truth_differences=str(tmp_path / "truth.tif"),
        truth=RasterRef(write_raster("fine.tif", truth, CELL / K, **UTM, units="degC")),
        sources={"elevation": RasterRef(write_raster("dem.tif", z, CELL / K, **UTM, units="m"))},
    )


def of(result: dict, level: str) -> dict[str, dict]:
    """Return the rows of a level by method."""
    return {row["method"]: row for row in result["rows"] if row["level"] == level}


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_law_is_seen_at_both_levels(asked: CompareRequest) -> None:
    result = compare(asked, Silent())
    assert result["factors"] == {"up": K, "truth": K} and result["units"] == "degC"
    for level in ("up", "truth"):
        rows = of(result, level)
        smooth = rows["bicubicsmooth"]
        assert smooth["ratio"] == 1
        assert rows["sharpen"]["rmse"] < 0.2 * smooth["rmse"]
        assert rows["sharpen"]["ratio"] == pytest.approx(rows["sharpen"]["rmse"] / smooth["rmse"])
        assert rows["lapserate"]["ratio"] < 0.5
        assert abs(rows["bicubic-conservative"]["bias"]) < 1e-4
    assert result["best"]["up"] in ("sharpen", "elevationregression-conservative", "lapserate-conservative")
    assert any(e["name"] == "climatologyratio" and "needs" in e["why"] for e in result["excluded"])


def test_the_numbers_are_those_of_the_differences(asked: CompareRequest) -> None:
    rows = of(compare(asked, Silent()), "up")
    with rasterio.open(str(asked.differences)) as file:
        assert file.shape == (ROWS, COLUMNS)
        for name, values in zip(file.descriptions, file.read(), strict=True):
            assert np.sqrt((values.astype(float) ** 2).mean()) == pytest.approx(rows[name]["rmse"], rel=1e-4)
            assert values.mean(dtype=float) == pytest.approx(rows[name]["bias"], abs=1e-4)
    assert bands(str(asked.truth_differences)).shape[1:] == (ROWS * K, COLUMNS * K)


def test_one_level_up_is_the_means_brought_back(asked: CompareRequest, write_raster) -> None:
    """The bilinear row is that of a run on the averaged raster, compared by hand."""
    from engine.pipeline.request import SuperResolveRequest
    from engine.pipeline.super_resolve import super_resolve

    coarse = bands(asked.target.path)[0]
    up = write_raster("up_by_hand.tif", block_mean(coarse, K), CELL * K, **UTM, units="degC")
    made = up.replace("up_by_hand", "made")
    super_resolve(SuperResolveRequest("bilinear", RasterRef(up), made, factor=K, conservation=0.0), Silent())
    by_hand = np.sqrt(((bands(made)[0] - coarse).astype(float) ** 2).mean())
    row = of(compare(replace(asked, truth=None, factor=K, truth_differences=None), Silent()), "up")[
        "bilinear"
    ]
    assert row["rmse"] == pytest.approx(by_hand, rel=1e-4) and row["cells"] == ROWS * COLUMNS


def test_table_and_page_say_it_and_what_they_cannot_tell(asked: CompareRequest) -> None:
    result = compare(asked, Silent())
    with Path(asked.table).open(encoding="utf-8") as file:
        table = list(csv.DictReader(file))
    assert [(row["level"], row["method"]) for row in table] == [
        (r["level"], r["method"]) for r in result["rows"]
    ]
    assert {"rmse", "ratio_to_bicubicsmooth", "bias"} <= set(table[0])
    page = Path(str(asked.page)).read_text(encoding="utf-8")
    assert "What this cannot tell" in page and "One level up is not the level asked for" in page
    assert "Against the finer raster" in page and "coarse.tif" in page
    assert result["cannot_tell"][0] in page


def test_without_a_truth_there_is_the_level_above_alone(asked: CompareRequest, tmp_path: Path) -> None:
    before = files(tmp_path)
    alone = replace(asked, truth=None, truth_differences=None, differences=None, page=None, factor=K)
    result = compare(alone, Silent())
    assert set(result["factors"]) == {"up"}
    assert files(tmp_path) == sorted([*before, "table.csv"])


@pytest.mark.parametrize(("shape", "asked_for", "k"), [((40, 48), 4, 4), ((24, 30), 8, 2), ((19, 99), 8, 1)])
def test_the_factor_leaves_enough_cells(shape: tuple[int, int], asked_for: int, k: int) -> None:
    assert level_up(shape, asked_for) == k


def test_a_smaller_factor_is_told(asked: CompareRequest) -> None:
    result = compare(replace(asked, truth=None, truth_differences=None, factor=9), Silent())
    assert result["factors"] == {"up": 6}
    assert any("factor is 6, not 9" in line for line in result["warnings"])


def test_what_cannot_learn_one_level_up_says_so(asked: CompareRequest, write_raster) -> None:
    coarse = bands(asked.target.path)[0]
    coarse[:, 24:] = np.nan
    few = RasterRef(write_raster("few.tif", coarse, CELL, **UTM, units="degC"))
    wanted = replace(asked, target=few, truth=None, truth_differences=None, factor=6, methods=("sharpen",))
    assert "too small to learn from" in of(compare(wanted, Silent()), "up")["sharpen"]["note"]


def test_methods_that_are_named_are_compared_with_the_smooth_one(asked: CompareRequest) -> None:
    result = compare(replace(asked, methods=("lapserate",)), Silent())
    assert set(of(result, "up")) == {"bicubicsmooth", "lapserate", "lapserate-conservative"}


def test_cells_without_a_value_count_nowhere(asked: CompareRequest, write_raster) -> None:
    coarse = bands(asked.target.path)[0]
    coarse[5:9, 3:30] = np.nan
    holed = replace(asked, target=RasterRef(write_raster("holed.tif", coarse, CELL, **UTM, units="degC")))
    row = of(compare(holed, Silent()), "up")["bicubic-conservative"]
    assert row["cells"] == ROWS * COLUMNS - 4 * 27
    assert abs(row["bias"]) < 1e-3  # means are of the cells that are there


def test_many_dates_are_sampled_and_pooled(asked: CompareRequest, write_raster) -> None:
    field = bands(asked.target.path)[0]
    dates = [f"20{n:02}-07" for n in range(30)]
    stack = write_raster(
        "stack.tif", np.stack([field + n for n in range(30)]), CELL, **UTM, units="degC", dates=dates
    )
    wanted = replace(asked, target=RasterRef(stack), truth=None, truth_differences=None, factor=K)
    result = compare(replace(wanted, methods=("bilinear",)), Silent())
    assert len(result["dates"]) == MOST_DATES and result["dates"][-1] == dates[-1]
    assert of(result, "up")["bilinear"]["cells"] == MOST_DATES * ROWS * COLUMNS
    one = compare(replace(wanted, date="2003-07", methods=("bilinear",)), Silent())
    assert one["dates"] == ["2003-07"]


def test_a_model_is_compared_where_it_fits(write_raster, tmp_path: Path) -> None:
    models = tmp_path / "models"
    models.mkdir()
    folder = package(models, "tinyrain", 0)
    card = json.loads((folder / "card.json").read_text())
    cell, k = float(card["resolution"]["coarse"]), int(card["factor"])
    rain = np.random.default_rng(2).gamma(2.0, 30, (10 * k, 10 * k)).astype(np.float32)
    dem = np.random.default_rng(3).gamma(1.0, 400, (10 * k * k, 10 * k * k)).astype(np.float32)
    request = CompareRequest(
        target=RasterRef(write_raster("rain.tif", rain, cell, 11, 60, units=card["target"]["units"])),
        table=str(tmp_path / "t.csv"),
        factor=k,
        sources={"elevation": RasterRef(write_raster("dem.tif", dem, cell / k, 11, 60, units="m"))},
        models=(str(models),),
    )
    result = compare(request, Silent())
    assert np.isfinite(of(result, "up")["tinyrain"]["rmse"]), result["excluded"]
    other = compare(replace(request, factor=k - 1), Silent())
    assert "tinyrain" not in of(other, "up")
    assert any(e["name"] == "tinyrain" and "times finer" in e["why"] for e in other["excluded"])


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"table": "/nowhere/t.csv"}, "folder /nowhere does not exist"),
        ({"table": "t.txt"}, "must end in .csv"),
        ({"page": "p.pdf"}, "must end in .html"),
        ({"factor": 1}, "not between 2 and 100"),
        ({"truth": None, "truth_differences": None}, "needs a factor"),
        ({"methods": ("magic",)}, "no method magic"),
        ({"target": RasterRef("/nowhere/x.tif")}, "x.tif"),
    ],
)
def test_what_cannot_be_is_refused_and_nothing_is_left(
    asked: CompareRequest, tmp_path: Path, change: dict, sentence: str
) -> None:
    before = files(tmp_path)
    with pytest.raises(InputError, match=sentence):
        compare(replace(asked, **change), Silent())
    assert files(tmp_path) == before


def test_a_truth_elsewhere_is_refused(asked: CompareRequest, write_raster) -> None:
    away = write_raster(
        "away.tif", np.ones((40, 40), np.float32), CELL / K, left=9e5, top=8e6, crs="EPSG:32633"
    )
    with pytest.raises(InputError, match=r"truth: .*away\.tif does not overlap the target"):
        compare(replace(asked, truth=RasterRef(away)), Silent())


def test_what_a_method_refuses_is_told_with_the_users_names(asked: CompareRequest, write_raster) -> None:
    ice = write_raster(
        "ice.tif", np.ones((3, ROWS * K, COLUMNS * K), np.float32), CELL / K, **UTM, units="kg"
    )
    result = compare(replace(asked, sources={"climatology": RasterRef(ice)}), Silent())
    why = {each["name"]: each["why"] for each in result["excluded"]}
    assert "climatology is in kg" in why["climatologyratio"] and ".part" not in str(why)


def test_an_output_that_is_an_input_is_refused(asked: CompareRequest) -> None:
    with pytest.raises(InputError, match="which is read"):
        compare(replace(asked, differences=asked.target.path), Silent())


def test_a_cancel_leaves_nothing(asked: CompareRequest, tmp_path: Path) -> None:
    before = files(tmp_path)

    class Impatient(Silent):
        def progress(self, fraction: float, phase: str, *more: object) -> None:
            self.late = fraction > 0.3

        def check_cancelled(self) -> None:
            if getattr(self, "late", False):
                raise Cancelled("The run was cancelled.")

    with pytest.raises(Cancelled):
        compare(asked, Impatient())
    assert files(tmp_path) == before


def test_it_is_a_job_and_a_command(asked: CompareRequest, capsys) -> None:
    few = replace(asked, methods=("bilinear",))
    told = run_job("compare_methods", few.to_json(), Silent(), State())
    assert json.loads(json.dumps(told))["best"]["up"] == "bicubicsmooth"
    words = ["--target", few.target.path, "--truth", str(few.truth and few.truth.path), "--output", few.table]
    words += ["--source", f"elevation={few.sources['elevation'].path}", "--method", "bilinear"]
    assert main(["compare-methods", *words]) == 0
    text = capsys.readouterr().out
    assert "One level up (×4" in text and "Against the finer raster (×4" in text
    assert "Note: One level up is not the level asked for" in text
    assert main(["compare-methods", *words, "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out.splitlines()[-1])["rows"]) == 6


def test_an_unknown_key_of_a_request_is_refused(asked: CompareRequest) -> None:
    with pytest.raises(InputError, match="unknown key: colour"):
        CompareRequest.from_json({**asked.to_json(), "colour": 1})
    with pytest.raises(InputError, match="lacks table"):
        CompareRequest.from_json({"target": {"path": "x.tif"}})
    assert CompareRequest.from_json(asked.to_json()) == asked
