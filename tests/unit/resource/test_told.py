"""What one replica writes, another one reads back."""

from datetime import UTC, datetime
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit_event_operator.resource.conditions import Completion, CompletionReason, Ready, Reason
from audit_event_operator.resource.status import Facts, Progress, build_status
from audit_event_operator.resource.told import facts_told

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


@given(
    reason=st.sampled_from(Reason),
    rate=st.sampled_from([Fraction(0), Fraction(1, 5), Fraction(1500)]),
    published=st.integers(0, 10**9),
    complete=st.none() | st.sampled_from(CompletionReason),
    sentence=st.none() | st.just("A sentence."),
)
def test_what_was_written_is_read_back(reason, rate, published, complete, sentence):
    facts = Facts(
        7, Ready(reason, "Why."), destination="logs", queue="logs", broker="b:5672/%2F", target_rate=rate,
        complete=None if complete is None else Completion(complete, "Over."), rate_limited=sentence,
        truth_undelivered=sentence, progress=Progress(published, 3, "run-1", NOW, NOW, NOW),
    )  # fmt: skip
    told = facts_told(build_status(facts, None, NOW), generation=9)
    assert (told.generation, told.ready, told.complete) == (7, facts.ready, facts.complete)
    assert (told.rate_limited, told.truth_undelivered, told.target_rate) == (sentence, sentence, rate)
    assert (told.destination, told.queue, told.broker, told.progress) == ("logs", "logs", "b:5672/%2F", facts.progress)
    assert told.connected == (reason is Reason.PUBLISHING)


@pytest.mark.parametrize(
    "status",
    [{}, {"conditions": [{"type": "Ready", "reason": "Unheard"}], "targetRate": "fast", "destination": 7},
     {"conditions": "x", "targetRate": "1e999999999/s", "observedGeneration": "1", "scenarios": 5}],
)  # fmt: skip
def test_a_status_that_tells_nothing_is_a_resource_that_starts(status):
    told = facts_told(status, generation=9, interval_seconds=0.5)
    assert (told.ready.reason, told.target_rate, told.generation) == (Reason.STARTING, 0, 9)
    assert (told.destination, told.interval_seconds) == ("", 0.5)
