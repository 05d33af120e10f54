"""A generator as OpenVINO runs it: the same sums in fused layers, for long runs on a processor.

Exported once by `torch.export` with open window sizes, kept in the cache folder, and used where it is
faster on this machine and gives what torch gives. OpenVINO is an extra: without it nothing changes.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import logging
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from engine.compute.cache import cache_folder, read_cache, write_cache
from engine.compute.devices import plan_key
from engine.features.network_inputs import BASE, TARGET
from engine.files.atomic import new_folder, remove
from engine.models.loading import sample_edge
from engine.models.model import ModelMethod
from engine.nets.interface import GeneratorNetwork

LONG = 60.0  # seconds of the network alone, from which a compilation is worth its own seconds
_LEAST = 1e7  # fine cells, for which no network needs that long
FASTER = 1.05  # times torch's best plan
SAME = 1e-5  # of the range of torch's field: what may differ
_LARGEST = 2**14  # coarse cells along a window
_CACHE = "compiled"
_KEPT = 20  # compiled networks and verdicts


@dataclass(frozen=True)
class Verdict:
    """What became of a comparison of the compiled network with torch's."""

    use: bool
    gain: float  # times as fast as torch
    difference: float  # largest, over the range of torch's field


class _Plain(nn.Module):
    """A generator that takes its sources one after another."""

    def __init__(self, generator: GeneratorNetwork, coarse: tuple[str, ...], fine: tuple[str, ...]) -> None:
        super().__init__()
        self.generator, self.coarse, self.fine = generator, coarse, fine

    def forward(self, *tensors: Tensor) -> Tensor:
        """Map the coarse sources, the fine ones, and the season's vector if it is wanted."""
        middle = len(self.coarse) + len(self.fine)
        coarse = dict(zip(self.coarse, tensors[: len(self.coarse)], strict=True))
        fine = dict(zip(self.fine, tensors[len(self.coarse) : middle], strict=True))
        return self.generator(coarse, fine, tensors[middle] if len(tensors) > middle else None)


class CompiledGenerator:
    """A compiled generator for one set of sources, one window at a time, without noise.

    Args:
        path: of OpenVINO's file.
        coarse, fine: names of its sources, in order.

    Raises:
        RuntimeError: OpenVINO cannot read or run it.
    """

    def __init__(self, path: Path, coarse: tuple[str, ...], fine: tuple[str, ...]) -> None:
        import openvino

        self.coarse, self.fine = coarse, fine
        options = {
            "INFERENCE_NUM_THREADS": torch.get_num_threads(),
            "INFERENCE_PRECISION_HINT": "f32",
            "PERFORMANCE_HINT": "LATENCY",
        }
        self._request = openvino.Core().compile_model(str(path), "CPU", options).create_infer_request()

    def fits(self, coarse: Mapping[str, Tensor], fine: Mapping[str, Tensor]) -> bool:
        """Return whether these are its sources, of one window."""
        one = all(len(x) == 1 for x in coarse.values())
        return one and (tuple(coarse), tuple(fine)) == (self.coarse, self.fine)

    def __call__(
        self, coarse: Mapping[str, Tensor], fine: Mapping[str, Tensor], vector: Tensor | None
    ) -> Tensor:
        """Return the field, (1, 1, h·k, w·k) float32; see `GeneratorNetwork.forward`."""
        given = [*coarse.values(), *fine.values(), *([] if vector is None else [vector])]
        arrays = {number: x.contiguous().numpy() for number, x in enumerate(given)}
        self._request.infer(arrays, share_inputs=True)
        return torch.from_numpy(self._request.get_output_tensor(0).data.copy())


def available() -> bool:
    """Return whether OpenVINO is installed."""
    return importlib.util.find_spec("openvino") is not None


