"""The rate at which temperature falls with height, by month."""

from __future__ import annotations

import torch
from torch import Tensor

# Kelvin per kilometre, January to December, of the northern hemisphere (Kunkel 1989, J. Climate 2, as
# used in MicroMet: Liston & Elder 2006, J. Hydrometeorol. 7, table 1).
RATES = (4.4, 5.9, 7.1, 7.8, 8.1, 8.2, 8.1, 8.1, 7.7, 6.8, 5.5, 4.7)
_ENDS = (31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334)  # last day of each month but December


def lapse_rate(day_of_year: Tensor | None) -> Tensor:
    """Return the rate of a date's month in K/km, (B, 1, 1); the year's mean for no date."""
    if day_of_year is None:
        return torch.tensor(sum(RATES) / len(RATES)).view(1, 1, 1)
    place = day_of_year.device
    month = torch.bucketize(day_of_year.float(), torch.tensor(_ENDS, device=place))
    return torch.tensor(RATES, device=place)[month][:, None, None]
