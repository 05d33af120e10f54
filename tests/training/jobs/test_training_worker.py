"""Training's worker as its parent sees it: jobs, progress, cancel and resume, errors, a kill."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest
import yaml

from engine.package.folder import load_package

QUICK = str(Path(__file__).with_name("quick_worker.py"))


@pytest.fixture
def prepared(start, dataset, tmp_path):
    """A worker, and the valley's store in the folder."""
    peer = start()
    done = peer.job("prepare", folder=str(tmp_path), dataset=dataset, yaml=str(tmp_path / "valley.yaml"))
    assert done["type"] == "result", done
    return peer


def test_it_serves_the_engines_jobs_too(start):
    peer = start()
    assert peer.job("models")["result"]["baselines"]
    assert "there are: super_resolve" in peer.job("dance")["message"]
    assert peer.job("doctor")["type"] == "result"


def test_a_store_is_prepared_and_its_description_kept(prepared, dataset, tmp_path):
    result = prepared.heard[-1]["result"]
    assert (tmp_path / "stores/valley.zarr").is_dir() and result["store"] == str(
        tmp_path / "stores/valley.zarr"
    )
    assert "Rain of a valley" in Path(result["summary"]).read_text()
    text = (tmp_path / "valley.yaml").read_text()
    assert yaml.safe_load(text) == dataset and text.startswith("#")
    assert "24 dates" in prepared.log()
    assert [m["phase"] for m in prepared.heard if m["type"] == "progress"][-1] == "Aligning the rasters"
    asked = {"folder": str(tmp_path), "yaml": str(tmp_path / "valley.yaml")}
    again = prepared.job("prepare", **asked, dataset=dataset)
    assert again["kind"] == "input" and "there already" in again["message"]
    other = prepared.job("prepare", **asked, dataset={**dataset, "title": "Another"})
    assert "valley.yaml is there already and says something else" in other["message"]
    assert (
        prepared.job("prepare", **asked, dataset={**dataset, "title": "Another"}, overwrite=True)["type"]
        == "result"
    )


def test_a_configuration_trains_with_losses_told(prepared, write_config, tmp_path):
    page = tmp_path / "losses.html"
    done = prepared.job("train", folder=str(tmp_path), input=str(write_config()), page=str(page))
    result = done["result"]
    assert (result["model"], result["resumed"]) == ("valley4", False)
    assert load_package(result["package"]).card.raw["training"]["command"].endswith("train valley4.yaml")
    told = [m for m in prepared.heard if m["type"] == "progress" and "training" in m]
    assert told[-1]["training"]["step"] == 40 and told[-1]["training"]["steps"] == 40
    assert told[-1]["training"]["losses"]["total"] > 0 and "rmse" in told[-1]["training"]["validation"]
    assert (told[-1]["tiles_done"], told[-1]["phase"]) == (40, "Training")
    fractions = [m["fraction"] for m in prepared.heard if m["type"] == "progress"]
    assert fractions == sorted(fractions)
    assert "Weights of step" in prepared.log()
    text = page.read_text()
    assert "Training" in text and "valley4" in text and "bilinear" in text and "<img" in text
    assert not list((tmp_path / "runs").glob(".*.unfinished"))


def test_a_description_or_a_store_trains_with_all_else_chosen(start, prepared, dataset, tmp_path):
    peer = start(QUICK)
    done = peer.job("train", folder=str(tmp_path), input=str(tmp_path / "stores/valley.zarr"))
    assert done["type"] == "result", done
    assert done["result"]["ensemble"] and "Chosen" in peer.log()
    phases = dict.fromkeys(m["phase"] for m in peer.heard if m["type"] == "progress")
    assert list(phases)[1:] == [
        *("Training", "Measuring the residual", "Judging its share"),
        *("Training once more, on all data", "Training what draws members"),
    ]
    card = json.loads((tmp_path / "runs/valley4/package/card.json").read_text())
    assert str(tmp_path) not in json.dumps(card["training"]["configuration"]["data"])
    again = peer.job("train", folder=str(tmp_path), input=str(tmp_path / "valley.yaml"))
    assert again["type"] == "result" and not again["result"]["resumed"]
    assert (tmp_path / "runs/valley4.1").is_dir()


def test_without_fine_truth_a_cascade_is_learned(start, valley, dataset, tmp_path):
    peer = start(QUICK)
    coarse = {"files": f"{valley}/coarse/*.tif", "file_units": "mm"}
    told = {**dataset, "target": {"name": "rain", "units": "mm", "coarse": coarse}}
    asked = {"folder": str(tmp_path), "yaml": str(tmp_path / "valley.yaml")}
    assert peer.job("prepare", **asked, dataset=told)["type"] == "result"
    done = peer.job("train", folder=str(tmp_path), input=str(tmp_path / "valley.yaml"))
    assert done["type"] == "result", done
    assert load_package(done["result"]["package"]).card.cascade == (2, 2)
    assert "no fine truth" in peer.log()


def at_step(number):
    return lambda m: m["type"] == "progress" and m.get("training", {}).get("step", 0) >= number


