"""What the page of the results says of models whose settings were chosen."""

from __future__ import annotations

from training.results.claims.defaults import SHARP
from training.results.told_numbers import ToldNumbers

SETS = {
    "rainspacedefault": "monthly rain of the ITU-R maps in a region never seen",
    "swedefault": "snow water equivalent that airborne lidar measured (not simulated), in a year never seen",
    "sweolympicsdefault": "the same in mountains never seen, the Olympics",
    "snowdefault": "**simulated** snow depth in a water year never seen",
    "racmotemperaturedefault": "daily temperature of RACMO, no source, in winters of another climate",
    "racmoprecipitationdefault": "daily precipitation of RACMO, no source, in winters of another climate",
}


def defaults_in_words(n: ToldNumbers) -> list[str]:
    """Return the paragraphs of the part, its numbers from the part's figures and claims."""
    known = [claim.claim.split()[2] for claim in n.section.claims if claim.claim.startswith("RMSE of ")]
    told = []
    for model in known:
        words = f"RMSE of {model} over that of the best other method, "
        ratio, other = n.interval(words, ".2f"), n.rest(words)
        sharp = n.interval(f"fair CRPS of {model} over the MAE of the best simple method, ", ".2f")
        share = n.number(f"fair CRPS of {model} over its own MAE", ".2f")
        asked = n.number(f"MAE of {model} over the best simple method's with which", ".2f")
        own = n.number(f"MAE of {model} over that of the best simple method", ".2f")
        told.append(
            f"- {SETS[model]}: {ratio} times the RMSE of the best other method, *{other}*; its members' "
            f"fair CRPS is {sharp} times the least MAE of a simple method, and {share} times the estimate's "
            f"own. With that share, {SHARP} asks for {asked} times the simple method's MAE; the estimate has "
            f"{own}."
        )
    return [
        "A configuration of data, factor, sources and, so that what is tested is comparable, the split "
        "(`training/configs/defaults/`). All else is chosen: first an estimate that is judged on what is "
        "held out, then the same once more on all training data, and a flow that draws members about it.",
        "\n".join(told),
        "Members that were as sure as their errors allow, and errors that were normal, would have a CRPS of "
        "0.71 times the MAE of their estimate (1/√2), whatever draws them. So the last two numbers say what "
        "is missing: where the estimate errs nearly as much as the best simple method, no generator comes "
        f"to {SHARP}, which is what the claims ask for.",
    ]
