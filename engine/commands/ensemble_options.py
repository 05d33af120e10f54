"""The options that ask for an ensemble."""

from __future__ import annotations

import argparse
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from engine.commands.options import number, numbers, whole
from engine.contract import MOST_COHERENT_DAYS, MOST_MEMBERS
from engine.errors import InputError

if TYPE_CHECKING:
    from engine.pipeline.request import EnsembleRequest


def ensemble_options(command: Any) -> None:
    """Add them to a parser."""
    many = command.add_argument_group(
        "ensemble (models with a noise input; the output is then the members' mean)"
    )
    many.add_argument(
        "--members",
        type=whole(0, MOST_MEMBERS),
        metavar="M",
        help="draw so many members, each as likely as the next",
    )
    many.add_argument(
        "--seed",
        type=whole(0, 2**31 - 1),
        default=0,
        metavar="N",
        help="of the noise: the same seed, the same members (0)",
    )
    many.add_argument(
        "--coherence",
        type=number(0, MOST_COHERENT_DAYS),
        default=0.0,
        metavar="DAYS",
        help="let each member change little by little over so many days (0: each date by itself)",
    )
    many.add_argument("--spread", metavar="FILE.tif", help="write their standard deviation")
    many.add_argument("--quantiles-output", metavar="FILE.tif", help="write their quantiles, a band for each")
    many.add_argument("--quantiles", metavar="P,P", help="which ones, between 0 and 1 (0.1,0.5,0.9)")
    many.add_argument("--members-output", metavar="FILE.tif", help="write the members, a band for each")
    many.add_argument(
        "--support",
        metavar="FILE.tif",
        help="write the share of the fine detail that the members agree on: 1 supported, 0 invented",
    )


def ensemble_request(options: argparse.Namespace) -> EnsembleRequest | None:
    """Return what is asked of an ensemble, None without one."""
    from engine.pipeline.request import EnsembleRequest

    levels = numbers("--quantiles", options.quantiles, range(1, 1000))
    if levels is not None and not options.quantiles_output:
        raise InputError("--quantiles needs a file to write them to: give --quantiles-output.")
    files = {
        "spread": options.spread,
        "quantiles": options.quantiles_output,
        "member_file": options.members_output,
        "support": options.support,
    }
    if options.members is None or options.members == 0:
        first = next((name for name, file in files.items() if file), None)
        if first is not None:
            option = {"quantiles": "quantiles-output", "member_file": "members-output"}.get(first, first)
            told = f"--{option} needs an ensemble: give --members, such as --members 20."
            if first == "support":
                told += " What sharpen supports is --supported-share."
            raise InputError(told)
        return None
    asked = EnsembleRequest(options.members, **files, coherence=options.coherence)
    return replace(asked, levels=levels) if levels else asked
