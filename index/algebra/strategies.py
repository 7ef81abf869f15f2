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


#: What queries use that name no strategy.
DEFAULT_STRATEGY = Strategy.TEXT_DIFFERENCE

#: The share of the text part where a query names none; None: the terms' weights as they are.
DEFAULT_BALANCE: Mapping[Strategy, float | None] = MappingProxyType(
    {Strategy.WEIGHTED_SUM: None, Strategy.TEXT_DIFFERENCE: 0.5, Strategy.BEST_SCORE: None}
)
