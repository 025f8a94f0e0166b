import asyncio
import re

import pytest


@pytest.mark.parametrize(
    "method, path, status",
    [
        ("GET", "/nowhere", 404),
        ("GET", "/generators/only-one-part", 404),
        ("GET", "/livez/", 404),
        ("POST", "/livez", 405),
        ("GET", "/generate_event", 405),
        ("DELETE", "/generators/a/b", 405),
    ],
)
async def test_errors_are_json_sentences(client, method, path, status):
    answer = await client.request(method, path)
    assert answer.status == status
    assert answer.content_type == "application/json"
    content = await answer.json()
    assert list(content) == ["error"]
    assert content["error"].endswith(".")


async def test_a_refused_method_names_the_allowed_ones(client):
    answer = await client.put("/generate_event")
    assert answer.headers["Allow"] == "POST"


async def test_an_internal_error_tells_the_caller_nothing(client, backend, caplog):
    def broken():
        raise RuntimeError("inner secret")

    backend.fleet.generators = broken
    answer = await client.get("/healthz")
    assert answer.status == 500
    assert await answer.json() == {"error": "Internal error; see the operator's log."}
    assert "inner secret" in caplog.text


@pytest.mark.parametrize("path", ["/livez", "/metrics", "/generators", "/nowhere"])
async def test_nothing_is_cached_and_the_make_of_the_server_is_not_told(client, path):
    answer = await client.get(path)
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["Server"] == "audit-event-operator"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


async def test_an_unknown_expectation_is_refused(client):
    answer = await client.get("/livez", headers={"Expect": "miracles"})
    assert answer.status == 417
    assert answer.content_type == "application/json"
    assert "100-continue" in (await answer.json())["error"]


async def test_a_client_that_waits_for_100_continue_gets_it(client):
    async with client.post("/generate_event", json={"event_type": "x"}, expect100=True) as answer:
        assert answer.status == 202


async def test_a_head_request_is_answered_like_a_get(client):
    answer = await client.head("/livez")
    assert answer.status == 200
    assert await answer.read() == b""


async def test_requests_are_counted_by_template_and_never_by_path(client, backend, a_snapshot):
    backend.fleet.live = [a_snapshot()]
    await client.get("/generators/team-a/logins")
    await client.get("/generators/team-a/nobody")
    await client.get("/wp-admin.php")
    await client.request("PROPFIND", "/livez")
    text = await (await client.get("/metrics")).text()
    counted = dict(re.findall(r"^audit_event_operator_http_requests_total\{(.*)\} (.*)$", text, re.MULTILINE))
    template = "/generators/{namespace}/{name}"
    assert counted[f'code="200",method="GET",route="{template}"'] == "1.0"
    assert counted[f'code="404",method="GET",route="{template}"'] == "1.0"
    assert counted['code="404",method="GET",route="other"'] == "1.0"
    assert counted['code="405",method="other",route="other"'] == "1.0"
    assert counted['code="202",method="POST",route="/generate_event"'] == "0.0"
    assert "wp-admin" not in text
    assert f'http_request_duration_seconds_count{{route="{template}"}} 2.0' in text


async def test_the_metrics_port_serves_metrics_alone(metrics_client):
    assert (await metrics_client.get("/metrics")).status == 200
    for path in ("/healthz", "/livez", "/generators"):
        assert (await metrics_client.get(path)).status == 404
    assert (await metrics_client.post("/generate_event", json={"event_type": "x"})).status == 404


async def test_rubbish_instead_of_http_is_refused(client):
    reader, writer = await asyncio.open_connection(client.host, client.port)
    writer.write(b"\x16\x03\x01 not http\r\n\r\n")
    assert b" 400 " in await reader.readline()
    writer.close()
    await writer.wait_closed()
    assert (await client.get("/livez")).status == 200
