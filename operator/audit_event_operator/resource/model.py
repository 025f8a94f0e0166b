"""The base of all models in a spec: immutable, camelCase in JSON, with rules that span fields."""

from typing import Any, ClassVar, Self

from pydantic import BaseModel, ConfigDict, GetJsonSchemaHandler, model_validator
from pydantic.alias_generators import to_camel
from pydantic_core import core_schema

from audit_event_operator.resource.rules import VALIDATIONS, Rule, broken_rules


class SpecModel(BaseModel):
    """A part of the spec. Fields that it does not know are ignored, as the API server prunes them."""

    model_config = ConfigDict(frozen=True, alias_generator=to_camel, validate_by_name=True, validate_by_alias=True)

    RULES: ClassVar[tuple[Rule, ...]] = ()
    """Rules over several fields; checked once the fields themselves are valid."""

    @model_validator(mode="after")
    def _rules_hold(self) -> Self:
        broken = [rule for rule in self.RULES if not rule.holds(self)]
        if broken:
            raise broken_rules(*broken)
        return self

    @classmethod
    def __get_pydantic_json_schema__(
        cls, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        json_schema = handler.resolve_ref_schema(handler(schema))
        if cls.RULES:
            json_schema[VALIDATIONS] = [rule.as_validation() for rule in cls.RULES]
        return json_schema
