"""Where models run: the setting ``MODEL=DEVICE`` or ``MODEL=DEVICE@process``, comma-separated.

``all`` stands for every model that has no entry of its own.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias, get_args

PlacedModel: TypeAlias = Literal["encoder", "captioner", "reasoner", "generator"]
PLACED_MODELS: Final[tuple[PlacedModel, ...]] = get_args(PlacedModel)
ALL: Final = "all"
_NAMES: Final[tuple[PlacedModel | Literal["all"], ...]] = (*PLACED_MODELS, ALL)
DEVICE: Final = r"cpu|mps|cuda(:\d+)?"
_FORM: Final = "MODEL=DEVICE or MODEL=DEVICE@process, such as captioner=cuda:0@process"


class PlacementError(ValueError):
    """The placement can't be read; the message names the entry and says what it should be."""


@dataclass(frozen=True, slots=True)
class Place:
    """One lane of a model, on a torch ``device``: in a thread of the service, or in a process of its own."""

    model: PlacedModel | Literal["all"]
    device: str
    process: bool = False


def parse_placement(text: str) -> tuple[Place, ...]:
    """``captioner=cuda:1,encoder=cuda:0,captioner=cpu@process`` -> its places, in order; none of an empty text.

    Raises:
        PlacementError: an entry has another form, or names an unknown model, device or way to run.
    """
    return tuple(_parse(entry.strip()) for entry in text.split(",")) if text.strip() else ()


def places_of(model: PlacedModel, placement: tuple[Place, ...], device: str) -> dict[str, Place]:
    """The lanes of a model by name (``encoder``, ``encoder-2``, ...): those placed, or one on ``device``."""
    places = (
        [place for place in placement if place.model == model]
        or [place for place in placement if place.model == ALL]
        or [Place(model, device)]
    )
    return {model if number == 1 else f"{model}-{number}": place for number, place in enumerate(places, start=1)}


def _parse(entry: str) -> Place:
    if not entry:
        raise PlacementError(f"an entry is empty; take the comma too many away, or write {_FORM}")
    model, equals, where = (part.strip() for part in entry.partition("="))
    if not equals or not model or not where:
        raise PlacementError(f"{entry!r} has another form than {_FORM}")
    if model not in _NAMES:
        raise PlacementError(f"{entry!r} names no model of this service; use {', '.join(_NAMES)}")
    device, at, way = (part.strip() for part in where.partition("@"))
    if not re.fullmatch(DEVICE, device):
        raise PlacementError(f"{entry!r} names no device; use cpu, mps, cuda or cuda:N")
    if at and way != "process":
        raise PlacementError(f"{entry!r} says {way!r} after the @; use @process, or leave it out for a thread")
    return Place(model, device, process=bool(at))
