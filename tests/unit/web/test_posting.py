import asyncio
import json
import re
from collections import Counter
from urllib.parse import quote

import aiohttp
import pytest
from hypothesis import strategies as st

from audit_event_operator.engine.elsewhere import ServedElsewhere
from audit_event_operator.engine.snapshot import Ref
from audit_event_operator.engine.submissions import PostOutcome
from audit_event_operator.events.layouts.syslog import Syslog
from audit_event_operator.resource.access import Decision
from support.doubles.fleet import make_snapshot

EXAMPLE = {
    "event_type": "user_login",
    "server_hostname": "prod-web-01",
    "user_id": "attacker_bob",
    "action_result": "FAILURE",
}
JSON = {"Content-Type": "application/json"}
BEGUN = b"POST /generate_event HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 20\r\n\r\n{"


async def refused(answer, status, *words):
    assert answer.status == status
    assert answer.content_type == "application/json"
    content = await answer.json()
    assert list(content) == ["error"]
    assert [word for word in words if word not in content["error"]] == []


async def test_a_posted_event_is_accepted_with_exactly_two_keys(client, backend):
    backend.submissions.destination = "audit events/ü"
    answer = await client.post("/generate_event", json=EXAMPLE)
    assert answer.status == 202
    ((event, ref),) = backend.submissions.posted
    assert await answer.json() == {"status": "success", "event_id": event.event_id}
    assert ref is None
    assert (event.event_type, event.server_hostname, event.action_result) == ("user_login", "prod-web-01", "FAILURE")
    assert json.loads(event.body)["source_service"] == "audit-event-generator-api"
    assert answer.headers["X-Audit-Queue"] == "audit%20events/%C3%BC"
    assert "X-Audit-Generator" not in answer.headers


async def test_a_posted_event_is_written_in_the_format_of_its_generator(client, backend):
    backend.submissions.layout = Syslog()
    answer = await client.post("/generate_event?generator=team-a/logins", json=EXAMPLE)
    assert answer.status == 202
    ((event, _),) = backend.submissions.posted
    assert event.content_type == "text/plain; charset=utf-8"
    assert b" prod-web-01 audit - - - {" in event.body


async def test_a_named_generator_gets_the_event_also_while_suspended(client, backend):
    backend.submissions.destination = "q2"
    answer = await client.post("/generate_event?generator=team-a/logins.v2", json=EXAMPLE)
    assert answer.status == 202
    assert backend.submissions.posted[0][1] == Ref("team-a", "logins.v2")
    assert answer.headers["X-Audit-Generator"] == "team-a/logins.v2"
    assert answer.headers["X-Audit-Queue"] == "q2"


@pytest.mark.parametrize(
    "name", ["x" * 253, f"{'x' * 64}.y", "a.b"], ids=["253 characters", "a label of 64 characters", "two labels"]
)
async def test_a_generator_may_have_any_name_that_kubernetes_takes(client, backend, name):
    assert (await client.post(f"/generate_event?generator=team-a/{name}", json=EXAMPLE)).status == 202
    assert backend.submissions.posted[0][1] == Ref("team-a", name)


@pytest.mark.parametrize(
    "outcome, status, words",
    [
        (PostOutcome.NOT_CONFIRMED, 503, "did not confirm"),
        (PostOutcome.NOT_ACCEPTING, 503, "starting, stopping or on standby"),
        (PostOutcome.NO_TARGET, 503, "RABBITMQ_HOST"),
        (PostOutcome.UNKNOWN_GENERATOR, 404, "no such generator"),
    ],
)
async def test_what_is_not_published_is_never_accepted(client, backend, outcome, status, words):
    backend.submissions.outcome = outcome
    answer = await client.post("/generate_event", json=EXAMPLE)
    await refused(answer, status, words)
    assert (int(answer.headers.get("Retry-After", 0)) > 0) == (status == 503)


