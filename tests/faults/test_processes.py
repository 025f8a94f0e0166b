"""The operator itself dies without a word, and another one takes over."""

import pytest

from support.faults.measurements import Measured
from support.faults.stage import Stage

BUSY = {"interval": "10ms", "eventsPerInterval": 10}  # 1,000/s
QUICK_LEASE = {
    "AEG_LEASE_DURATION_SECONDS": "4",
    "AEG_LEASE_RENEW_SECONDS": "3",
    "AEG_LEASE_RETRY_SECONDS": "1",
}


@pytest.mark.row(32)
@pytest.mark.timeout(300)
def test_after_a_sigkill_the_next_process_goes_on_and_nothing_published_is_missing(stage: Stage, saw: Measured) -> None:
    stage.start(**QUICK_LEASE)
    stage.stream("busy", **BUSY)
    kills = 3
    for number in range(kills):
        stage.wait_published("busy", 1000)
        stage.operator.kill()
        stage.start(name=f"successor-{number}", **QUICK_LEASE)
        stage.wait_published("busy", 500)
    generation = stage.resources.get("busy")["metadata"]["generation"]
    assert generation == 1, "nothing had to be changed"
    stage.calm()
    # In flight, and confirmed in the fifth of a second before the end, of which the journal has no line any more.
    verdict = stage.verdict(open_at_the_end=kills * (1024 + 1000))
    saw(f"{kills} kills at 1,000/s: {verdict}")
