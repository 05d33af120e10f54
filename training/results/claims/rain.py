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
    evaluation = context.evaluation(config, require=False)
    section.text = tables(evaluation)
    section.figures += figures(evaluation, title)
    if evaluation.model is None:
        return section.lack(f"{title}: the model of {config} is not there.")
    model = evaluation.model
    section.claims.append(
        claimed(
            f"{title}: RMSE of {model} against {_title(evaluation, known)}",
            evaluation.compare(model, known),
            bar,
        )
    )
    best = strongest(evaluation, "rmse", lambda s: s.case.group != "model" and s.kind == "central")
    if best != known:
        section.claims.append(
            claimed(
                f"{title}: RMSE of {model} against the strongest of all other methods, "
                f"{_title(evaluation, best)}",
                evaluation.compare(model, best),
                bar,
            )
        )
    for withheld in (s.case for s in evaluation.scores if s.case.given != "all" and s.kind == "central"):
        section.figures.append(
            claimed(
                f"{title}: fall of the RMSE from {withheld.title} to all sources",
                _negative(evaluation, model, withheld.name),
            )
        )
    return section


def rain_ensemble(context: ResultsContext) -> ResultsSection:
    """The model's draws: fair CRPS against the errors of single fields, and calibration."""
    title = "Rain, ensemble"
    section = ResultsSection(title)
    evaluation = context.evaluation(IN_TIME, require=False)
    model = evaluation.model
    if model is None or not evaluation.score(model).members:
        return section.lack(f"{title}: there is no model of {IN_TIME} that draws members.")
    section.text = ensemble_table(evaluation.scores, evaluation.archive.units)
    ensemble_claims(context, section, evaluation, IN_TIME, KNOWN_IN_TIME)
    return section


def ensemble_claims(
    context: ResultsContext,
    section: ResultsSection,
    evaluation: Evaluation,
    config: str,
    known: str | None = None,
) -> None:
    """Add what is claimed of a model's draws: CRPS against the errors of single fields, and calibration.

    Args:
        context, section: records, and where the claims go.
        evaluation: the evaluation of a model that draws members.
        config: file name of its configuration.
        known: a simple method to compare with beside the strongest one.
    """
    title, model = section.title, str(evaluation.model)
    simple = strongest(evaluation, "mae", lambda s: s.case.group == "simple")
    which = ({known: ""} if known else {}) | {simple: "the strongest simple method, "}
    for method, words in which.items():
        section.claims.append(
            claimed(
                f"{title}: fair CRPS of {model} against the MAE of {words}{_title(evaluation, method)}",
                evaluation.compare(model, method, "crps", "mae"),
                CRPS_SIMPLE,
            )
        )
    section.claims.append(
        claimed(
            f"{title}: fair CRPS of {model} against the MAE of its own single field",
            evaluation.compare(model, model, "crps", "mae"),
            CRPS_NETWORK,
        )
    )
    crps = float(evaluation.score(model).ensemble["crps"].compute())
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
            evaluation.compare(model, f"{model}-mean", "spread", "rmse"),
            CALIBRATED,
        )
    )


def tables(evaluation: Evaluation) -> str:
    """Return an evaluation's tables as text."""
    text = table(evaluation.scores, evaluation.archive.units)
    if all("ralsd" in s.values for s in evaluation.scores):
        text += "\n" + further_table(evaluation.scores, evaluation.archive.units)
    return text


def figures(evaluation: Evaluation, title: str) -> Iterator[Claim]:
    """Yield every number of an evaluation's table as a figure."""
    for score in evaluation.scores:
        for name, value in score.values.items():
            yield Claim(f"{title}: {name} of {score.case.title}", float(value))


def strongest(evaluation: Evaluation, metric: str, wanted: Callable[[Score], bool]) -> str:
    """Return the method with the lowest value of a metric among those wanted.

    Raises:
        InputError: none is.
    """
    chosen = [s for s in evaluation.scores if wanted(s)]
    if not chosen:
        raise InputError("There is no method to compare with.")
    return min(chosen, key=lambda s: s.values[metric]).case.name


def _title(evaluation: Evaluation, name: str) -> str:
    return evaluation.score(name).case.title


def _negative(evaluation: Evaluation, method: str, reference: str) -> Interval:
    """Return how far the RMSE falls from the reference to the method."""
    value, low, high = evaluation.compare(method, reference).difference
    return Interval(-value, -high, -low)
