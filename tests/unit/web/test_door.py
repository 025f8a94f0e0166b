"""Which requests come in, by Host and Origin."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit_event_operator.web.door import HostRule, is_same_origin, why_not

LABELS = st.from_regex(r"[a-z]([a-z0-9-]{0,10}[a-z0-9])?", fullmatch=True)
NAMES = st.lists(LABELS, min_size=1, max_size=4).map(".".join)
ADDRESSES = st.ip_addresses().map(lambda ip: f"[{ip}]" if ip.version == 6 else str(ip))
PORTS = st.one_of(st.just(""), st.integers(1, 65_535).map(lambda port: f":{port}"))
LOOPBACK = st.sampled_from(["127.0.0.1", "127.0.0.2", "::1", "localhost"])
ANY_TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\r\n\0"), max_size=40)


def spelled(name):
    """The ways to write one name."""
    return st.sampled_from([name, name.upper(), name.title(), f"{name}.", f"{name.upper()}."])


def status(host, origin=None, rule=HostRule()):  # noqa: B008 - frozen
    refusal = why_not([] if host is None else [host], [] if origin is None else [origin], rule)
    return None if refusal is None else int(refusal.status)


@given(NAMES.filter(lambda name: name != "localhost").flatmap(spelled), PORTS, LOOPBACK)
def test_on_a_loopback_address_a_foreign_name_is_refused(name, port, bind):
    assert status(name + port, rule=HostRule.of(None, bind)) == 421


@given(st.one_of(ADDRESSES, spelled("localhost")), PORTS, LOOPBACK)
def test_addresses_and_localhost_are_taken_everywhere(host, port, bind):
    for rule in (HostRule.of(None, bind), HostRule.of(["audit.example.org"], bind), HostRule.of((), "0.0.0.0")):
        assert status(host + port, rule=rule) is None


@given(st.one_of(NAMES, ADDRESSES), PORTS, st.sampled_from(["0.0.0.0", "::", "10.0.0.1", ""]))
def test_on_any_other_address_every_name_is_taken_unless_names_are_listed(host, port, bind):
    assert status(host + port, rule=HostRule.of(None, bind)) is None


@given(NAMES.flatmap(lambda name: st.tuples(st.just(name), spelled(name), spelled(name))), PORTS, LABELS)
def test_of_listed_names_only_these_are_taken_in_whatever_spelling(names, port, label):
    name, listed, sent = names
    rule = HostRule.of([listed], "0.0.0.0")
    assert status(sent + port, rule=rule) is None
    assert status(f"{label}.{name}{port}", rule=rule) == 421
    assert status(f"x{name}{port}", rule=rule) == 421


@given(NAMES, LABELS, PORTS)
def test_a_leading_dot_means_all_names_below(name, label, port):
    rule = HostRule.of([f".{name}"], "127.0.0.1")
    assert status(f"{label}.{name}{port}", rule=rule) is None
    assert status(f"{label}x{name}{port}".replace(".", "-"), rule=rule) == 421


def test_a_star_means_any_name():
    assert status("anything.example.org", rule=HostRule.of(["*"], "127.0.0.1")) is None


@pytest.mark.parametrize("host", [None, ""])
def test_a_request_without_a_host_is_from_no_browser(host):
    rule = HostRule.of(None, "127.0.0.1")
    assert status(host, rule=rule) is None
    assert status(host, "http://evil.test", rule) == 403


@pytest.mark.parametrize(
    "host", ["user@localhost", "localhost@evil.test", "localhost:80:80", "[::1", "::1", "[localhost]", "a b", "localhost/", ".",
             "localhost:x", "http://localhost", "[::1]x"]
)  # fmt: skip
def test_what_is_no_host_is_a_bad_request(host):
    assert status(host) == 400


def test_two_hosts_are_a_bad_request():
    assert why_not(["localhost", "localhost"], [], HostRule()).status == 400


@given(st.one_of(NAMES, ADDRESSES), PORTS, st.sampled_from(["http", "https"]))
def test_ones_own_origin_is_welcome(host, port, scheme):
    assert status(host + port, f"{scheme}://{host}{port}") is None
    assert status(host.upper() + port, f"{scheme}://{host}{port}") is None


@pytest.mark.parametrize(
    ("origin", "host", "same"),
    [
        ("http://audit.test", "audit.test:80", True),
        ("http://audit.test:80", "audit.test", True),
        ("https://audit.test", "audit.test", True),  # a proxy ends TLS
        ("https://audit.test", "audit.test:443", True),
        ("https://audit.test", "audit.test:80", False),
        ("http://audit.test", "audit.test:5000", False),
        ("http://localhost:3000", "localhost:5000", False),
        ("http://[0:0::1]:5000", "[::1]:5000", True),
        ("http://127.0.0.1:5000", "localhost:5000", False),
        ("http://me@audit.test", "audit.test", False),
        ("http://audit.test/x", "audit.test", False),
        ("chrome-extension://audit.test", "audit.test", False),
        ("null", "null", False),
        ("", "audit.test", False),
        ("audit.test", "audit.test", False),
    ],
)
def test_an_origin_is_the_same_by_host_and_port(origin, host, same):
    assert is_same_origin(origin, host) is same


@given(NAMES, NAMES, PORTS)
def test_a_foreign_origin_is_refused(name, other, port):
    if name != other:
        assert status(name + port, f"http://{other}{port}") == 403


@given(ANY_TEXT, ANY_TEXT, st.lists(ANY_TEXT, max_size=2))
def test_no_header_breaks_the_decision(host, origin, allowed):
    refusal = why_not([host], [origin], HostRule.of(allowed, "127.0.0.1"))
    assert refusal is None or str(refusal).endswith(".")
    if refusal is None:
        assert is_same_origin(origin, host)


# --- over the wire ----------------------------------------------------------------------------------------------------


@pytest.fixture
def backend(backend):
    backend.host_rule = HostRule.of(None, "127.0.0.1")
    return backend


async def test_a_rebound_name_gets_nothing_from_either_port(client, metrics_client):
    for each, paths in (
        (client, ("/", "/livez", "/generators", "/metrics", "/nowhere")),
        (metrics_client, ("/metrics",)),
    ):
        for path in paths:
            answer = await each.get(path, headers={"Host": "evil.test:5000"})
            assert answer.status == 421
            assert list(await answer.json()) == ["error"]
            assert (await each.get(path, headers={"Host": "localhost:5000"})).status != 421


async def test_a_post_of_a_foreign_page_is_refused_and_one_of_our_own_is_not(client, backend):
    for headers in (
        {"Host": "evil.test", "Origin": "http://evil.test"},
        {"Origin": "http://evil.test"},
        {"Origin": "null"},
    ):
        answer = await client.post("/generate_event", json={"event_type": "x"}, headers=headers)
        assert answer.status == (421 if "Host" in headers else 403)
        assert list(await answer.json()) == ["error"]
    assert not backend.submissions.posted
    own = {"Origin": f"http://{client.host}:{client.port}"}
    assert (await client.post("/generate_event", json={"event_type": "x"}, headers=own)).status == 202
    assert (await client.post("/generate_event", json={"event_type": "x"})).status == 202


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        (b"GET /livez HTTP/1.0\r\n\r\n", b" 200 "),
        (b"GET /livez HTTP/1.1\r\nHost:\r\n\r\n", b" 200 "),
        (b"GET /livez HTTP/1.1\r\nHost: [::1]:5000\r\n\r\n", b" 200 "),
        (b"GET /livez HTTP/1.1\r\nHost: LOCALHOST.\r\n\r\n", b" 200 "),
        (b"GET /livez HTTP/1.1\r\nHost: me@localhost\r\n\r\n", b" 400 "),
        (b"GET /livez HTTP/1.1\r\nHost: localhost\r\nHost: evil.test\r\n\r\n", b" 400 "),
        (b"GET /livez HTTP/1.1\r\nHost: evil.test\r\n\r\n", b" 421 "),
        (b"GET http://localhost/livez HTTP/1.1\r\nHost: evil.test\r\n\r\n", b" 421 "),
    ],
)
async def test_what_no_library_would_send_is_judged_too(client, head, expected):
    reader, writer = await asyncio.open_connection(client.host, client.port)
    writer.write(head)
    assert expected in await reader.readline()
    writer.close()
    await writer.wait_closed()
