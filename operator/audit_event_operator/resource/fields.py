"""The scalars of a spec; each accepts exactly the JSON values that the API server's schema accepts.

Why not pydantic's own: to the API server, `1.0` is an integer and `true` is not, and `$` matches at the end of the text,
not of a line; and a message has to name the whole range in one sentence. Must not know any particular field.
"""

import re
from dataclasses import dataclass
from typing import Any, Final, Literal

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import PydanticCustomError, core_schema

from audit_event_operator.resource import durations
from audit_event_operator.resource.rules import SENTENCE, Rule

MAX_EXACT_INTEGER: Final = 2**53 - 1
"""The largest integer that survives every JSON reader, JavaScript's included."""
ALPHANUMERIC_ENDS: Final = r"^[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?$"
NO_CONTROL_CHARACTERS: Final = r"^[^\x00-\x1F\x7F]+$"
DNS_SUBDOMAIN: Final = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$"
DNS_LABEL: Final = r"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$"


@dataclass(frozen=True, slots=True)
class WholeNumber:
    """An integer with both bounds, for `Annotated[int, WholeNumber(1, 10_000)]`."""

    minimum: int
    maximum: int
    format: Literal["int32", "int64"] = "int32"

    def check(self, value: Any) -> int:
        """Return the integer; a float without a fraction is one, a bool is not."""
        number = int(value) if isinstance(value, float) and value.is_integer() else value
        if type(number) is not int or not self.minimum <= number <= self.maximum:
            raise refusal(f"must be a whole number from {self.minimum} to {self.maximum}")
        return number

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        return core_schema.no_info_plain_validator_function(self.check)

    def __get_pydantic_json_schema__(
        self, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        return {"type": "integer", "format": self.format, "minimum": self.minimum, "maximum": self.maximum}


@dataclass(frozen=True, slots=True)
class Text:
    """A string with bounds in characters, for `Annotated[str, Text(63, PATTERN, "must be …")]`.

    Attributes:
        max_length: in characters, not bytes.
        pattern: a regular expression in the common subset of RE2 and Python, anchored with ^ and $; None allows any text.
        says: the message for other values, without the field's name in front.
        min_length: in characters.
        cel: a cheaper condition that means the same as the pattern, for what there may be a thousand of.
        plain: let the schema itself check the pattern: cheaper than a condition, but the API server then shows the pattern
            instead of the sentence.
    """

    max_length: int
    pattern: str | None
    says: str
    min_length: int = 1
    cel: str | None = None
    plain: bool = False

    def check(self, value: Any) -> str:
        """Return the string unchanged."""
        if (
            not isinstance(value, str)
            or not self.min_length <= len(value) <= self.max_length
            or (self.pattern is not None and not full_match(self.pattern, value))
        ):
            raise refusal(self.says)
        return value

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        return core_schema.no_info_plain_validator_function(self.check)

    def __get_pydantic_json_schema__(
        self, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        if self.plain:
            pattern = {} if self.pattern is None else {"pattern": self.pattern}
            return {"type": "string", "minLength": self.min_length, "maxLength": self.max_length, **pattern}
        # Not `pattern` and `minLength`: the API server refuses by showing them, and a rule has a sentence.
        conditions = [] if self.pattern is None else [self.cel or f"self.matches({cel_string(self.pattern)})"]
        if self.min_length and (self.pattern is None or full_match(self.pattern, "")):
            conditions.append(f"self.size() >= {self.min_length}")
        bounds = {"type": "string", "maxLength": self.max_length}
        return bounds | ({SENTENCE: {"rule": " && ".join(conditions), "message": self.says}} if conditions else {})


def full_match(pattern: str, text: str) -> bool:
    """Tell whether an anchored pattern matches, with RE2's meaning of `$`: the end, not "before a last newline"."""
    return re.fullmatch(pattern.removeprefix("^").removesuffix("$"), text, re.ASCII) is not None


def is_object_name(text: str) -> bool:
    """Tell whether an object may have this name. Kubernetes bounds the whole, 253 characters, and not its labels."""
    return len(text) <= 253 and full_match(DNS_SUBDOMAIN, text)


def is_namespace(text: str) -> bool:
    """Tell whether a namespace may have this name."""
    return full_match(DNS_LABEL, text)


def refusal(says: str) -> PydanticCustomError:
    """Build the error for a value that its field does not accept."""
    return PydanticCustomError("refused", "{says}", {"says": says})


DURATION_TEXT: Final = Text(
    durations.MAX_LENGTH,
    durations.PATTERN,
    'must be a duration such as "250ms", "5s" or "1h30m": numbers with the units ms, s, m or h, at most 32 characters',
)

# Durations with more digits before a unit exceed all our bounds, and with many more CEL's duration() fails with a message of
# its own. Leading zeros do not count.
_HUGE_DURATION: Final = (
    r"(^|[a-z])0*("
    r"[1-9][0-9]{12,}([.][0-9]+)?ms|[1-9][0-9]{9,}([.][0-9]+)?s|"
    r"[1-9][0-9]{7,}([.][0-9]+)?m([^s]|$)|[1-9][0-9]{5,}([.][0-9]+)?h)"
)


def duration_is_readable(field: str) -> str:
    """Return the CEL condition under which `duration(field)` cannot fail."""
    return f"{field}.matches({cel_string(durations.PATTERN)}) && !{field}.matches({cel_string(_HUGE_DURATION)})"


def duration_range(field: str, shortest: str, longest: str) -> Rule:
    """Return the rule that a duration lies between two others, both included."""
    shortest_ns, longest_ns = durations.parse_duration(shortest), durations.parse_duration(longest)
    wrong_form = f"!self.matches({cel_string(durations.PATTERN)})"  # the schema's pattern has its own message for that
    huge = f"self.matches({cel_string(_HUGE_DURATION)})"
    in_range = f"duration(self) >= duration('{shortest}') && duration(self) <= duration('{longest}')"

    def holds(value: str) -> bool:
        try:
            return shortest_ns <= durations.parse_duration(value) <= longest_ns
        except ValueError:
            return False

    return Rule(
        message=f"{field} must be between {shortest} and {longest}",
        cel=f"{wrong_form} || (!{huge} && {in_range})",
        holds=holds,
    )


def cel_string(text: str) -> str:
    """Quote a text as a CEL raw string, so that the backslashes of patterns stay single."""
    if "'" in text:
        raise ValueError(f"{text!r} cannot be a raw CEL string: it holds a quote")
    return f"r'{text}'"
