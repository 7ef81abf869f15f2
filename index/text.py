"""Rules for the text that names things: public ids, tags, and the digest that tells changed content from unchanged."""

from __future__ import annotations

import hashlib
import json
import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from types import MappingProxyType

from index.types import JsonValue, Picture, PictureCaption, Recipe

MAX_ID_LENGTH = 128  # characters after normalisation
MAX_TAG_LENGTH = 100
MAX_PHRASE_LENGTH = 100  # of an ingredient's name, or of words that a caption is searched for
MAX_PHRASE_WORDS = 12
MAX_CAPTIONS = 20  # of a photo
MAX_CAPTION_LENGTH = 1000
MAX_CAPTION_SOURCE_LENGTH = 200  # of the names of a caption's style and model

_NEVER_IN_ID = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
_NEVER_IN_TAG = frozenset({"Cc", "Cf", "Cs"})
_JOINERS = frozenset("\u200c\u200d")  # invisible, but Persian, the Indic scripts and emoji are spelt with them
_POSSESSIVE = re.compile(r"['\u2019]s(?!\w)")
_ASCII_WORD = re.compile(r"[a-z0-9]+")
# Plurals that no rule finds, and nouns that have no singular but look like the plural of another word.
_IRREGULAR = MappingProxyType(
    {
        "leaves": "leaf",
        "loaves": "loaf",
        "halves": "half",
        "calves": "calf",
        "knives": "knife",
        "geese": "goos",
        "greens": "greens",
        "bitters": "bitters",
    }
)


def normalize_id(value: str, *, reserved: frozenset[str] = frozenset()) -> str:
    """The NFC form of a public id.

    Raises ValueError, with one sentence for the user, unless that form has 1 to 128 characters, no ``/``, no
    control, invisible or surrogate character, no white space at its ends, and is not ``.``, ``..`` or ``reserved``.
    """
    text = unicodedata.normalize("NFC", value)
    if not text:
        raise ValueError("id is empty; give it 1 to 128 characters")
    if len(text) > MAX_ID_LENGTH:
        raise ValueError(f"id has {len(text)} characters; at most {MAX_ID_LENGTH} are allowed")
    if text != text.strip():
        raise ValueError("id starts or ends with white space; remove it")
    if "/" in text:
        raise ValueError("id holds a '/', which would split the address of the item; use another character")
    for character in text:
        if unicodedata.category(character) in _NEVER_IN_ID:
            raise ValueError(f"id holds the control or invisible character U+{ord(character):04X}; remove it")
    if text in {".", ".."} or text in reserved:
        raise ValueError(f"id {text!r} is reserved; choose another")
    return text


def normalize_tag(value: str) -> str:
    """A tag in NFC, trimmed, each run of white space made one space.

    Raises ValueError unless 1 to 100 characters are left, at least one of them visible and none of them a control,
    invisible (the joiners U+200C and U+200D apart) or surrogate character.
    """
    text = unicodedata.normalize("NFC", " ".join(value.split()))
    if len(text) > MAX_TAG_LENGTH:
        raise ValueError(f"tag has {len(text)} characters; at most {MAX_TAG_LENGTH} are allowed")
    for character in text:
        if character not in _JOINERS and unicodedata.category(character) in _NEVER_IN_TAG:
            raise ValueError(f"tag holds the control or invisible character U+{ord(character):04X}; remove it")
    if all(character in _JOINERS for character in text):
        raise ValueError("tag is empty; give it 1 to 100 characters")
    return text


def normalize_tags(values: Iterable[str]) -> tuple[str, ...]:
    """Normalised tags in their order, the first spelling kept of those that compare equal. Raises ValueError."""
    kept: dict[str, str] = {}
    for value in values:
        tag = normalize_tag(value)
        kept.setdefault(tag_key(tag), tag)
    return tuple(kept.values())


def tag_key(tag: str) -> str:
    """What tags are compared by: canonical caseless matching (Unicode, section 3.13, D145), kept in NFC."""
    folded = unicodedata.normalize("NFD", tag).casefold()
    return unicodedata.normalize("NFC", folded)


def normalize_captions(values: Iterable[PictureCaption]) -> tuple[PictureCaption, ...]:
    """A photo's captions in NFC, trimmed, each run of white space made one space; of equal ones the first.

    Raises ValueError, with one sentence for the user, if there are more than 20, a text is blank or has more than 1,000
    characters, or a control character or half of a surrogate pair is in one.
    """
    kept = tuple(dict.fromkeys(_normalize_caption(value) for value in values))
    if len(kept) > MAX_CAPTIONS:
        raise ValueError(f"a photo has {len(kept)} captions; at most {MAX_CAPTIONS} are allowed")
    return kept


def _normalize_caption(value: PictureCaption) -> PictureCaption:
    text = _sentence("caption", value.text, MAX_CAPTION_LENGTH)
    if all(unicodedata.category(character) in {"Cf", "Zs"} for character in text):
        raise ValueError(f"caption is blank; give it 1 to {MAX_CAPTION_LENGTH} characters, or leave it out")
    return PictureCaption(
        text,
        _sentence("style of a caption", value.style, MAX_CAPTION_SOURCE_LENGTH),
        _sentence("model of a caption", value.model, MAX_CAPTION_SOURCE_LENGTH),
    )


