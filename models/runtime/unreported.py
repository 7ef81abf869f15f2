"""OpenVINO, imported without a word to anyone.

``import openvino`` alone reports the import over the network and writes an identity into the user's home, unless a
file there forbids it. It does without its reporter where that can't be imported, which is so here while it loads.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

__all__ = ["openvino"]

_REPORTER = "openvino_telemetry"


def _import() -> Any:
    known = sys.modules.pop(_REPORTER, None)
    sys.modules[_REPORTER] = None  # type: ignore[assignment]
    try:
        import openvino
    finally:
        del sys.modules[_REPORTER]
        if known is not None:
            sys.modules[_REPORTER] = known
    return openvino


if TYPE_CHECKING:
    import openvino
else:
    openvino = _import()
