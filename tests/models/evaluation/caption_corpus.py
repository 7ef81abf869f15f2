"""A made-up corpus: photos with several captions each, and captions to score, some of them odd."""

from __future__ import annotations

import random

from models.evaluation.caption_metrics import Tokens


def words(text: str) -> Tokens:
    return text.split()


_WORDS = words("a the dog cat child runs sits on in over grass snow ball red black two with and plays")


def made_up(photos: int = 60, seed: int = 0) -> tuple[list[list[Tokens]], list[Tokens]]:
    """References (one to five a photo) and hypotheses: near copies, random ones, single words, too long ones."""
    draw = random.Random(seed)

    def caption(shortest: int, longest: int) -> Tokens:
        return draw.choices(_WORDS, k=draw.randint(shortest, longest))

    references = [[caption(3, 14) for _ in range(draw.randint(1, 5))] for _ in range(photos)]
    hypotheses = []
    for number, candidates in enumerate(references):
        near = [word if draw.random() < 0.7 else draw.choice(_WORDS) for word in draw.choice(candidates)]
        odd = [near, caption(3, 14), ["dog"], caption(25, 30), ["unheard", "of"], [*near, *near], near[:2], near]
        hypotheses.append(odd[number % len(odd)])
    return references, hypotheses
