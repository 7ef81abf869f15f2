"""Progress bars on standard error; on anything but a terminal they stay silent until the end."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn


def new_progress(console: Console) -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}"),
        console=console,
        disable=not console.is_terminal,
    )


class StageProgress:
    """One bar a stage, made when the stage is first heard of."""

    def __init__(self, console: Console) -> None:
        self._progress = new_progress(console)
        self._bars: dict[str, TaskID] = {}

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def advance(self, stage: str, done: int, total: int, note: str = "") -> None:
        if stage not in self._bars:
            self._bars[stage] = self._progress.add_task(stage, total=total, note="")
        self._progress.update(self._bars[stage], completed=done, total=total, note=note)
