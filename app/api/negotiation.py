"""Which media type a client wants (RFC 9110, section 12.5.1)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from starlette.requests import Request

from app.problems import Problem

Offer = TypeVar("Offer", bound=str)

_RANGE = re.compile(r"^(?P<type>[\w!#$&^.+*-]+)/(?P<subtype>[\w!#$&^.+*-]+)$", re.ASCII)
_WEIGHT = re.compile(r"^(?:0(?:\.\d{0,3})?|1(?:\.0{0,3})?)$", re.ASCII)


@dataclass(frozen=True, slots=True)
class _MediaRange:
    name: str  # lower case, without parameters
    weight: float

    def specificity(self, media_type: str) -> int:
        """0: doesn't match; 1: ``*/*``; 2: ``type/*``; 3: the type itself."""
        if self.name == media_type:
            return 3
        if self.name == f"{media_type.partition('/')[0]}/*":
            return 2
        return 1 if self.name == "*/*" else 0


def preferred(request: Request, offers: Sequence[Offer]) -> Offer:
    """Which of ``offers`` (media types in lower case, without parameters) the ``Accept`` header wants most.

    The most specific range that matches a type gives its weight. Of equal weights the type that is named more
    specifically wins, then the earlier offer. Without the header it is the first; ranges that can't be read are passed
    over.

    Raises:
        Problem: 406: none of them is wanted.
    """
    header = ", ".join(request.headers.getlist("accept")).strip()
    if not header:
        return offers[0]
    ranges = [found for part in header.split(",") if (found := _parse(part)) is not None]
    best, rank = offers[0], (0.0, 0)
    for offer in offers:
        specificity, weight = max(((each.specificity(offer), each.weight) for each in ranges), default=(0, 0.0))
        wanted = (weight, specificity) if specificity else (0.0, 0)
        if wanted[0] > 0 and wanted > rank:
            best, rank = offer, wanted
    if rank[0] == 0:
        raise Problem(
            "not-acceptable", f"This address answers with {' or '.join(offers)}; the Accept header wants none."
        )
    return best


def _parse(part: str) -> _MediaRange | None:
    name, *parameters = (piece.strip() for piece in part.split(";"))
    if not _RANGE.match(name):
        return None
    weight = 1.0
    for parameter in parameters:
        key, _, value = parameter.partition("=")
        if key.strip().lower() == "q":
            if not _WEIGHT.match(value.strip()):
                return None
            weight = float(value)
    return _MediaRange(name.lower(), weight)


def prefers(request: Request, preference: str) -> bool:
    """Whether the ``Prefer`` header (RFC 7240) names a preference, in whatever case and with whatever parameters."""
    header = ", ".join(request.headers.getlist("prefer"))
    named = (part.partition(";")[0].partition("=")[0].strip().lower() for part in header.split(","))
    return preference in named
