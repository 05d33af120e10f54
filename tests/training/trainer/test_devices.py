"""Training and evaluation on a device that is not the processor; which one it is; what is refused."""

from __future__ import annotations

import json

import pytest
import torch
import yaml

from engine.errors import InputError, OutOfMemoryError
from engine.package.folder import load_package
from tests.training.trainer.other_device import OTHER, Elsewhere, fetched, other_device
from training import ablate, cross_validate, evaluate
from training import train as train_command
from training.cascade.train import train
from training.data import placement
from training.data.placement import Carrier, training_device
from training.data.split import split_archive
from training.evaluation.compared.methods import package_cases
from training.evaluation.comparison import evaluate_all
from training.records.record import config_hash
from training.schema.config import parse_config
from training.trainer import distributed
from training.trainer import trainer as trainer_module
from training.trainer.trainer import Trainer

# torch says so of every tensor on `meta`; those here do hold what is copied.
pytestmark = pytest.mark.filterwarnings("ignore:for .*copying from a non-meta parameter")


@pytest.fixture
def quick(settings, small):
    settings.update(data={"name": "small"}, steps=6, checkpoint_every=3)
    settings["sampling"] = {"size": 4, "batch": 2}
    settings["validation"] = {"every": 3, "held_out": [5]}
    settings["losses"]["adversarial"]["start"] = 2
    return settings


def with_noise(settings):
    settings["network"]["noise"] = 2
    settings["ensemble"] = {"members": 2, "validated": 2, "scales": [1, 2]}


def here(settings, archive, folder) -> Trainer:
    config = parse_config(settings)
    return Trainer(config, archive, split_archive(config, archive), folder)


def elsewhere(settings, archive, folder, monkeypatch) -> Trainer:
    """Return a trainer on the second device."""
    with monkeypatch.context() as patched:
        patched.setattr(trainer_module, "training_device", lambda name: OTHER)
        made = here(settings, archive, folder)
    carry = made.carry

    def carried(held):
        with other_device():  # batches are made in a thread of their own
            return carry(held)

    made.carry = carried
    return made


def log_of(folder):
    return [json.loads(line) for line in (folder / "log.jsonl").read_text(encoding="utf-8").splitlines()]


def nearly(one, two) -> bool:
    """Return whether numbers are the same but for rounding: a device may add up in another order."""
    if isinstance(two, dict):
        return set(one) == set(two) and all(nearly(one[key], two[key]) for key in two)
    if isinstance(two, (list, tuple)):
        return len(one) == len(two) and all(nearly(a, b) for a, b in zip(one, two))
    return one == (pytest.approx(two, rel=1e-3, abs=1e-6) if isinstance(two, float) else two)


def test_tensors_of_two_devices_do_not_meet():
    with other_device() as device:
        there = torch.ones(2, 3, device=device)
        assert isinstance(there, Elsewhere) and (there * 2).sum().item() == 12
        with pytest.raises(RuntimeError, match="same device"):
            there + torch.ones(2, 3)
        assert not isinstance(there.to("cpu"), Elsewhere)


@pytest.mark.parametrize(("noisy", "layout"), [(False, "contiguous"), (True, "channels_last")])
def test_a_run_on_another_device_is_the_processors(quick, archive, tmp_path, monkeypatch, noisy, layout):
    quick["layout"] = layout
    if noisy:
        with_noise(quick)
    here(quick, archive, tmp_path / "here").run(lambda *_: None)
    with other_device():
        trainer = elsewhere(quick, archive, tmp_path / "there", monkeypatch)
        trainer.run(lambda *_: None)
    networks = [trainer.model, trainer.adversary.network]
    assert all(isinstance(p.data, Elsewhere) for n in networks for p in n.parameters())
    assert all(isinstance(w, Elsewhere) for w in trainer.average.weights.values())
    assert not any(isinstance(w, Elsewhere) for w in trainer.best_weights.values())  # for the package
    for there, plain in zip(log_of(tmp_path / "there"), log_of(tmp_path / "here"), strict=True):
        assert nearly(there, plain)


