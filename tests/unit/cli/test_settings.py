"""What the environment may say."""

from fractions import Fraction

import pytest

from audit_event_operator.brokers.rabbitmq.timing import Timing
from audit_event_operator.cluster.leadership.lease import LeaseTiming
from audit_event_operator.cluster.status.reporter import Pace
from audit_event_operator.logs import visible
from audit_event_operator.settings import Settings, SettingsError, load_settings


def test_nothing_set_gives_the_seeds_defaults():
    settings, warnings = load_settings({})
    assert (settings.rabbitmq_host, settings.rabbitmq_port, settings.rabbitmq_queue) == (None, 5672, "audit_events")
    assert (settings.app_port, settings.prometheus_port, settings.event_generation_interval_seconds) == (5000, 8000, 5)
    assert warnings == []


def test_the_environment_wins_over_the_file(tmp_path):
    file = tmp_path / ".env"
    file.write_text("RABBITMQ_HOST=from-file\nRABBITMQ_QUEUE=from-file\n")
    settings, _ = load_settings({"RABBITMQ_HOST": "from-env"}, dotenv=file)
    assert (settings.rabbitmq_host, settings.rabbitmq_queue) == ("from-env", "from-file")


@pytest.mark.parametrize(
    ("text", "interval"), [("0.5", Fraction(1, 2)), ("10", Fraction(10)), ("1e-1", Fraction(1, 10))]
)
def test_the_seeds_interval_accepts_fractions(text, interval):
    assert load_settings({"EVENT_GENERATION_INTERVAL_SECONDS": text})[0].event_generation_interval_seconds == interval


def test_an_interval_of_zero_is_a_millisecond_with_a_warning():
    assert "1 ms" in load_settings({"EVENT_GENERATION_INTERVAL_SECONDS": "0"})[1][0]


def test_the_port_of_a_service_link_is_ignored_with_a_warning():
    settings, warnings = load_settings({"RABBITMQ_PORT": "tcp://10.0.0.1:5672"})
    assert settings.rabbitmq_port == 5672
    assert "enableServiceLinks" in warnings[0]


@pytest.mark.parametrize(
    "variable, value, says",
    [
        ("EVENT_GENERATION_INTERVAL_SECONDS", "-1", ""),
        ("EVENT_GENERATION_INTERVAL_SECONDS", "often", ""),
        ("APP_PORT", "70000", ""),
        ("AEG_API_AUTH", "maybe", ""),
        ("AEG_API_AUTH", "token", "AEG_API_TOKEN_FILE"),
        ("AEG_LOG_LEVEL", "LOUD", ""),
        ("AEG_MAX_EVENTS_PER_SECOND", "0", ""),
        ("AEG_CONFIRM_SECONDS", "inf", ""),
        ("AEG_LEASE_DURATION_SECONDS", "5", "AEG_LEASE_DURATION_SECONDS must be greater"),
        ("AEG_NAMESPACES", "a,Team_A", "AEG_NAMESPACES: 'Team_A' cannot be a namespace"),
        ("AEG_NAMESPACES", "*", "AEG_NAMESPACES: '\\*' cannot be a namespace"),
        ("AEG_DEFAULT_BROKER_NAMESPACES", "*,a.b", "AEG_DEFAULT_BROKER_NAMESPACES: 'a.b' cannot be a namespace"),
        ("AEG_LEASE_NAMESPACE", "A", "AEG_LEASE_NAMESPACE: 'A' cannot be a namespace"),
        ("AEG_LEASE_NAME", "A", ""),
        ("AEG_LEASE_NAME", "a" * 64, "at most 63"),
        ("AEG_ALLOWED_BROKER_HOSTS", "example.org,10.0.0.0/99", "AEG_ALLOWED_BROKER_HOSTS: .*'10.0.0.0/99' is none"),
        ("RABBITMQ_QUEUE", "amq.foo", "RABBITMQ_QUEUE: queue must not begin with amq."),
        ("RABBITMQ_QUEUE", "\udcff", "RABBITMQ_QUEUE: must be UTF-8 text"),
        ("RABBITMQ_VHOST", "a\nb", "RABBITMQ_VHOST: must be 1 to 255 characters without control characters"),
        ("RABBITMQ_VHOST", "é" * 128, "RABBITMQ_VHOST: vhost must be at most 255 bytes"),
        ("RABBITMQ_USER", "u" * 256, "RABBITMQ_USER: must not have a value longer than 255 bytes"),
        ("RABBITMQ_HOST", "amqp://rabbit", "RABBITMQ_HOST: must be a host name or an IP address"),
        ("RABBITMQ_HOST", "rabbit:5672", "RABBITMQ_HOST: must be a host name or an IP address"),
        ("RABBITMQ_HOST", "my rabbit", "RABBITMQ_HOST: must be a host name or an IP address"),
    ],
)
def test_what_cannot_be_is_refused_by_name(variable, value, says):
    with pytest.raises(SettingsError, match=says or variable):
        load_settings({variable: value})


