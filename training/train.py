"""`python -m training.train CONFIG.yaml`: train a model and write its package."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

import torch

from engine.commands.options import Parser, whole
from engine.errors import InputError
from training.bias.corrected import corrected_archive
from training.cascade.train import train
from training.console.command import main
from training.console.device import add_device
from training.console.needed import load
from training.data.placement import training_device
from training.data.readers import load_archive
from training.data.split import split_archive
from training.defaults.complete import complete
from training.defaults.dataset import describes_data, open_config
from training.records.record import append, record_of, run_id
from training.trainer import distributed
from training.trainer.refit.all_data import refits
from training.trainer.run import fit, refit


def run(arguments: Sequence[str] | None = None) -> int:
    """Run the command."""
    parser = Parser(
        prog="python -m training.train",
        description="Train a model as a YAML configuration says, or on the data set that a YAML file "
        "describes, with all else chosen and told; and write its package with test scores. "
        "A run that was stopped or killed goes on with --resume, as if it had never stopped. "
        "In N processes: torchrun --nproc-per-node N -m training.train CONFIG.",
    )
    parser.add_argument(
        "config",
        type=Path,
        help="training configuration (YAML), e.g. training/configs/rain_itur.yaml, or the description of a "
        "data set, as for training.prepare: it is then prepared, where stores/NAME.zarr is not there; or a "
        "store that is made",
    )
    parser.add_argument("--resume", action="store_true", help="go on from the run's last checkpoint")
    parser.add_argument("--output", type=Path, help="folder of the model package (default: RUNS/ID/package)")
    parser.add_argument("--runs", type=Path, default=Path("runs"), help="folder for runs (default: runs)")
    parser.add_argument("--threads", type=whole(1, 4096), help="processor threads (default: all cores)")
    add_device(parser)
    parser.add_argument("--record", type=Path, metavar="FILE", help="add the test scores to these records")
    parser.add_argument("--quiet", action="store_true", help="print nothing but the package's folder")
    options = parser.parse_args(arguments)
    load("jsonschema", "torch.utils.tensorboard")
    if options.record is not None and describes_data(options.config):
        raise InputError("--record: a record is of a configuration, and this file describes a data set.")
    config = open_config(options.config, Path("stores"), None if options.quiet else print).on(options.device)
    if options.threads is not None:
        torch.set_num_threads(options.threads)
    command = f"python -m training.train {Path(options.config).as_posix()}"
    with distributed.joined(training_device(config.device)) as group:
        if config.cascade is not None and group.count > 1:
            raise InputError("A cascade trains in one process: start it without torchrun.")
        if not group.first:
            given = load_archive(config)
            config = complete(config, given).config
            folder = options.runs / config.model.id
            split = split_archive(config, given)
            archive, _ = corrected_archive(config, given, split)
            trainer = fit(config, archive, split, folder, options.resume, quiet=True)
            if refits(config):
                refit(trainer, config, given, folder, options.resume, quiet=True)
        else:
            package = train(
                config,
                options.runs,
                options.output,
                options.resume,
                command,
                options.quiet,
                further=options.record is not None,
            )
    if not group.first:
        sys.stderr.flush()
        os._exit(0)  # libraries may abort at an interpreter's end, and torchrun would stop the first
    if options.record is not None:
        name, metrics = run_id(config.model.id, config), package.card.raw["metrics"]
        notes = {"sha256": package.sha256}
        append(
            options.record,
            record_of(name, "training", config, options.config, command, metrics, notes=notes),
        )
    print(package.folder)
    return 0


if __name__ == "__main__":
    main(run)
