"""The parts of an encoder under OpenVINO, on a CPU: converted once, checked against torch, kept on disk.

**Precision.** A part computes in float32, or in bfloat16 where the processor has it, the part may be rounded and it is
faster there, which is measured once, at conversion: a processor that has bfloat16 without matrix tiles (AMX) is slower
in it. May be rounded means that recall@10 against torch float32 stays at 0.99. Sentence embeddings in bfloat16 keep
0.994; photos fall to 0.96, so that the vision tower, its head and what little is left always compute in float32.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from logging import getLogger
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from models.runtime.cache import FolderCache
from models.runtime.convert import convert
from models.runtime.fingerprint import cache_key
from models.runtime.network import Inputs, Network, Part
from models.runtime.types import Runtime
from models.runtime.unreported import openvino
from models.types import Float32Array

_logger = getLogger(__name__)

DEVICE = "CPU"
EXACT, ROUNDED = "f32", "bf16"
# Least cosine between what a converted part and torch in float32 make of a probe. A photo's is 0.994 in bfloat16, where
# the order of results is another already; in float32 only the order of sums differs.
FAITHFUL, FAITHFUL_ROUNDED = 0.9999, 0.999
FASTER = 0.9  # of the time in float32: less is noise, and not worth the rounding
_REPEATS = 5
_RECORD, _PROBES = "record.json", "probes.npz"


class UnfaithfulError(Exception):
    """A converted part does not compute what torch computes."""


@dataclass(frozen=True, slots=True)
class Probe:
    """Inputs of a part and the rows that torch makes of them in float32."""

    inputs: Inputs
    rows: Float32Array


class OpenVinoBackend:
    """:class:`models.runtime.types.Backend` over compiled models.

    ``precision`` says in what each part computes (``f32`` or ``bf16``).
    """

    def __init__(
        self, compiled: Mapping[str, openvino.CompiledModel], precision: Mapping[str, str], parameters: int
    ) -> None:
        self._requests = {name: model.create_infer_request() for name, model in compiled.items()}
        self._shapes = {name: [port.get_partial_shape() for port in m.inputs] for name, m in compiled.items()}
        self._precision = dict(precision)
        self._parameters = parameters

    @property
    def runtime(self) -> Runtime:
        return "openvino"

    @property
    def parameters(self) -> int:
        return self._parameters

    @property
    def precision(self) -> Mapping[str, str]:
        return self._precision

    def run(self, part: str, *inputs: NDArray[Any]) -> Float32Array:
        """See :class:`models.runtime.types.Backend`. Raises ValueError on inputs of a shape that isn't the part's."""
        shapes = self._shapes[part]
        # OpenVINO itself computes something from whatever it is given.
        if len(inputs) != len(shapes) or not all(
            shape.compatible(openvino.PartialShape(list(each.shape)))
            for shape, each in zip(shapes, inputs, strict=True)
        ):
            raise ValueError(f"{part} takes {shapes}, not {[each.shape for each in inputs]}")
        return _infer(self._requests[part], inputs)


def load_openvino(
    build: Callable[[], Network], *, fingerprint: str, cache: Path | None = None, threads: int = 0
) -> OpenVinoBackend:
    """An encoder's network, compiled.

    Args:
        build: makes the network; not called where the cache has it converted.
        fingerprint: of the encoder; with the versions and the processor it is the key in the cache.
        cache: folder of converted networks; None: convert at each start.
        threads: of one inference; 0: OpenVINO's own choice, the processor's cores.

    Raises:
        UnfaithfulError: a part's rows on built-in inputs differ from torch's.
        Exception: whatever conversion or compilation raise, and ``build``.
    """
    core = openvino.Core()
    if cache is None:
        return _convert(core, build(), None, "", threads)
    store = FolderCache(cache)
    key = cache_key(
        fingerprint,
        processor=str(core.get_property(DEVICE, "FULL_DEVICE_NAME")),
        capabilities=core.get_property(DEVICE, "OPTIMIZATION_CAPABILITIES"),
    )
    folder = store.find(key)
    if folder is not None:
        try:
            return _open(core, folder, threads)
        except Exception as error:  # noqa: BLE001 - damage can show anywhere, and converting anew mends all of it
            _logger.warning("the cached model in %s can't be used (%s); it is made anew", folder, error)
            store.discard(key)
    return _convert(core, build(), store, key, threads)


def _convert(
    core: openvino.Core, network: Network, store: FolderCache | None, key: str, threads: int
) -> OpenVinoBackend:
    models: dict[str, openvino.Model] = {}
    compiled: dict[str, openvino.CompiledModel] = {}
    precision: dict[str, str] = {}
    probes: dict[str, list[Probe]] = {}
    can_round = "BF16" in core.get_property(DEVICE, "OPTIMIZATION_CAPABILITIES")
    for name, part in network.parts.items():
        models[name] = convert(part)
        probes[name] = [Probe(inputs, _reference(part, inputs)) for inputs in part.probes]
        compiled[name] = _compile(core, models[name], EXACT, threads)
        precision[name] = EXACT
        _check(name, compiled[name], probes[name], EXACT)
        if part.may_round and can_round:
            rounded = _compile(core, models[name], ROUNDED, threads)
            if _pays(rounded, compiled[name], probes[name]):
                compiled[name], precision[name] = rounded, ROUNDED
    if store is not None:
        record = {"precision": precision, "parameters": network.parameters}
        store.write(key, lambda folder: _save(core, folder, models, probes, record))
    return OpenVinoBackend(compiled, precision, network.parameters)


def _save(
    core: openvino.Core,
    folder: Path,
    models: Mapping[str, openvino.Model],
    probes: Mapping[str, list[Probe]],
    record: Mapping[str, Any],
) -> None:
    for name, model in models.items():
        openvino.save_model(model, folder / f"{name}.xml", compress_to_fp16=False)
        core.read_model(folder / f"{name}.xml")  # a full disk goes unnoticed at writing
    arrays: dict[str, Any] = {}
    for name, own in probes.items():
        for i, probe in enumerate(own):
            arrays[f"{name}/{i}/rows"] = probe.rows
            arrays |= {f"{name}/{i}/input{j}": each for j, each in enumerate(probe.inputs)}
    np.savez(folder / _PROBES, **arrays)
    (folder / _RECORD).write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")


def _open(core: openvino.Core, folder: Path, threads: int) -> OpenVinoBackend:
    record = json.loads((folder / _RECORD).read_text(encoding="utf-8"))
    precision: dict[str, str] = record["precision"]
    with np.load(folder / _PROBES, allow_pickle=False) as arrays:
        probes = {name: _probes(arrays, name) for name in precision}
    compiled = {
        name: _compile(core, core.read_model(folder / f"{name}.xml"), own, threads) for name, own in precision.items()
    }
    for name, model in compiled.items():
        _check(name, model, probes[name], precision[name])
    return OpenVinoBackend(compiled, precision, int(record["parameters"]))


def _probes(arrays: Mapping[str, NDArray[Any]], name: str) -> list[Probe]:
    probes: list[Probe] = []
    while f"{name}/{len(probes)}/rows" in arrays:
        stem = f"{name}/{len(probes)}"
        inputs: list[NDArray[Any]] = []
        while f"{stem}/input{len(inputs)}" in arrays:
            inputs.append(arrays[f"{stem}/input{len(inputs)}"])
        probes.append(Probe(tuple(inputs), arrays[f"{stem}/rows"]))
    return probes


def _compile(core: openvino.Core, model: openvino.Model, precision: str, threads: int) -> openvino.CompiledModel:
    """For one request at a time with all threads on it: a lane computes one batch after the other, and whoever
    searches waits for one photo. Threads stay unpinned, since they share the cores with those that serve."""
    options: dict[str, Any] = {
        "PERFORMANCE_HINT": "LATENCY",
        "NUM_STREAMS": 1,
        "INFERENCE_PRECISION_HINT": precision,
        "ENABLE_CPU_PINNING": False,
    }
    if threads:
        options["INFERENCE_NUM_THREADS"] = threads
    return core.compile_model(model, DEVICE, options)


def _infer(request: openvino.InferRequest, inputs: Inputs) -> Float32Array:
    request.infer([np.ascontiguousarray(each) for each in inputs])
    rows: Float32Array = request.get_output_tensor(0).data.astype(np.float32)
    return rows


@torch.inference_mode()
def _reference(part: Part, inputs: Inputs) -> Float32Array:
    rows: Float32Array = part.module(*(torch.tensor(each) for each in inputs)).float().numpy()
    return rows


def _agreement(model: openvino.CompiledModel, probes: list[Probe]) -> float:
    """The least cosine between the model's rows and torch's; NaN where a row isn't finite, or the shapes differ."""
    request = model.create_infer_request()
    least = []
    for probe in probes:
        rows = _infer(request, probe.inputs)
        if rows.shape != probe.rows.shape:
            return float("nan")
        norms = np.linalg.norm(rows, axis=1) * np.linalg.norm(probe.rows, axis=1)
        least.append(float(((rows * probe.rows).sum(axis=1) / norms).min()))
    return float(np.min(least))


def _check(name: str, model: openvino.CompiledModel, probes: list[Probe], precision: str) -> None:
    bound = FAITHFUL if precision == EXACT else FAITHFUL_ROUNDED
    found = _agreement(model, probes)
    if not found >= bound:
        raise UnfaithfulError(
            f"its {name} vectors have cosine {found:.5f} to those of torch, where {bound} is the least"
        )


def _pays(rounded: openvino.CompiledModel, exact: openvino.CompiledModel, probes: list[Probe]) -> bool:
    """Whether rounding is close enough and clearly faster, on the largest probe; of several times the least counts."""
    if not _agreement(rounded, probes) >= FAITHFUL_ROUNDED:
        return False
    largest = max(probes, key=lambda probe: sum(each.size for each in probe.inputs)).inputs
    requests = (rounded.create_infer_request(), exact.create_infer_request())
    best = [float("inf"), float("inf")]
    for _ in range(_REPEATS):
        for i, request in enumerate(requests):
            started = time.perf_counter()
            _infer(request, largest)
            best[i] = min(best[i], time.perf_counter() - started)
    return best[0] < FASTER * best[1]
