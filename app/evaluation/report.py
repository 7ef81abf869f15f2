"""What the evaluation of tag arithmetic measured, and its JSON. All metrics are percent."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from app.evaluation.queries import Edit
from app.evaluation.ranking import Difference, RankingMetrics


@dataclass(frozen=True, slots=True)
class Row:
    """One method: over all queries, and over those where the reference photo matters (None where there are none)."""

    name: str
    is_baseline: bool
    balance: float | None
    overall: RankingMetrics
    matters: RankingMetrics | None


@dataclass(frozen=True, slots=True)
class Comparison:
    """The strategy and the baseline of the highest mAP@10, and the difference of theirs in points."""

    strategy: str
    baseline: str
    difference: Difference


@dataclass(frozen=True, slots=True)
class FamilyReport:
    """One kind of edit. ``matters`` counts the queries whose target has at least two tags: of one tag, the text of
    the query says all there is to know. ``comparisons`` are over all queries and over those, where there are any."""

    edit: Edit
    queries: int
    matters: int
    references: int
    right_answers: float
    rows: tuple[Row, ...]
    comparisons: tuple[Comparison, ...]

    def to_json(self) -> dict[str, object]:
        return {
            "queries": self.queries,
            "queries_where_the_reference_matters": self.matters,
            "references": self.references,
            "right_answers_mean": self.right_answers,
            "rows": [_row_json(row) for row in self.rows],
            "comparisons": {
                name: asdict(comparison)
                for name, comparison in zip(("all", "where_the_reference_matters"), self.comparisons, strict=False)
            },
        }


@dataclass(frozen=True, slots=True)
class ArithmeticReport:
    """What :func:`~app.evaluation.arithmetic.evaluate_arithmetic` measured."""

    model: str
    fingerprint: str
    split: str
    seed: int
    jaccard: float
    gallery: int
    left_out: int
    tags: tuple[str, ...]
    families: dict[Edit, FamilyReport]

    def to_json(self) -> dict[str, object]:
        """The swap on top, as the headline; the other edits under ``families``."""
        return self.families[Edit.SWAP].to_json() | {
            "unit": "percent",
            "where_the_reference_matters": "the target set has at least two tags",
            "model": self.model,
            "fingerprint": self.fingerprint,
            "split": self.split,
            "seed": self.seed,
            "jaccard": self.jaccard,
            "gallery": self.gallery,
            "photos_left_out": self.left_out,
            "tags": list(self.tags),
            "families": {edit.value: family.to_json() for edit, family in self.families.items()},
        }


def _row_json(row: Row) -> dict[str, object]:
    return {
        "strategy": row.name,
        "kind": "baseline" if row.is_baseline else "strategy",
        "balance": row.balance,
        **asdict(row.overall),
        "where_the_reference_matters": asdict(row.matters) if row.matters else None,
    }
