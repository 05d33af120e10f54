"""What sources and constraints are worth: from the committed records of the ablations."""

from __future__ import annotations

from engine.errors import InputError
from training.ablation.gather import Gathered, gather
from training.ablation.importance import Results, agreement, alone, estimate, on_top, shapley
from training.ablation.plan import UNCONSTRAINED, groups_of, subset_name
from training.ablation.withheld import withheld_results
from training.data.readers import load_archive
from training.data.split import split_archive
from training.evaluation.bootstrap import Interval
from training.evaluation.compared.methods import package_cases
from training.records.record import Record
from training.results.claims.claim import Bar, Claim, ResultsSection, claimed, columns
from training.results.claims.context import ResultsContext
from training.results.claims.learned import is_unconstrained, ratio, tested_alike, values

ABLATIONS = {"rain_itur.yaml": "ablation_rain.jsonl", "snow16km.yaml": "ablation_snow.jsonl"}
SHIPPED = ("rain_itur.yaml", "rain_itur_spatial.yaml", "snow16km.yaml")
FALLS, BETTER = Bar(low=0.0, strict=True), Bar(high=1.0, strict=True)
# Accuracy; then what lies in space: consistency with the coarse field, variance by scale, structure.
LOWER = {
    "rmse": "RMSE",
    "mae": "MAE",
    "js_distance": "Jensen–Shannon distance",
    "ralsd": "spectral distance",
    "conservation_residual": "residual against the coarse field",
}


def ablations(context: ResultsContext) -> ResultsSection:
    """Gains of each source group, losses without each constraint, and how far the quick way agrees."""
    section = ResultsSection("Ablation")
    texts = []
    for config, file in ABLATIONS.items():
        if not (context.configs / config).is_file() or not (context.folder / file).is_file():
            section.lack(f"Ablation: no records for {config} (training/records/{file}).")
            continue
        gathered = gather(context.config(config), context.folder / file)
        texts.append(f"{config}: {_table(gathered)}")
        section.figures += _figures(config, gathered)
        if gathered.missing:
            section.lack(f"Ablation: {len(gathered.missing)} runs of {config} have no record yet.")
    section.text = "\n\n".join(texts)
    return section


def source_gains(context: ResultsContext) -> ResultsSection:
    """What each group of sources is worth to the shipped models, by withholding it at the test."""
    section = ResultsSection("Sources of the shipped models, withheld at the test")
    texts = []
    for config in SHIPPED:
        if not (context.configs / config).is_file():
            section.lack(f"{section.title}: the configuration {config} is not there.")
            continue
        described = context.config(config)
        package = context.shipped(described.model.id)
        if package is None:
            section.lack(f"{section.title}: the model of {config} is not there.")
            continue
        context.tell(f"Withholding the sources of {package.card.id}")
        try:
            archive = load_archive(described)
        except InputError as error:
            section.lack(f"{section.title}: {error}")
            continue
        split = split_archive(described, archive)
        results = withheld_results(
            described,
            package_cases(package, split)[0],
            {s.name for s in package.card.sources if s.optional},
            archive,
            split.test,
            package.card.target,
        )
        groups = tuple(groups_of(described))
        rows = [["given", "RMSE", "MAE"]]
        for name in results.metrics:
            rows.append([name, *(f"{results.mean(name, m):.4g}" for m in ("rmse", "mae"))])
        texts.append(f"{package.card.id}\n{columns(rows)}")
        section.figures += _gains(f"Withheld from {package.card.id}", results, groups)
    section.text = "\n\n".join(texts)
    return section


def _gains(where: str, results: Results, groups: tuple[str, ...]) -> list[Claim]:
    """Return the gains of each group whose subsets have all been scored."""
    figures = []
    for group, contrast in shapley(groups).items():
        for words, weights in (
            ("average gain", contrast),
            ("gain alone", alone(group)),
            ("gain on top of the others", on_top(group, groups)),
        ):
            if set(weights) <= set(results.metrics):
                both = estimate(results, weights).both
                figures.append(claimed(f"{where}: {words} of {group}, fall of the RMSE", both))
    return figures


