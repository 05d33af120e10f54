"""The option that says on which device the networks of a command compute."""

from __future__ import annotations

import argparse


def add_device(parser: argparse.ArgumentParser) -> None:
    """Add `--device`; what it names goes before the configuration's key `device`."""
    parser.add_argument(
        "--device",
        metavar="NAME",
        help="where networks compute: auto, cpu, cuda, cuda:N or mps (default: as the configuration says)",
    )
