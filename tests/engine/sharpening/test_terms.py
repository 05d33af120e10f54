"""Products of covariates: of which they are taken, how many, and that they are found where they matter."""

from __future__ import annotations

import torch

from engine.fields.conservation import aggregate
from engine.sharpening.covariates import CovariateField, Standard
from engine.sharpening.fit import fit
from engine.sharpening.terms import MOST_TERMS, count, terms, with_products
from engine.specs import TargetSpec

TARGET = TargetSpec("temperature", "degC")
ROWS, COLUMNS = 24, 32


def field(channels: int, sloped: bool = True, seed: int = 1) -> CovariateField:
    drawn = torch.Generator().manual_seed(seed)
    rough = torch.randn(1, channels, ROWS, COLUMNS, generator=drawn)
    return CovariateField(rough + rough.cumsum(2).cumsum(3) / 8, sloped)


def test_as_many_terms_are_made_as_are_counted() -> None:
    covariates = {"height": field(1), "aspect": field(2, False, 2), "cover": field(3, False, 3)}
    standards = {name: Standard.of(covariate) for name, covariate in covariates.items()}
    for products in ((), ("height",), ("height", "aspect"), tuple(covariates)):
        for used in (None, ("aspect",), ()):
            made = list(
                terms(covariates, standards, torch.ones(2, ROWS, COLUMNS), 2, products=products, used=used)
            )
            assert len(made) == count(covariates, products)
            assert [term.covariate for term in made if term.own] == [
                "height",
                *["aspect"] * 2,
                *["cover"] * 3,
            ]
        assert (
            count(covariates, products) - count(covariates)
            == {0: 0, 1: 1, 2: 1 + 2 + 2, 3: 1 + 22}[len(products)]
        )


def test_many_classes_take_no_part_in_products() -> None:
    covariates = {"height": field(1), "aspect": field(2, False, 2), "cover": field(12, False, 3)}
    assert with_products(covariates) == ("height", "aspect")
    assert count(covariates, ("height", "aspect")) <= MOST_TERMS < count(covariates, tuple(covariates))
    assert with_products({"cover": field(40, False)}) == ()


def test_products_are_taken_where_one_covariate_says_what_the_other_is_worth() -> None:
    first, second = field(1).values, field(1, seed=2).values
    smooth = aggregate(second[:, 0], 4).repeat_interleave(4, 1).repeat_interleave(4, 2)
    noise = 0.05 * torch.randn(1, ROWS, COLUMNS, generator=torch.Generator().manual_seed(5))
    covariates = {"first": CovariateField(first), "second": CovariateField(second)}
    for truth, expected in ((first[:, 0] * smooth, True), (first[:, 0] + noise, False)):
        fitted = fit(truth, covariates, TARGET, [""])
        assert fitted.gains["first"].shown
        assert fitted.products == (("first", "second") if expected else ())
        assert len(fitted.groups) == count(covariates, fitted.products) == fitted.relation.dates.shape[1]
