"""The query algebra: terms to add and to subtract, made into an order of the candidates by named strategies."""

from index.algebra.best import BestScorePlan
from index.algebra.linear import LinearPlan, contributions, weighted_sum
from index.algebra.plans import STRATEGIES, Plan, Planner, plan
from index.algebra.strategies import CENTRES_TEXTS, DEFAULT_BALANCE, DEFAULT_STRATEGY, Strategy
from index.algebra.terms import CANCELLED_BELOW, Modality, Term

__all__ = [
    "CANCELLED_BELOW",
    "CENTRES_TEXTS",
    "DEFAULT_BALANCE",
    "DEFAULT_STRATEGY",
    "STRATEGIES",
    "BestScorePlan",
    "LinearPlan",
    "Modality",
    "Plan",
    "Planner",
    "Strategy",
    "Term",
    "contributions",
    "plan",
    "weighted_sum",
]
