"""Words that an option refuses, drawn from its declaration."""

import random
import re
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt
from pydantic.fields import FieldInfo

from agents.config.base import element

# fmt: off
NO_NUMBERS = [
    "three",
    "",
    ".nan",
    "-.inf",
    ".inf",
    "1e999",
    "true",
    "None",
    "٣",
    "1,5",
    "--",
    "-.",
    "<<",
    "½",
]
NO_INTEGERS = [*NO_NUMBERS, "3.5", "1e3", "1.0"]
NO_BOOLEANS = ["2", "perhaps", "yes", "", "1.0", "nein"]
NO_TEXTS = ["?", "a b", "::", "0...4", "-", "cem", "additive:", "é?", "4..x", "x:y:z"]
NO_PAIRS = ["gravity", "=3", "g=.nan", "g=-.inf"]
NOT_IN_32_BITS = {int: ["2147483648", f"{10**30}"], float: ["4e38", "-4e38", "1e-39", f"{10**50}"]}


def wrong_words(field: FieldInfo, rng: random.Random) -> list[str]:
    """Words of a wrong type; empty where every text is allowed."""
    kind: Any = field.annotation
    origin = get_origin(kind) or kind
    if origin is tuple:
        each = element(field)
        found = wrong_words(each, rng) or ["?"]  # a text that the command itself reads
        return ["1", *found] if each.annotation is int and rng.random() < 0.5 else found
    return [rng.choice(_pool(origin, field))] if _pool(origin, field) else []


def _pool(kind: Any, field: FieldInfo) -> list[str]:
    if kind is int:
        return NO_INTEGERS
    if kind in (float, Union):
        return NO_NUMBERS
    if kind is bool:
        return NO_BOOLEANS
    if kind is dict:
        return NO_PAIRS
    if kind is Path:
        return [""]
    if kind is Literal:
        first = get_args(field.annotation)[0]
        return ["", "?", first.upper(), f"{first}s", f" {first}", "größer"]
    parts = [part for each in field.metadata for part in getattr(each, "metadata", (each,))]
    pattern = next((part.pattern for part in parts if getattr(part, "pattern", None)), None)
    if pattern is None:
        return [""] if any(getattr(part, "min_length", None) for part in parts) else []
    return [word for word in NO_TEXTS if not re.search(pattern, word)]


def number_out_of_range(field: FieldInfo, rng: random.Random) -> str:
    """A number that is too small or too large; empty where the option is no number."""
    kind: Any = field.annotation
    if get_origin(kind) in (tuple, Union):
        return number_out_of_range(element(field), rng)
    if kind not in (int, float):
        return ""
    step: Any = 1 if kind is int else rng.choice([1e-3, 0.5, 1e30])
    found = list(NOT_IN_32_BITS[kind])
    parts: list[Any] = [p for each in field.metadata for p in getattr(each, "metadata", (each,))]
    for part in parts:
        match part:
            case Ge():
                found += [str(part.ge - step)] * 3
            case Gt():
                found += [str(part.gt), str(part.gt - step)]
            case Le():
                found += [str(part.le + step)] * 3
            case Lt():
                found += [str(part.lt), str(part.lt + step)]
    if not parts and kind is int:  # an argument whose least value its command knows
        found.append("-1")
    return rng.choice(found)