def _table(gathered: Gathered) -> str:
    rows = [["given", *LOWER.values()]]
    for variant in gathered.variants:
        if variant.name in gathered.retrained.metrics:
            numbers = (gathered.retrained.mean(variant.name, m) for m in LOWER)
            rows.append([variant.name, *(f"{n:.4g}" for n in numbers)])
    count = len(gathered.retrained.seeds)
    told = "one seed" if count == 1 else f"means over {count} seeds"
    return f"{told}, {gathered.records[0].steps} steps\n" + columns(rows)


def _figures(config: str, gathered: Gathered) -> list[Claim]:
    results, groups, where = gathered.retrained, gathered.groups, f"Ablation of {config}"
    figures = _gains(where, results, groups)
    for variant in gathered.variants:
        if variant.constraint is None:
            continue
        for metric, words in LOWER.items():
            change = estimate(results, {variant.name: 1.0, gathered.reference: -1.0}, metric).both
            figures.append(claimed(f"{where}: rise of the {words} without {variant.constraint}", change))
    if gathered.withheld is not None:
        agreed = agreement(results, gathered.withheld, groups)
        figures.append(
            Claim(f"{where}: rank correlation of gains, retrained and withheld", agreed.rank_correlation)
        )
        figures.append(
            Claim(f"{where}: mean absolute difference of gains, retrained and withheld", agreed.difference)
        )
    return figures


def main_claim(context: ResultsContext) -> ResultsSection:
    """Constraints from several sources improve accuracy and spatial consistency over an unconstrained GAN.

    Twice: with equal small budgets and several seeds (ablation), and with full trainings (records).
    """
    title = "Constraints from several sources against an unconstrained GAN"
    section = ResultsSection(title)
    for config, file in ABLATIONS.items():
        if not (context.configs / config).is_file() or not (context.folder / file).is_file():
            section.lack(f"{title}: no records for {config} (training/records/{file}).")
            continue
        gathered = gather(context.config(config), context.folder / file)
        if UNCONSTRAINED not in gathered.retrained.metrics:
            section.lack(f"{title}: the ablation of {config} has no unconstrained runs.")
            continue
        full = subset_name(gathered.groups, gathered.groups)
        for given in dict.fromkeys([full, gathered.reference]):
            section.claims += _against_unconstrained(config, gathered.retrained, given)
    for config in SHIPPED:
        if (context.configs / config).is_file():
            _recorded(context, config, section, title)
    return section


def _against_unconstrained(config: str, results: Results, given: str) -> list[Claim]:
    claims = []
    for metric, words in LOWER.items():
        fall = estimate(results, {UNCONSTRAINED: 1.0, given: -1.0}, metric).both
        text = f"Ablation of {config}: the {words} is lower with {given} and all constraints than without any"
        claims.append(claimed(text, fall, FALLS))
    rise = estimate(results, {given: 1.0, UNCONSTRAINED: -1.0}, "ssim").both
    text = f"Ablation of {config}: SSIM is higher with {given} and all constraints than without any"
    return [*claims, claimed(text, rise, FALLS)]


def _recorded(context: ResultsContext, config: str, section: ResultsSection, title: str) -> None:
    """Compare recorded full trainings of a configuration with those of an unconstrained GAN."""
    alike = tested_alike(context, config)
    free = {stem: held for stem, (other, held) in alike.items() if is_unconstrained(other)}
    ours = alike.get(config.removesuffix(".yaml"), (None, []))[1]
    if not free:
        section.lack(f"{title}: no record of an unconstrained GAN trained on the data of {config}.")
        return
    for stem, held in free.items():
        for metric, words in LOWER.items():
            quotient = ratio(ours, held, metric) if ours else _shipped(context, config, held, metric)
            if quotient is not None:
                text = f"Full trainings: {words} of {config} against {stem}, the unconstrained GAN"
                section.claims.append(claimed(text, quotient, BETTER))


def _shipped(context: ResultsContext, config: str, held: list[Record], metric: str) -> Interval | None:
    """Return the shipped model's own score over the recorded ones, where its training has no record."""
    evaluation = context.evaluation(config, require=False)
    theirs = values(held, metric)
    if evaluation.model is None or not theirs or metric not in evaluation.score(evaluation.model).values:
        return None
    quotients = [evaluation.score(evaluation.model).values[metric] / value for value in theirs]
    mean = sum(quotients) / len(quotients)
    return (
        Interval(mean, min(quotients), max(quotients))
        if len(quotients) > 1
        else Interval(mean, float("nan"), float("nan"))
    )
