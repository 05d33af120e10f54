"""What the page of the results says in words, part by part; numbers come from the results themselves."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from training.results.claims.hidden_truth import OTHERS
from training.results.measured_prose import measured_snow_prose
from training.results.told_defaults import defaults_in_words
from training.results.told_generators import generators_in_words
from training.results.told_numbers import ToldNumbers, format_number

INTRODUCTION = """\
# Results

What the shipped models do on data that they were not trained on, beside simple methods, boosted trees and
other networks; what sources and constraints are worth; and which claims hold. A claim that fails stands
here like one that holds. How each comparison is made, and what may not be read out of it, is told in [How
it is measured](methods.md).

`./dev results` prints the figures of this page, `./dev results --only PART` those of one part; the command
stands at the part's end. What needs no training is computed anew from the shipped models; what needs hours
of it is read from the committed records in `training/records/`, and `./dev results --rerun ID` repeats the
run of one. The same command writes this page (`--write docs/results.md`) and compares it with the results
(`--check docs/results.md`), so do not edit it by hand.

Intervals are 95 %, from a bootstrap over blocks of dates and places, with a fixed seed; those of means over
recorded seeds follow Student's t. Rain is that of the ITU-R digital maps, temperature that of a test basin
of the mesoscale Hydrologic Model. **Snow is simulated** (but what airborne lidar measured):
terrain, weather and snow come from seeds and published formulae. A claim holds where its whole interval
keeps the bar, or, without an interval, its value; where the value alone does, it holds *not surely*, which
does not count. What rests on fewer than eight dates or places says so.

