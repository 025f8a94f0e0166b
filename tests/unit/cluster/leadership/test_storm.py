"""Many processes and an API server that misbehaves, on virtual time: no two ever work on one bucket."""

import pytest

from support.simulation.chaos import storm


@pytest.mark.parametrize(
    "seed",
    [
        pytest.param(7, id="a bucket is lost while another one is given"),
        pytest.param(46, id="a bucket is lost, found to be ours after all, and given while it is taken back"),
        pytest.param(62, id="a bucket is lost, taken again and given once more while it drains"),
        135,
    ],
)
def test_no_two_work_on_one_bucket_and_order_returns_after_the_storm(seed):
    verdict = storm(seed)
    assert verdict.overlaps == [], verdict.story
    assert verdict.settled is not None, verdict.story


@pytest.mark.parametrize("seed", range(1000, 1003))
def test_strict_members_never_work_on_one_bucket_even_alone(seed):
    verdict = storm(seed, strict=True)
    assert verdict.overlaps + verdict.lone_overlaps == [], verdict.story
    assert verdict.settled is not None, verdict.story


@pytest.mark.parametrize("strict", [False, True])
@pytest.mark.parametrize("seed", range(2000, 2004))
def test_storms_that_leave_one_alone_now_and_then_end_well_too(seed, strict):
    verdict = storm(seed, members=2, least=1, strict=strict)
    assert verdict.overlaps == [], verdict.story
    assert not strict or verdict.lone_overlaps == [], verdict.story
    assert verdict.settled is not None, verdict.story
