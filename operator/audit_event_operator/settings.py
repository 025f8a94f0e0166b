"""The settings, and the environment variables that set them: the seed service's, and our own `AEG_…` ones.

A variable is a field's name in capitals. Settings that belong together are a value object of the part that uses them, which
declares their defaults and ranges. The text below a field is its line in docs/settings.md. The environment is a parameter; a
`.env` file is read only if the caller names one, and the environment wins over it. No `repr` shows a credential.
"""

from collections.abc import Mapping
from dataclasses import fields, is_dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Annotated, Any, Final, Literal, get_type_hints

from dotenv import dotenv_values
from pydantic import ConfigDict, Field, SecretStr, ValidationError
from pydantic.dataclasses import dataclass
from pydantic_core import ErrorDetails

from audit_event_operator.brokers.rabbitmq.timing import Timing
from audit_event_operator.cluster.leadership.lease import LeaseTiming
from audit_event_operator.cluster.leadership.ownership import OwnershipTiming
from audit_event_operator.cluster.resources.informer import Rhythm
from audit_event_operator.cluster.status.event_recorder import SAME_REASON_SECONDS
from audit_event_operator.cluster.status.reporter import Pace
from audit_event_operator.engine.context import MAX_EVENTS_PER_SECOND, EngineTiming
from audit_event_operator.engine.readiness import Damping
from audit_event_operator.engine.submissions import POST_SECONDS
from audit_event_operator.files.environment import SHORTEST_INTERVAL
from audit_event_operator.resource.broker_spec import QueueName, TLSMode
from audit_event_operator.resource.durations import Seconds
from audit_event_operator.resource.names import OPERATOR_NAME
from audit_event_operator.setting_values import (
    BrokerHosts,
    Host,
    HttpHosts,
    LeaseName,
    LogLevel,
    Namespace,
    Namespaces,
    NamespacesOrAll,
    Password,
    Port,
    Rate,
    SeedInterval,
    User,
    VirtualHost,
)
from audit_event_operator.strange_variables import strange_variables

DEFAULT_RABBITMQ_HOST: Final = "rabbitmq-service"

MOUNTED: Final = ("RABBITMQ_USER", "RABBITMQ_PASS", "RABBITMQ_PORT", "RABBITMQ_VHOST", "RABBITMQ_TLS_MODE")
"""What the default broker's Secret may hold."""

_SEED: Final = ("rabbitmq_", "app_", "prometheus_", "event_generation_")
_VARIABLES: Final = {
    "lease_timing": "AEG_LEASE_{}_SECONDS",
    "ownership": "AEG_OWNER_{}_SECONDS",
    "rhythm": "AEG_{}_SECONDS",
    "pace": "AEG_STATUS_{}",
}
"""How the variables of a group are named, where that is not `AEG_` and the field's name."""


class SettingsError(ValueError):
    """A variable is invalid. The text names the variable and its range, never a credential."""


