"""Progress bars on standard error; on anything but a terminal they stay silent until the end."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

if TYPE_CHECKING:
    from models.training.joint import TrainingProgress


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


def listed(metrics: Mapping[str, float]) -> str:
    """Metrics in a line, to three digits."""
    return ", ".join(f"{name} {value:.3g}" for name, value in metrics.items())


def training_bars(
    progress: StageProgress, kept: Callable[[str, str], bool] = lambda *_: True
) -> Callable[[TrainingProgress], None]:
    """What shows a training: a bar a stage, beside it the metrics that are ``kept`` of (stage, name)."""

    def show(step: TrainingProgress) -> None:
        shown = {name: value for name, value in step.metrics.items() if kept(step.stage, name)}
        progress.advance(step.stage, step.done, step.total, ", ".join(filter(None, [step.detail, listed(shown)])))

    return show
