"""Training and evaluation of MSR models, headless."""

import sys

from engine.commands.starting import tell

if sys.argv[:1] == ["-m"]:  # `python -m training.…`, whose imports come before its first line
    sys.excepthook = tell