def _sentence(name: str, value: str, most: int) -> str:
    text = unicodedata.normalize("NFC", " ".join(value.split()))
    if len(text) > most:
        raise ValueError(f"{name} has {len(text)} characters; at most {most} are allowed")
    for character in text:
        if unicodedata.category(character) in {"Cc", "Cs"}:
            raise ValueError(f"{name} holds the control character U+{ord(character):04X}; remove it")
    return text


def caption_values(captions: Iterable[PictureCaption]) -> list[dict[str, str]]:
    """Captions as JSON objects with the fields of :class:`PictureCaption`."""
    return [asdict(caption) for caption in captions]


def compared_words(line: str) -> tuple[str, ...]:
    """The words of an ingredient line, of an ingredient's name or of a caption, in their order, as they are compared.

    A word is a run of letters, marks and digits of any script, folded as :func:`tag_key` does it; an English possessive
    loses its ``'s``, and singular and plural of an English noun become one form (which need not be a word: "cheese" and
    "cheeses" are "chees"). Whatever stands between two words (white space, hyphen, comma) is not compared.
    """
    text = _POSSESSIVE.sub("", tag_key(line))
    if text.isascii():
        return tuple(_number_folded(word) for word in _ASCII_WORD.findall(text))
    spaced = "".join(character if _is_of_word(character) else " " for character in text)
    return tuple(_number_folded(word) for word in spaced.split())


def ingredient_phrase(name: str) -> tuple[str, ...]:
    """The words that a line must hold, one after the other, to have the ingredient ``name``.

    Raises ValueError, with one sentence for the user, unless the name has at most 100 characters and 1 to 12 words.
    """
    return _phrase("ingredient", name, "give a name such as 'green onion'")


def caption_phrase(text: str) -> tuple[str, ...]:
    """The words that a caption must hold, one after the other, to be found by ``text``. Raises ValueError as
    :func:`ingredient_phrase` does."""
    return _phrase("caption", text, "give words such as 'two dogs'")


def _phrase(name: str, text: str, remedy: str) -> tuple[str, ...]:
    if len(text) > MAX_PHRASE_LENGTH:
        raise ValueError(f"{name} has {len(text)} characters; at most {MAX_PHRASE_LENGTH} are allowed")
    words = compared_words(text)
    if not words:
        raise ValueError(f"{name} {text!r} has no letter or digit; {remedy}")
    if len(words) > MAX_PHRASE_WORDS:
        raise ValueError(f"{name} has {len(words)} words; at most {MAX_PHRASE_WORDS} are allowed")
    return words


def _is_of_word(character: str) -> bool:
    return unicodedata.category(character)[0] in "LMN" or character in _JOINERS


def _number_folded(word: str) -> str:
    """One form for singular and plural: "berry", "berries"; "chili", "chilis", "chilies"; "peach", "peaches"."""
    if word in _IRREGULAR:
        return _IRREGULAR[word]
    if len(word) > 3 and word.endswith("s") and not word.endswith(("ss", "us")):
        word = word[:-1]
    if len(word) > 3:
        if word.endswith("ie"):
            return word[:-2] + "y"
        if word.endswith("i"):
            return word[:-1] + "y"
        if word.endswith(("oe", "se", "xe", "ze", "che", "she")):
            return word[:-1]
    return word


def is_storable(text: str) -> bool:
    """False for what no database takes as text: U+0000 and halves of surrogate pairs. No stored text has them."""
    return "\0" not in text and not any("\ud800" <= character <= "\udfff" for character in text)


def content_digest(content: Recipe | Picture) -> str:
    """Hex sha256 of the content as canonical JSON; a picture's includes the name of its blob, so its bytes.

    Raises ValueError if the content is not JSON (NaN, infinity, a foreign type) or not encodable text.
    """
    values: dict[str, JsonValue]
    if isinstance(content, Recipe):
        values = {"ingredients": content.ingredients, "instructions": content.instructions}
    else:
        values = {
            "blob": content.blob,
            "generated": content.generated,
            "height": content.height,
            "media_type": content.media_type,
            "size": content.size,
            "width": content.width,
        }
        if content.captions:  # left out otherwise, so that a photo without any keeps the digest that it always had
            values["captions"] = caption_values(content.captions)
    values |= {"extra": content.extra, "tags": content.tags, "title": content.title}
    return hashlib.sha256(_canonical_json(values)).hexdigest()


def _canonical_json(value: Mapping[str, JsonValue]) -> bytes:
    try:
        text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
        return text.encode()
    except UnicodeEncodeError as error:
        raise ValueError("content holds half of a surrogate pair, which is not text; remove it") from error
    except (TypeError, RecursionError) as error:
        raise ValueError(f"content is not plain JSON ({error}); give strings, numbers, lists and objects") from error
