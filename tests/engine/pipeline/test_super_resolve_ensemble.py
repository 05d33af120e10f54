"""Ensembles through the pipeline, from files to files."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import rasterio
import torch

from engine.errors import Cancelled, InputError
from engine.feedback import Silent
from engine.fields.ensemble import quantiles
from engine.models.model import ModelMethod
from engine.nets.downscaler import Downscaler
from engine.pipeline.request import EnsembleRequest, SuperResolveRequest
from engine.pipeline.steps.step_account import StepAccount
from engine.pipeline.super_resolve import super_resolve
from engine.raster.reference import GridRequest, RasterRef
from tests.engine.pipeline.noisy_rain import FACTOR, MEMBERS, package, read_all


def folder(request: SuperResolveRequest) -> list[str]:
    return sorted(p.name for p in Path(request.output).parent.iterdir())


def test_the_files_are_what_they_say_of_the_members(drawn_run: SuperResolveRequest) -> None:
    result = super_resolve(drawn_run, Silent())
    assert result.members == MEMBERS and result.outputs == drawn_run.ensemble.files
    found = read_all(drawn_run)
    members = found["members"]
    assert members.shape == (MEMBERS, 36, 56)
    hole = np.isnan(members[0])
    assert hole.sum() == FACTOR**2 and (np.isnan(members) == hole).all()
    assert len({m.tobytes() for m in members}) == MEMBERS
    np.testing.assert_allclose(found["mean"][0], members.mean(0), rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(found["spread"][0], members.std(0, ddof=1), rtol=1e-3, atol=1e-3)
    wanted = quantiles([torch.from_numpy(m) for m in members], (0.2, 0.5, 0.8))
    np.testing.assert_allclose(found["quantiles"], torch.stack(wanted).numpy(), rtol=1e-5, atol=1e-5)
    assert (np.diff(found["quantiles"], axis=0)[:, ~hole] >= 0).all()
    support = found["support"][0]
    assert np.isnan(support[hole]).all() and np.isnan(support[:8, :8]).all()  # the hole; dry all round
    assert np.nanmin(support) >= 0 and np.nanmax(support) <= 1 and np.isfinite(support[20:, 20:]).any()


def test_every_member_keeps_the_coarse_means(drawn_run: SuperResolveRequest) -> None:
    result = super_resolve(drawn_run, Silent())
    found = read_all(drawn_run)
    with rasterio.open(drawn_run.target.path) as file:
        coarse = file.read(1, masked=True).filled(np.nan)
    largest = 0.0
    for member in [*found["members"], found["mean"][0]]:
        blocks = member.reshape(9, FACTOR, 14, FACTOR).mean((1, 3))
        np.testing.assert_allclose(blocks, coarse, rtol=2e-6, atol=1e-5)
        largest = max(largest, float(np.nanmax(np.abs(blocks - coarse))))
    assert result.residual == pytest.approx(largest, abs=2e-5) and result.residual < 1e-3


def test_the_residual_is_the_largest_of_the_members(drawn_run: SuperResolveRequest) -> None:
    loose = replace(drawn_run, conservation=0.5)
    result = super_resolve(loose, Silent())
    with rasterio.open(drawn_run.target.path) as file:
        coarse = file.read(1, masked=True).filled(np.nan)
    blocks = read_all(drawn_run)["members"].reshape(MEMBERS, 9, FACTOR, 14, FACTOR).mean((2, 4))
    assert result.residual == pytest.approx(np.nanmax(np.abs(blocks - coarse)), rel=1e-4)


def test_tiles_make_no_difference(drawn_run: SuperResolveRequest) -> None:
    assert super_resolve(replace(drawn_run, tile=50), Silent()).tiles == 1
    whole = read_all(drawn_run)
    assert super_resolve(replace(drawn_run, tile=4), Silent()).tiles == 12
    for key, field in read_all(drawn_run).items():
        span = np.nanmax(whole[key]) - np.nanmin(whole[key])
        np.testing.assert_array_equal(np.isnan(field), np.isnan(whole[key]), err_msg=key)
        np.testing.assert_allclose(field, whole[key], atol=1e-4 * span, rtol=0, err_msg=key)


def test_a_part_has_the_members_of_the_whole(drawn_run: SuperResolveRequest) -> None:
    super_resolve(drawn_run, Silent())
    whole = read_all(drawn_run)["members"]
    part = replace(drawn_run, grid=GridRequest(extent=(21, 28, 33, 36)))
    super_resolve(part, Silent())
    np.testing.assert_allclose(read_all(drawn_run)["members"], whole[:, 8:24, 20:44], atol=1e-3, rtol=1e-4)


def test_the_same_place_has_the_same_members_at_any_turn(drawn_run, write_raster) -> None:
    rain = np.random.default_rng(1).gamma(2.0, 30, (9, 14)).astype(np.float32)
    fields = []
    for west, tile in ((171.0, 0), (-189.0, 4)):  # across the date line
        target = RasterRef(write_raster("rain.tif", rain, 2.0, west, 40, units="mm"))
        asked = replace(drawn_run, target=target, sources={}, tile=tile)
        super_resolve(asked, Silent())
        fields.append(read_all(asked)["members"])
    np.testing.assert_allclose(fields[1], fields[0], atol=1e-3, rtol=1e-4)


def test_a_seed_repeats_its_members_and_another_has_others(drawn_run: SuperResolveRequest) -> None:
    fields = []
    for seed in (7, 7, 8):
        super_resolve(replace(drawn_run, seed=seed), Silent())
        fields.append(read_all(drawn_run)["members"])
    np.testing.assert_array_equal(fields[0], fields[1])
    assert np.nanmax(np.abs(fields[0] - fields[2])) > 0.1


def test_more_members_begin_with_the_same_ones(drawn_run: SuperResolveRequest) -> None:
    super_resolve(drawn_run, Silent())
    six = read_all(drawn_run)["members"]
    super_resolve(replace(drawn_run, ensemble=replace(drawn_run.ensemble, members=8)), Silent())
    np.testing.assert_allclose(read_all(drawn_run)["members"][:6], six, rtol=1e-5, atol=1e-4)


def test_without_an_ensemble_the_output_is_the_estimate_without_noise(
    drawn_run: SuperResolveRequest,
) -> None:
    single = replace(drawn_run, ensemble=None)
    result = super_resolve(single, Silent())
    assert result.members == 0 and result.outputs == {} and folder(drawn_run) == ["mean.tif"]
    with rasterio.open(drawn_run.output) as file:
        one = file.read(1)
        assert "MSR_MEMBERS" not in file.tags() and "MSR_QUANTITY" not in file.tags()
    super_resolve(replace(single, seed=99), Silent())
    with rasterio.open(drawn_run.output) as file:
        np.testing.assert_array_equal(file.read(1), one)


def test_each_date_draws_its_own_members(drawn_run: SuperResolveRequest, write_raster) -> None:
    with rasterio.open(drawn_run.target.path) as file:
        rain = file.read(1, masked=True).filled(np.nan)
    months = ["2001-01", "2001-02"]
    dated = write_raster("dated.tif", np.stack([rain, rain]), 2.0, 11, 40, units="mm", dates=months)
    both = replace(drawn_run, target=RasterRef(dated), all_dates=True)
    super_resolve(both, Silent())
    with rasterio.open(both.ensemble.quantiles) as file:
        assert file.descriptions == tuple(f"{m} quantile {q}" for m in months for q in (0.2, 0.5, 0.8))
        assert file.tags(4) == {"DATE": "2001-02", "MSR_QUANTITY": "quantile 0.2", "MSR_QUANTILE": "0.2"}
    with rasterio.open(both.ensemble.spread) as file:
        assert file.descriptions == tuple(months)
    found = read_all(both)
    first, second = found["members"][:MEMBERS], found["members"][MEMBERS:]
    assert np.nanmax(np.abs(first - second)) > 0.1
    super_resolve(replace(both, all_dates=False, date="2001-02"), Silent())
    np.testing.assert_array_equal(read_all(both)["members"], second)


def test_the_tags_tell_what_each_file_holds(drawn_run: SuperResolveRequest) -> None:
    super_resolve(drawn_run, Silent())
    files = {"output": drawn_run.output, **drawn_run.ensemble.files}
    for key, path in files.items():
        with rasterio.open(path) as file:
            tags = file.tags()
            assert (tags["MSR_MEMBERS"], tags["MSR_SEED"]) == (str(MEMBERS), "7")
            assert float(tags["MSR_RESIDUAL"]) < 1e-3
            assert file.units[0] == ("1" if key == "support" else "mm")
            assert tags["MSR_QUANTITY"] and file.tags(1)["MSR_QUANTITY"]
            assert file.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
    with rasterio.open(files["members"]) as file:
        assert file.descriptions[2] == "member 3" and file.tags(3)["MSR_MEMBER"] == "3"


def test_sources_are_prepared_once_for_all_members(
    drawn_run: SuperResolveRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepared, prepare = [], Downscaler.prepare
    monkeypatch.setattr(Downscaler, "prepare", lambda self, patch: prepared.append(1) or prepare(self, patch))
    assert super_resolve(replace(drawn_run, tile=5), Silent()).tiles == len(prepared) == 6


def test_members_shrink_the_tiles(drawn_run: SuperResolveRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    from engine.pipeline import tile_loop

    monkeypatch.setattr(tile_loop, "free_memory", lambda device: 24_000_000)
    few = super_resolve(replace(drawn_run, ensemble=EnsembleRequest(2)), Silent())
    wanted = replace(drawn_run.ensemble, members=200, spread=None, support=None)
    monkeypatch.setattr(ModelMethod, "predict_members", lambda self, patch, seed, members: iter(()))
    monkeypatch.setattr(
        tile_loop.TileJob, "_compute", lambda self, _, date, __: self.totals.add(date, StepAccount())
    )
    many = super_resolve(replace(drawn_run, ensemble=wanted), Silent())
    assert many.tiles > few.tiles


class Stopping(Silent):
    """Stops a run when a phase has been heard of, after some more questions whether to stop."""

    def __init__(self, phase: str, after: int = 0) -> None:
        super().__init__()
        self.phase, self.after, self.heard = phase, after, False

    def progress(self, fraction: float, phase: str, *rest: object) -> None:
        self.heard = self.heard or phase.startswith(self.phase)

    def check_cancelled(self) -> None:
        self.after -= self.heard
        if self.after < 0:
            raise Cancelled("stopped")


@pytest.mark.parametrize(("phase", "after"), [("Super", 0), ("Super", 30), ("Writing", 1), ("Writing", 5)])
def test_a_cancel_leaves_none_of_the_files(drawn_run: SuperResolveRequest, phase: str, after: int) -> None:
    with pytest.raises(Cancelled):
        super_resolve(replace(drawn_run, tile=5), Stopping(phase, after))
    assert folder(drawn_run) == []


def test_a_cancelled_comparison_leaves_none_of_the_files(drawn_run: SuperResolveRequest) -> None:
    grid = GridRequest(crs="EPSG:3035", resolution=50_000, extent=(4.4e6, 0.9e6, 5.0e6, 1.3e6))
    with pytest.raises(Cancelled):
        super_resolve(replace(drawn_run, grid=grid), Stopping("Comparing"))
    assert folder(drawn_run) == []


def test_files_appear_together_or_not_at_all(
    drawn_run: SuperResolveRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    import os

    from engine.files import partial_files

    rename = os.replace

    def held_open(path: str, final: str) -> None:
        if Path(final).name == "quantiles.tif":
            raise PermissionError(13, "held open", str(path), None, str(final))
        rename(path, final)

    monkeypatch.setattr(partial_files.os, "replace", held_open)
    with pytest.raises(InputError, match=r"quantiles\.tif cannot be written: it is protected"):
        super_resolve(drawn_run, Silent())
    assert folder(drawn_run) == []


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"members": 1}, "needs 2 to 200 members, not 1"),
        ({"members": 500}, "needs 2 to 200 members"),
        ({"levels": ()}, "Give 1 to 99 quantiles"),
        ({"levels": (0.1, 1.0)}, "quantile 1 is not between 0 and 1"),
        ({"levels": (0.1, 0.1)}, "asked for twice"),
        ({"spread": "/nowhere/s.tif"}, "folder /nowhere does not exist"),
        ({"support": "support.png"}, "output of the support support.png must be a GeoTIFF"),
    ],
)
def test_wrong_ensembles_are_refused(
    drawn_run: SuperResolveRequest, change: dict[str, object], sentence: str
) -> None:
    with pytest.raises(InputError, match=sentence):
        super_resolve(replace(drawn_run, ensemble=replace(drawn_run.ensemble, **change)), Silent())
    assert folder(drawn_run) == []


def test_two_outputs_in_one_file_are_refused(drawn_run: SuperResolveRequest) -> None:
    same = replace(drawn_run.ensemble, spread=drawn_run.output)
    with pytest.raises(InputError, match=r"output of the spread .*mean\.tif is also that of the estimate"):
        super_resolve(replace(drawn_run, ensemble=same), Silent())
    Path(drawn_run.ensemble.support).write_text("here already")
    with pytest.raises(InputError, match=r"support\.tif exists already"):
        super_resolve(replace(drawn_run, overwrite=False), Silent())


@pytest.mark.parametrize("key", ["spread", "quantiles", "member_file", "support"])
def test_no_file_of_an_ensemble_replaces_an_input(drawn_run: SuperResolveRequest, key: str) -> None:
    before = Path(drawn_run.sources["elevation"].path).read_bytes()
    linked = Path(drawn_run.output).with_name("linked.tif")
    linked.hardlink_to(drawn_run.sources["elevation"].path)
    files = replace(drawn_run.ensemble, **{key: str(linked)})
    with pytest.raises(InputError, match=r"linked\.tif is also the input elevation"):
        super_resolve(replace(drawn_run, ensemble=files), Silent())
    assert linked.read_bytes() == before and folder(drawn_run) == ["linked.tif"]


def test_what_stood_there_stays_where_one_of_the_files_cannot_be_written(
    drawn_run: SuperResolveRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    import os

    from engine.files import partial_files

    rename = os.replace

    def held_open(path: str, final: str) -> None:
        if Path(final).name == "quantiles.tif":
            raise PermissionError(13, "held open", str(path), None, str(final))
        rename(path, final)

    before = {name: f"an older {name}" for name in ("mean.tif", "quantiles.tif", "spread.tif")}
    for name, text in before.items():
        Path(drawn_run.output).with_name(name).write_text(text)
    monkeypatch.setattr(partial_files.os, "replace", held_open)
    with pytest.raises(InputError, match=r"quantiles\.tif cannot be written"):
        super_resolve(drawn_run, Silent())
    assert {p.name: p.read_text() for p in Path(drawn_run.output).parent.iterdir()} == before


def test_a_failure_after_the_last_tile_leaves_what_stood_there(drawn_run: SuperResolveRequest) -> None:
    Path(drawn_run.output).write_text("an older mean")
    grid = GridRequest(crs="EPSG:3035", resolution=50_000, extent=(4.4e6, 0.9e6, 5.0e6, 1.3e6))
    with pytest.raises(Cancelled):
        super_resolve(replace(drawn_run, grid=grid), Stopping("Comparing"))
    assert Path(drawn_run.output).read_text() == "an older mean" and folder(drawn_run) == ["mean.tif"]


def test_what_has_no_members_says_so(drawn_run: SuperResolveRequest, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="simple method bicubic gives one estimate, no ensemble"):
        super_resolve(replace(drawn_run, model="bicubic", factor=4, sources={}), Silent())
    with pytest.raises(InputError, match=r"does not tell its supported share: .* Of its members, support"):
        super_resolve(replace(drawn_run, supported_share=str(tmp_path / "share.tif")), Silent())
    quiet = package(tmp_path, "quietrain", 0)
    with pytest.raises(InputError, match="model quietrain gives one estimate, no ensemble"):
        super_resolve(replace(drawn_run, model=str(quiet)), Silent())
