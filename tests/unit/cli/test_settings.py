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


def test_lists_are_separated_by_commas():
    settings, _ = load_settings({"AEG_NAMESPACES": "a, b,", "AEG_ALLOWED_BROKER_HOSTS": ".svc"})
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


def test_a_constant_of_a_group_is_no_variable():
    assert load_settings({"AEG_RETRY_SECONDS": "9", "AEG_STATUS_PARALLEL": "9"})[0] == Settings()
