"""Constraints with two halves: CEL for the API server, Python for ourselves, and one message for both.

A rule is defined once, next to what it constrains: the schema takes its CEL, the model calls its Python. The parity test
compares both on a real API server. Must not know any particular field.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import PydanticCustomError, core_schema

VALIDATIONS = "x-kubernetes-validations"

SENTENCE = "x-sentence"
"""In a model's JSON schema: a rule whose message lacks the name of the field, which the structural schema puts in front."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One constraint.

    Used as an annotation (`Annotated[str, Rule(...)]`) it judges a value; in the RULES of a model it judges the whole
    object.

    Attributes:
        message: a sentence that begins with the field's name and says what is allowed.
        cel: the API server's half; `self` is the JSON value, fields may be absent.
        holds: our half; gets the validated Python value.
        field: for rules of an object, the JSON name of the field to blame.
    """

    message: str
    cel: str
    holds: Callable[[Any], bool]
    field: str = ""

    def as_validation(self) -> dict[str, str]:
        """Return the entry for `x-kubernetes-validations`."""
        validation = {"rule": self.cel, "message": self.message}
        if self.field:
            validation["fieldPath"] = f".{self.field}"
        return validation

    def check(self, value: Any) -> Any:
        """Return the value unchanged, or raise the error that pydantic collects."""
        if not self.holds(value):
            raise broken_rules(self)
        return value

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        return core_schema.no_info_after_validator_function(self.check, handler(source))

    def __get_pydantic_json_schema__(
        self, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        json_schema = handler(schema)
        json_schema.setdefault(VALIDATIONS, []).append(self.as_validation())
        return json_schema


def broken_rules(*rules: Rule) -> PydanticCustomError:
    """Wrap broken rules for pydantic; `rules` in the context is what `spec.parse_spec` turns into problems."""
    return PydanticCustomError(
        "broken_rules", "{text}", {"text": "; ".join(rule.message for rule in rules), "rules": rules}
    )
