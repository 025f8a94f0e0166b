"""Which hosts a Secret may name."""

import pytest

from audit_event_operator.targets.hosts import HostPolicy

LOCAL = ["127.0.0.1", "127.9.9.9", "::1", "169.254.169.254", "fe80::1%eth0", "0.0.0.0", "::", "::ffff:127.0.0.1"]


@pytest.mark.parametrize("in_pod", [True, False])
@pytest.mark.parametrize("address", [*LOCAL, "10.0.0.1", "192.168.1.1", "8.8.8.8", "2001:db8::1"])
def test_without_a_list_only_what_is_local_to_a_pod_is_refused(address, in_pod):
    assert HostPolicy.of(None, in_pod=in_pod)("broker.example.org", address) is not (in_pod and address in LOCAL)


@pytest.mark.parametrize(
    ("name", "allowed"),
    [
        ("example.org", True),
        ("mq.example.org", True),
        ("MQ.Example.ORG.", True),
        ("notexample.org", False),
        ("example.org.evil.test", False),
        ("10.1.2.3", False),
    ],
)
def test_a_suffix_means_the_name_and_what_is_below_it(name, allowed):
    for entry in ("example.org", ".example.org", "*.example.org", "Example.Org"):
        assert HostPolicy.of([entry], in_pod=True)(name, "10.1.2.3") is allowed


@pytest.mark.parametrize("address", ["10.255.0.1", "::ffff:10.255.0.1", "2001:db8:1::1", "192.0.2.7", "192.0.2.8"])
def test_a_network_counts_whatever_the_name_is(address):
    policy = HostPolicy.of(["10.0.0.0/8", "2001:db8::/32", "192.0.2.7"], in_pod=True)
    assert policy("anything", address) is (address != "192.0.2.8")


def test_an_allowed_name_that_leads_home_is_refused_unless_the_network_is_named():
    assert not HostPolicy.of(["example.org"], in_pod=True)("a.example.org", "127.0.0.1")
    assert HostPolicy.of(["example.org", "127.0.0.0/8"], in_pod=True)("a.example.org", "127.0.0.1")
    assert HostPolicy.of(["example.org"], in_pod=False)("a.example.org", "127.0.0.1")


@pytest.mark.parametrize(
    ("entries", "address"),
    [
        pytest.param([], "10.0.0.1", id="an empty list allows nothing"),
        pytest.param(None, "not-an-address", id="what is no address is refused"),
    ],
)
def test_outside_a_pod_there_are_limits_too(entries, address):
    assert not HostPolicy.of(entries, in_pod=False)("broker", address)


@pytest.mark.parametrize(
    "entry",
    ["10.0.0.0/99", "10.0.0.0/", "10.0.0.256", "10.0.0", "2001:db8::/129", "*", ".", "", "a b", "amqp://a.org", "a.org:5672",
     "*example.org", "a..b", "example.org/24", "-a.org", "x" * 64],
)  # fmt: skip
def test_what_is_neither_a_suffix_nor_a_network_is_refused(entry):
    with pytest.raises(ValueError, match="is none of these"):
        HostPolicy.of(["example.org", entry], in_pod=True)
