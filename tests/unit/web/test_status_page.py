import base64
import gzip
import hashlib
import re
from pathlib import Path

import orjson
import pytest

from audit_event_operator.web.generators import FIELDS
from audit_event_operator.web.status_page import StatusPage

ROOT = Path(__file__).resolve().parents[3]
FORBIDDEN_WAYS = ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "new Function", "srcdoc")


async def test_the_page_is_one_html_document_that_nobody_caches(client):
    answer = await client.get("/")
    assert answer.status == 200
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    careful = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer"}
    assert answer.headers.items() >= careful.items()
    assert (await answer.text()).startswith("<!doctype html>")


async def test_the_policy_allows_nothing_but_this_style_this_script_and_our_own_answers(client):
    answer = await client.get("/")
    policy = dict(rule.split(" ", 1) for rule in answer.headers["Content-Security-Policy"].split("; "))
    html = await answer.text()
    for directive, element in (("style-src", "style"), ("script-src", "script")):
        (content,) = re.findall(f"<{element}>(.*?)</{element}>", html, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        assert policy.pop(directive) == f"'sha256-{digest}'"
    nothing = dict.fromkeys(("default-src", "base-uri", "form-action", "frame-ancestors"), "'none'")
    allowed = {"connect-src": "'self'", "img-src": "data:", "require-trusted-types-for": "'script'"}
    assert policy == nothing | allowed


async def test_the_page_asks_nobody_else_for_anything_and_never_makes_markup_of_text(client):
    html = await (await client.get("/")).text()
    addresses = set(re.findall(r"https?://[^\s'\")]+", html))
    assert addresses == {"http://www.w3.org/2000/svg"}  # the name of a namespace, not a place
    assert [egress for egress in FORBIDDEN_WAYS if egress in html] == []
    assert "/* the " not in html


async def test_the_page_is_found_from_behind_a_proxy_that_adds_a_path(client):
    html = await (await client.get("/")).text()
    assert re.findall(r"""(?:href|src|action)=["']/""", html) == []
    assert re.findall(r"fetch\([`'\"]/", html) == []


async def test_the_page_reads_only_fields_that_there_are(client):
    html = await (await client.get("/")).text()
    (listed,) = re.findall(r"const FIELDS = \[(.*?)\];", html, re.DOTALL)
    assert set(re.findall(r'"(\w+)"', listed)) <= set(FIELDS)
    (facts,) = re.findall(r"const FACTS = \{(.*?)\n\};", html, re.DOTALL)
    assert set(re.findall(r"^  (\w+):", facts, re.MULTILINE)) <= set(FIELDS)


async def test_the_page_is_counted_by_its_route_and_is_not_on_the_metrics_port(client, metrics_client):
    text = await (await client.get("/metrics")).text()
    assert 'audit_event_operator_http_requests_total{code="200",method="GET",route="/"} 0.0' in text
    await client.get("/")
    text = await (await client.get("/metrics")).text()
    assert 'audit_event_operator_http_requests_total{code="200",method="GET",route="/"} 1.0' in text
    assert (await metrics_client.get("/")).status == 404
    assert (await client.post("/")).status == 405


async def test_fields_make_a_table_of_what_was_asked_for(ask, backend, a_snapshot):
    backend.leader = True
    backend.fleet.live = [a_snapshot("b", "z"), a_snapshot("a", "m")]
    fields, rows = ["name", "state", "events_published"], [["m", "active", 90], ["z", "active", 90]]
    asked = await ask(f"/generators?fields={','.join(fields)}")
    assert asked == (200, {"leader": True, "fields": fields, "rows": rows})


@pytest.mark.parametrize("fields", ["", "name,", "name,password", ",".join(["name"] * 99)])
async def test_unknown_fields_are_refused_with_the_known_ones(ask, fields):
    status, answer = await ask("/generators", params={"fields": fields})
    assert status == 400
    assert "namespace, name, state" in answer["error"]


async def test_a_list_is_gzipped_only_for_whom_accepts_that(client, backend, a_snapshot):
    backend.fleet.live = [a_snapshot("team", f"generator-{number}") for number in range(500)]
    path = "/generators?fields=namespace,name,state,ready,reason,message,queue,broker,connected,events_published"
    plain = await client.get(path, headers={"Accept-Encoding": "identity"})
    assert "Content-Encoding" not in plain.headers
    assert plain.headers["Vary"] == "Accept-Encoding"
    async with client.session.get(
        client.make_url(path), headers={"Accept-Encoding": "gzip"}, auto_decompress=False
    ) as packed:
        assert packed.headers["Content-Encoding"] == "gzip"
        body = await packed.read()
    whole = await plain.read()
    assert gzip.decompress(body) == whole
    assert len(body) < len(whole) / 4
    assert len(orjson.loads(whole)["rows"]) == 500


def test_a_file_of_the_page_that_would_end_its_element_early_is_not_there():
    folder = ROOT / "operator/audit_event_operator/web/page"
    assert "</script" not in (folder / "status.js").read_text()
    assert "</style" not in (folder / "status.css").read_text()
    assert StatusPage()
