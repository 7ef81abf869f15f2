"""The names of the strategies."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType


class Strategy(StrEnum):
    """How terms become an order of the candidates."""

    WEIGHTED_SUM = "weighted_sum"
    TEXT_DIFFERENCE = "text_difference"
    BEST_SCORE = "best_score"
    PROJECTION = "projection"


#: What queries use that name no strategy.
DEFAULT_STRATEGY = Strategy.PROJECTION

#: Strategies that centre texts, and need ``text_mean`` for it.
CENTRES_TEXTS = frozenset({Strategy.TEXT_DIFFERENCE, Strategy.PROJECTION})

#: The share of the text part where a query names none; None: the terms' weights as they are. The numbers have the
#: highest mAP@10 of swapped tags over training photos, or are level with it and leave the photo more to say
#: (`tastespace eval arithmetic --tune`, tastespace-lite).
DEFAULT_BALANCE: Mapping[Strategy, float | None] = MappingProxyType(
    {
        Strategy.WEIGHTED_SUM: None,
        Strategy.TEXT_DIFFERENCE: 0.75,
        Strategy.BEST_SCORE: 0.75,
        Strategy.PROJECTION: 0.75,
    }
)