@pytest.mark.parametrize("noisy", [False, True])
def test_a_step_brings_no_field_back(quick, archive, tmp_path, monkeypatch, noisy):
    if noisy:
        with_noise(quick)
    with other_device():
        trainer = elsewhere(quick, archive, tmp_path, monkeypatch)
        with fetched() as brought:
            for _ in range(4):  # the last ones with the adversary
                trainer.step()
            assert all(len(shape) < 2 for shape in brought), brought  # the log's numbers
            trainer.save()
        assert any(len(shape) == 4 for shape in brought)  # the checkpoint's weights, so it is seen


def test_a_checkpoint_goes_on_on_another_device_and_back(quick, archive, tmp_path, monkeypatch):
    whole = here(quick, archive, tmp_path / "whole")
    whole.run(lambda *_: None)

    def stop_at(step):
        def stop(done, *_):
            if done == step:
                raise KeyboardInterrupt

        return stop

    quick.update(device="cpu")
    with other_device(), pytest.raises(KeyboardInterrupt):
        elsewhere(quick, archive, tmp_path / "moved", monkeypatch).run(stop_at(3))
    quick.update(device="auto")  # where it runs is no matter of the configuration
    second = here(quick, archive, tmp_path / "moved")
    second.restore()
    assert second.step_number == 3
    second.step()
    second.save()
    with other_device():
        third = elsewhere(quick, archive, tmp_path / "moved", monkeypatch)
        third.restore()
        states = [s for held in third.optimiser.state.values() for n, s in held.items() if n != "step"]
        assert states and all(isinstance(s, Elsewhere) for s in states)
        third.run(lambda *_: None)
    for name, weight in whole.average.weights.items():
        assert torch.equal(third.average.weights[name].to("cpu"), weight), name


def test_a_package_is_scored_on_another_device(quick, archive, tmp_path, monkeypatch):
    with_noise(quick)
    config = parse_config(quick)
    train(config, tmp_path, quiet=True)
    package = load_package(tmp_path / "tiny" / "package")
    split = split_archive(config, archive)
    known = {"trees": False, "further": False, "members": 2, "samples": 20}
    plain = evaluate_all(config, archive, split, package, **known)
    monkeypatch.setattr("training.evaluation.compared.methods.choose_device", lambda name: OTHER)
    with other_device():
        assert package_cases(package, split, OTHER)[0].predict.__self__.device == OTHER
        moved = evaluate_all(config, archive, split, package, **known)
    assert nearly(moved.to_json(), plain.to_json())


def flowing(settings, folder):
    """Make the settings those of members from a flow about a trained estimate."""
    settings["losses"] = {"adversarial": None}
    package = train(parse_config(settings), folder / "estimate", quiet=True, command="none")
    settings.update(start_from=str(package.folder), ensemble={"flow": {"steps": 2, "widths": [8, 8]}})
    settings["ensemble"].update(generator="flow", validated=2)


STAGES = {
    "a residual and a strength that are measured": lambda s, _: s.update(
        base="auto", losses={"adversarial": None}, target={**s["target"], "strength": "auto"}
    ),
    "a last training on all data": lambda s, _: s["validation"].update(refit=True),
    "members whose spread is measured": lambda s, _: with_noise(s),
    "members from a flow": flowing,
    "a perceptron": lambda s, _: s.update(network={"kind": "perceptron", "widths": [8, 8]}),
}


@pytest.mark.parametrize("stage", STAGES)
def test_every_stage_to_the_package_runs_on_another_device(stage, quick, small, tmp_path, monkeypatch):
    quick["sources"] = [{"name": "elevation", "derived": ["slope"]}, {"name": "climatology"}]
    STAGES[stage](quick, tmp_path)
    config = parse_config(quick)
    plain = train(config, tmp_path / "here", quiet=True, command="none")

    class ElsewhereCarrier(Carrier):
        def __call__(self, held):
            with other_device():  # batches are made in a thread of their own
                return super().__call__(held)

    monkeypatch.setattr(trainer_module, "training_device", lambda name: OTHER)
    monkeypatch.setattr(trainer_module, "Carrier", ElsewhereCarrier)
    with other_device():
        moved = train(config, tmp_path / "there", quiet=True, command="none")
    for name, weight in plain.weights().items():
        assert torch.allclose(moved.weights()[name], weight, rtol=1e-3, atol=1e-5), name
    for key in ("base", "target", "spread", "metrics"):
        assert nearly(moved.card.raw.get(key), plain.card.raw.get(key)), key