In the tables lower is better for RMSE, MAE, JS (the Jensen–Shannon distance of the distributions, base 2)
and RALSD (the radially averaged log spectral distance); `*` marks the best. Words are explained in the
[glossary](glossary.md).
"""


@dataclass(frozen=True)
class PartProse:
    """A part of the page: its heading, what it says, and what it rests on.

    Args:
        heading: of the part.
        paragraphs: makes the text from the part's numbers.
        models: ids of the shipped models whose numbers it tells.
        records: names of the files of committed records.
    """

    heading: str
    paragraphs: Callable[[ToldNumbers], list[str]]
    models: tuple[str, ...] = ()
    records: tuple[str, ...] = ()


def _rain_in_time(n: ToldNumbers) -> list[str]:
    against, best = (
        "RMSE of rainitur8 against Climatology",
        "RMSE of rainitur8 against the strongest of all other ",
    )
    worth = "fall of the RMSE from rainitur8, without "
    smooth, without = "rmse of Bicubic, smoothly conserved", "rmse of rainitur8, without climatology"
    gain = 1 - n.claim(without).value / n.claim(smooth).value
    generator, unet, gan = "rain_generator_only", "rain_unet_l1", "rain_unconstrained_gan"
    return [
        "Monthly rain in months that training never saw, at places that it did; every method on the same "
        "months. The networks that are not shipped stand under [Recorded "
        "trainings](#recorded-trainings), one seed each.",
        "*With* the climatology nearly all of the skill is that of constructed analogues, a local fit of the "
        "climatology's months without any learning (after Hidalgo et al. 2008 and Pierce et al. 2014), and "
        f"the network adds next to nothing: its RMSE is {n.interval(against, '.2f')} times that of "
        f"Climatology{n.rest(against)}, but {n.interval(best, '.4f')} times that of the strongest of all "
        f"other {n.rest(best)}.",
        f"*Without* a climatology, from temperature and elevation alone, the network takes {gain:.0%} off "
        f"the RMSE of its base ({n.number(smooth, '.3f')} to {n.number(without, '.3f')} mm/month); boosted "
        f"trees with the same covariates reach {n.number('rmse of Boosted trees', '.3f')}. "
        "The adversarial term moves no error, but the distribution: the same generator without it has an "
        f"RMSE of {n.recorded(generator, 'rmse', '.3f', 'climatology')} and a JS distance of "
        f"{n.recorded(generator, 'js_distance', '.4f', 'climatology')}, the model one of "
        f"{n.number('js_distance of rainitur8, without climatology', '.4f')}.",
        f"Other networks on the same months: a U-Net with an L1 loss alone ({n.steps(unet)} steps) reaches "
        f"{n.recorded(unet, 'rmse', '.3f')} with all sources and "
        f"{n.recorded(unet, 'rmse', '.3f', 'climatology')} without climatology; the generator without its "
        f"adversarial term {n.recorded(generator, 'rmse', '.3f')} with all; a GAN without sources and "
        f"without conservation ({n.steps(gan)} steps) {n.recorded(gan, 'rmse', '.3f')}.",
        f"The climatology is worth {n.interval(worth + 'climatology', '.2f')} mm/month to the model, all "
        f"sources together {n.interval(worth + 'any source', '.2f')}.",
    ]


def _rain_in_space(n: ToldNumbers) -> list[str]:
    against = "RMSE of rainitur8spatial against "
    known, best = f"{against}Bicubic", f"{against}the strongest of all other methods"
    gan, generator = "rain_spatial_unconstrained_gan", "rain_spatial_generator_only"
    return [
        "The harder test: a part of the world that training never saw, with the climatology withheld from "
        "every method. The model is a second one, trained on the rest of the world alone.",
        "What travels is how rain follows terrain, coast and temperature, and it is less than in months "
        f"never seen: the RMSE is {n.interval(known, '.2f')} times that of Bicubic{n.rest(known)} and "
        f"{n.interval(best, '.2f')} times that of the strongest of all other methods{n.rest(best)}. Boosted "
        f"trees with the same covariates reach {n.number('rmse of Boosted trees', '.3f')} "
        f"mm/month, smooth interpolation {n.number('rmse of Bicubic, smoothly conserved', '.3f')}.",
        "The constraints carry the model: the same network without sources and without conservation, trained "
        f"for {n.steps(gan)} steps as the generator alone was ({n.steps(generator)}), ends at "
        f"{n.recorded(gan, 'rmse', '.3f')}. The adversarial term itself gives little "
        f"({n.recorded(generator, 'rmse', '.3f')} without it). These two are recorded trainings of "
        "one seed each.",
    ]


def _rain_ensemble(n: ToldNumbers) -> list[str]:
    crps = "fair CRPS of rainitur8 against the MAE of "
    known = f"{crps}Climatology"
    return [
        "Members drawn by `rainitur8` in the months never seen. With all sources the spread over skill is "
        f"{n.interval('spread over skill of rainitur8', '.2f')}; the interval is wide, since the months are "
        "few. *Without the climatology the members differ too little*: do not read their spread as "
        "the error.",
        f"The fair CRPS is {n.interval(known, '.2f')} times the MAE of Climatology{n.rest(known)}, and "
        f"{n.interval(crps + 'its own single field', '.2f')} times that of the model's own single field; "
        f"calibrated Gaussian errors of known width would give {format_number(math.sqrt(0.5), '.2f')}. Only "
        "the noise's weights were trained for the ensemble, so the single estimate is what it was, and a "
        "better one than the members' mean.",
    ]


def _snow(n: ToldNumbers) -> list[str]:
    with_climatology = "RMSE of snow16km against the strongest baseline with climatology, "
    without = "RMSE of snow16km against the strongest baseline without climatology, "
    crps = "fair CRPS of snow16km against the MAE of "
    simple, own = f"{crps}the strongest simple method, ", f"{crps}its own single field"
    gan, plain = "snow_gan", "snow_l1"
    return [
        "A demonstration on simulated snow: `snow16km` learned from two simulated water years and is tested "
        "on the third, in metres. It shows the way; it is not for decisions about real snow.",
        f"Its RMSE is {n.interval(without, '.2f')} times that of {n.rest(without)}, and "
        f"{n.interval(with_climatology, '.2f')} times that of {n.rest(with_climatology)}, which know what "
        f"the model does not. The fair CRPS of its members is {n.interval(simple, '.2f')} times the MAE of "
        f"{n.rest(simple)} and {n.interval(own, '.2f')} times its own; spread over skill is "
        f"{n.interval('spread over skill of snow16km', '.2f')}. *Without any source* single members are "
        "worth little.",
        "Sources and conservation carry it, not the loss: the same network with an L1 loss alone has an RMSE "
        f"of {n.recorded(plain, 'rmse', '.3f')}, the model one of {n.recorded('snow16km', 'rmse', '.3f')}, a "
        f"GAN without sources and without conservation ({n.steps(gan)} steps) one of "
        f"{n.recorded(gan, 'rmse', '.3f')} (recorded, one seed each).",
        _snow_shapes(n),
    ]


def _snow_shapes(n: ToldNumbers) -> str:
    """Tell what came of distribution and spectrum, against the network with an L1 loss alone."""
    shapes = {
        "its JS distance": "Jensen–Shannon distance of ",
        "the spectral distance of its mean spectra": "spectral distance of the mean spectra of ",
        "its mean spectral distance field by field": "mean spectral distance of the fields of ",
    }
    ends = " against the L1-only network, snow_l1"
    told = []
    for words, begins in shapes.items():
        alike = [c for c in n.section.claims if f": {begins}" in c.claim and c.claim.endswith(ends)]
        told += [
            f"{format_number(c.value, '.2f')} of {words} ({c.claim.partition(begins)[2].removesuffix(ends)})"
            for c in alike
        ]
    return (
        "One aim was a distribution and a spectrum twice as near to the truth as those of the network with "
        f"an L1 loss alone. Of that network's distances the model keeps {', '.join(told)}. The sources fix "
        "this simulated truth so closely that L1 is sharp already. What remains seems to be the year: the "
        "texture that slides and drifts built up in two winters is not quite that of the third, and no "
        "source tells so. (Spectral distances in dB; field by field as Harris et al. 2022 take them.)"
    )


def _snow_elsewhere(where: str) -> Callable[[ToldNumbers], list[str]]:
    def paragraphs(n: ToldNumbers) -> list[str]:
        against = "RMSE of the model against the strongest baseline, "
        return [
            f"{where} The network has an RMSE of {n.number('rmse of the model', '.3f')} m and a JS distance "
            f"of {n.number('js_distance of the model', '.3f')}; its RMSE is {n.number(against, '.2f')} times "
            f"that of {n.rest(against)}. Its model is not shipped; its row is a recorded training."
        ]

    return paragraphs


def _source_gains(n: ToldNumbers) -> list[str]:
    told = []
    for id in ("rainitur8", "rainitur8spatial", "snow16km"):
        begins = f"Withheld from {id}: average gain of "
        gains = [c for c in n.section.figures if c.claim.startswith(begins)]
        gains.sort(key=lambda gain: -gain.value)
        form = ".3f" if id == "snow16km" else ".2f"
        words = [
            f"{c.claim.removeprefix(begins).partition(',')[0]} {n.interval(c.claim, form)}" for c in gains
        ]
        told.append(f"`{id}` {', '.join(words)}")
    return [
        "The shipped models learned to do without sources, so each can be withheld at the test. The average "
        "gain of a group of sources is taken over all orders (Shapley value), as the fall of the RMSE in the "
        f"target's units: {told[0]} mm/month; in the region never seen {told[1]} mm/month; {told[2]} m "
        "(simulated snow). The forcings of the simulated snow tell the model nothing that the "
        "coarse snow does not.",
    ]


def _ablations(n: ToldNumbers) -> list[str]:
    rain, snow = "Ablation of rain_itur.yaml: ", "Ablation of snow16km.yaml: "

    def gain(where: str, group: str, form: str) -> str:
        return n.interval(f"{where}average gain of {group}, fall of the RMSE", form)

    def rise(where: str, metric: str, constraint: str, form: str) -> str:
        return n.interval(f"{where}rise of the {metric} without {constraint}", form)

    return [
        "A small network trained anew, in short runs of a few hundred steps, without each source and without "
        "each constraint: `./dev ablate training/configs/rain_itur.yaml` and `./dev ablate "
        "training/configs/snow16km.yaml` (simulated snow).",
        f"Rain, average gains in mm/month: climatology {gain(rain, 'climatology', '.2f')}, elevation "
        f"{gain(rain, 'elevation', '.2f')}, temperature {gain(rain, 'temperature', '.2f')}. Retrained and "
        "withheld gains have a rank correlation of "
        f"{n.number(f'{rain}rank correlation of gains', '.2f')}. At this budget no constraint by itself "
        "makes a significant difference to the RMSE: without conservation it rises by "
        f"{rise(rain, 'RMSE', 'conservation', '.2f')}, without bounds by "
        f"{rise(rain, 'RMSE', 'bounds', '.2f')}, without attention by "
        f"{rise(rain, 'RMSE', 'attention', '.2f')}, without inception by "
        f"{rise(rain, 'RMSE', 'inception', '.2f')}; the adversarial term hardly acts in so few steps.",
        f"Simulated snow, average gains in m: terrain {gain(snow, 'terrain', '.3f')}, vegetation "
        f"{gain(snow, 'vegetation', '.3f')}, forcing {gain(snow, 'forcing', '.3f')}. Without conservation "
        f"the MAE rises by {rise(snow, 'MAE', 'conservation', '.3f')}, without bounds by "
        f"{rise(snow, 'MAE', 'bounds', '.3f')} and the JS distance by "
        f"{rise(snow, 'Jensen–Shannon distance', 'bounds', '.3f')}.",
    ]


def _main_claim(n: ToldNumbers) -> list[str]:
    return [
        "The main claim: constraints from several sources improve accuracy and spatial consistency over a "
        "GAN without sources and without constraints. It is put twice: in the ablation (short runs, several "
        "seeds; differences, which must be above zero) and in full trainings (ratios, which must be below "
        "one; a ratio without an interval is one seed against one). Snow is simulated.",
    ]


def _encoded_gan(n: ToldNumbers) -> list[str]:
    ours, published, repaired = "x4_ours", "x4_encodedgan_published", "x4_encodedgan_repaired"
    return [
        "The encoded conditional GAN of this line of work, rebuilt from its description and natively "
        "fourfold, on rain without climatology. As published (its adversary without gradient) it reaches an "
        f"RMSE of {n.recorded(published, 'rmse', '.2f')} mm/month after {n.steps(published)} steps, repaired "
        f"{n.recorded(repaired, 'rmse', '.2f')} after {n.steps(repaired)}; MSR's generator and adversary "
        f"{n.recorded(ours, 'rmse', '.3f')} after {n.steps(ours)}.",
        "This shows what some minutes on one processor buy, not the ceiling of the method: the encoded GANs "
        "took more computing time than ours, do not start from an interpolation, and are still far from any "
        "interpolation. Nor are the two rows a test of the repair alone: in the repaired one the adversarial "
        "term counts less and the discriminator is spectrally normalised, since it collapsed at the "
        "published weights. See [How it is measured](methods.md#the-published-encoded-conditional-gan).",
    ]


def _learned_baselines(n: ToldNumbers) -> list[str]:
    return [
        "Every training with a committed record, tested with all its sources. Rows can be compared where "
        "data and test are the same: those that begin with `x4` are the fourfold task, `rain_spatial` the "
        "region never seen, other `rain` the months never seen, and `snow` simulated snow.",
    ]


def _moselle(n: ToldNumbers) -> list[str]:
    ratio, cells = "RMSE of moselle48 over that of ", ", held-out block and year"
    told = [
        f"{n.interval(c.claim, '.2f')} times that of {c.claim.removeprefix(ratio).removesuffix(cells)}"
        for c in n.section.claims
        if c.claim.startswith(ratio)
    ]
    return [
        "Daily mean temperature of the Moselle basin, learned one level up (×2 and ×3) and taken down in "
        "steps. Errors are those on held-out blocks and years at the coarse scale, in °C; `covered` are the "
        "cells that have terrain (`python -m training.cascade training/configs/moselle_temperature.yaml`).",
        f"The cascade's RMSE is {'; '.join(told)}. Where an interval reaches beyond one, the lead "
        "lies within it.",
        "At the finest scale its detail changes with elevation by "
        f"{n.interval('change of moselle48', '.1f')} °C per km (`python -m training.lapse_rate` with the "
        "same configuration, which also draws a cold and a warm day as maps). A network with convolutions "
        "fitted the whereabouts of the few cells with terrain and did worse than a lapse rate. The data are "
        "not ours to ship, and a model of so few cells is of little use elsewhere, so it is no package here.",
    ]


def _hidden_truth(n: ToldNumbers) -> list[str]:
    mean = n.interval("mean ratio of sharpen", ".2f")
    snow = n.interval("sharpen as good as shown before (snow32)", ".2f")
    peers = ", ".join(f"`{id}`: {title}" for id, title in OTHERS.items())
    return [
        "Cases whose fine truth is withheld from every method, and used for the score alone: rain of the "
        "ITU-R maps, **simulated** snow and air temperature, measured snow water equivalent, RACMO over "
        "Iberia, and synthetic fields with a known relation (a lapse rate, a coast, none at all, one that "
        "reverses with scale, a non-linear one); and twelve other fields of the ITU-R maps (temperature, "
        "humidity, clouds, heavy rain), which came in when the method was done. All numbers are root mean "
        "square errors over that of smoothly conserved bicubic interpolation; *on the truth* is a linear "
        "regression fitted on the hidden truth itself, which relations of other shapes can beat. What users "
        f"would take otherwise ({peers}; the rest are MSR's simple methods) has the setting that is best one "
        "level up. A case's name ends in its factor, its place or its draw.",
        f"Over all kinds of cases `sharpen` has {mean} times the error of the interpolation, on simulated "
        f"snow ×32 {snow} times. Its priors were set while these scores were looked at, all but the twelve: "
        "see [How it is measured](methods.md). `cascade` is a network trained on the coarse field alone by a "
        "configuration that names data, factor, steps and sources, its detail multiplied by what it is worth "
        "from scale to scale.",
    ]


def _another_climate(n: ToldNumbers) -> list[str]:
    def of(model: str, words: str, form: str = ".3f") -> str:
        return n.number(words.format(model), form)

    tas, rain = "iberiatemperature", "iberiaprecipitation"
    warm, wet = "racmotemperature", "racmoprecipitation"
    given, corrected = "RMSE of the coarse product of {} as it", "RMSE of the coarse product of {}, corrected"
    over, strength = "RMSE of {} over that of", "conservation strength of {}"
    own, free, truth = "mean change of {}, ", "mean change of {} without", "mean change of the truth of {}"
    signal, kept = "RMSE of the mean change of {}, ", "share of the change that {} keeps"
    return [
        "A coarse product of another origin: days of Iberian winters, the NCEP reanalysis on 2° cells to "
        "E-OBS on 0.5°. Quantile mapping, fitted on the training winters, takes the product's RMSE to the "
        f"truth's means from {of(tas, given)} to {of(tas, corrected)} °C; that of rain goes from "
        f"{of(rain, given)} to {of(rain, corrected)} mm/day, since a mapping restores the variance and no "
        "single day. How far the corrected value should be conserved was measured on winters held out: "
        f"strengths {of(tas, strength, '.2g')} and {of(rain, strength, '.2g')}, as the cells around say more "
        f"than the cell's own value. The models have {of(tas, over, '.2f')} and {of(rain, over, '.2f')} "
        "times the RMSE of the best interpolation of the corrected product.",
        "Another climate: RACMO over the same winters, its means over 4 × 4 cells to itself, trained until "
        "1997 and tested in 2080 to 2100 under RCP8.5. The truth changes by "
        f"{of(warm, truth, '+.3f')} °C and {of(wet, truth, '+.3f')} mm/day from the last historical winters; "
        f"the models, which conserve, by {of(warm, own, '+.3f')} and {of(wet, own, '+.3f')}, without "
        f"conservation by {of(warm, free, '+.3f')} and {of(wet, free, '+.3f')}. Cell by cell the RMSE of the "
        f"mean change is {of(warm, signal)} °C and {of(wet, signal)} mm/day, and {of(warm, kept)} and "
        f"{of(wet, kept)} of it is kept (the slope of a line through zero).",
        "The data are not ours to ship; `training/datasets/` says which they are.",
    ]


_RAIN, _SPATIAL, _SNOW = "rainitur8", "rainitur8spatial", "snow16km"
_NETWORKS, _SNOW_RUNS = "baselines.jsonl", "snow.jsonl"
_ABLATIONS = ("ablation_rain.jsonl", "ablation_snow.jsonl")

PROSE = {
    "rain_in_time": PartProse("Rain, in months never seen", _rain_in_time, (_RAIN,), (_NETWORKS,)),
    "rain_in_space": PartProse("Rain, in a region never seen", _rain_in_space, (_SPATIAL,), (_NETWORKS,)),
    "rain_ensemble": PartProse("Rain, ensembles", _rain_ensemble, (_RAIN,), (_NETWORKS,)),
    "member_generators": PartProse("What members are drawn by", generators_in_words, (), ("members.jsonl",)),
    "snow": PartProse("Snow (simulated), 16 km to 500 m", _snow, (_SNOW,), (_SNOW_RUNS,)),
    "snow_calendar": PartProse(
        "Snow (simulated), one calendar year",
        _snow_elsewhere("One calendar year of simulated snow: its first months train, its last days test."),
        records=(_SNOW_RUNS,),
    ),
    "snow_in_space": PartProse(
        "Snow (simulated), in a region and a year never seen",
        _snow_elsewhere("Simulated snow of a region *and* a water year that training never saw."),
        records=(_SNOW_RUNS,),
    ),
    "source_gains": PartProse(
        "What each source is worth to the shipped models", _source_gains, (_RAIN, _SPATIAL, _SNOW)
    ),
    "ablations": PartProse(
        "What each source and constraint is worth, trained anew", _ablations, (), _ABLATIONS
    ),
    "main_claim": PartProse(
        "Constraints from several sources against an unconstrained GAN",
        _main_claim,
        (_RAIN, _SPATIAL, _SNOW),
        (*_ABLATIONS, _NETWORKS, _SNOW_RUNS),
    ),
    "encoded_gan": PartProse("The published encoded conditional GAN, ×4", _encoded_gan, (), (_NETWORKS,)),
    "learned_baselines": PartProse("Recorded trainings", _learned_baselines, (), (_NETWORKS, _SNOW_RUNS)),
    "moselle": PartProse("Moselle, 24 km to 500 m, without a fine truth", _moselle, (), ("moselle.jsonl",)),
    "hidden_truth": PartProse(
        "A raster of one's own, without a fine truth", _hidden_truth, (), ("hidden_truth.jsonl",)
    ),
    "another_climate": PartProse(
        "A coarse product of another origin, and another climate", _another_climate, (), ("iberia.jsonl",)
    ),
    "measured_snow": PartProse("Snow, measured", measured_snow_prose, (), ("swe.jsonl",)),
    "defaults": PartProse("The defaults", defaults_in_words, (), ("defaults.jsonl",)),
}
