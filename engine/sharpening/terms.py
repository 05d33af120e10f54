"""The terms of the relation: what each covariate can tell of the detail inside a cell.

Of a standardised covariate z on cells k times smaller than the field's, with D z = z − ↑mean(z), what
stands out from its own coarse means, interpolated as the field is, u the interpolated field, and e and n the
differences to the neighbours eastwards and northwards:

    D z,  u · D z,  ↑mean(z) · D z,  D e,  D n.

The products let the relation change with the field (a melting snow pack) and along the covariate; the
differences tell windward from lee and sunny from shaded sides. Classes and angles have the first two.
Products of two covariates let one say what the other is worth (a slope's aspect, the higher it lies the
more), and squares let the relation bend inside a cell:

    ↑mean(z of another covariate) · D z,  D z².

All vanish where the covariate has no detail, so they cannot invent any.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor

from engine.fields.conservation import aggregate
from engine.fields.upsample import upsample
from engine.fields.windows import crop, spread_cells
from engine.sharpening.covariates import Covariates, Standard

MOST_TERMS = 64  # with products; more would only fit what is there by chance


@dataclass(frozen=True)
class Term:
    """One term.

    Attributes:
        covariate: whose detail it is.
        values: (D, H, W), zero where the covariate is invalid.
        own: whether it is D z itself.
        product: whether it is a product of covariates or a square.
        looked_at: of D z, whether the covariate is looked at.
    """

    covariate: str
    values: Tensor
    own: bool = False
    product: bool = False
    looked_at: bool = True


def terms(
    covariates: Covariates,
    standards: Mapping[str, Standard],
    field: Tensor,
    k: int,
    cut: int = 0,
    known: Tensor | None = None,
    products: Collection[str] = (),
    used: Collection[str] | None = None,
) -> Iterator[Term]:
    """Yield the terms on the fine side of a step, always in the same order.

    Args:
        covariates: on the fine side, with `cut` more cells of the coarse side around.
        standards: of each.
        field: (D, H, W) interpolated field in the standardised working space, NaN where there is none.
        k: fine cells along the edge of a cell on the coarse side; it divides H and W.
        cut: see `covariates`.
        known: (D, H, W) the cells that the field's coarse means are means of; None: all. Without it a mean
            over a hole's edge would be of other ground than the field's.
        products: of which covariates to take squares and products with each other.
        used: covariates that are looked at; of others all terms but D z are a single zero. None: all.
    """
    return with_field(fixed_terms(covariates, standards, k, cut, known, products, used), field)


def with_field(fixed: Iterable[Term], field: Tensor) -> Iterator[Term]:
    """Yield fixed terms, and after each D z that is looked at its product with the field; see `terms`."""
    field = torch.nan_to_num(field)
    for term in fixed:
        yield replace(term, values=term.values if term.values.dim() == 0 else term.values.expand_as(field))
        if term.own and term.looked_at:
            yield Term(term.covariate, term.values * field)


def fixed_terms(
    covariates: Covariates,
    standards: Mapping[str, Standard],
    k: int,
    cut: int = 0,
    known: Tensor | None = None,
    products: Collection[str] = (),
    used: Collection[str] | None = None,
) -> Iterator[Term]:
    """Yield those of the terms that the field has no part in: arguments as of `terms`."""
    standard = {name: standards[name].applied(covariate) for name, covariate in covariates.items()}

    def smooth(z: Tensor) -> Tensor:
        return _interpolated(z if known is None else torch.where(known, z, torch.nan), k)

    used = covariates if used is None else used
    means = {
        name: [crop(_known(smooth(z)), cut, k) for z in standard[name].unbind(1)]
        for name in products
        if len(products) > 1 and len(used) > 0
    }
    for name, covariate in covariates.items():
        for z in standard[name].unbind(1):
            mean = smooth(z)
            own = crop(_known(z - mean), cut, k)
            yield Term(name, own, own=True, looked_at=name in used)
            if name not in used:
                for _ in range(_count(covariates, name, products) - 1):
                    yield Term(name, z.new_zeros(()))
                continue
            for other in products if name in products else ():
                for factor in means[other] if other != name else ():
                    yield Term(name, own * factor, product=True)
            if not covariate.sloped:
                continue
            if name in products:
                square = z.square()
                stands_out = _known(square - smooth(square))
                yield Term(name, crop(stands_out, cut, k), product=True)
            yield Term(name, own * crop(_known(mean), cut, k))
            for difference in _differences(z):
                stands_out = _known(difference - _interpolated(difference, k))
                yield Term(name, crop(stands_out, cut, k))


def with_products(covariates: Covariates) -> tuple[str, ...]:
    """Return the covariates whose products are worth a try: all, those of few channels, or none.

    Classes take a channel each, and all their products would be more terms than `MOST_TERMS`.
    """
    few = tuple(name for name, covariate in covariates.items() if covariate.values.shape[1] <= 2)
    for names in (tuple(covariates), few):
        if count(covariates, names) <= MOST_TERMS:
            return names
    return ()


def count(covariates: Covariates, products: Collection[str] = ()) -> int:
    """Return the number of terms; see `terms`."""
    return sum(c.values.shape[1] * _count(covariates, name, products) for name, c in covariates.items())


def _count(covariates: Covariates, name: str, products: Collection[str]) -> int:
    """Return the number of terms of one channel of a covariate."""
    sloped = covariates[name].sloped
    plain = 5 if sloped else 2
    if name not in products:
        return plain
    return plain + int(sloped) + sum(covariates[other].values.shape[1] for other in products if other != name)


def _known(values: Tensor) -> Tensor:
    return torch.nan_to_num(values, nan=0.0, posinf=0.0, neginf=0.0)


def _interpolated(z: Tensor, k: int) -> Tensor:
    """Return the coarse means of a field, interpolated as that to be sharpened is: smoothly conserved."""
    means = aggregate(z, k)
    smooth = upsample(means, k, "bicubic")
    change = means - aggregate(smooth, k)
    smooth = smooth + upsample(torch.where(torch.isfinite(change), change, 0.0), k, "bicubic")
    return smooth + spread_cells(means - aggregate(smooth, k), k)


def _differences(z: Tensor) -> tuple[Tensor, Tensor]:
    """Return half the differences between the neighbours east and west, and north and south."""
    around = F.pad(z.unsqueeze(1), (1, 1, 1, 1), mode="replicate").squeeze(1)
    east = (around[:, 1:-1, 2:] - around[:, 1:-1, :-2]) / 2
    north = (around[:, :-2, 1:-1] - around[:, 2:, 1:-1]) / 2
    return east, north
