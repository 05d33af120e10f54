"""Writes resources/lock/PLATFORM.txt: each file of an engine, with its checksum: lock.py TORCH CPU_INDEX.

Run by `./dev lock`. uv resolves the requirements for each platform and Python; PyPI tells sizes and
checksums; uv's own table tells those of the standalone Pythons. PyTorch's own index, which alone has
the builds for the processor (Linux) and for CUDA (Windows), may be out of reach: then a line's checksum
stays what it was, or “-”, and the installer takes it from that index's page.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import urllib.parse
import urllib.request
from collections import defaultdict
from collections.abc import Iterable, Sequence
from html.parser import HTMLParser
from pathlib import Path

try:
    import tomllib
except ImportError:  # Python 3.10
    import tomli as tomllib

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "resources" / "lock"
SETS = {"engine": "requirements-engine.txt", "training": "requirements-training.txt"}
PYTHONS = ("3.10", "3.11", "3.12", "3.13", "3.14")
STANDALONE = "3.12"  # where the system has no fitting Python
PYPI = "https://pypi.org/simple"
CUDA = "13.0"  # of the torch that is locked; checked against what it requires
CUDA_ONLY = re.compile(r"^(nvidia-|cuda-|triton$)")
# Platform → uv's name for it, the ending of torch's wheels, that of uv's own, uv's key for a Python
PLATFORMS = {
    "linux-x86_64": (
        "x86_64-manylinux_2_28", "manylinux_2_28_x86_64", "manylinux2014_x86_64", "linux-x86_64-gnu",
    ),
    "linux-aarch64": (
        "aarch64-manylinux_2_28", "manylinux_2_28_aarch64", "manylinux_2_28_aarch64", "linux-aarch64-gnu",
    ),
    "windows-x86_64": ("x86_64-pc-windows-msvc", "win_amd64", "win_amd64", "windows-x86_64-none"),
    "macos-arm64": ("aarch64-apple-darwin", "macosx_14_0_arm64", "macosx_11_0_arm64", "macos-aarch64-none"),
    "macos-x86_64": ("x86_64-apple-darwin", "macosx_14_0_x86_64", "macosx_10_12_x86_64", "macos-x86_64-none"),
}  # fmt: skip
HEAD = """\
# What the engine of this platform is made of: written by ./dev lock, read by msr_plugin/installer/lock.py.
# Tools: name version checksum bytes address. Wheels: set variant pythons checksum bytes address.
# A checksum “-” could not be had when this was written: the installer takes it from the index's page.
"""
Line = tuple[str, ...]  # checksum, bytes, address


def requirements_digest(root: Path) -> str:
    """Return what changes when a requirement does, comments left out."""
    lines = []
    for file in SETS.values():
        text = (root / file).read_text(encoding="utf-8")
        lines += sorted(filter(None, (line.partition("#")[0].strip() for line in text.splitlines())))
    return hashlib.sha256("\n".join(lines).encode("utf-8")).hexdigest()[:16]


def uv_program() -> str:
    """Return the uv of the environment that runs this."""
    return str(Path(sys.executable).with_name("uv.exe" if os.name == "nt" else "uv"))


def compiled(lists: Iterable[str], constraints: Iterable[str], python: str, platform: str) -> dict[str, dict]:
    """Return the wheels of some requirement files by distribution; empty where there is no solution."""
    with tempfile.TemporaryDirectory() as folder:
        limits, output = Path(folder, "limits.txt"), Path(folder, "pylock.msr.toml")
        limits.write_text("\n".join(constraints), encoding="utf-8")
        command = [uv_program(), "pip", "compile", *lists, "--constraints", str(limits)]
        command += ["--python-version", python, "--python-platform", platform, "--only-binary", ":all:"]
        command += ["--default-index", PYPI, "--no-config", "--quiet"]
        command += ["--format", "pylock.toml", "--output-file", str(output)]
        environment = {**os.environ, "MACOSX_DEPLOYMENT_TARGET": "14.0"}
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
        if done.returncode:
            if "unsatisfiable" not in done.stderr and "No solution" not in done.stderr:
                raise OSError(f"uv: {done.stderr.strip()}")
            return {}
        packages = tomllib.loads(output.read_text(encoding="utf-8"))["packages"]
    return {each["name"]: each for each in packages}


def wheel_of(package: dict) -> Line:
    """Return the line of a package's wheel.

    Raises:
        ValueError: uv left the choice between several.
    """
    wheels = sorted(package.get("wheels", ()), key=lambda wheel: "-abi3-" in wheel["url"])
    if not wheels:
        raise ValueError(f"{package['name']} {package['version']} has no wheel.")
    return wheels[0]["hashes"]["sha256"], str(wheels[0]["size"]), wheels[0]["url"]


class Links(HTMLParser):
    """The addresses on an index's page."""

    def __init__(self) -> None:
        super().__init__()
        self.all: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Keep an address."""
        self.all += [value for key, value in attrs if tag == "a" and key == "href" and value]


def read_address(address: str, accept: str = "*/*") -> bytes:
    """Return what lies at an address of PyPI or PyTorch's index."""
    request = urllib.request.Request(address, headers={"Accept": accept})
    with urllib.request.urlopen(request, timeout=30) as reply:
        return reply.read()


