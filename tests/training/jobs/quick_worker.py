"""Training's worker with few steps where a description leaves them open; tests start it as a program."""

from __future__ import annotations

from training.defaults import members, schedule
from training.worker import main

schedule.FEWEST = schedule.MOST = 6
members.FEWEST = members.MOST = 4
main([])
