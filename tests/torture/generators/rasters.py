"""The same rasters written in other forms: the output must be the same."""

from __future__ import annotations

import numpy as np

from tests.torture.case import Case
from tests.torture.forms.form import Form
from tests.torture.forms.listing import FORMS
from tests.torture.generators.question import draw
from tests.torture.generators.shared import Shared
from tests.torture.running.surroundings import Folders
from tests.torture.world import World


def make(rng: np.random.Generator, folders: Folders, shared: Shared) -> Case:
    """Draw a question, write one of its rasters anew, and expect the same answer."""
    question = draw(rng, folders.inputs / "plain", shared)
    role = "target" if not question.sources or rng.random() < 0.6 else str(rng.choice([*question.sources]))
    world = question.world if role == "target" else question.sources[role]
    form = choose(rng, world)
    written = form.write(world, folders.inputs, rng)
    if form.name == "band order" and role == "target":  # by date: all of them come in the file's order
        question.choose_date(int(rng.integers(len(world.dates))))
    plain, output = folders.inputs / "plain.out.tif", folders.outputs / "fine.tif"
    request = question.asked(output)
    place = request["target"] if role == "target" else request["sources"][role]
    place.clear()
    place.update(written.ref())
    band = question.request["target"].get("band") if role == "target" else None
    if band is not None:
        place["band"] = band
    good, unasked = question.good(output, plain), question.asked(plain)
    unitless = written.unitless and role == "target"
    if unitless and "factor" in request:
        good.units = None
        for each in (request, unasked):
            each["quantity"] = "nonnegative" if world.nonnegative else "signed"
    if written.rough:
        good.tolerance = 1e-3
        if role == "target" and len(world.dates) == 1 and question.seasonal:
            good.plain = None  # a day where the plain form says a month: another season, a little
    if rng.random() < 0.3:
        request["tile"] = int(rng.integers(2, 9))
    return Case(
        kind="rasters",
        what=f"{question.model} ×{question.factor}, {role} {world.crs} as {written.what}",
        request=request,
        plain=unasked,
        # A lapse rate is for temperatures, and this form cannot say that it holds one.
        refusal="may" if written.may_refuse or (unitless and question.model == "lapserate") else "never",
        status=(2,),
        good=good,
        outputs=("fine.tif",),
        names=_names(place),
    )


def choose(rng: np.random.Generator, world: World, forms: tuple[Form, ...] = FORMS) -> Form:
    """Draw a form that can hold a field; NetCDF and Zarr more often than each of the others."""
    able = [form for form in forms if form.applies(world)]
    weights = np.array([form.weight for form in able])
    return able[int(rng.choice(len(able), p=weights / weights.sum()))]


def _names(place: dict[str, object]) -> tuple[str, ...]:
    return ("target", "elevation", "climatology", "temperature", str(place["path"])[-12:])
