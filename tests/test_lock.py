"""The lock of users' engines: renewed with the requirements, whole, one wheel of each, from where it says."""

from __future__ import annotations

import functools
import http.server
import importlib.util
import re
import threading
import urllib.parse
from collections import Counter
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parent.parent
LOCKS = sorted((ROOT / "resources" / "lock").glob("*.txt"))
RENEW = "./dev lock writes resources/lock anew"
PLACES = (
    "https://files.pythonhosted.org/",
    "https://download.pytorch.org/",
    "https://download-r2.pytorch.org/",
)


@pytest.fixture(scope="module")
def lock() -> ModuleType:
    spec = importlib.util.spec_from_file_location("lock", ROOT / ".ci" / "lock.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def lines(path: Path) -> list[list[str]]:
    text = path.read_text(encoding="utf-8")
    return [line.split(" ") for line in text.splitlines() if not line.startswith("#")]


def distribution(address: str) -> str:
    """Return the name in a wheel's file name."""
    name = urllib.parse.unquote(address.rpartition("/")[2]).partition("-")[0]
    return name.lower().replace("_", "-")


def test_there_is_one_for_each_platform_that_torch_knows() -> None:
    assert [path.stem for path in LOCKS] == ["linux-aarch64", "linux-x86_64", "macos-arm64", "windows-x86_64"]


@pytest.mark.parametrize("path", LOCKS, ids=lambda path: path.stem)
def test_it_is_renewed_with_the_requirements(path: Path, lock: ModuleType) -> None:
    assert ["requirements", lock.requirements_digest(ROOT)] in lines(path), RENEW


@pytest.mark.parametrize("path", LOCKS, ids=lambda path: path.stem)
def test_uv_is_the_one_that_locks(path: Path) -> None:
    pinned = re.search(r"^uv==(\S+)", (ROOT / "requirements-lock.txt").read_text(), re.M)
    assert pinned is not None
    (uv,) = [line for line in lines(path) if line[0] == "uv"]
    (python,) = [line for line in lines(path) if line[0] == "python"]
    assert uv[1] == pinned[1], RENEW
    assert re.fullmatch("[0-9a-f]{64}", uv[2]) and re.fullmatch("[0-9a-f]{64}", python[2])


@pytest.mark.parametrize("path", LOCKS, ids=lambda path: path.stem)
def test_each_wheel_has_a_checksum_but_those_of_pytorchs_index(path: Path) -> None:
    wheels = [line for line in lines(path) if len(line) == 6]
    assert wheels
    for which, variant, _, checksum, size, address in wheels:
        assert which in ("engine", "training") and variant in ("any", "cpu", "cuda")
        assert address.startswith(PLACES)
        if checksum == size == "-":
            assert address.startswith(PLACES[1:]) and "/torch-" in address
        else:
            assert re.fullmatch("[0-9a-f]{64}", checksum) and int(size) > 0


@pytest.mark.parametrize("path", LOCKS, ids=lambda path: path.stem)
def test_each_engine_has_each_distribution_once_and_all_that_is_required(path: Path) -> None:
    wheels = [line for line in lines(path) if len(line) == 6]
    asked = re.findall(r"^([A-Za-z][\w-]*)", (ROOT / "requirements-engine.txt").read_text(), re.M)
    for python in {p for line in wheels for p in line[2].split(",")}:
        for variant in {line[1] for line in wheels} - {"any"} or {"any"}:
            mine = [w for w in wheels if w[1] in ("any", variant) and python in w[2].split(",")]
            full = Counter(distribution(line[5]) for line in mine)
            assert max(full.values()) == 1, (python, variant)
            assert {name.lower() for name in asked} <= set(full), (python, variant)
            if variant == "cpu":
                assert not [n for n in full if n.startswith("nvidia")]


TORCH = "torch-2.0+cpu-cp311-cp311-manylinux_2_28_x86_64.whl"


@pytest.fixture
def index(tmp_path: Path) -> str:
    """The address of a page such as PyTorch's, with one wheel."""
    (tmp_path / "torch").mkdir()
    (tmp_path / "torch" / TORCH).write_bytes(b"x" * 77)
    link = f'<a href="{urllib.parse.quote(TORCH)}#sha256={"ab" * 32}">torch</a>'
    (tmp_path / "torch" / "index.html").write_text(link)
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(tmp_path))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


def test_pytorchs_index_is_recorded_where_it_can_be_reached(lock: ModuleType, index: str) -> None:
    told = lock.PytorchIndex(index, {})
    assert told.line(TORCH) == ("ab" * 32, "77", f"{index}/torch/{urllib.parse.quote(TORCH)}")
    assert told.line("torch-2.0+cpu-cp399-cp399-win_amd64.whl") is None


def test_out_of_reach_what_was_recorded_is_kept_and_else_stays_open(lock: ModuleType) -> None:
    before = ("ab" * 32, "77", "https://x/y.whl")
    told = lock.PytorchIndex("http://127.0.0.1:1", {TORCH: before})
    assert told.line(TORCH) == before
    other = told.line("torch-3.0+cpu.whl")
    assert other == ("-", "-", "http://127.0.0.1:1/torch/torch-3.0%2Bcpu.whl")


def test_another_requirement_asks_for_a_new_lock(lock: ModuleType, tmp_path: Path) -> None:
    for file in lock.SETS.values():
        (tmp_path / file).write_text((ROOT / file).read_text(encoding="utf-8"), encoding="utf-8")
    assert lock.requirements_digest(tmp_path) == lock.requirements_digest(ROOT)
    with (tmp_path / "requirements-engine.txt").open("a") as more:
        more.write("# a comment changes nothing\n")
    assert lock.requirements_digest(tmp_path) == lock.requirements_digest(ROOT)
    with (tmp_path / "requirements-engine.txt").open("a") as more:
        more.write("another>=1,<2\n")
    assert lock.requirements_digest(tmp_path) != lock.requirements_digest(ROOT)
