"""What asks for automatic tags, the same wherever photos come in."""

from __future__ import annotations

from types import MappingProxyType
from typing import Any

from starlette.datastructures import FormData

from app.api.bodies import form_text, validated
from app.schemas.images import AutoTagFields
from app.services.items import AutoTags

#: The form fields, as OpenAPI has them.
AUTO_TAGS: MappingProxyType[str, dict[str, Any]] = MappingProxyType(
    {
        "auto_tags": {"type": "boolean", "default": False, "description": "Let the trained head add tags to yours."},
        "auto_tags_min": {
            "type": "number",
            "minimum": 0,
            "maximum": 1,
            "description": "Probability from which a tag is added; left out: the threshold of the head's training.",
        },
    }
)


def form_auto_tags(form: FormData) -> AutoTags | None:
    """What the form asks for; None: no automatic tags. Raises Problem 422 that names the field."""
    given = {name: text for name in AUTO_TAGS if (text := form_text(form, name)) is not None}
    return validated(AutoTagFields, given).to_auto_tags()
