"""What a YAML scalar means to kubectl: YAML 1.1 words for true and false, numbers in Go's notation, and no dates.

Follows sigs.k8s.io/yaml (goyaml.v2, resolve.go); each oddity below was seen in kubectl's output.
"""

import math
import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

JSONScalar = str | int | float | bool | None

PLAIN: Final = ""
"""The tag of a scalar with neither quotes nor a tag: only such a scalar can be a word or a number."""
STR: Final = "tag:yaml.org,2002:str"
_TIMESTAMP: Final = "tag:yaml.org,2002:timestamp"
_TAGGED: Final[Mapping[str, tuple[tuple[type, ...], str]]] = {
    PLAIN: ((str, int, float, bool, type(None)), "a scalar"),
    "tag:yaml.org,2002:int": ((int,), "an integer"),
    "tag:yaml.org,2002:float": ((int, float), "a number"),
    "tag:yaml.org,2002:bool": ((bool,), "true or false"),
    "tag:yaml.org,2002:null": ((type(None),), "null"),
}
"""By tag: of which types a value may be, and what it has to be in words."""

_WORDS: Final[Mapping[str, bool | None]] = MappingProxyType(
    dict.fromkeys(("y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON"), True)
    | dict.fromkeys(("n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF"), False)
    | dict.fromkeys(("", "~", "null", "Null", "NULL"))
)
_NOT_JSON: Final = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
_GO_INTEGER: Final = re.compile(
    r"[-+]?(0[xX][0-9a-fA-F]+|0[oO][0-7]+|0[bB][01]+|(?P<old_octal>0[0-7]+)|0|[1-9][0-9]*)", re.ASCII
)
_FLOAT_FORM: Final = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?", re.ASCII)


def resolve_scalar(text: str, tag: str) -> JSONScalar:
    """Return the JSON value of a scalar's text, after YAML's own unquoting.

    `tag` is PLAIN, the tag that the file gives it, or STR for a quoted one.

    Raises:
        ValueError: a sentence, when the text does not fit the tag, JSON cannot express it, or the tag is not supported.
    """
    if tag in (STR, _TIMESTAMP):
        return text
    if tag not in _TAGGED:
        raise ValueError(f"the YAML tag {tag} is not supported")
    if _NOT_JSON.fullmatch(text):
        raise ValueError(f"{text} is not a JSON number")
    value, (types, what) = _plain(text), _TAGGED[tag]
    if type(value) not in types:
        raise ValueError(f"{text!r} is not {what}")
    return value


def _plain(text: str) -> JSONScalar:
    if text in _WORDS:
        return _WORDS[text]
    if text[0] not in "+-.0123456789":
        return text
    # Go takes underscores out of every number, but looks at one that begins with a dot as it is.
    digits = text if text[0] == "." else text.replace("_", "")
    integer = _GO_INTEGER.fullmatch(digits)
    if integer is not None:
        value = int(digits, 8 if integer["old_octal"] else 0)
        if -(1 << 63) <= value < 1 << 64:
            return value
    if _FLOAT_FORM.fullmatch(digits):
        number = float(digits)
        if math.isfinite(number):
            return number
    return text
