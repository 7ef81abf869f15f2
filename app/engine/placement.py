"""Where models run: the setting ``MODEL=DEVICE``, ``MODEL=DEVICE@process`` or ``MODEL=DEVICE@HOST:PORT``,
comma-separated.

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
_FORM: Final = "MODEL=DEVICE, MODEL=DEVICE@process or MODEL=DEVICE@HOST:PORT, such as captioner=cuda:0@process"
_LABEL: Final = r"[\w-]{1,63}"  # of a name; the resolver raises no OSError for an empty or longer one
_ADDRESS: Final = re.compile(
    rf"(?:\[(?P<ipv6>[0-9A-Fa-f:.]+(?:%[\w.-]+)?)\]|(?P<name>{_LABEL}(?:\.{_LABEL})*\.?)):(?P<port>\d{{1,5}})"
)


class PlacementError(ValueError):
    """The placement can't be read; the message names the entry and says what it should be."""


@dataclass(frozen=True, slots=True)
class WorkerAddress:
    """Where a worker host listens: a name or an IP address, and a port."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Place:
    """One lane of a model, on a torch ``device``: in a thread of the service, in a process of its own, or on the
    worker host at ``worker``."""

    model: PlacedModel | Literal["all"]
    device: str
    process: bool = False
    worker: WorkerAddress | None = None


def parse_placement(text: str) -> tuple[Place, ...]:
    """``captioner=cuda:1,encoder=cuda:0@worker:8100`` -> its places, in order; none of an empty text.

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
    if not at:
        return Place(model, device)
    return Place(model, device, process=True) if way == "process" else Place(model, device, worker=_address(entry, way))


def _address(entry: str, way: str) -> WorkerAddress:
    found = _ADDRESS.fullmatch(way)
    if found is None and way.count(":") > 1 and "[" not in way:
        raise PlacementError(f"{entry!r} has colons in a host; write an IPv6 address in brackets, as in @[::1]:8100")
    if found is None:
        raise PlacementError(
            f"{entry!r} says {way!r} after the @; use @process, the @HOST:PORT of a worker host such as @worker:8100, "
            "or leave it out for a thread"
        )
    port = int(found["port"])
    if not 1 <= port <= 65535:
        raise PlacementError(f"{entry!r} names port {port}; use one from 1 to 65535")
    return WorkerAddress(found["ipv6"] or found["name"], port)
