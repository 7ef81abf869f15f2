"""What is answered to who asked for pictures, and what is kept of a job's answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from app.services.drawn_files import DrawnFiles
from app.services.timings import Timings
from index.types import JsonValue
from models.generation.provenance import PictureFormat


@dataclass(frozen=True, slots=True)
class FinishedPicture:
    """A file that says where it comes from; ``name`` among the drawn files where it is kept, ``id`` where it is
    stored."""

    data: bytes
    seed: int
    score: float
    name: str | None = None
    id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DrawingAnswer:
    """Pictures, and all candidates by seed and score, in the order in which they were drawn.

    ``prompt`` is what was drawn, where that was not the client's own words. ``created`` and ``expires_at`` (of kept
    files) are in seconds since 1970.
    """

    pictures: tuple[FinishedPicture, ...]
    candidates: tuple[tuple[int, float], ...]
    model: str
    prompt: str | None
    size: int
    picture_format: PictureFormat
    created: int
    expires_at: int
    timings: Timings

    def to_json(self) -> Mapping[str, JsonValue]:
        """Without the bytes; :func:`read_answer` reads it."""
        record = asdict(self)
        pictures = [{name: value for name, value in each.items() if name != "data"} for each in record["pictures"]]
        return record | {"pictures": pictures, "timings": self.timings.seconds}


def read_answer(files: DrawnFiles, job_id: str) -> DrawingAnswer | None:
    """What a job answered, by what is kept of it among ``files``; None where something of it is not there (any
    more)."""
    record: Any = files.read_result(job_id)
    if record is None:
        return None
    pictures: list[FinishedPicture] = []
    for each in record["pictures"]:
        data = files.read(each["name"])
        if data is None:
            return None
        pictures.append(FinishedPicture(data, each["seed"], each["score"], each["name"], each["id"]))
    values = record | {
        "pictures": tuple(pictures),
        "candidates": tuple((seed, score) for seed, score in record["candidates"]),
        "timings": Timings(record["timings"]),
    }
    return DrawingAnswer(**values)
