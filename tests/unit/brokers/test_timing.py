"""The deadlines a broker is given."""

from audit_event_operator.brokers.rabbitmq.timing import Timing


def test_the_defaults_are_the_documented_ones() -> None:
    timing = Timing()
    assert (timing.connect_seconds, timing.rpc_seconds, timing.confirm_seconds, timing.heartbeat_seconds) == (
        20,
        20,
        60,
        15,
    )
    assert (timing.slow_retry_min_seconds, timing.slow_retry_max_seconds) == (30, 300)
