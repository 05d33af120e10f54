"""All forms."""

from __future__ import annotations

from tests.torture.forms import cf, containers, geotiff
from tests.torture.forms.form import Form

FORMS: tuple[Form, ...] = (*geotiff.FORMS, *containers.FORMS, *cf.FORMS)
