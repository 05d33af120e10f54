"""Simulated snow depth, 16 km to 500 m: a water year never seen, and the last days of one year."""

from __future__ import annotations

from engine.errors import InputError
from engine.files.root import ROOT
from training.evaluation.comparison import Evaluation
from training.evaluation.scores import Score
from training.evaluation.tables import ensemble_table
from training.results.claims.claim import Bar, Claim, ResultsSection, claimed
from training.results.claims.context import ResultsContext
from training.results.claims.learned import over_seeds, recorded_figures, records_table, tested_alike, values
from training.results.claims.rain import ensemble_claims, figures, strongest, tables
from training.schema.config import Config

CONFIG = "snow16km.yaml"
COMPARED = "baselines/snow_climatology.yaml"  # the same, and the climatology for methods that know it
STORE = ROOT / "stores" / "snow16km.zarr"
COMMAND = ("training.simulate", "training/simulation/snow.yaml")
MEMBERS = 4  # at most: the fair CRPS and the spread do not depend on their number, the time does
SECONDS = 600.0  # that making the store may take
SHAPES = {
    "js_distance": "Jensen–Shannon distance",
    "ralsd": "spectral distance of the mean spectra",
    "ralsd_by_field": "mean spectral distance of the fields",
}
ACCURACY, BELOW, HALF = Bar(high=0.7), Bar(high=1.0, strict=True), Bar(high=0.5)


def snow(context: ResultsContext) -> ResultsSection:
    """Every method on the third water year, and the model against the strongest and the L1-only network."""
    title = "Snow (simulated)"
    section = ResultsSection(title)
    if not (context.configs / CONFIG).is_file():
        return section.lack(f"{title}: the configuration {CONFIG} is not there.")
    config = context.config(CONFIG)
    make_store(context, CONFIG)
    evaluation = context.evaluation(COMPARED, config.model.id, require=False, most=MEMBERS)
    section.text = tables(evaluation)
    section.figures += figures(evaluation, title)
    if evaluation.model is None:
        return section.lack(f"{title}: the model of {CONFIG} is not there.")
    _accuracy(section, title, evaluation)
    _against_l1(context, section, title, evaluation)
    if evaluation.score(evaluation.model).members:
        section.text += "\n" + ensemble_table(evaluation.scores, evaluation.archive.units)
        ensemble_claims(context, section, evaluation, CONFIG)
    return section


def make_store(context: ResultsContext, config: str = CONFIG) -> None:
    """Make the simulated store of a configuration, where it wants one and it is missing.

    Raises:
        InputError: it could not be made in time.
        EngineError: its making failed.
    """
    if (context.configs / config).is_file() and context.config(config).data.name == "store":
        context.store(STORE, COMMAND, SECONDS)


def snow_calendar(context: ResultsContext) -> ResultsSection:
    """One calendar year, its first 292 days for training, the rest for the test."""
    return table_of(context, "Snow (simulated), one calendar year", "snow16km_calendar.yaml")


def snow_in_space(context: ResultsContext) -> ResultsSection:
    """A region and a water year that training never saw."""
    return table_of(context, "Snow (simulated), in space", "snow16km_spatial.yaml")


def table_of(context: ResultsContext, title: str, config: str) -> ResultsSection:
    """Every method on a configuration's test, and its model, or the record of it where it is not shipped."""
    section = ResultsSection(title)
    if not (context.configs / config).is_file():
        return section.lack(f"{title}: the configuration {config} is not there.")
    make_store(context, config)
    evaluation = context.evaluation(config, require=False, most=MEMBERS)
    section.text = tables(evaluation)
    section.figures += figures(evaluation, title)
    if evaluation.model is None:
        _recorded(context, section, title, config, evaluation)
    return section


def _recorded(
    context: ResultsContext, section: ResultsSection, title: str, config: str, evaluation: Evaluation
) -> None:
    """Put the recorded training of a model that is not shipped beside the baselines."""
    held = context.records("training", config)
    errors = values(held, "rmse")
    if not errors:
        section.lack(f"{title}: neither the model of {config} nor a record of its training is there.")
        return
    section.text += f"\n\nIts model is not shipped; as recorded when it was trained:\n{records_table(held)}"
    section.figures += recorded_figures(title, held, "the model")
    best = evaluation.score(strongest(evaluation, "rmse", lambda score: score.kind == "central"))
    words = f"{title}: RMSE of the model against the strongest baseline, {best.case.title}"
    section.figures.append(Claim(words, over_seeds(errors).value / best.values["rmse"]))


def with_climatology(evaluation: Evaluation, score: Score) -> bool:
    """Return whether a method was given the climatology."""
    sources = evaluation.archive.sources
    return any(sources[name].traits.of_target for name in score.case.view.sources if name in sources)


def _accuracy(section: ResultsSection, title: str, evaluation: Evaluation) -> None:
    model = str(evaluation.model)

    def without(score: Score) -> bool:
        return (
            score.case.group != "model"
            and score.kind == "central"
            and not with_climatology(evaluation, score)
        )

    def given(score: Score) -> bool:
        return score.case.group != "model" and score.kind == "central" and with_climatology(evaluation, score)

    for wanted, words, bar in (
        (without, "the strongest baseline without climatology", ACCURACY),
        (given, "the strongest baseline with climatology", BELOW),
    ):
        try:
            name = strongest(evaluation, "rmse", wanted)
        except InputError:
            section.lack(f"{title}: there is no method to stand for {words}.")
            continue
        text = f"{title}: RMSE of {model} against {words}, {evaluation.score(name).case.title}"
        section.claims.append(claimed(text, evaluation.compare(model, name), bar))


def _against_l1(context: ResultsContext, section: ResultsSection, title: str, evaluation: Evaluation) -> None:
    """Compare distribution and spectrum with the network that was trained with an L1 loss alone."""
    model = str(evaluation.model)
    # Distribution and spectrum are those of a draw: a best estimate is smoother than what it estimates.
    drawn = next(
        (s.case.name for s in evaluation.scores if s.kind == "member" and s.case.group == "model"), model
    )
    networks = {stem: held for stem, (other, held) in tested_alike(context, CONFIG).items() if only_l1(other)}
    if not networks:
        section.lack(f"{title}: no record of a network trained with an L1 loss alone.")
        return
    for stem, held in networks.items():
        for metric, words in SHAPES.items():
            theirs = values(held, metric)
            for name in dict.fromkeys([drawn, model]):
                ours = evaluation.score(name).values.get(metric)
                if not theirs or ours is None:
                    section.lack(f"{title}: {stem} or {name} has no {metric}.")
                    continue
                named = evaluation.score(name).case.title
                text = f"{title}: {words} of {named} against the L1-only network, {stem}"
                section.claims.append(Claim(text, ours / (sum(theirs) / len(theirs)), bar=HALF))


def only_l1(config: Config) -> bool:
    """Return whether a configuration's network learns from an L1 loss (or its smooth form) alone."""
    point = [config.losses.reconstruction, *config.losses.physical]
    kinds = {section.kind for section in point if section.weight}
    return config.losses.adversarial is None and config.ensemble is None and kinds <= {"l1"}