def test_where_a_model_was_trained_is_no_matter_of_the_model(quick, tmp_path):
    plain = parse_config(quick)
    named = plain.on("cpu")
    assert (plain.device, named.device, plain.on(None).device) == ("auto", "cpu", "auto")
    assert config_hash(named) == config_hash(plain)
    train(named, tmp_path, quiet=True)
    card = json.loads((tmp_path / "tiny" / "package" / "card.json").read_text(encoding="utf-8"))
    assert "device" not in card["training"]["configuration"]


def test_an_unknown_device_in_a_configuration_is_named(quick):
    quick["device"] = "gpu"
    with pytest.raises(InputError, match=r"device: must be auto, cpu, cuda, cuda:N or mps \(it is 'gpu'\)"):
        parse_config(quick)


@pytest.mark.parametrize("command", [train_command, cross_validate, evaluate, ablate])
def test_a_device_that_is_not_here_is_refused_before_data_are_read(command, quick, tmp_path, monkeypatch):
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump(json.loads(json.dumps(quick))), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    for name in ("load_archive", "train"):
        if hasattr(command, name):
            monkeypatch.setattr(command, name, lambda *_, **__: pytest.fail("data were read"))
    with pytest.raises(InputError, match=r"There is no device cuda:77 here; this machine has: .*cpu\."):
        command.run([str(path), "--device", "cuda:77"])


def test_each_process_gets_a_gpu_of_its_own(monkeypatch):
    monkeypatch.setattr(placement, "choose_device", lambda name: torch.device("cuda:0"))
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert training_device("auto") == torch.device("cuda:0")
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "2")
    monkeypatch.setenv("LOCAL_RANK", "1")
    assert training_device("auto") == training_device("cuda") == torch.device("cuda:1")
    with pytest.raises(InputError, match=r"device: cuda:0 is one GPU for 2 processes: write cuda"):
        training_device("cuda:0")
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "3")
    with pytest.raises(InputError, match=r"3 processes want a GPU each and there are 2: start as many"):
        training_device("cuda")
    monkeypatch.setattr(placement, "choose_device", lambda name: torch.device("mps"))
    with pytest.raises(InputError, match=r"3 processes cannot share mps: start one, or say --device cpu"):
        training_device("auto")
    monkeypatch.setattr(placement, "choose_device", lambda name: torch.device("cpu"))
    assert training_device("auto") == torch.device("cpu")


@pytest.mark.parametrize(("device", "backend"), [("cuda:1", "nccl"), ("cpu", "gloo")])
def test_processes_talk_as_their_device_can(device, backend, monkeypatch):
    told = []
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setattr(torch.cuda, "set_device", lambda which: told.append(str(which)))
    joins = distributed.distributed
    monkeypatch.setattr(joins, "init_process_group", lambda name, **_: told.append(name))
    monkeypatch.setattr(joins, "destroy_process_group", lambda: told.append("left"))
    with distributed.joined(torch.device(device)):
        pass
    assert told == [*([device] if backend == "nccl" else []), backend, "left"]


def test_memory_that_runs_out_says_what_to_make_smaller(quick, archive, tmp_path, monkeypatch):
    trainer = here(quick, archive, tmp_path)

    def full(*_):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")

    generate, trainer.generate = trainer.generate, full
    words = r"ran out in a step of 2 windows of 4 × 4 coarse cells: lower sampling\.batch or sampling\.size"
    for what in (trainer.step, trainer.measure_plan):
        monkeypatch.setattr(trainer_module, "choose", lambda trial, *_: trial(trainer.plan))
        with pytest.raises(OutOfMemoryError, match=rf"{words}\.$"):
            what()
    trainer.generate = generate
    trainer.step()
    trainer.save()
    kept = (tmp_path / "checkpoint.safetensors").read_bytes()
    trainer.generate = full
    with pytest.raises(
        OutOfMemoryError, match=rf"{words}, or free memory and go on from step 1 with --resume"
    ):
        trainer.run(lambda *_: None)
    assert (tmp_path / "checkpoint.safetensors").read_bytes() == kept

    def faulty(*_):
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")

    trainer.generate = faulty
    with pytest.raises(RuntimeError, match="mat1"):  # another fault keeps its own words
        trainer.step()


def test_on_the_processor_a_batch_is_not_copied(quick, archive, tmp_path):
    batch = here(quick, archive, tmp_path).batch(0)
    assert Carrier(torch.device("cpu"))(batch) is batch
