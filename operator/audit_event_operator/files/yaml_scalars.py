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
_INT: Final = "tag:yaml.org,2002:int"
_FLOAT: Final = "tag:yaml.org,2002:float"
_BOOL: Final = "tag:yaml.org,2002:bool"
_NULL: Final = "tag:yaml.org,2002:null"
_TIMESTAMP: Final = "tag:yaml.org,2002:timestamp"

_WORDS: Final[Mapping[str, bool | None]] = MappingProxyType(
    dict.fromkeys(("y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON"), True)
    | dict.fromkeys(("n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF"), False)
    | dict.fromkeys(("", "~", "null", "Null", "NULL"))
)
_NOT_JSON: Final = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
_GO_INTEGER: Final = re.compile(
    r"(?P<sign>[-+]?)(0[xX](?P<hex>[0-9a-fA-F]+)|0[oO](?P<octal>[0-7]+)|0[bB](?P<binary>[01]+)|0(?P<old>[0-7]+)|"
    r"(?P<decimal>0|[1-9][0-9]*))",
    re.ASCII,
)
_FLOAT_FORM: Final = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?", re.ASCII)


def resolve_scalar(text: str, tag: str) -> JSONScalar:
    """Return the JSON value of a scalar.

    Args:
        text: its text, after YAML's own unquoting.
        tag: PLAIN, the tag that the file gives it, or STR for a quoted one.

    Raises:
        ValueError: a sentence, when the text does not fit the tag, JSON cannot express it, or the tag is not supported.
    """
    if tag in (STR, _TIMESTAMP):
        return text
    if tag not in (PLAIN, _INT, _FLOAT, _BOOL, _NULL):
        raise ValueError(f"the YAML tag {tag} is not supported")
    if _NOT_JSON.fullmatch(text):
        raise ValueError(f"{text} is not a JSON number")
    value = _plain(text)
    if tag == _INT and type(value) is not int:
        raise ValueError(f"{text!r} is not an integer")
    if tag == _FLOAT and (isinstance(value, bool) or not isinstance(value, int | float)):
        raise ValueError(f"{text!r} is not a number")
    if tag == _BOOL and not isinstance(value, bool):
        raise ValueError(f"{text!r} is not true or false")
    if tag == _NULL and value is not None:
        raise ValueError(f"{text!r} is not null")
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
        value = _integer(integer)
        if -(1 << 63) <= value < 1 << 64:
            return value
    if _FLOAT_FORM.fullmatch(digits):
        number = float(digits)
        if math.isfinite(number):
            return number
    return text


def _integer(match: re.Match[str]) -> int:
    base = {"hex": 16, "octal": 8, "binary": 2, "old": 8, "decimal": 10}
    for group, radix in base.items():
        if match[group]:
            value = int(match[group], radix)
            return -value if match["sign"] == "-" else value
    raise AssertionError("the pattern matches one of its groups")
