"""Health, models, tags, and the page at the root."""

from __future__ import annotations

from typing import Literal

from pydantic import ConfigDict

from app.schemas.common import Response
from models.captioning.types import CaptionStyle
from models.generation.types import Condition


class Service(Response):
    """Where things are."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"name": "tastespace", "version": "0.1.0", "links": {"docs": "/docs", "ready": "/readyz"}}]
        }
    )

    name: str
    version: str
    links: dict[str, str]


class Alive(Response):
    model_config = ConfigDict(json_schema_extra={"examples": [{"status": "ok"}]})

    status: Literal["ok"] = "ok"


class Ready(Response):
    """The encoder and the index answer; `checks` also has each other model: `ok`, or what is wrong with it."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"status": "ready", "checks": {"encoder": "ok", "captioner": "ok", "catalogue": "ok", "index": "ok"}}
            ]
        }
    )

    status: Literal["ready"] = "ready"
    checks: dict[str, str]


class Lane(Response):
    lane: str
    state: str
    detail: str
    device: str
    queued_items: int
    running_items: int
    completed_items: int
    failed_items: int


class Encoder(Response):
    """The joint encoder. `fingerprint` covers weights, preprocessing and tokenizer; `runtime` is what computes it,
    `torch` or `openvino`."""

    name: str
    fingerprint: str
    dim: int
    image_size: int
    device: str
    runtime: str
    parameters: int
    licence: str
    description: str


class Captioner(Response):
    """What writes captions, in which `styles`; `grid`: rows and columns of its attention maps, null without maps."""

    name: str
    fingerprint: str
    styles: list[CaptionStyle]
    grid: tuple[int, int] | None
    vocabulary: int
    image_size: int
    device: str
    parameters: int
    licence: str
    description: str


class Reasoner(Response):
    """What answers questions about photos. `question_types` are those that it tells apart; `answers` is how many it
    chooses from, 0 where it writes them freely; `grid` as a captioner's."""

    name: str
    fingerprint: str
    question_types: list[str]
    answers: int
    grid: tuple[int, int] | None
    image_size: int
    device: str
    parameters: int
    licence: str
    description: str


class Generator(Response):
    """What draws pictures, of which `sizes`. `conditions`: whether it is told vectors of the encoder whose fingerprint
    `encoder` is, or reads text by itself; `negative`: whether it can be told what not to draw."""

    name: str
    fingerprint: str
    encoder: str
    sizes: list[str]
    conditions: Condition
    negative: bool
    device: str
    parameters: int
    licence: str
    description: str


class Models(Response):
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "encoder": {
                        "name": "tastespace-lite",
                        "fingerprint": "6c1f0d1e",
                        "dim": 512,
                        "image_size": 224,
                        "device": "cpu",
                        "runtime": "openvino",
                        "parameters": 30000000,
                        "licence": "see the model card",
                        "description": "",
                    },
                    "captioner": {
                        "name": "tastespace-captions",
                        "fingerprint": "a41b07c9",
                        "styles": ["general", "dish"],
                        "grid": [7, 7],
                        "vocabulary": 8000,
                        "image_size": 224,
                        "device": "cpu",
                        "parameters": 20000000,
                        "licence": "see the model card",
                        "description": "",
                    },
                    "reasoner": {
                        "name": "tastespace-answers",
                        "fingerprint": "77d20be4",
                        "question_types": ["course", "ingredient", "main ingredient"],
                        "answers": 300,
                        "grid": [7, 7],
                        "image_size": 224,
                        "device": "cpu",
                        "parameters": 9000000,
                        "licence": "see the model card",
                        "description": "",
                    },
                    "generator": {
                        "name": "tastespace-pictures",
                        "fingerprint": "0d52c8e1",
                        "encoder": "6c1f0d1e",
                        "sizes": ["128x128"],
                        "conditions": "vector",
                        "negative": True,
                        "device": "cpu",
                        "parameters": 10000000,
                        "licence": "see the model card",
                        "description": "",
                    },
                    "lanes": [
                        {
                            "lane": "encoder",
                            "state": "ready",
                            "detail": "",
                            "device": "cpu",
                            "queued_items": 0,
                            "running_items": 0,
                            "completed_items": 160,
                            "failed_items": 0,
                        }
                    ],
                }
            ]
        }
    )

    encoder: Encoder
    captioner: Captioner | None
    reasoner: Reasoner | None
    generator: Generator | None
    lanes: list[Lane]


class TagOut(Response):
    tag: str
    count: int


class TagsOut(Response):
    """Tags, most used first."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"kind": "recipe", "tags": [{"tag": "pasta", "count": 12}]}]}
    )

    kind: Literal["recipe", "image"]
    tags: list[TagOut]
