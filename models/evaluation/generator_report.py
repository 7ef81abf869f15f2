"""What the evaluation of a generator of pictures found."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

_UNITS = (
    "fd: squared distance in features; kd: squared discrepancy; r_precision: share of 1; diversity, nearest: Euclidean "
    "distance in features"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class GeneratorReport:
    """Numbers over ``n`` pictures drawn from titles of ``split`` and as many photos of it, all at ``resolution``.

    Attributes:
        fd, kd: Fréchet and kernel distance of the drawn pictures to the photos; ``floor``: of training photos, as many,
            to the same photos; ``decoded``: of those training photos after the generator's autoencoder, None where it
            has none; ``ceiling``: of pictures by what ``ceiling`` names.
        r_precision: share of pictures that the judge finds nearest to their own title among ``r_precision_of``, all
            different; ``real``: of the photos.
        diversity: mean distance between pictures of one dish; ``real``: between training photos of one dish. None where
            too few photos share a dish.
        nearest: mean distance of drawn pictures to the nearest training photo; ``real``: of the photos.
        backbone: whose features all of that is in; ``backbone_digest``: of its weights and input.
        judge: hex sha256 of the judge's weights.
        pictures_per_second: of the generator alone.
        notes: what must be known to read the numbers.
    """

    fd: float
    fd_floor: float
    fd_ceiling: float
    kd: float
    kd_floor: float
    kd_ceiling: float
    r_precision: float
    r_precision_real: float
    r_precision_of: int
    diversity: float | None
    diversity_real: float | None
    dishes: int
    nearest: float
    nearest_real: float
    backbone: str
    backbone_digest: str
    judge: str
    ceiling: str
    n: int
    train_photos: int
    resolution: int
    split: str
    generator: str
    fingerprint: str
    candidates: int
    truncation: float
    seed: int
    pictures_per_second: float
    fd_decoded: float | None = None
    kd_decoded: float | None = None
    notes: tuple[str, ...] = ()

    def relative(self) -> dict[str, float | None]:
        """Each number relative to what real photos score: ``fd`` and ``kd`` as the way from the floor (0) to the
        ceiling (1), the others as a multiple; None where that is not defined."""
        return {
            "fd": _share(self.fd - self.fd_floor, self.fd_ceiling - self.fd_floor),
            "kd": _share(self.kd - self.kd_floor, self.kd_ceiling - self.kd_floor),
            "r_precision": _share(self.r_precision, self.r_precision_real),
            "diversity": _share(self.diversity, self.diversity_real),
            "nearest": _share(self.nearest, self.nearest_real),
        }

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "notes": list(self.notes), "relative": self.relative(), "units": _UNITS}


def _share(part: float | None, whole: float | None) -> float | None:
    return None if part is None or not whole or whole <= 0 else part / whole
