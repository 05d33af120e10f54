"""Small files that spare repeating a measurement."""

from __future__ import annotations

from engine.compute.cache import read_cache, write_cache


def test_a_relative_folder_keeps_nothing_where_the_caller_stands(monkeypatch, tmp_path) -> None:
    for name in ("MSR_CACHE", "XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", "cache")
    monkeypatch.chdir(tmp_path)
    write_cache("plan", {"a": 1})
    assert read_cache("plan") == {} and not list(tmp_path.iterdir())
