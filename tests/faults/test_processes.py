"""The operator itself dies without a word, and another one takes over."""

import pytest

BUSY = {"interval": "10ms", "eventsPerInterval": 10}  # 1,000/s
QUICK_LEASE = {"AEG_LEASE_DURATION_SECONDS": "4", "AEG_LEASE_RENEW_SECONDS": "3", "AEG_LEASE_RETRY_SECONDS": "1"}


@pytest.mark.row(32)
@pytest.mark.timeout(300)
def test_after_a_sigkill_the_next_process_goes_on_and_nothing_published_is_missing(harness, measured) -> None:
    harness.start(**QUICK_LEASE)
    harness.stream("busy", **BUSY)
    kills = 3
    for number in range(kills):
        harness.wait_published("busy", 1000)
        harness.operator.kill()
        harness.start(name=f"successor-{number}", **QUICK_LEASE)
        harness.wait_published("busy", 500)
    generation = harness.resources.get("busy")["metadata"]["generation"]
    assert generation == 1, "nothing had to be changed"
    harness.settle()
    # In flight, and confirmed in the fifth of a second before the end, of which the journal has no line any more.
    delivery = harness.check_delivery(open_at_the_end=kills * (1024 + 1000))
    measured(f"{kills} kills at 1,000/s: {delivery}")
