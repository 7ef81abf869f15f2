"""Drawing pictures, in the shape of OpenAI's Images: what is asked and what is answered."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, Self

from pydantic import AfterValidator, ConfigDict, Field, StringConstraints, model_validator

from app.schemas.common import Finite, ItemId, Request, Response
from app.schemas.recipes import RecipePart
from app.services.drawing import MAX_CANDIDATES, MAX_PICTURES, MAX_PROMPT, check_prompt
from models.generation.provenance import PictureFormat
from models.generation.types import MAX_SEED

ResponseFormat = Literal["b64_json", "url"]


Prompt = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=MAX_PROMPT), AfterValidator(check_prompt)
]
NegativePrompt = Annotated[
    str, StringConstraints(strip_whitespace=True, max_length=MAX_PROMPT), AfterValidator(check_prompt)
]


class DrawPictures(Request):
    """Pictures of a `prompt`, of a stored recipe (`recipe_id`) or of a `recipe`; exactly one of them."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"prompt": "tomato soup in a white bowl", "n": 2, "size": "128x128", "seed": 7},
                {"prompt": "pasta", "negative_prompt": "meat", "candidates": 8, "response_format": "url"},
                {"recipe_id": "spaghetti-carbonara", "output_format": "jpeg", "store": True},
            ]
        }
    )
    subjects: ClassVar[tuple[str, ...]] = ("prompt", "recipe_id", "recipe")

    prompt: Prompt | None = None
    recipe_id: ItemId | None = Field(default=None, description="A stored recipe.")
    recipe: RecipePart | None = None
    n: int = Field(default=1, ge=1, le=MAX_PICTURES, description="Pictures in the answer.")
    size: str = Field(
        default="auto", max_length=20, description="`128x128`, say: one of the generator's sizes, see `/v1/models`."
    )
    response_format: ResponseFormat = Field(
        default="b64_json", description="The files themselves, or addresses where they lie for a while."
    )
    output_format: PictureFormat = "png"
    seed: int | None = Field(
        default=None,
        ge=0,
        le=MAX_SEED,
        description="Picture i (from 0) of seed s is drawn with seed s + i; left out: by chance. The answer has it.",
    )
    truncation: Finite = Field(
        default=1.0, gt=0, le=1, description="Scale of the noise: less is more typical and less varied."
    )
    negative_prompt: NegativePrompt = Field(
        default="", description="What not to draw, where the generator can be told (`negative` in `/v1/models`)."
    )
    candidates: int | None = Field(
        default=None,
        ge=1,
        le=MAX_CANDIDATES,
        description="Pictures to draw, at least `n`; the `n` that the joint encoder finds nearest to the subject are "
        "answered, best first. Left out: as the service is set, and with a `seed` just those that are answered.",
    )
    store: bool = Field(
        default=False,
        description="Also store them as photos that are marked `generated`: all that are answered or, with a problem "
        "as the answer, none.",
    )
    model: str | None = Field(default=None, max_length=200, description="The generator's name, if given.")
    user: str | None = Field(default=None, max_length=512, description="Accepted for other services' clients; unused.")

    @model_validator(mode="after")
    def _one_subject(self) -> Self:
        given = [name for name in self.subjects if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(f"give exactly one of {', '.join(self.subjects)} (got {', '.join(given) or 'none'})")
        return self


class CandidateOut(Response):
    """A picture that was drawn; `score` is its cosine with the subject in the joint space."""

    seed: int
    score: float


class DrawnPictureOut(CandidateOut):
    """A picture. `id` is that of the stored photo."""

    b64_json: str | None = None
    url: str | None = None
    expires_at: int | None = Field(default=None, description="When there will be nothing at `url`; Unix seconds.")
    revised_prompt: str | None = Field(default=None, description="What was drawn, where a recipe was asked for.")
    id: str | None = None


class DrawnPictures(Response):
    """Pictures in the order of their seeds or, where more were drawn than are answered, best first; then `candidates`
    has all that were drawn."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "created": 1769860800,
                    "data": [{"b64_json": "iVBORw0KGgo=", "seed": 7, "score": 0.31}],
                    "model": "tastespace-pictures",
                    "size": "128x128",
                    "output_format": "png",
                    "took_ms": {"encode": 12.1, "draw": 140.2, "score": 21.0, "write": 3.1},
                }
            ]
        }
    )

    created: int = Field(description="Unix seconds.")
    data: list[DrawnPictureOut]
    model: str
    size: str
    output_format: PictureFormat
    candidates: list[CandidateOut] | None = None
    took_ms: dict[str, float] = Field(description="Milliseconds by stage; also in the Server-Timing header.")
