"""What the exchange and message parts of a spec accept, and in which sentences they refuse."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit_event_operator.resource.message import MESSAGE_TOKENS
from audit_event_operator.resource.problems import SpecError
from audit_event_operator.resource.spec import parse_spec

tokens = st.sampled_from(MESSAGE_TOKENS)
plain = st.text(st.characters(blacklist_characters="$", blacklist_categories=["Cc", "Cs"]), max_size=10)


def problems(spec) -> list[str]:
    try:
        parse_spec(spec)
    except SpecError as error:
        return [str(problem) for problem in error.problems]
    return []


def keyed(key):
    return {"exchange": {"name": "audit", "routingKey": key}}


def with_headers(**headers):
    return {"message": {"headers": headers}}


@given(st.lists(st.one_of(tokens, plain), max_size=9).map("".join))
def test_every_text_of_known_tokens_is_accepted(text):
    short = len(text) <= 255 and len(text.encode()) <= 255
    assert bool(problems(keyed(text))) == (not short)
    assert bool(problems(with_headers(a=text))) == (len(text) > 255)


@given(plain, st.text(st.characters(categories=["Ll", "Lu", "Nd"], include_characters="_"), max_size=12), plain)
def test_every_other_token_is_refused_by_naming_those_there_are(before, word, after):
    if "${" + word + "}" in MESSAGE_TOKENS:
        return
    for text in (f"{before}${{{word}}}{after}", f"{before}${{{word}"):
        (problem,) = problems(keyed(text))
        assert problem.startswith("spec.exchange.routingKey: routingKey must be at most 255 characters")
        assert problem.endswith(", ".join(MESSAGE_TOKENS))
        (problem,) = problems(with_headers(a=text))
        assert problem.startswith("spec.message.headers.a: a must be at most")


@pytest.mark.parametrize("text", ["$", "$$", "costs $5", "a$.${user}", "$${user}", "{user}"])
def test_a_dollar_that_begins_no_token_is_a_dollar(text):
    assert problems(keyed(text)) == []


@pytest.mark.parametrize("name", ["", "a\nb", "\x00", "é" * 128, "a" * 256])
def test_an_exchange_has_a_name_as_amqp_has_them(name):
    (problem,) = problems({"exchange": {"name": name}})
    assert problem.startswith("spec.exchange.name: name must be")


@pytest.mark.parametrize("name", ["amq.topic", "é" * 127, "a b", "audit"])
def test_the_exchanges_that_rabbitmq_brings_are_welcome(name):
    assert problems({"exchange": {"name": name}}) == []


def test_an_exchange_needs_a_name():
    assert problems({"exchange": {}}) == ["spec.exchange.name: name is required"]


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("x-aeg-truth", "must not begin with x-aeg-"),
        ("CC", "must not be CC or BCC"),
        ("BCC", "must not be CC or BCC"),
        ("1a", "begin with a letter"),
        ("a b", "begin with a letter"),
        ("a" * 64, "at most 63"),
    ],
)
def test_a_name_of_a_header_that_is_not_free_is_refused(name, says):
    (problem,) = problems(with_headers(**{name: "v"}))
    assert problem.startswith("spec.message.headers: headers names must")
    assert says in problem


def test_the_ninth_header_is_one_too_many():
    headers = {f"h{number}": "" for number in range(9)}
    assert problems(with_headers(**headers)) == ["spec.message.headers: headers must have at most 8 entries"]


@pytest.mark.parametrize(
    ("field", "value"), [("priority", 256), ("priority", -1), ("expiration", "0ms"), ("expiration", "721h")]
)
def test_priority_and_expiration_are_bounded(field, value):
    (problem,) = problems({"message": {field: value}})
    assert problem.startswith(f"spec.message.{field}: {field} must be")


@pytest.mark.parametrize(("text", "ms"), [("1ms", 1), ("1.9ms", 1), ("1h", 3_600_000), ("720h", 2_592_000_000)])
def test_an_expiration_counts_in_whole_milliseconds(text, ms):
    assert parse_spec({"message": {"expiration": text}}).message.expiration_ms == ms


def test_a_truth_queue_may_be_named_like_the_queue_that_an_exchange_makes_unused():
    truth = {"groundTruth": {"queue": "audit_events"}}
    assert problems(truth) != []
    assert problems(truth | keyed("k")) == []
