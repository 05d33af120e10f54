"""Monthly rain, 2° to 0.25°: in months never seen, in a region never seen, and as an ensemble."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from engine.errors import InputError
from training.evaluation.bootstrap import Interval
from training.evaluation.comparison import Evaluation
from training.evaluation.scores import Score
from training.evaluation.tables import ensemble_table, further_table, table
from training.results.claims.claim import Bar, Claim, ResultsSection, claimed
from training.results.claims.context import ResultsContext
from training.results.claims.learned import deterministic_networks

IN_TIME, IN_SPACE = "rain_itur.yaml", "rain_itur_spatial.yaml"
# The strongest baselines when the bars were set; simple methods that came later are compared with too.
KNOWN_IN_TIME, KNOWN_IN_SPACE = "climatologyratio-conservative", "bicubic-conservative"
TIME, SPACE = Bar(high=0.88), Bar(high=0.96)
CRPS_SIMPLE, CRPS_NETWORK = Bar(high=0.7), Bar(high=0.8)
CALIBRATED = Bar(0.9, 1.1)


def rain_in_time(context: ResultsContext) -> ResultsSection:
    """Months 10 to 12 of the ITU-R maps: every method, and the model against the strongest."""
    return _accuracy(context, "Rain, in time", IN_TIME, KNOWN_IN_TIME, TIME)


def rain_in_space(context: ResultsContext) -> ResultsSection:
    """90°E–180°E, months 10 to 12, with no climatology for any method."""
    return _accuracy(context, "Rain, in space", IN_SPACE, KNOWN_IN_SPACE, SPACE)


def _accuracy(context: ResultsContext, title: str, config: str, known: str, bar: Bar) -> ResultsSection:
    section = ResultsSection(title)
    found = context.evaluation(config, require=False)
    section.text = tables(found)
    section.figures += figures(found, title)
    if found.model is None:
        return section.lack(f"{title}: the model of {config} is not there.")
    model = found.model
    section.claims.append(
        claimed(
            f"{title}: RMSE of {model} against {_title(found, known)}",
            found.compare(model, known).ratio,
            bar,
        )
    )
    best = strongest(found, "rmse", lambda s: s.case.group != "model" and s.kind == "central")
    if best != known:
        section.claims.append(
            claimed(
                f"{title}: RMSE of {model} against the strongest of all other methods, {_title(found, best)}",
                found.compare(model, best).ratio,
                bar,
            )
        )
    for withheld in (n for n in names(found) if n.startswith(f"{model}-without")):
        if found.score(withheld).kind == "central":
            section.figures.append(
                claimed(
                    f"{title}: fall of the RMSE from {_title(found, withheld)} to all sources",
                    _negative(found, model, withheld),
                )
            )
    return section


def rain_ensemble(context: ResultsContext) -> ResultsSection:
    """The model's draws: fair CRPS against the errors of single fields, and calibration."""
    title = "Rain, ensemble"
    section = ResultsSection(title)
    found = context.evaluation(IN_TIME, require=False)
    model = found.model
    if model is None or not found.score(model).members:
        return section.lack(f"{title}: there is no model of {IN_TIME} that draws members.")
    section.text = ensemble_table(found.scores, found.archive.units)
    ensemble_claims(context, section, found, IN_TIME, KNOWN_IN_TIME)
    return section


def ensemble_claims(
    context: ResultsContext, section: ResultsSection, found: Evaluation, config: str, known: str | None = None
) -> None:
    """Add what is claimed of a model's draws: CRPS against the errors of single fields, and calibration.

    Args:
        context, section: records, and where the claims go.
        found: the evaluation of a model that draws members.
        config: file name of its configuration.
        known: a simple method to compare with beside the strongest one.
    """
    title, model = section.title, str(found.model)
    simple = strongest(found, "mae", lambda s: s.case.group == "simple")
    which = ({known: ""} if known else {}) | {simple: "the strongest simple method, "}
    for method, words in which.items():
        section.claims.append(
            claimed(
                f"{title}: fair CRPS of {model} against the MAE of {words}{_title(found, method)}",
                found.compare(model, method, "crps", "mae").ratio,
                CRPS_SIMPLE,
            )
        )
    section.claims.append(
        claimed(
            f"{title}: fair CRPS of {model} against the MAE of its own single field",
            found.compare(model, model, "crps", "mae").ratio,
            CRPS_NETWORK,
        )
    )
    crps = float(found.score(model).ensemble["crps"].compute())
    networks = deterministic_networks(context, config)
    if networks:
        name, mae = min(networks.items(), key=lambda item: item[1])
        section.claims.append(
            Claim(
                f"{title}: fair CRPS of {model} against the MAE of the best deterministic network, {name}",
                crps / mae,
                bar=CRPS_NETWORK,
            )
        )
    else:
        section.lack(f"{title}: no record of a deterministic network on {config}.")
    section.claims.append(
        claimed(
            f"{title}: spread over skill of {model}",
            found.compare(model, f"{model}-mean", "spread", "rmse").ratio,
            CALIBRATED,
        )
    )


def tables(found: Evaluation) -> str:
    """Return an evaluation's tables as text."""
    text = table(found.scores, found.archive.units)
    if all("ralsd" in s.values for s in found.scores):
        text += "\n" + further_table(found.scores, found.archive.units)
    return text


def figures(found: Evaluation, title: str) -> Iterator[Claim]:
    """Yield every number of an evaluation's table as a figure."""
    for score in found.scores:
        for name, value in score.values.items():
            yield Claim(f"{title}: {name} of {score.case.title}", float(value))


def names(found: Evaluation) -> list[str]:
    """Return the names of an evaluation's methods."""
    return [s.case.name for s in found.scores]


def strongest(found: Evaluation, metric: str, wanted: Callable[[Score], bool]) -> str:
    """Return the method with the lowest value of a metric among those wanted.

    Raises:
        InputError: none is.
    """
    chosen = [s for s in found.scores if wanted(s)]
    if not chosen:
        raise InputError("There is no method to compare with.")
    return min(chosen, key=lambda s: s.values[metric]).case.name


def _title(found: Evaluation, name: str) -> str:
    return found.score(name).case.title


def _negative(found: Evaluation, method: str, reference: str) -> Interval:
    """Return how far the RMSE falls from the reference to the method."""
    value, low, high = found.compare(method, reference).difference
    return Interval(-value, -high, -low)