@dataclass(frozen=True, slots=True, config=ConfigDict(arbitrary_types_allowed=True, hide_input_in_errors=True))
class Settings:
    """All settings."""

    rabbitmq_host: Host | None = None
    """Host of the default broker; `run` has a default broker only if this is set."""
    rabbitmq_port: Annotated[int, Field(ge=1, le=65_535)] = 5672
    """Port of the default broker."""
    rabbitmq_user: User = "user"
    """User of the default broker."""
    rabbitmq_pass: Password = SecretStr("password")
    """Password of the default broker."""
    rabbitmq_queue: QueueName = "audit_events"
    """Queue on the default broker, for posted events and for the generator that `standalone` builds from the environment."""
    rabbitmq_vhost: VirtualHost = "/"
    """Virtual host of the default broker."""
    rabbitmq_tls_mode: TLSMode = TLSMode.AUTO
    """Auto (TLS if the port is 5671 or a CA file is set), Verify or Disabled."""
    rabbitmq_ca_file: Path | None = None
    """PEM file of the CA that signed the default broker's certificate; unset: the system's CAs."""
    app_port: Port = 5000
    """Port of all HTTP routes; 0 picks a free one."""
    prometheus_port: Port = 8000
    """Port of /metrics only; 0 picks a free one."""
    event_generation_interval_seconds: SeedInterval = Fraction(5)
    """Seconds between events in `standalone` without files; may be a fraction; 0 means 1 ms."""

    namespaces: Namespaces = ()
    """Namespaces to serve, comma-separated; empty: all."""
    lease_name: LeaseName = OPERATOR_NAME
    """How the names of all Leases of this installation begin; at most 63 characters."""
    lease_namespace: Namespace | None = None
    """Namespace of the Leases; unset: the pod's, else the kubeconfig context's."""
    lease_strict: bool = False
    """Stop generating if an unreachable API server keeps the Leases from being renewed, even if there is no other replica."""
    identity: str | None = None
    """Unique name of this process in Leases and at the end of status.owner; unset: the host name (in a pod, the pod's
    name) with a random suffix."""
    max_events_per_second: Rate = MAX_EVENTS_PER_SECOND
    """Maximum events per second of one generator."""
    max_events_per_second_per_namespace: Rate | None = None
    """Maximum events per second of all generators in one namespace; unset: no limit."""
    max_connections_per_namespace: Annotated[int, Field(ge=1, le=65_535)] = 500
    """Maximum connections to brokers for the resources of one namespace; there is one per broker and queue
    or exchange."""
    bind_address: str = "0.0.0.0"  # noqa: S104 - probes and scrapes come from outside the pod
    """Address to listen on."""
    http_hosts: HttpHosts | None = None
    """Names by which HTTP clients may call the operator (in the Host header), besides localhost and addresses, which they
    always may; comma-separated, .example.org means all names below it, * any. Unset: none if AEG_BIND_ADDRESS is a loopback
    address, else any."""
    api_auth: Literal["none", "token", "kubernetes"] = "none"
    """Who may POST /generate_event: none (anyone), token (callers with the token in AEG_API_TOKEN_FILE), kubernetes (callers
    with the RBAC right; `run` only)."""
    api_token_file: Path | None = None
    """File with the bearer token; required by AEG_API_AUTH=token."""
    metrics_auth: Literal["none", "kubernetes"] = "none"
    """Who may GET /metrics: none (anyone), kubernetes (callers that may get the nonResourceURL; `run` only)."""
    metrics_per_resource: bool = True
    """Whether /metrics has series for each resource; false: sums for each namespace instead."""
    read_auth: Literal["none", "kubernetes"] = "none"
    """Who may GET the status page, /generators and /healthz?verbose=1: none (anyone), kubernetes (callers that may get the
    nonResourceURL; `run` only)."""
    allowed_broker_hosts: BrokerHosts | None = None
    """Host suffixes and CIDRs of the brokers that Secrets may name; unset: any, but in a pod no loopback or link-local
    addresses."""
    default_broker_folder: Path | None = None
    """Folder of a mounted Secret with the files RABBITMQ_USER, RABBITMQ_PASS, RABBITMQ_PORT, RABBITMQ_VHOST and
    RABBITMQ_TLS_MODE; those that are there win over the environment and are read again before each connection (`run` only)."""
    default_broker_namespaces: NamespacesOrAll = ("*",)
    """Namespaces whose resources may use the default broker; * means all."""
    log_format: Literal["plain", "json"] = "plain"
    """Format of log lines."""
    log_level: LogLevel = "INFO"
    """Lowest level to log."""
    journal_file: Path | None = None
    """File that gets a JSON line for each publish outcome and each drop (ids, never bodies). For tests and investigations;
    it grows without bound."""

    broker_timing: Timing = Timing()
    damping: Damping = Damping()
    engine_timing: EngineTiming = EngineTiming()
    shutdown_drain_seconds: Seconds = 20
    """How long generators may drain after SIGTERM."""
    post_seconds: Seconds = POST_SECONDS
    """How long POST /generate_event waits for the broker's confirm."""
    rhythm: Rhythm = Rhythm()
    pace: Pace = Pace()
    event_repeat_seconds: Seconds = SAME_REASON_SECONDS
    """Minimum time between two Kubernetes Events with the same resource and reason."""
    lease_timing: LeaseTiming = LeaseTiming()
    ownership: OwnershipTiming = OwnershipTiming()


