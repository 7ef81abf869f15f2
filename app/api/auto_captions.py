"""What asks for automatic captions, the same wherever photos come in."""

from __future__ import annotations

from types import MappingProxyType
from typing import Any, get_args

from starlette.datastructures import FormData

from app.api.bodies import form_text, validated
from app.schemas.images import AutoCaptionFields
from app.services.items import AutoCaptions
from models.captioning.types import RequestedStyle

#: The form fields, as OpenAPI has them.
AUTO_CAPTIONS: MappingProxyType[str, dict[str, Any]] = MappingProxyType(
    {
        "auto_captions": {
            "type": "boolean",
            "default": False,
            "description": "Let the captioner add a caption to yours.",
        },
        "auto_captions_style": {
            "type": "string",
            "enum": list(get_args(RequestedStyle)),
            "description": "`general` describes what is seen, `dish` names the dish; left out: `dish` for food.",
        },
    }
)


def form_auto_captions(form: FormData) -> AutoCaptions | None:
    """What the form asks for; None: no automatic captions. Raises Problem 422 that names the field."""
    given = {name: text for name in AUTO_CAPTIONS if (text := form_text(form, name)) is not None}
    return validated(AutoCaptionFields, given).to_auto_captions()