class PytorchIndex:
    """What PyTorch's own index tells, if it can be reached, else what was locked before."""

    def __init__(self, base: str, before: dict[str, Line]) -> None:
        self.page = f"{base}/torch/"
        self.before = before
        try:
            self.links: dict[str, str] | None = self._links(read_address(self.page).decode("utf-8"))
        except OSError as error:
            print(f"lock: {self.page} cannot be reached ({error}): its checksums stay open", file=sys.stderr)
            self.links = None

    def _links(self, text: str) -> dict[str, str]:
        links = Links()
        links.feed(text)
        full = [urllib.parse.urljoin(self.page, address) for address in links.all]
        return {urllib.parse.unquote(a.partition("#")[0].rpartition("/")[2]): a for a in full}

    def line(self, name: str) -> Line | None:
        """Return the line of a wheel, None where the index has none of this name."""
        if self.links is None:
            return self.before.get(name) or ("-", "-", self.page + urllib.parse.quote(name))
        if name not in self.links:
            return None
        address, _, fragment = self.links[name].partition("#")
        if not fragment.startswith("sha256="):
            return "-", "-", self.page + urllib.parse.quote(name)
        head = urllib.request.Request(address, method="HEAD")
        with urllib.request.urlopen(head, timeout=30) as reply:
            return fragment.removeprefix("sha256="), reply.headers["Content-Length"] or "-", address


def locked_before() -> dict[str, Line]:
    """Return the lines with checksums of the lock as it is, by the wheels' names."""
    lines = {}
    for path in FOLDER.glob("*.txt"):
        for words in map(str.split, path.read_text(encoding="utf-8").splitlines()):
            if len(words) == 6 and words[0] in SETS and words[3] != "-":
                lines[urllib.parse.unquote(words[5].rpartition("/")[2])] = tuple(words[3:])
    return lines


def wheels_of(platform: str, torch: str, indexes: dict[str, PytorchIndex]) -> dict[tuple, set[str]]:
    """Return (set, variant, line) of each wheel → the Pythons that it is for."""
    uv_name, tag = PLATFORMS[platform][:2]
    system = platform.partition("-")[0]
    wheels: dict[tuple, set[str]] = defaultdict(set)
    for python in PYTHONS:
        together = compiled(SETS.values(), [torch], python, uv_name)
        limits = [f"{each['name']}=={each['version']}" for each in together.values()] or [torch]
        alone = compiled([SETS["engine"]], limits, python, uv_name)
        print(f"lock: {platform} {python}: {len(alone)} wheels, {len(together)} with training")
        code = "cp" + python.replace(".", "")
        version = torch.partition("==")[2]
        for name, package in (together or alone).items():
            which = "engine" if name in alone else "training"
            only = CUDA_ONLY.match(name) or (name == "torch" and system == "linux")
            variant = "cuda" if only else "cpu" if name == "torch" and system == "windows" else "any"
            if name == "cuda-toolkit" and not package["version"].startswith(CUDA):
                raise ValueError(f"{torch} asks for CUDA {package['version']}, not {CUDA}: correct CUDA.")
            wheels[which, variant, wheel_of(package)].add(python)
        other = {"linux": "cpu", "windows": "cuda"}.get(system)
        if alone and other:
            label = "cpu" if other == "cpu" else f"cu{CUDA.replace('.', '')}"
            line = indexes[other].line(f"torch-{version}+{label}-{code}-{code}-{tag}.whl")
            if line is None:
                print(f"lock: PyTorch has no {other} build for {platform}, Python {python}")
            else:
                wheels["engine", other, line].add(python)
    return wheels


