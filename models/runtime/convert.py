"""From torch modules to OpenVINO's representation, by its frontend: ``openvino.convert_model`` on top of that is the
part that reports its use over the network."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from models.runtime.network import Part
from models.runtime.unreported import openvino


def convert(part: Part) -> openvino.Model:
    """One part as an OpenVINO model, in float32; its constants may share memory with the module.

    Raises:
        Exception: whatever torch's tracing or OpenVINO's frontend raise on a module that they can't take.
    """
    from openvino.frontend.pytorch.ts_decoder import TorchScriptPythonDecoder

    with torch.inference_mode(False), torch.no_grad(), _traceable(), _quietly():
        example = tuple(torch.tensor(each) for each in part.probes[0])
        decoder = TorchScriptPythonDecoder(part.module, example_input=example)
        frontend = openvino.frontend.FrontEndManager().load_by_framework("pytorch")
        model = frontend.convert(frontend.load(decoder))
    shapes = {port: openvino.PartialShape(list(s)) for port, s in zip(model.inputs, part.shapes, strict=True)}
    model.reshape(shapes)
    return model


@contextmanager
def _quietly() -> Iterator[None]:
    """Tracing warns about every Python value that it takes for a constant (the probes of other shapes hold it to it),
    and looks at every attribute of a module, of some of which transformers warns in its log."""
    logger = logging.getLogger("transformers")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)


@contextmanager
def _traceable() -> Iterator[None]:
    """Keep torch's attention on the path that a trace can follow: the fused one is opaque to it."""
    enabled = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        yield
    finally:
        torch.backends.mha.set_fastpath_enabled(enabled)