def test_a_password_shows_nowhere():
    settings, _ = load_settings({"RABBITMQ_PASS": "canary-7"})
    assert "canary-7" not in repr(settings) + str(settings)
    with pytest.raises(SettingsError) as error:
        load_settings({"RABBITMQ_PASS": "canary-7", "APP_PORT": "canary-8"})
    assert "canary" not in str(error.value)
    with pytest.raises(SettingsError, match="RABBITMQ_PASS: must not have a value with a line break") as error:
        load_settings({"RABBITMQ_PASS": "canary-7\n"})
    assert "canary" not in str(error.value)


@pytest.mark.parametrize(
    "host", ["rabbit", "rabbit_1", "mq.example.org.", "10.0.0.1", "::1", "fe80::1%eth0", "bücher.de"]
)
def test_the_broker_is_a_host_or_an_address(host):
    assert load_settings({"RABBITMQ_HOST": host})[0].rabbitmq_host == host


def test_lists_are_separated_by_commas():
    settings, _ = load_settings({"AEG_NAMESPACES": "a, b,a", "AEG_ALLOWED_BROKER_HOSTS": ".svc"})
    assert (settings.namespaces, settings.allowed_broker_hosts) == (("a", "b"), (".svc",))


def test_a_log_line_cannot_be_forged():
    assert visible("a\nb\r\x1b[31m\u202e\u2028") == "a\\nb\\r\\x1b[31m\\u202e\\u2028"
    assert visible("naïve 🙂") == "naïve 🙂"


def test_a_variable_of_a_group_sets_the_field_of_its_value_object():
    environment = {"AEG_CONFIRM_SECONDS": "7", "AEG_LEASE_RENEW_SECONDS": "3", "AEG_STATUS_COUNTER_SECONDS": "4"}
    groups = {
        "broker_timing": Timing(confirm_seconds=7),
        "lease_timing": LeaseTiming(renew=3),
        "pace": Pace(counter_seconds=4),
    }
    assert load_settings(environment)[0] == Settings(**groups)


def test_an_installation_waits_for_two_signs_of_life_of_another_one_at_least():
    load_settings({"AEG_OWNER_REFRESH_SECONDS": "2", "AEG_OWNER_TIMEOUT_SECONDS": "4"})
    with pytest.raises(SettingsError, match=r"^AEG_OWNER_TIMEOUT_SECONDS must be at least twice"):
        load_settings({"AEG_OWNER_REFRESH_SECONDS": "46"})


def test_a_constant_of_a_group_is_no_variable():
    with pytest.raises(
        SettingsError, match=r"AEG_RETRY_SECONDS is not a setting.* AEG_STATUS_PARALLEL is not a setting"
    ):
        load_settings({"AEG_RETRY_SECONDS": "9", "AEG_STATUS_PARALLEL": "9"})


def test_a_misspelled_variable_is_refused_with_the_nearest_name_also_in_the_file(tmp_path):
    file = tmp_path / ".env"
    file.write_text("AEG_API_AUHT=token\n")
    with pytest.raises(SettingsError, match=r"^AEG_API_AUHT is not a setting; did you mean AEG_API_AUTH\?$"):
        load_settings({}, dotenv=file)
    with pytest.raises(SettingsError, match=r"^AEG_ZZZ is not a setting; docs/settings.md lists the settings\.$"):
        load_settings({"AEG_ZZZ": "1"})


def test_an_unknown_variable_without_a_value_counts_as_unset(tmp_path):
    file = tmp_path / ".env"
    file.write_text("AEG_ZZZ\n")
    assert load_settings({"AEG_YYY": ""}, dotenv=file)[0] == Settings()


def test_variables_that_others_own_are_no_settings():
    others = {
        "AEG_COMMIT": "abc",
        "AEG_RIGS": "../rigs",
        "AEG_FAULTS": "full",
        "AEG_TEST_CACHE": "/cache",
        "aeg_x": "1",
    }
    assert load_settings(others)[0] == Settings()


@pytest.mark.parametrize(("prefix", "address"), [("AEG", "10.96.0.7"), ("AEG_MY_2ND", "fd00::7")])
@pytest.mark.parametrize("protocol", ["tcp", "udp", "sctp"])
def test_what_kubernetes_says_of_a_service_is_no_setting(prefix, address, protocol):
    port = f"{prefix}_PORT_5672_{protocol.upper()}"
    url = f"{protocol}://{f'[{address}]' if ':' in address else address}:5672"
    injected = {
        f"{prefix}_SERVICE_HOST": address,
        f"{prefix}_SERVICE_PORT": "5672",
        f"{prefix}_SERVICE_PORT_HTTP_APP": "5672",
        f"{prefix}_PORT": url,
        port: url,
        f"{port}_PROTO": protocol,
        f"{port}_PORT": "5672",
        f"{port}_ADDR": address,
    }
    assert load_settings(injected)[0] == Settings()


@pytest.mark.parametrize(
    ("name", "text"), [("AEG_PORT", "5000"), ("AEG_SERVICE_HOST", "rabbit"), ("AEG_API_SERVICE", "10.0.0.1")]
)
def test_what_only_looks_like_a_service_is_refused(name, text):
    with pytest.raises(SettingsError, match=f"^{name} is not a setting"):
        load_settings({name: text})
