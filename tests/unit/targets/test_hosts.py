"""Which hosts a Secret may name."""

import pytest

from audit_event_operator.targets.hosts import HostPolicy

LOCAL = ["127.0.0.1", "127.9.9.9", "::1", "169.254.169.254", "fe80::1%eth0", "0.0.0.0", "::", "::ffff:127.0.0.1"]


@pytest.mark.parametrize("address", LOCAL)
def test_in_a_pod_without_a_list_local_addresses_are_refused(address):
    assert not HostPolicy.of(None, in_pod=True)("broker.example.org", address)


@pytest.mark.parametrize("address", [*LOCAL, "10.0.0.1", "2001:db8::1"])
def test_outside_a_pod_without_a_list_everything_is_allowed(address):
    assert HostPolicy.of(None, in_pod=False)("broker", address)


@pytest.mark.parametrize("address", ["10.0.0.1", "192.168.1.1", "8.8.8.8", "2001:db8::1"])
def test_in_a_pod_without_a_list_other_addresses_are_allowed(address):
    assert HostPolicy.of(None, in_pod=True)("broker", address)


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


def test_a_network_counts_whatever_the_name_is():
    policy = HostPolicy.of(["10.0.0.0/8", "2001:db8::/32", "192.0.2.7"], in_pod=True)
    assert policy("anything", "10.255.0.1")
    assert policy("anything", "::ffff:10.255.0.1")
    assert policy("anything", "2001:db8:1::1")
    assert policy("anything", "192.0.2.7")
    assert not policy("anything", "192.0.2.8")


def test_an_allowed_name_that_leads_home_is_refused_unless_the_network_is_named():
    assert not HostPolicy.of(["example.org"], in_pod=True)("a.example.org", "127.0.0.1")
    assert HostPolicy.of(["example.org", "127.0.0.0/8"], in_pod=True)("a.example.org", "127.0.0.1")
    assert HostPolicy.of(["example.org"], in_pod=False)("a.example.org", "127.0.0.1")


def test_an_empty_list_allows_nothing():
    assert not HostPolicy.of([], in_pod=False)("broker", "10.0.0.1")
    assert not HostPolicy.of(["", "."], in_pod=False)("broker", "10.0.0.1")


def test_what_is_no_address_is_refused():
    assert not HostPolicy.of(None, in_pod=False)("broker", "not-an-address")