def settle(method: ModelMethod, given: set[str], cells: float, tell: Callable[[str], None]) -> Verdict | None:
    """Choose torch or OpenVINO for a run; which one depends on the machine, the model and the run's size.

    Args:
        method: loaded.
        given: names of the run's sources.
        cells: fine cells that the network makes in all.
        tell: hears what was chosen, where there was a choice.

    Returns:
        how the two compare here; None where they were not compared.
    """
    method.module.compiled = None
    if cells < _LEAST or method.device.type != "cpu" or method.plan.dtype != torch.float32:
        return None
    if not available():
        return None
    sample = _sample(method, given)
    key = _key(method, sample)
    known = read_cache(_CACHE).get(key)
    if not isinstance(known, dict) or "rate" not in known:
        known = {"rate": _rate(method, sample)}
        _remember(key, known)
    if cells * float(known["rate"]) < LONG:
        return None
    file = _file(key)
    if "use" not in known or (known["use"] and (file is None or not file.is_file())):
        tell("The run is long: compiling the network with OpenVINO, once for this machine.")
        verdict, why = _compared(method, sample, file)
        known |= {"use": verdict.use, "gain": verdict.gain, "difference": verdict.difference}
        _remember(key, known)
        if why:
            tell(f"The network stays with torch: {why}.")
    if known["use"] and file is not None:
        try:
            method.module.compiled = CompiledGenerator(file, tuple(sample[0]), tuple(sample[1]))
        except RuntimeError:  # OpenVINO's only kind: the file is damaged, or memory is short
            tell("The network stays with torch: OpenVINO cannot load what it kept.")
            return None
        tell(
            f"The network runs in OpenVINO: {known['gain']:.2f} times as fast as in torch here, the "
            f"same within {known['difference']:.1g} of the field's range."
        )
    return Verdict(bool(known["use"]), float(known["gain"]), float(known["difference"]))


Sample = tuple[dict[str, Tensor], dict[str, Tensor], Tensor | None]


def _sample(method: ModelMethod, given: set[str]) -> Sample:
    """Return a window of noise with the run's sources, in the order in which a run hands them over."""
    generator, k = method.module.generator, method.factor
    edge = sample_edge(method)
    random = torch.Generator().manual_seed(0)

    def channels(count: int, size: int) -> Tensor:
        field = torch.randn(1, count, size, size, generator=random)
        field[:, -1] = 1  # valid everywhere
        return field

    wanted = [TARGET, BASE, *(source.name for source in method.sources if source.name in given)]
    spec = generator.spec
    coarse = {name: channels(spec.coarse[name], edge) for name in wanted if name in spec.coarse}
    fine = {name: channels(spec.fine[name], edge * k) for name in wanted if name in spec.fine}
    return coarse, fine, torch.zeros(1, 2) if spec.season else None


def _compared(method: ModelMethod, sample: Sample, file: Path | None) -> tuple[Verdict, str]:
    """Compile, and compare speed and field with torch's; the second value says why it failed, if so."""
    never = Verdict(False, 0.0, 0.0)
    if file is None:
        return never, "there is no folder to keep the compiled network in"
    coarse, fine, vector = sample
    try:
        _export(method, sample, file)
        compiled = CompiledGenerator(file, tuple(coarse), tuple(fine))
        field = compiled(coarse, fine, vector)
        ready = [method.laid_out(sources) for sources in (coarse, fine)]
        with torch.inference_mode():
            own = method.module.generator(ready[0], ready[1], vector)
            spread = float(own.max() - own.min())
            difference = float((own - field).abs().max()) / (spread or 1.0)
            torch_seconds, seconds = _fastest(
                lambda: method.module.generator(ready[0], ready[1], vector),
                lambda: compiled(coarse, fine, vector),
            )
    except Exception as error:  # whatever a compiler may do: torch does without
        return never, f"OpenVINO cannot take it ({type(error).__name__})"
    gain = torch_seconds / seconds
    same = difference <= SAME
    why = "" if same else f"OpenVINO's field differs by {difference:.1g} of its range"
    why = why or ("" if gain >= FASTER else f"OpenVINO is {gain:.2f} times as fast")
    return Verdict(same and gain >= FASTER, gain, difference), why