@pytest.mark.parametrize(
    "owner, foreign, words",
    [
        ("pod-2", False, "The replica pod-2 serves this generator; post to that one."),
        ("", False, "No replica serves this generator yet"),
        ("pod-9", True, "Another installation"),
    ],
)
async def test_a_post_for_what_another_process_serves_is_sent_there(client, backend, owner, foreign, words):
    backend.submissions.outcome = PostOutcome.SERVED_ELSEWHERE
    backend.submissions.there = ServedElsewhere(
        Ref("team-a", "logins"), "u9", owner, foreign, lambda: make_snapshot(Ref("team-a", "logins"))
    )
    answer = await client.post("/generate_event?generator=team-a/logins", json=EXAMPLE)
    await refused(answer, 503, words)
    assert "Retry-After" in answer.headers


async def test_an_event_that_grows_beyond_the_limit_is_too_large(client, backend):
    body = json.dumps({"event_type": "x", "details": {"text": "x" * (64 * 1024 - 50)}}).encode()
    assert len(body) <= 64 * 1024
    await refused(await client.post("/generate_event", data=body, headers=JSON), 413, "64 KiB")
    assert not backend.submissions.posted


async def test_only_so_many_posts_may_wait_at_once(client, backend):
    go, waiting = asyncio.Event(), []

    async def post(*_):
        waiting.append(1)
        await go.wait()
        return PostOutcome.PUBLISHED

    backend.submissions.post = post
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        posts = [
            asyncio.create_task(session.post(client.make_url("/generate_event"), json=EXAMPLE)) for _ in range(256)
        ]
        async with asyncio.timeout(10):
            while len(waiting) < 256:
                await asyncio.sleep(0.01)
        await refused(await client.post("/generate_event", json=EXAMPLE), 503, "Too many")
        assert backend.submissions.refused == 1
        go.set()
        assert {(await each).status for each in posts} == {202}
    assert (await client.post("/generate_event", json=EXAMPLE)).status == 202


MALFORMED = (
    "generator=", "generator=a", "generator=a/", "generator=/b", "generator=a/b/c", "generator=A/b", "generator=a/b%0A",
    "generator=a/b&generator=c/d", "generator=a..b/c", "generator=-a/b", f"generator={'a' * 64}/b",
    f"generator=a/{'b.' * 127}b", f"generator=a/{'b' * 254}", "queue=other", "generator=a/b&queue=other", "generater=a/b",
)  # fmt: skip


async def test_a_malformed_query_is_refused(client, backend):
    for query in MALFORMED:
        await refused(await client.post(f"/generate_event?{query}", json=EXAMPLE), 400, "generator")
    assert not backend.submissions.posted


@pytest.mark.parametrize(
    "body, headers, words",
    [
        (b'{"event_type": "x"}', {"Content-Type": "text/plain"}, "application/json"),
        (b'{"event_type": "x"}', {"Content-Type": "application/x-www-form-urlencoded"}, "application/json"),
        (b'{"event_type": "x"}', {"Content-Type": "multipart/form-data; boundary=b"}, "application/json"),
        (b'{"event_type": "x"}', {"Content-Type": "application/json; charset=utf-16"}, "UTF-8"),
        (b'{"event_type": "x"}', JSON | {"Content-Encoding": "br"}, "Content-Encoding"),
        (b"", JSON, "not valid JSON"),
        (b'{"event_type": ', JSON, "not valid JSON"),
        (b'["user_login"]', JSON, "JSON object"),
        (b'"user_login"', JSON, "JSON object"),
        (b"null", JSON, "JSON object"),
        (b'{"event_type": "x", "n": NaN}', JSON, "not valid JSON"),
        (b'{"event_type": "x", "n": 1e999}', JSON, "not valid JSON"),
        (b'{"event_type": "\\ud800"}', JSON, "not valid JSON"),
        (b'{"event_type": "\xff"}', JSON, "not valid JSON"),
        (b'{"event_type": "x", "details": ' + b'{"a":' * 40 + b"1" + b"}" * 41, JSON, "32 levels"),
        (b'{"event_type": "x", "details": ' + b"[" * 5000 + b"]" * 5000 + b"}", JSON, "not valid JSON"),
        (b"{}", JSON, "event_type"),
        (b'{"event_type": ""}', JSON, "event_type"),
        (b'{"event_type": 7}', JSON, "event_type"),
    ],
)
async def test_a_body_that_is_no_event_is_refused_with_a_sentence(client, backend, body, headers, words):
    await refused(await client.post("/generate_event", data=body, headers=headers), 400, words)
    assert not backend.submissions.posted


