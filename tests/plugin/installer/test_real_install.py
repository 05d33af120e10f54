"""The engine of the shipped lock, for real: 330 MB, only where MSR_REAL_INSTALL is set."""

from __future__ import annotations

import os

import pytest

from msr_plugin.installer.installation import install
from msr_plugin.installer.network import QgisNetwork
from msr_plugin.installer.plan import make_plan
from msr_plugin.worker.installed_engine import installed_engine


@pytest.mark.skipif(not os.environ.get("MSR_REAL_INSTALL"), reason="set MSR_REAL_INSTALL to download it")
@pytest.mark.parametrize("standalone", [False, True])
def test_it_is_made_and_runs(profile, watcher, standalone) -> None:
    engine = install(make_plan(standalone=standalone), QgisNetwork(), watcher.watcher)
    assert installed_engine() == engine
    assert any("torch" in line for line in watcher.lines)