def uv_line(platform: str, version: str) -> str:
    """Return uv's own line for a platform."""
    page = json.loads(read_address(f"{PYPI}/uv/", "application/vnd.pypi.simple.v1+json"))
    for file in page["files"]:
        name = file["filename"]
        if name.startswith(f"uv-{version}-") and name.endswith(f"{PLATFORMS[platform][2]}.whl"):
            return f"uv {version} {file['hashes']['sha256']} {file['size']} {file['url']}"
    raise ValueError(f"PyPI has no uv {version} for {platform}.")


def python_line(platform: str) -> str:
    """Return the line of the standalone Python: uv tells the checksum when it refuses another file."""
    key = PLATFORMS[platform][3]
    command = [uv_program(), "python", "list", STANDALONE, "--all-platforms", "--all-arches", "--no-config"]
    command += ["--show-urls", "--only-downloads", "--output-format", "json"]
    every = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    (entry,) = [e for e in every if re.fullmatch(rf"cpython-[\d.]+-{key}", e["key"])]
    with tempfile.TemporaryDirectory() as folder:
        other = Path(folder, urllib.parse.unquote(entry["url"].partition("/download/")[2]))
        other.parent.mkdir(parents=True)
        with tarfile.open(other, "w:gz") as archive:
            archive.add(__file__, "python/bin/python3")
        command = [uv_program(), "python", "install", entry["key"], "--no-config", "--no-bin"]
        command += ["--install-dir", f"{folder}/own", "--cache-dir", f"{folder}/cache"]
        command += ["--mirror", Path(folder).as_uri()]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    expected = re.search(r"Expected:\s*(?:sha256:)?\s*([0-9a-f]{64})", done.stderr)
    if expected is None:
        raise ValueError(f"uv did not tell the checksum of {entry['key']}: {done.stderr.strip()}")
    return f"python {entry['version']} {expected[1]} - {entry['url']}"


def main(arguments: Sequence[str]) -> int:
    """Write the files; return the exit status."""
    torch, cpu_index = arguments
    version = subprocess.run([uv_program(), "--version"], capture_output=True, text=True, check=True).stdout
    version = version.split()[1]
    before = locked_before()
    cuda_index = f"{cpu_index.rpartition('/')[0]}/cu{CUDA.replace('.', '')}"
    indexes = {"cpu": PytorchIndex(cpu_index, before), "cuda": PytorchIndex(cuda_index, before)}
    fresh = Path(tempfile.mkdtemp())
    try:
        for platform in PLATFORMS:
            wheels = wheels_of(platform, torch, indexes)
            if not wheels:
                print(f"lock: {torch} has no wheels for {platform}: no file")
                continue
            order = {python: number for number, python in enumerate(PYTHONS)}
            lines = sorted(
                f"{which} {variant} {','.join(sorted(pythons, key=order.__getitem__))} {' '.join(line)}"
                for (which, variant, line), pythons in wheels.items()
            )
            lines.sort(key=lambda line: (line.split()[0], line.rpartition("/")[2].lower()))
            tools = [uv_line(platform, version), python_line(platform)]
            text = HEAD + "\n".join([f"requirements {requirements_digest(ROOT)}", *tools, *lines]) + "\n"
            (fresh / f"{platform}.txt").write_text(text, encoding="utf-8", newline="\n")
        FOLDER.mkdir(parents=True, exist_ok=True)
        for path in FOLDER.glob("*.txt"):
            path.unlink()
        for path in fresh.iterdir():
            shutil.copyfile(path, FOLDER / path.name)
    except (OSError, ValueError) as error:
        print(f"lock: {error}", file=sys.stderr)
        return 1
    finally:
        shutil.rmtree(fresh)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
