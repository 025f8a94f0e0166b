"""What the text of a setting may be, where that takes more than a type: each with the sentence for what it may not be.

Names, hosts and credentials are judged by the rules for resources and Secrets. No sentence quotes a credential.
"""

from fractions import Fraction
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr

from audit_event_operator.resource.broker_spec import BROKER_NAME, at_most_255_bytes
from audit_event_operator.resource.fields import is_namespace, is_object_name
from audit_event_operator.resource.problems import shown
from audit_event_operator.targets.credentials import read_text
from audit_event_operator.targets.hosts import HostPolicy, is_host

MAX_LEASE_NAME_LENGTH: Final = 63
"""It is the value of a label, too."""


def _names(value: object) -> object:
    if not isinstance(value, str):
        return value
    return tuple(dict.fromkeys(part.strip() for part in value.split(",") if part.strip()))


def _namespaces(names: tuple[str, ...]) -> tuple[str, ...]:
    if wrong := [name for name in names if not is_namespace(name)]:
        raise ValueError(
            f"{', '.join(shown(repr(name)) for name in wrong)} cannot be a namespace, whose name is at most 63 lower-case "
            "letters, digits and -, beginning and ending with a letter or digit"
        )
    return names


def _namespaces_or_all(names: tuple[str, ...]) -> tuple[str, ...]:
    _namespaces(tuple(name for name in names if name != "*"))
    return names


def _namespace(name: str) -> str:
    return _namespaces((name,))[0]


def _lease_name(name: str) -> str:
    if not is_object_name(name) or len(name) > MAX_LEASE_NAME_LENGTH:
        raise ValueError(
            "must be at most 63 lower-case letters, digits, - and ., beginning and ending with a letter or digit"
        )
    return name


def _hosts(entries: tuple[str, ...]) -> tuple[str, ...]:
    HostPolicy.of(entries, in_pod=True)
    return entries


def _host(text: str) -> str:
    if not is_host(text):
        raise ValueError("must be a host name or an IP address, without scheme, port or spaces")
    return text


def _http_hosts(entries: tuple[str, ...]) -> tuple[str, ...]:
    if wrong := [each for each in entries if each != "*" and not is_host(each.removeprefix("."))]:
        raise ValueError(
            f"must list host names without scheme and port, such as audit.example.org,.example.net, and "
            f"{shown(repr(wrong[0]))} is none"
        )
    return entries


def _as_in_a_secret(key: str) -> BeforeValidator:
    """The rule for this key of a Secret with credentials."""

    def check(value: Any) -> Any:
        if isinstance(value, str):
            try:
                read_text(key, value.encode())
            except ValueError as error:
                raise ValueError(f"must not have a value {error}") from None
        return value

    return BeforeValidator(check)


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
Host = Annotated[str, _as_in_a_secret("host"), AfterValidator(_host)]
Port = Annotated[int, Field(ge=0, le=65_535)]
Rate = Annotated[float, Field(gt=0, le=10_000_000, allow_inf_nan=False)]
SeedInterval = Annotated[Fraction, BeforeValidator(_fraction), AfterValidator(_not_negative)]
Namespace = Annotated[str, AfterValidator(_namespace)]
Namespaces = Annotated[Names, AfterValidator(_namespaces)]
NamespacesOrAll = Annotated[Names, AfterValidator(_namespaces_or_all)]
LeaseName = Annotated[str, AfterValidator(_lease_name)]
BrokerHosts = Annotated[Names, AfterValidator(_hosts)]
HttpHosts = Annotated[Names, AfterValidator(_http_hosts)]
User = Annotated[str, _as_in_a_secret("username")]
Password = Annotated[SecretStr, _as_in_a_secret("password")]
VirtualHost = Annotated[str, BROKER_NAME, at_most_255_bytes("vhost")]
LogLevel = Annotated[Literal["DEBUG", "INFO", "WARNING", "ERROR"], BeforeValidator(lambda text: str(text).upper())]
