"""The one resource that the seed service's environment variables describe."""

from decimal import Decimal
from fractions import Fraction
from typing import Final

from audit_event_operator.engine.snapshot import Ref
from audit_event_operator.resource.spec import GeneratorSpec, parse_spec

REF: Final = Ref("default", "audit-event-generator")
SHORTEST_INTERVAL: Final = Fraction(1, 1000)


def spec_from_environment(queue: str, interval_seconds: Fraction) -> GeneratorSpec:
    """The spec of a stream that behaves like the seed service; `interval_seconds` is 0 to 86400, below 1 ms it is 1 ms."""
    nanoseconds = int(max(interval_seconds, SHORTEST_INTERVAL) * 1_000_000_000)
    return parse_spec({"queue": queue, "interval": f"{Decimal(nanoseconds).scaleb(-9).normalize():f}s"})