async def test_a_charset_of_utf_8_is_fine(client):
    headers = {"Content-Type": "application/json; charset=UTF-8"}
    assert (await client.post("/generate_event", data=b'{"event_type": "x"}', headers=headers)).status == 202


async def test_a_mebibyte_is_too_large(client, backend):
    await refused(await client.post("/generate_event", data=b"x" * 1024 * 1024, headers=JSON), 413, "64 KiB")

    async def unannounced():
        for _ in range(1024):
            yield b"x" * 1024

    await refused(await client.post("/generate_event", data=unannounced(), headers=JSON), 413, "64 KiB")
    assert not backend.submissions.posted


async def test_a_body_that_dawdles_is_given_up(client):
    reader, writer = await asyncio.open_connection(client.host, client.port)
    writer.write(BEGUN)
    assert b" 408 " in await reader.readline()
    assert b"did not arrive within 0.2 seconds" in await reader.read()
    writer.close()
    await writer.wait_closed()


async def test_a_body_that_breaks_off_harms_nobody(client, backend):
    _, writer = await asyncio.open_connection(client.host, client.port)
    writer.write(BEGUN)
    await writer.drain()
    writer.close()
    await writer.wait_closed()
    assert (await client.get("/livez")).status == 200
    assert not backend.submissions.posted


@pytest.mark.parametrize(
    "decision, status", [(Decision.UNAUTHENTICATED, 401), (Decision.FORBIDDEN, 403), (Decision.UNAVAILABLE, 503)]
)
async def test_nothing_is_revealed_before_it_is_clear_who_asks(client, backend, decision, status):
    backend.authorizer.decision = decision
    for path in ("/generate_event", "/generate_event?generator=a/unknown", "/generate_event?generator=bad"):
        for backend.submissions.outcome in PostOutcome:
            answer = await client.post(path, data=b"not json", headers={"Content-Type": "text/plain"})
            await refused(answer, status)
            assert ("WWW-Authenticate" in answer.headers) == (status == 401)
            assert ("Retry-After" in answer.headers) == (status == 503)


async def test_the_authorizer_hears_the_token_and_the_namespace(client, backend):
    await client.post("/generate_event", json=EXAMPLE, headers={"Authorization": "Bearer abc"})
    await client.post("/generate_event?generator=team-a/x", json=EXAMPLE)
    await client.post("/generate_event?generator=bad", json=EXAMPLE)
    assert backend.authorizer.asked == [("abc", None), (None, "team-a"), (None, None)]


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=300),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=12,
)
fields = st.sampled_from(
    ["event_type", "server_hostname", "user_id", "action_result", "severity", "details", "resource", "client_ip", "event_id",
     "timestamp", "source_service", "other"]
)  # fmt: skip
bodies = st.one_of(
    st.binary(max_size=200),
    values.map(lambda value: json.dumps(value).encode()),
    st.fixed_dictionaries({"event_type": values}).flatmap(
        lambda base: st.dictionaries(fields, values, max_size=6).map(lambda more: json.dumps(more | base).encode())
    ),
    st.dictionaries(fields, values, max_size=6).map(lambda more: json.dumps({"event_type": "x"} | more).encode()),
)


async def test_whatever_is_posted_gets_a_json_answer_and_never_an_internal_error(client, backend, draw):
    statuses = set()
    for body in draw(bodies, 80):
        answer = await client.post("/generate_event", data=body, headers=JSON)
        statuses.add(answer.status)
        assert answer.status in {202, 400, 413}, body
        assert list(await answer.json()) == (["status", "event_id"] if answer.status == 202 else ["error"])
    assert statuses >= {202, 400}
    for event, _ in backend.submissions.posted:
        assert isinstance(json.loads(event.body), dict)
        assert re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", event.event_id)


