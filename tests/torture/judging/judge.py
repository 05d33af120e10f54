"""One outcome against what is right: every finding is something that a user would suffer from."""

from __future__ import annotations

import re
import signal
from pathlib import Path

from tests.torture.case import Case, Finding, Outcome
from tests.torture.judging.fine_field import check_fine_field
from tests.torture.judging.sentence import check_sentence
from tests.torture.judging.traces import Traces

_AFTER_SIGNAL = {  # exit statuses that are right; 0: it had just ended
    signal.SIGKILL: (-9, 0),
    signal.SIGTERM: (143, -15, 0),
    signal.SIGINT: (130, -2, 0),
}
_HEX = re.compile(r"Traceback|Something unexpected")


def judge(case: Case, outcome: Outcome, traces: Traces, refusal_seconds: float) -> list[Finding]:
    """Return what is wrong.

    Args:
        case: what was asked, and what is right.
        outcome: what came.
        traces: the files as they were before.
        refusal_seconds: how long a refusal may take.
    """
    found = []
    if outcome.ended == "hung":
        found.append(Finding("hang", f"no end within {outcome.seconds:.0f} s"))
    elif outcome.killed:
        found += _killed(case, outcome)
    elif outcome.ended == "died":
        found.append(Finding("crash", f"ended by itself with {outcome.status}: {outcome.detail[-400:]!r}"))
    elif outcome.succeeded:
        found += _succeeded(case)
        for word in outcome.result.get("warnings") or []:
            found += [f for f in check_sentence(str(word)) if "words" in f.text or "lines" in f.text]
        if case.good is not None:
            found += check_fine_field(case.good)
        if case.further is not None:
            found += case.further(outcome)
    else:
        found += _refused(case, outcome)
        if case.refusal == "due" and outcome.seconds > refusal_seconds:
            found.append(Finding("hang", f"the refusal came after {outcome.seconds:.0f} s"))
    if case.always is not None:
        found += case.always()
    return found + traces.check(outcome)


def _succeeded(case: Case) -> list[Finding]:
    return [Finding("accepted", "was not refused")] if case.refusal == "due" else []


def _refused(case: Case, outcome: Outcome) -> list[Finding]:
    found: list[Finding] = []
    if case.refusal == "any":
        return found
    if case.refusal == "never":
        found.append(Finding("refusal", f"refused though right: {outcome.message[:400]!r}"))
    elif outcome.status not in case.status:
        found.append(Finding("status", f"{outcome.status}, not {case.status}: {outcome.message[:200]!r}"))
    return found + check_sentence(outcome.message, case.names if case.refusal != "never" else ())


def _killed(case: Case, outcome: Outcome) -> list[Finding]:
    assert case.kill
    name = signal.Signals(case.kill.signal).name
    found = []
    if case.way == "killed worker":
        if outcome.status != 0 and case.streams.get("goodbye") != "signal":
            found.append(Finding("status", f"{outcome.status} after {case.streams['goodbye']}"))
    elif outcome.status not in _AFTER_SIGNAL[signal.Signals(case.kill.signal)]:
        found.append(Finding("status", f"{outcome.status} after {name}"))
    if _HEX.search(outcome.message) or len(outcome.message.splitlines()) > 1:
        found.append(Finding("sentence", f"after {name}: {outcome.message[-400:]!r}"))
    there = case.good is not None and (case.way != "killed worker" or Path(case.good.path).exists())
    if outcome.status == 0 and case.good is not None and there:
        found += check_fine_field(case.good)
    return found
