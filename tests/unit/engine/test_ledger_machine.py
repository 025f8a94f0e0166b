"""Whatever the broker says, and in whatever order: every event is somewhere exactly once, and the ledger says where.

AEG_FUZZ_EXAMPLES sets how many orders are played, here and in the other plays with brokers; 10,000 take some minutes.
"""

import os

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from confirm_machine import ConfirmMachine, quiet

EXAMPLES = int(os.environ.get("AEG_FUZZ_EXAMPLES", "150"))


@pytest.mark.timeout(120 + EXAMPLES)  # what is found is made small, which takes a while
def test_no_order_of_answers_breaks_the_ledger() -> None:
    with quiet():
        run_state_machine_as_test(
            ConfirmMachine,
            settings=settings(
                max_examples=EXAMPLES,
                stateful_step_count=40,
                deadline=None,
                suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
            ),
        )
