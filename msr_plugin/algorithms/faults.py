"""What happens when code of the plugin itself fails: one sentence, and the traceback in the log."""

from __future__ import annotations

import functools
import traceback
from collections.abc import Callable
from typing import Any, TypeVar

from qgis.core import QgsProcessingException

from ..system_refusals import system_reason
from ..translation import tr
from ..worker.debug_log import with_log
from .rasters import RasterProblem

_Method = TypeVar("_Method", bound=Callable[..., Any])
FAULT = "MSR met a fault of its own and stopped: please report it."


def sentence_of(error: Exception) -> str:
    """Return what to tell the user; the traceback is kept."""
    if isinstance(error, OSError):
        place = f"{error.filename}: " if error.filename else ""
        return with_log(f"{place}{system_reason(error)}.", _traceback(error))
    if isinstance(error, MemoryError):
        return tr("Memory ran out in QGIS: close other layers or programs.")
    return with_log(tr(FAULT), _traceback(error))


def guarded(method: _Method) -> _Method:
    """Turn what a method of an algorithm raises unexpectedly into Processing's own error."""

    @functools.wraps(method)
    def run(*arguments: Any) -> Any:
        try:
            return method(*arguments)
        except QgsProcessingException:
            raise
        except RasterProblem as problem:  # a refusal, which the steps of a model meet here only
            sentence = str(problem)
        except Exception as error:
            sentence = sentence_of(error)
        raise QgsProcessingException(sentence)  # outside: without the first one in its traceback

    return run  # type: ignore[return-value]  # of the same signature


def _traceback(error: Exception) -> str:
    return "".join(traceback.format_exception(type(error), error, error.__traceback__))
