"""What a record keeps of an evaluation with members."""

from __future__ import annotations

import yaml

from training import evaluate
from training.cascade.train import train
from training.records.record import read
from training.schema.config import parse_config


def test_members_are_recorded_beside_the_best_simple_method(settings, small, tmp_path, capsys) -> None:
    settings |= {"data": {"name": "small"}, "sources": [{"name": "elevation"}], "steps": 1}
    settings |= {"losses": {"adversarial": None}, "ensemble": {"members": 2}, "validation": {"every": 1}}
    settings |= {"network": {"widths": [8, 8], "boxes": [0, 0], "noise": 1}, "sampling": {"size": 4}}
    runs, file, told = tmp_path / "runs", tmp_path / "tiny.yaml", tmp_path / "told.jsonl"
    package = train(parse_config(settings), runs, quiet=True, command="none")
    file.write_text(yaml.safe_dump(settings), encoding="utf-8")
    words = [str(file), "--model", str(package.folder), "--no-trees", "--members", "3", "--record", str(told)]
    assert evaluate.run(words) == 0
    (record,) = read(told)
    assert record.command.endswith("tiny.yaml --members 3") and "tiny-mean" in record.metrics
    held, best = record.notes["ensembles"]["tiny"], record.notes["least_mae"]
    assert held["members"] == 3 and held["few"]
    simple = [record.metrics[name]["mae"] for name in record.notes["simple"]]
    assert record.metrics[best]["mae"] == min(simple)
    assert abs(held["over_least_mae"][0] - held["crps"] / min(simple)) < 1e-3
