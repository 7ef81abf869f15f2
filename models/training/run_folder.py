"""A training run on disk: its settings, its metrics as JSON lines, and the state to go on from."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Container, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import torch

from models.files import write_file
from models.types import ModelError

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

#: What decides nothing about the outcome of a run, in every configuration.
FREE_SETTINGS = ("out", "cache", "resume", "device", "command", "description", "licence")

_STATE, _METRICS, _SETTINGS = "state.pt", "metrics.jsonl", "settings.json"


class RunFolderError(ModelError):
    """The run folder can't be used as asked."""


def run_settings(config: DataclassInstance, free: Container[str]) -> dict[str, Any]:
    """The fields of a configuration as JSON values, without those that may differ between the parts of one run."""
    values = {name: value for name, value in asdict(config).items() if name not in free}
    settings: dict[str, Any] = json.loads(json.dumps(values, default=str))
    return settings


class Stateful(Protocol):
    """What networks and optimisers have in common."""

    def state_dict(self) -> dict[str, Any]: ...

    def load_state_dict(self, state_dict: dict[str, Any], /) -> Any: ...


class RunFolder:
    """One run. A new run refuses a folder that holds another; a resumed one refuses other settings.

    Args:
        path: made if missing.
        settings: everything that decides the outcome, as JSON values.
        resume: go on from the state in the folder, if there is one.
    """

    def __init__(self, path: Path, settings: dict[str, Any], *, resume: bool) -> None:
        self.path = path
        path.mkdir(parents=True, exist_ok=True)
        file = path / _SETTINGS
        if resume and file.is_file():
            stored = json.loads(file.read_text(encoding="utf-8"))
            differing = sorted(k for k in stored.keys() | settings.keys() if stored.get(k) != settings.get(k))
            if differing:
                raise RunFolderError(
                    f"{path} was started with other settings ({', '.join(differing)}); can't resume it"
                )
        elif (path / _STATE).exists():
            raise RunFolderError(f"{path} holds a run already; resume it or choose another folder")
        write_file(file, (json.dumps(settings, indent=2, sort_keys=True) + "\n").encode())

    def load_state(self) -> dict[str, Any] | None:
        """The last saved state, None where there is none, as in every run that is not resumed."""
        file = self.path / _STATE
        if not file.is_file():
            return None
        state: dict[str, Any] = torch.load(file, map_location="cpu", weights_only=True)
        return state

    def save_state(self, state: dict[str, Any]) -> None:
        """Replace the state: a kill leaves the old one or the new one."""
        temporary = self.path / f"{_STATE}.tmp"
        with temporary.open("wb") as stream:
            torch.save(state, stream)
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(self.path / _STATE)

    def restore(self, state: dict[str, Any] | None, parts: Mapping[str, Stateful]) -> tuple[int, dict[str, Any]]:
        """Load the parts from the last saved state: the epoch to begin with, and the best one so far.

        Without a state that is epoch 1 and nothing. Metrics of epochs that are run again are dropped.
        """
        if state is None:
            self.truncate_log(0)
            return 1, {}
        for name, part in parts.items():
            part.load_state_dict(state[name])
        self.truncate_log(state["epoch"])
        return state["epoch"] + 1, state["best"]

    def save(self, epoch: int, best: dict[str, Any], parts: Mapping[str, Stateful], **more: Any) -> None:
        """What :meth:`restore` reads after ``epoch``, and ``more`` beside it."""
        states = {name: part.state_dict() for name, part in parts.items()}
        self.save_state({"epoch": epoch, "best": best, **states, **more})

    def log(self, record: dict[str, Any]) -> None:
        """Append one line of metrics."""
        with (self.path / _METRICS).open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(record, sort_keys=True) + "\n")

    def truncate_log(self, epochs: int) -> None:
        """Keep the lines of the first ``epochs`` epochs: what follows ran after the state was saved, if at all."""
        file = self.path / _METRICS
        if not file.is_file():
            return
        lines = file.read_text(encoding="utf-8").splitlines(keepends=True)
        write_file(file, "".join(line for line in lines if _epoch(line) <= epochs).encode())


def _epoch(line: str) -> float:
    """The epoch of a line of metrics; infinity where a kill cut the line off."""
    try:
        return float(json.loads(line)["epoch"])
    except ValueError:
        return math.inf
