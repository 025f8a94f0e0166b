"""What the environment may say, with units, ranges and defaults: the seed service's variables, and our own `AEG_…` ones.

The environment is a parameter; a `.env` file is read only where the caller names one, and the environment wins over it.
Credentials never show in a `repr`.
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from dotenv import dotenv_values
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, ValidationError

from audit_event_operator.resource.spec import TLSMode

DEFAULT_RABBITMQ_HOST: Final = "rabbitmq-service"
SHORTEST_INTERVAL: Final = Fraction(1, 1000)


class SettingsError(ValueError):
    """A variable has a value it cannot have; the text names the variable and the allowed range, never a credential."""


def _names(value: object) -> object:
    return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value


def _fraction(value: object) -> object:
    try:
        return Fraction(str(value).strip())
    except (ValueError, ZeroDivisionError) as error:
        raise ValueError("must be a number such as 5 or 0.25") from error


def _not_negative(value: Fraction) -> Fraction:
    if not 0 <= value <= 86_400:
        raise ValueError("must be between 0 and 86400 seconds")
    return value


Names = Annotated[tuple[str, ...], BeforeValidator(_names)]
Seconds = Annotated[float, Field(gt=0, le=86_400, allow_inf_nan=False)]
Port = Annotated[int, Field(ge=0, le=65_535)]
Rate = Annotated[float, Field(gt=0, le=10_000_000, allow_inf_nan=False)]
SeedInterval = Annotated[Fraction, BeforeValidator(_fraction), AfterValidator(_not_negative)]


class Settings(BaseModel):
    """All settings; every field's alias is the variable's name, its description what it is for."""

    model_config = ConfigDict(frozen=True, extra="ignore", arbitrary_types_allowed=True, hide_input_in_errors=True)

    rabbitmq_host: Annotated[
        str | None,
        Field(alias="RABBITMQ_HOST", description="Host of the default broker; in `run` it exists only if this is set."),
    ] = None
    rabbitmq_port: Annotated[
        int, Field(alias="RABBITMQ_PORT", ge=1, le=65_535, description="Port of the default broker.")
    ] = 5672
    rabbitmq_user: Annotated[str, Field(alias="RABBITMQ_USER", description="User of the default broker.")] = "user"
    rabbitmq_pass: Annotated[SecretStr, Field(alias="RABBITMQ_PASS", description="Password of the default broker.")] = (
        SecretStr("password")
    )
    rabbitmq_queue: Annotated[
        str,
        Field(
            alias="RABBITMQ_QUEUE",
            min_length=1,
            description="Queue of the default broker: of posted events, and of the generator that standalone makes from the environment.",
        ),
    ] = "audit_events"
    rabbitmq_vhost: Annotated[
        str, Field(alias="RABBITMQ_VHOST", min_length=1, description="Virtual host of the default broker.")
    ] = "/"
    rabbitmq_tls_mode: Annotated[
        TLSMode,
        Field(
            alias="RABBITMQ_TLS_MODE",
            description="Auto (TLS iff the port is 5671 or a CA file is given), Verify or Disabled.",
        ),
    ] = TLSMode.AUTO
    rabbitmq_ca_file: Annotated[
        Path | None,
        Field(
            alias="RABBITMQ_CA_FILE",
            description="PEM file of the authority that signed the default broker's certificate; unset: the system's.",
        ),
    ] = None
    app_port: Annotated[Port, Field(alias="APP_PORT", description="Port of all HTTP routes; 0 takes a free one.")] = (
        5000
    )
    prometheus_port: Annotated[
        Port, Field(alias="PROMETHEUS_PORT", description="Port of /metrics alone; 0 takes a free one.")
    ] = 8000
    event_interval: Annotated[
        SeedInterval,
        Field(
            alias="EVENT_GENERATION_INTERVAL_SECONDS",
            description="Seconds between events in standalone; fractions are allowed, 0 means 1 ms.",
        ),
    ] = Fraction(5)

    namespaces: Annotated[
        Names, Field(alias="AEG_NAMESPACES", description="Namespaces to serve, separated by commas; empty: all.")
    ] = ()
    lease_name: Annotated[
        str, Field(alias="AEG_LEASE_NAME", description="Name of the Lease that the working process holds.")
    ] = "audit-event-operator"
    lease_namespace: Annotated[
        str | None,
        Field(alias="AEG_LEASE_NAMESPACE", description="Namespace of the Lease; unset: the pod's, else the context's."),
    ] = None
    lease_strict: Annotated[
        bool,
        Field(
            alias="AEG_LEASE_STRICT",
            description="Stop generating when the Lease cannot be renewed because the API server cannot be reached.",
        ),
    ] = False
    identity: Annotated[
        str | None,
        Field(
            alias="AEG_IDENTITY",
            description="Name of this process in the Lease and in status.owner, which no other process may have; unset: the host's name (the pod's) with a random ending.",
        ),
    ] = None
    max_events_per_second: Annotated[
        Rate, Field(alias="AEG_MAX_EVENTS_PER_SECOND", description="Most events per second of one generator.")
    ] = 5_000
    max_events_per_second_per_namespace: Annotated[
        Rate | None,
        Field(
            alias="AEG_MAX_EVENTS_PER_SECOND_PER_NAMESPACE",
            description="Most events per second of all generators of one namespace; unset: no limit.",
        ),
    ] = None
    bind_address: Annotated[str, Field(alias="AEG_BIND_ADDRESS", description="Address to listen on.")] = "0.0.0.0"  # noqa: S104 - probes and scrapes come from outside the pod
    api_auth: Annotated[
        Literal["none", "token", "kubernetes"],
        Field(
            alias="AEG_API_AUTH",
            description="Who may POST /generate_event: none (anybody), token (bearer of the token file), kubernetes (access review; only in `run`).",
        ),
    ] = "none"
    api_token_file: Annotated[
        Path | None,
        Field(alias="AEG_API_TOKEN_FILE", description="File with the bearer token; needed by the mode token."),
    ] = None
    allowed_broker_hosts: Annotated[
        Names | None,
        Field(
            alias="AEG_ALLOWED_BROKER_HOSTS",
            description="Host suffixes and CIDRs that Secrets may name; unset: in a pod everything but loopback and link-local, elsewhere everything.",
        ),
    ] = None
    default_broker_namespaces: Annotated[
        Names,
        Field(
            alias="AEG_DEFAULT_BROKER_NAMESPACES",
            description="Namespaces whose resources may use the default broker; * means all.",
        ),
    ] = ("*",)
    log_format: Annotated[Literal["plain", "json"], Field(alias="AEG_LOG_FORMAT", description="Form of log lines.")] = (
        "plain"
    )
    log_level: Annotated[
        Literal["DEBUG", "INFO", "WARNING", "ERROR"],
        BeforeValidator(lambda text: str(text).upper()),
        Field(alias="AEG_LOG_LEVEL", description="Least severe log lines to write."),
    ] = "INFO"
    journal_file: Annotated[
        Path | None,
        Field(
            alias="AEG_JOURNAL_FILE",
            description="File to append one line of JSON to for each attempt's outcome and each drop (ids, never bodies); for tests and investigations, it grows without bound.",
        ),
    ] = None

    connect_seconds: Annotated[
        Seconds,
        Field(alias="AEG_CONNECT_SECONDS", description="Deadline of one connection attempt, name look-up included."),
    ] = 20
    rpc_seconds: Annotated[
        Seconds, Field(alias="AEG_RPC_SECONDS", description="Deadline of one answer by a broker.")
    ] = 20
    confirm_seconds: Annotated[
        Seconds,
        Field(
            alias="AEG_CONFIRM_SECONDS",
            description="Age of the oldest unconfirmed event at which the connection is given up.",
        ),
    ] = 60
    heartbeat_seconds: Annotated[
        int, Field(alias="AEG_HEARTBEAT_SECONDS", ge=1, le=600, description="AMQP heartbeat.")
    ] = 15
    backoff_min_seconds: Annotated[
        Seconds, Field(alias="AEG_BACKOFF_MIN_SECONDS", description="First wait before connecting again.")
    ] = 1
    backoff_max_seconds: Annotated[
        Seconds, Field(alias="AEG_BACKOFF_MAX_SECONDS", description="Longest wait before connecting again.")
    ] = 30
    slow_retry_min_seconds: Annotated[
        Seconds, Field(alias="AEG_SLOW_RETRY_MIN_SECONDS", description="First wait where only the user can mend it.")
    ] = 30
    slow_retry_max_seconds: Annotated[
        Seconds, Field(alias="AEG_SLOW_RETRY_MAX_SECONDS", description="Longest wait where only the user can mend it.")
    ] = 300
    secret_failing_seconds: Annotated[
        Seconds,
        Field(
            alias="AEG_SECRET_FAILING_SECONDS",
            description="Longest time between two readings of a Secret while its broker fails.",
        ),
    ] = 30
    secret_connected_seconds: Annotated[
        Seconds,
        Field(
            alias="AEG_SECRET_CONNECTED_SECONDS",
            description="Time between two readings of a Secret while its broker is connected.",
        ),
    ] = 300
    unreachable_seconds: Annotated[
        Seconds,
        Field(alias="AEG_UNREACHABLE_SECONDS", description="How long a broker must be away before Ready turns False."),
    ] = 30
    blocked_seconds: Annotated[
        Seconds,
        Field(alias="AEG_BLOCKED_SECONDS", description="How long a broker must block before Ready turns False."),
    ] = 30
    backpressure_seconds: Annotated[
        Seconds,
        Field(
            alias="AEG_BACKPRESSURE_SECONDS", description="How long events must be skipped before Ready turns False."
        ),
    ] = 60
    target_drain_seconds: Annotated[
        Seconds,
        Field(
            alias="AEG_TARGET_DRAIN_SECONDS", description="How long a changed queue or broker drains to the old one."
        ),
    ] = 5
    deletion_grace_seconds: Annotated[
        Seconds,
        Field(
            alias="AEG_DELETION_GRACE_SECONDS",
            description="How long written events of a deleted resource may still be confirmed.",
        ),
    ] = 5
    shutdown_drain_seconds: Annotated[
        Seconds, Field(alias="AEG_SHUTDOWN_DRAIN_SECONDS", description="How long SIGTERM lets generators drain.")
    ] = 20
    start_spread_seconds: Annotated[
        Seconds,
        Field(
            alias="AEG_START_SPREAD_SECONDS",
            description="Over how long first ticks are spread when the process takes over.",
        ),
    ] = 5
    departed_series_seconds: Annotated[
        Seconds,
        Field(
            alias="AEG_DEPARTED_SERIES_SECONDS",
            description="How long the series of a deleted resource are still exported.",
        ),
    ] = 60
    post_seconds: Annotated[
        Seconds,
        Field(alias="AEG_POST_SECONDS", description="How long POST /generate_event waits for the broker's confirm."),
    ] = 2
    resync_seconds: Annotated[
        Seconds,
        Field(alias="AEG_RESYNC_SECONDS", description="Time between two lists that find what the watch missed."),
    ] = 60
    crd_poll_seconds: Annotated[
        Seconds,
        Field(
            alias="AEG_CRD_POLL_SECONDS",
            description="Time between two looks for the CustomResourceDefinition until it is served.",
        ),
    ] = 5
    status_counter_seconds: Annotated[
        Seconds,
        Field(
            alias="AEG_STATUS_COUNTER_SECONDS", description="Least time between two writes of one resource's counters."
        ),
    ] = 30
    event_repeat_seconds: Annotated[
        Seconds,
        Field(
            alias="AEG_EVENT_REPEAT_SECONDS",
            description="Least time between two Kubernetes Events of one resource and reason.",
        ),
    ] = 600
    lease_duration_seconds: Annotated[
        int,
        Field(
            alias="AEG_LEASE_DURATION_SECONDS",
            ge=1,
            le=3600,
            description="How long the Lease stands without being renewed.",
        ),
    ] = 15
    lease_renew_seconds: Annotated[
        Seconds, Field(alias="AEG_LEASE_RENEW_SECONDS", description="Deadline of the holder's renewal.")
    ] = 10
    lease_retry_seconds: Annotated[
        Seconds,
        Field(alias="AEG_LEASE_RETRY_SECONDS", description="Time between two tries to take or renew the Lease."),
    ] = 2


def load_settings(environ: Mapping[str, str], *, dotenv: Path | None = None) -> tuple[Settings, list[str]]:
    """Read the settings; also the sentences of warning that go with them.

    Args:
        environ: the environment; it wins over the file.
        dotenv: a `.env` file to read if it is there.

    Raises:
        SettingsError: a value is out of range; the text names every such variable.
    """
    from_file = dotenv_values(dotenv, interpolate=False) if dotenv is not None and dotenv.is_file() else {}
    known = {field.alias for field in Settings.model_fields.values()}
    values: dict[str, Any] = {name: text for name, text in {**from_file, **environ}.items() if name in known and text}
    warnings = []
    if str(values.get("RABBITMQ_PORT", "")).startswith("tcp://"):
        del values["RABBITMQ_PORT"]
        warnings.append(
            "RABBITMQ_PORT looks like the variable of a Service named rabbitmq (tcp://…) and is ignored; "
            "set enableServiceLinks: false in the pod."
        )
    try:
        settings = Settings.model_validate(values)
    except ValidationError as error:
        raise SettingsError("; ".join(_sentence(dict(each)) for each in error.errors(include_url=False))) from None
    if settings.event_interval < SHORTEST_INTERVAL and "EVENT_GENERATION_INTERVAL_SECONDS" in values:
        warnings.append("EVENT_GENERATION_INTERVAL_SECONDS is below 0.001; the interval is 1 ms.")
    if not settings.lease_duration_seconds > settings.lease_renew_seconds > settings.lease_retry_seconds:
        raise SettingsError(
            "AEG_LEASE_DURATION_SECONDS must be greater than AEG_LEASE_RENEW_SECONDS, and that greater than "
            "AEG_LEASE_RETRY_SECONDS"
        )
    if settings.api_auth == "token" and settings.api_token_file is None:
        raise SettingsError("AEG_API_AUTH=token needs AEG_API_TOKEN_FILE, the file that holds the token")
    return settings, warnings


def _sentence(error: Mapping[str, Any]) -> str:
    variable = str(error["loc"][0]) if error["loc"] else "settings"
    message = str(error["msg"]).removeprefix("Value error, ")
    return f"{variable}: {message[:1].lower()}{message[1:]}"