def variables() -> dict[str, tuple[str, ...]]:
    """Each variable, with the path to its field: the field's name in `Settings`, or the group's name and the field's.

    Of a group, the fields with a range are settings; the others are constants.
    """
    ways: dict[str, tuple[str, ...]] = {}
    for field in fields(Settings):
        if is_dataclass(field.default):
            pattern = _VARIABLES.get(field.name, "AEG_{}")
            hints = get_type_hints(type(field.default), include_extras=True)
            ways |= {
                pattern.format(name.upper()): (field.name, name)
                for name, hint in hints.items()
                if hasattr(hint, "__metadata__")
            }
        else:
            ways[("" if field.name.startswith(_SEED) else "AEG_") + field.name.upper()] = (field.name,)
    return ways


def load_settings(environ: Mapping[str, str], *, dotenv: Path | None = None) -> tuple[Settings, list[str]]:
    """Read the settings; also the warnings that go with them, as sentences.

    An empty variable counts as unset. The environment wins over the file `dotenv`, which need not exist.

    Raises:
        SettingsError: a value is out of range or a variable is not a setting (the text names every one), or the file cannot
            be read.
    """
    try:
        from_file = dotenv_values(dotenv, interpolate=False) if dotenv is not None and dotenv.is_file() else {}
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise SettingsError(f"{dotenv} cannot be read: {why}") from None
    ways, given = variables(), {**from_file, **environ}
    if strange := list(strange_variables(given, ways)):
        raise SettingsError(" ".join(strange))
    texts = {name: text for name, text in given.items() if name in ways and text}
    if unreadable := [name for name, text in texts.items() if not _is_utf8(text)]:
        raise SettingsError("; ".join(f"{name}: must be UTF-8 text" for name in unreadable))
    warnings = []
    if texts.get("RABBITMQ_PORT", "").startswith("tcp://"):
        del texts["RABBITMQ_PORT"]
        warnings.append(
            "Ignoring RABBITMQ_PORT: its value (tcp://…) comes from a Service named rabbitmq. "
            "Set enableServiceLinks: false in the pod."
        )
    values: dict[str, Any] = {}
    for name, text in texts.items():
        *group, field = ways[name]
        (values.setdefault(group[0], {}) if group else values)[field] = text
    try:
        settings = Settings(**values)
    except ValidationError as error:
        names = {way: name for name, way in ways.items()}
        raise SettingsError("; ".join(_sentence(names, each) for each in error.errors(include_url=False))) from None
    if settings.event_generation_interval_seconds < SHORTEST_INTERVAL:
        warnings.append("EVENT_GENERATION_INTERVAL_SECONDS is below 0.001; the interval is 1 ms.")
    lease = settings.lease_timing
    if not lease.duration > lease.renew > lease.retry:
        raise SettingsError(
            "AEG_LEASE_DURATION_SECONDS must be greater than AEG_LEASE_RENEW_SECONDS, which must be greater than "
            "AEG_LEASE_RETRY_SECONDS"
        )
    if settings.ownership.timeout < 2 * settings.ownership.refresh:
        raise SettingsError("AEG_OWNER_TIMEOUT_SECONDS must be at least twice AEG_OWNER_REFRESH_SECONDS")
    if settings.api_auth == "token" and settings.api_token_file is None:
        raise SettingsError("AEG_API_AUTH=token needs AEG_API_TOKEN_FILE, a file with the token")
    return settings, warnings


def _is_utf8(text: str) -> bool:
    """Whether the environment's bytes were text; Python keeps other bytes as surrogates."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def with_mounted(settings: Settings) -> Settings:
    """The settings with the default broker's as its folder has them now. Reads files.

    Raises:
        SettingsError: a file cannot be read or holds what is not allowed; the text names it, and no value.
    """
    folder, values = settings.default_broker_folder, dict[str, Any]()
    if folder is None:
        return settings
    for name in MOUNTED:
        try:
            values[name.lower()] = (folder / name).read_text("utf-8").removesuffix("\n")
        except FileNotFoundError:
            continue
        except (OSError, UnicodeDecodeError):
            raise SettingsError(f"{name} in {folder} cannot be read as text") from None
    try:
        return replace(settings, **values)
    except ValidationError as error:
        names = {way: name for name, way in variables().items()}
        raise SettingsError("; ".join(_sentence(names, each) for each in error.errors(include_url=False))) from None


def _sentence(names: Mapping[tuple[str, ...], str], error: ErrorDetails) -> str:
    way = tuple(str(step) for step in error["loc"])
    message = error["msg"].removeprefix("Value error, ")
    return f"{names.get(way[:2]) or names[way[:1]]}: {message[:1].lower()}{message[1:]}"
