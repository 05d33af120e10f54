"""Training and evaluation of MSR models, headless."""

import sys

from engine.broken_packages import tell_when_starting

if sys.argv[:1] == ["-m"]:  # `python -m training.…`, whose imports come before its first line
    sys.excepthook = tell_when_starting
