"""All methods of an evaluation: what is fitted for it, and what any process can make by itself."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch

from engine.compute.devices import choose_device
from engine.errors import InputError
from engine.models.loading import load_model
from engine.models.model import ModelMethod
from engine.package.folder import Package
from engine.specs import TargetSpec
from training.data.archive import Archive
from training.data.split import Split
from training.evaluation.cases import base_case, baseline_cases, model_cases
from training.evaluation.neighbourhood import neighbourhood_cases
from training.evaluation.predict import Case
from training.schema.config import Config

Methods = list[tuple[Case, TargetSpec]]


@dataclass(frozen=True)
class FittedCases:
    """What was fitted on the training data, and is handed on to whoever scores.

    Attributes:
        simple: the regression on the coarse cells around, where it is one of the methods.
        learned: boosted trees.
    """

    simple: tuple[Case, ...]
    learned: tuple[Case, ...]


def fitted_cases(
    config: Config,
    archive: Archive,
    split: Split,
    target: TargetSpec,
    trees: bool,
    tell: Callable[[str], None] | None = None,
) -> FittedCases:
    """Fit what an evaluation compares.

    Args:
        config, archive, split: on what.
        target: what is downscaled.
        trees: whether to fit boosted trees (a minute or so).
        tell: is told of them.
    """
    simple = neighbourhood_cases(archive, split, target)
    learned: list[Case] = []
    if trees:
        from training.evaluation.trees import tree_cases

        if tell:
            tell("boosted trees: fitting")
        learned = [replace(c, group="learned") for c in tree_cases(config, archive, split, target)]
    return FittedCases(tuple(simple), tuple(learned))


def compared_methods(
    config: Config,
    archive: Archive,
    split: Split,
    target: TargetSpec,
    fitted: FittedCases,
    package: Package | None,
    compare: Sequence[Package],
) -> Methods:
    """Return the methods in the order of the table, each with how its target is described.

    Args:
        config, archive, split: what is tested on what; networks compute on the configuration's device.
        target: of the methods that are no packages.
        fitted: as `fitted_cases` gave them.
        package: the model; None: without one.
        compare: further packages of the same factor.

    Raises:
        InputError: two packages share an id.
    """
    simple = baseline_cases(config.factor, target, split.test_view, archive.sources)
    methods = [(case, target) for case in (*simple, *fitted.simple, *fitted.learned)]
    methods += _packages(package, compare, split, choose_device(config.device))
    names = [case.name for case, _ in methods]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise InputError(f"Two methods are called {', '.join(twice)}: give each package an id of its own.")
    return methods


def _packages(
    package: Package | None, compare: Sequence[Package], split: Split, device: torch.device
) -> Methods:
    """Return packages to compare with, each as one case, and the model's own cases."""
    methods = []
    for other in compare:
        case = package_cases(other, split, device)[0]
        methods.append((replace(case, group="learned"), other.card.target))
    if package is not None:
        base = package_base(package, split, device)
        own = [*base, *package_cases(package, split, device)]
        methods += [(case, package.card.target) for case in own]
    return methods


def package_base(package: Package, split: Split, device: torch.device) -> list[Case]:
    """Return what a package's model stands on as a case, where its card names it."""
    if package.card.base is None or package.card.cascade:
        return []
    method = load_model(package, device, precision="float32")
    if not isinstance(method, ModelMethod):
        return []
    return base_case(package.card.id, method.module.base, package.card.base, split.test_view, device)


def package_cases(package: Package, split: Split, device: torch.device | None = None) -> list[Case]:
    """Return a package's model as cases: with all sources first, then without those it can do without.

    It computes in float32 on the device; None: the processor.
    """
    method = load_model(package, device or torch.device("cpu"), precision="float32")
    return model_cases(
        package.card.id,
        method.predict,
        method.halo,
        split.test_view,
        method.sources,
        method.target.strength,
        method.predict_member if isinstance(method, ModelMethod) and method.ensemble else None,
        method.predict_members if isinstance(method, ModelMethod) and method.ensemble else None,
    )
