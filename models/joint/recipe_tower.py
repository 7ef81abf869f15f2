"""The recipe tower: a set of line embeddings in, one vector out."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.joint.heads import ProjectionHead
from models.joint.lines import LineKind

COMPONENTS = (LineKind.TITLE, LineKind.INGREDIENT, LineKind.INSTRUCTION)


class SelfAttentionBlock(nn.Module):
    """A set attention block (Lee et al. 2019, section 3.1), normalised before each part."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm = nn.LayerNorm(width)
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)
        self.mlp = nn.Sequential(
            nn.LayerNorm(width),
            nn.Linear(width, 2 * width),
            nn.GELU(),
            nn.Linear(2 * width, width),
        )

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """x: (n, lines, width); mask: bool (n, lines), True for real lines. Returns (n, lines, width)."""
        n, length, width = x.shape
        qkv = self.qkv(self.norm(x)).view(n, length, 3, self.heads, width // self.heads)
        q, k, v = qkv.permute(2, 0, 3, 1, 4)
        attended = functional.scaled_dot_product_attention(q, k, v, attn_mask=mask[:, None, None, :])
        x = x + self.out(attended.transpose(1, 2).reshape(n, length, width))
        out: Tensor = x + self.mlp(x)
        return out


class ComponentPooling(nn.Module):
    """Attention pooling (Lee et al. 2019, section 3.2) within each component, by queries that start as the mean."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm = nn.LayerNorm(width)
        self.key = nn.Linear(width, width)
        self.value = nn.Linear(width, width)
        self.query = nn.Parameter(torch.zeros(len(COMPONENTS), heads, width // heads))
        self.missing = nn.Parameter(torch.randn(len(COMPONENTS), width) * 0.02)

    def forward(self, x: Tensor, kinds: Tensor) -> Tensor:
        """x: (n, lines, width); kinds: int64 (n, lines). Returns (n, 3 x width); a missing component's part is
        learned."""
        n, length, width = x.shape
        x = self.norm(x)
        key = self.key(x).view(n, length, self.heads, -1)
        value = self.value(x).view(n, length, self.heads, -1)
        components = torch.tensor(COMPONENTS, device=kinds.device)
        member = (kinds[:, None, :] == components[None, :, None])[:, :, None, :]  # (n, component, 1, lines)
        scores = torch.einsum("chd,nlhd->nchl", self.query, key).masked_fill(~member, -1e4)
        weights = scores.softmax(dim=-1) * member
        pooled = torch.einsum("nchl,nlhd->nchd", weights, value).reshape(n, len(COMPONENTS), width)
        present = member.any(dim=-1)  # (n, component, 1)
        return torch.where(present, pooled, self.missing).reshape(n, len(COMPONENTS) * width)


class RecipeTower(nn.Module):
    """A set transformer over the sentence embeddings of title, ingredient and instruction lines.

    Every line gets the learned embedding of its kind; blocks of self-attention let the lines see each other;
    attention pools each component; a projection head joins the three. Any non-empty subset of components works.
    ``dropout`` is that of the head: in front of it, dropped lines and components do better and cost nothing.
    """

    def __init__(self, line_width: int, dim: int, *, width: int, layers: int, heads: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.embed = nn.Linear(line_width, width)
        self.kind = nn.Embedding(len(LineKind), width, padding_idx=int(LineKind.PADDING))
        self.blocks = nn.ModuleList(SelfAttentionBlock(width, heads) for _ in range(layers))
        self.pool = ComponentPooling(width, heads)
        self.head = ProjectionHead(len(COMPONENTS) * width, dim, hidden=2 * dim, dropout=dropout)

    def forward(self, lines: Tensor, kinds: Tensor) -> Tensor:
        """lines: float (n, lines, line_width), unit-norm rows; kinds: int64 (n, lines) of :class:`LineKind`, at
        least one of a row not padding. Returns (n, dim), not normalised."""
        out: Tensor = self.head(self.pooled(lines, kinds))
        return out

    def pooled(self, lines: Tensor, kinds: Tensor) -> Tensor:
        """What the head sees: (n, 3 x width), one part a component."""
        # Unit-norm rows have entries near 1/sqrt(width); bring them to the scale that layers are initialised for.
        x = self.embed(lines * lines.shape[-1] ** 0.5) + self.kind(kinds)
        mask = kinds != LineKind.PADDING
        for block in self.blocks:
            x = block(x, mask)
        pooled: Tensor = self.pool(x, kinds)
        return pooled
