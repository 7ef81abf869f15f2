"""The projection of one tower's features into the joint space."""

from __future__ import annotations

from torch import Tensor, nn


class ProjectionHead(nn.Module):
    """A linear map and a residual MLP on top of it.

    The linear path keeps sums of features sums of embeddings, which arithmetic over tags relies on; the residual
    path starts near zero and learns the rest.
    """

    def __init__(self, width: int, dim: int, *, hidden: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.project = nn.Linear(width, dim)
        self.residual = nn.Sequential(
            nn.LayerNorm(dim), nn.Linear(dim, hidden), nn.GELU(), nn.Dropout(dropout), nn.Linear(hidden, dim)
        )
        self.dropout = nn.Dropout(dropout)

    def forward(self, features: Tensor) -> Tensor:
        """(n, width) -> (n, dim), not normalised."""
        projected = self.project(self.dropout(self.norm(features)))
        out: Tensor = projected + self.residual(projected)
        return out