LITERALS = [
    "1e400", "-1e999999", "9" * 5_000, "0." + "1" * 5_000, "1" * 308 + ".0", "NaN", "-Infinity", "01", "1.", "+1", "0x10", "-0",
    "18446744073709551616", "-9223372036854775809", "5e-324", '"\\ud800"', '"\\udc00\\ud800"', '"\\ud83d\\ude00"', '"\\u0000"',
    '"\x00"', '"\ud800"', '"\ufeff"', "\ufeff", "'x'", "nul", "// x", '"\\x"', '"\u202e\u2066\u2028"', "\U0001f600", "[" * 40,
    "{",
]  # fmt: skip
NAMES = st.sampled_from(
    ["event_type", "details", "user_id", "client_ip", "event_id", "resource", "a\\u0000b", "\\ud800", "x" * 999]
)
MEMBERS = st.tuples(NAMES, st.sampled_from(LITERALS) | values.map(json.dumps)).map(
    lambda pair: f'"{pair[0]}": {pair[1]}'
)
RAW = st.one_of(
    st.binary(max_size=60),
    st.lists(MEMBERS, max_size=5).map(lambda members: "{" + ", ".join(members) + "}"),
    st.lists(MEMBERS, max_size=3).map(
        lambda members: '{"event_type": "x", ' + ", ".join([*members, '"event_type": "y"}'])
    ),
    st.tuples(st.integers(0, 400), st.sampled_from(['{"a":', "[", '{"details":[']), st.booleans()).map(
        lambda drawn: '{"event_type":"x","details":' + drawn[1] * drawn[0] + ("1" if drawn[2] else "")
    ),
    st.sampled_from(LITERALS),
).map(lambda raw: raw if isinstance(raw, bytes) else raw.encode("utf-8", "surrogatepass"))
CONTENT_TYPES = st.sampled_from(
    ["application/json"] * 12
    + ["application/json; charset=utf-8", 'application/json; charset="utf-8"', "application/json;charset=utf-7", "text/json",
       "application/json; charset=", "application/json; charset=\u00fc", 'application/json; x="', "APPLICATION/JSON", "",
       "application/problem+json", "multipart/form-data", 'multipart/form-data; boundary="', ";", "/", "json",
       "application/x-www-form-urlencoded"]
)  # fmt: skip
QUERIES = st.just("") | st.text(max_size=12).map(
    lambda text: "?generator=" + quote(text.encode("utf-8", "surrogatepass"))
)
MORE_HEADERS = st.dictionaries(
    st.sampled_from(["Authorization", "Content-Encoding", "Accept", "Accept-Encoding", "X-Request-Id", "Expect"]),
    st.text(st.characters(min_codepoint=32, max_codepoint=255, exclude_characters="\x7f"), max_size=12),
    max_size=1,
)


async def test_whatever_comes_with_whatever_headers_has_a_defined_answer(client, backend, draw):
    statuses = Counter()
    for body, content_type, query, more in draw(st.tuples(RAW, CONTENT_TYPES, QUERIES, MORE_HEADERS), 250):
        headers = {"Content-Type": content_type} | more
        answer = await client.post(f"/generate_event{query}", data=body, headers=headers)
        statuses[answer.status] += 1
        assert answer.status in {202, 400, 404, 413, 417}, (body, headers, query)
        content = await answer.json()
        assert answer.headers["Content-Type"].startswith("application/json")
        assert list(content) == (["status", "event_id"] if answer.status == 202 else ["error"])
        if answer.status != 202:
            assert content["error"].isprintable()
            assert len(content["error"]) < 700
    assert statuses[400] > 5
    assert (await client.post("/generate_event", json=EXAMPLE)).status == 202, "and good ones are taken as before"
    for event, _ in backend.submissions.posted:
        assert json.dumps(json.loads(event.body), allow_nan=False)