def test_cancel_keeps_a_checkpoint_and_the_next_run_goes_on(prepared, write_config, tmp_path):
    asked = {"folder": str(tmp_path), "input": str(write_config(steps=4000, validation={"every": 2000}))}
    prepared.send(type="run", id="a", job="train", request=asked)
    reached = prepared.until(at_step(20))["training"]["step"]
    prepared.send(type="cancel", id="a")
    ended = prepared.until(lambda m: m["type"] in ("result", "error"))
    assert ended["kind"] == "cancelled" and prepared.process.poll() is None
    assert (tmp_path / "runs/valley4/checkpoint.safetensors").is_file()
    prepared.heard.clear()
    prepared.send(type="run", id="b", job="train", request=asked)
    assert prepared.until(at_step(1))["training"]["step"] >= reached
    assert "goes on from its checkpoint" in prepared.log()
    prepared.send(type="cancel", id="b")
    assert prepared.until(lambda m: m["type"] == "error")["kind"] == "cancelled"
    prepared.heard.clear()
    prepared.send(type="run", id="c", job="train", request={**asked, "fresh": True})
    prepared.until(at_step(1))
    assert "goes on" not in prepared.log()
    assert (tmp_path / "runs/valley4.1").is_dir()


def test_a_killed_run_goes_on_and_holds_no_lock(start, prepared, write_config, tmp_path):
    config = write_config(steps=60, validation={"every": 60}, checkpoint_every=5)
    asked = {"folder": str(tmp_path), "input": str(config)}
    prepared.send(type="run", id="a", job="train", request=asked)
    prepared.until(at_step(12))
    prepared.process.send_signal(signal.SIGKILL)
    prepared.process.wait()
    done = start().job("train", **asked)
    assert done["type"] == "result" and done["result"]["resumed"]


def test_another_configuration_does_not_go_on(prepared, write_config, tmp_path):
    asked = {"folder": str(tmp_path)}
    config = write_config(steps=4000, validation={"every": 2000})
    prepared.send(type="run", id="a", job="train", request={**asked, "input": str(config)})
    prepared.until(at_step(3))
    prepared.send(type="cancel", id="a")
    prepared.until(lambda m: m["type"] == "error")
    done = prepared.job("train", **asked, input=str(write_config(steps=20)))
    assert done["type"] == "result" and not done["result"]["resumed"]


@pytest.mark.parametrize(
    ("job", "request_", "words"),
    [
        ("train", {}, "folder is missing"),
        ("train", {"folder": "here", "input": "x"}, "absolute"),
        ("train", {"input": "absent.yaml"}, "absent.yaml"),
        ("train", {"input": "x", "speed": 3}, "no key speed"),
        ("train", {"input": "valley4.yaml", "device": "cuda:9"}, "cuda:9"),
        ("prepare", {}, "one of description and dataset"),
        ("prepare", {"dataset": {"name": "x"}, "yaml": "x.yaml"}, "title is missing"),
        ("prepare", {"description": "absent.yaml"}, "absent.yaml"),
        ("evaluate", {"report": "r.html"}, "Give a configuration"),
        ("ablate", {"config": "absent.yaml"}, "absent.yaml"),
    ],
)
def test_what_is_wrong_is_one_sentence(warm, write_config, tmp_path, job, request_, words):
    write_config()
    if request_ != {} or job != "train":
        request_ = {"folder": str(tmp_path), **request_}
    error = warm.job(job, **request_)
    assert (error["type"], error["kind"]) == ("error", "input"), error
    assert words in error["message"] and error["message"].endswith(".")
    assert not (tmp_path / "runs").exists()


@pytest.fixture(scope="module")
def warm():
    """One worker for requests that are refused."""
    from tests.training.jobs.conftest import TrainingPeer

    peer = TrainingPeer()
    peer.next()
    yield peer
    assert peer.process.poll() is None
    peer.close()


def test_a_model_is_evaluated_and_ablated_on_pages(prepared, write_config, tmp_path):
    config = write_config(steps=10, ablation={"steps": 4, "seeds": [0]})
    asked = {"folder": str(tmp_path), "config": str(config)}
    assert prepared.job("train", folder=str(tmp_path), input=str(config))["type"] == "result"
    done = prepared.job("evaluate", **asked, report=str(tmp_path / "report.html"), trees=False)
    assert "valley4" in Path(done["result"]["report"]).read_text()
    assert Path(done["result"]["csv"]).is_file() and Path(done["result"]["json"]).is_file()
    assert prepared.log()
    done = prepared.job("ablate", **asked)
    assert done["type"] == "result", done
    assert done["result"]["report"] == str(tmp_path / "runs/ablation/valley4/ablation.html")
    assert Path(done["result"]["report"]).is_file() and "RMSE" in prepared.log()


def test_the_lack_of_trainings_packages_is_one_sentence_with_the_remedy(start, tmp_path):
    block = tmp_path / "blocked"
    block.mkdir()
    (block / "sitecustomize.py").write_text(
        "import sys\n"
        "class Gone:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name in ('pydantic', 'tqdm'):\n"
        "            raise ModuleNotFoundError(name)\n"
        "sys.meta_path.insert(0, Gone())\n"
    )
    from engine.files.root import ROOT

    peer = start(PYTHONPATH=f"{block}:{ROOT}")
    assert peer.job("models")["type"] == "result"
    error = peer.job("train", folder=str(tmp_path), input="x.yaml")
    assert error["kind"] == "input" and "pydantic and 1 more" in error["message"]
    assert "-m pip install -r" in error["message"] and "requirements-training.txt" in error["message"]