def _fastest(*runs: Callable[[], Any]) -> list[float]:
    """Return each one's shortest time; they take turns, so that another program's load falls on all."""
    best = [float("inf")] * len(runs)
    for _ in range(4):
        for number, run in enumerate(runs):
            start = time.perf_counter()
            run()
            best[number] = min(best[number], time.perf_counter() - start)
    return best


def _rate(method: ModelMethod, sample: Sample) -> float:
    """Return torch's seconds for each fine cell."""
    coarse, fine = (method.laid_out(sources) for sources in sample[:2])
    with torch.inference_mode():
        (seconds,) = _fastest(lambda: method.module.generator(coarse, fine, sample[2]))
    edge = next(iter(coarse.values())).shape[-1] - 2 * method.module.generator.halo
    return seconds / (edge * method.factor) ** 2


def _export(method: ModelMethod, sample: Sample, file: Path) -> None:
    """Write the network as OpenVINO's file, whole or not at all.

    Its own front end is called, since `openvino.convert_model` reports its use over the network.
    """
    import openvino
    from openvino.frontend import FrontEndManager
    from openvino.frontend.pytorch.fx_decoder import TorchFXPythonDecoder
    from torch.export import Dim, export

    coarse, fine, vector = sample
    generator, k = method.fresh_generator(), method.factor
    least = 2 * generator.halo + 1
    rows, columns = Dim("rows", min=least, max=_LARGEST), Dim("columns", min=least, max=_LARGEST)
    sizes: list[dict[int, Any] | None] = [{2: rows, 3: columns} for _ in coarse]
    sizes += [{2: k * rows, 3: k * columns} for _ in fine]
    sizes += [] if vector is None else [None]
    tensors = (*coarse.values(), *fine.values(), *(() if vector is None else (vector,)))
    with torch.no_grad(), _quiet_logs(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of what torch will change
        program = export(
            _Plain(generator, tuple(coarse), tuple(fine)), tensors, dynamic_shapes=(tuple(sizes),)
        )
        front = FrontEndManager().load_by_framework("pytorch")
        decoder = TorchFXPythonDecoder.from_exported_program(program)  # must live while it is read
        model = front.convert(front.load(decoder))
    with new_folder(file.parent) as folder:  # a file of layers and one of weights
        openvino.save_model(model, str(folder / file.name), compress_to_fp16=False)
    others = sorted(file.parent.parent.iterdir(), key=lambda path: path.stat().st_mtime)
    for old in others[:-_KEPT]:
        remove(old)


@contextlib.contextmanager
def _quiet_logs() -> Iterator[None]:
    """Keep from the terminal what OpenVINO logs of operations that it can do without; logs hear it."""
    root, nobody = logging.getLogger(), logging.NullHandler()
    root.addHandler(nobody)  # without any handler Python would make one that prints
    try:
        yield
    finally:
        root.removeHandler(nobody)


def _key(method: ModelMethod, sample: Sample) -> str:
    """Everything that a compiled network and its verdict depend on, as one hash."""
    import openvino

    digest = hashlib.sha256(plan_key(method.module.generator, method.device, "float32").encode())
    parts = openvino.__version__, sorted(sample[0]), list(sample[1]), method.plan.channels_last
    digest.update(repr(parts).encode())
    for name, weight in sorted(method.weights.items()):
        digest.update(name.encode() + weight.contiguous().numpy().tobytes())
    return digest.hexdigest()


def _file(key: str) -> Path | None:
    with contextlib.suppress(RuntimeError):  # there is no home folder
        return cache_folder() / "compiled" / key[:32] / "network.xml"
    return None


def _remember(key: str, known: dict[str, Any]) -> None:
    kept = read_cache(_CACHE)
    kept.pop(key, None)
    write_cache(_CACHE, dict([*kept.items(), (key, known)][-_KEPT:]))
