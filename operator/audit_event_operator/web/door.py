"""Which requests come in at all, by their Host and Origin headers: no web page may use its reader's browser to get at us.

A page can point a name of its own at our address (DNS rebinding), and then its requests name that name as Host; or it sends
them from where it is, and then the browser names that place as Origin. Clients that are no browsers send no Origin.
"""

import ipaddress
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final, NamedTuple, Self

from aiohttp import hdrs, web
from aiohttp.typedefs import Handler, Middleware

from audit_event_operator.web.answers import Refusal

_AUTHORITY: Final = re.compile(r"(?:\[(?P<ip6>[0-9a-f:.]+)\]|(?P<name>[^\s\[\]:/?#@\\]+))(?::(?P<port>\d*))?", re.ASCII)
_DEFAULT_PORTS: Final = {"http": 80, "https": 443}
_LOCALHOST: Final = "localhost"


class _Authority(NamedTuple):
    """A host in one spelling, and the port if one was named."""

    host: str
    port: int | None


def _authority(text: str) -> _Authority | None:
    """Read `host`, `host:port` or `[address]:port`; None if it is something else, such as with a user name."""
    found = _AUTHORITY.fullmatch(text.lower())
    if found is None:
        return None
    port = int(found["port"]) if found["port"] else None
    host = found["ip6"] or found["name"].removesuffix(".")
    try:
        return _Authority(str(ipaddress.ip_address(host)), port)
    except ValueError:
        return None if found["ip6"] or not host else _Authority(host, port)


@dataclass(frozen=True, slots=True)
class HostRule:
    """The names that a Host header may have. Addresses and localhost always may: nobody can point these elsewhere."""

    names: frozenset[str] = frozenset()
    suffixes: tuple[str, ...] = ()
    any_name: bool = True

    @classmethod
    def of(cls, allowed: Iterable[str] | None, bind_address: str) -> Self:
        """Read the setting: names, `.example.org` for all names below, `*` for any.

        None: no other name if `bind_address` is a loopback one, else any.
        """
        if allowed is None:
            return cls(any_name=not _is_loopback(bind_address))
        names = frozenset(each.lower().removesuffix(".") for each in allowed)
        return cls(names, tuple(each for each in names if each.startswith(".")), "*" in names)

    def accepts(self, host: str) -> bool:
        """Whether a name in lower case, without a last dot, or an address is one of ours."""
        return (
            self.any_name
            or host == _LOCALHOST
            or host in self.names
            or host.endswith(self.suffixes)
            or _is_address(host)
        )


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _is_loopback(bind_address: str) -> bool:
    return bind_address == _LOCALHOST or (_is_address(bind_address) and ipaddress.ip_address(bind_address).is_loopback)


def is_same_origin(origin: str, host: str) -> bool:
    """Whether an Origin header names the place that the Host header names; a port that is not named is the scheme's."""
    scheme, separator, rest = origin.lower().partition("://")
    default = _DEFAULT_PORTS.get(scheme)
    there, here = _authority(rest), _authority(host)
    if not separator or default is None or there is None or here is None:
        return False
    return (there.host, there.port or default) == (here.host, here.port or default)


def why_not(hosts: Sequence[str], origins: Sequence[str], rule: HostRule) -> Refusal | None:
    """Why a request with these Host and Origin headers does not come in; None if it does.

    Without a Host, or with an empty one, there is no name that could be a wrong one: no browser does that.
    """
    host = hosts[0] if hosts else ""
    authority = _authority(host)
    if len(hosts) > 1 or (host and authority is None):
        return Refusal(HTTPStatus.BAD_REQUEST, "The request needs one Host header: a name or an address, and a port.")
    if authority is not None and not rule.accepts(authority.host):
        return Refusal(
            HTTPStatus.MISDIRECTED_REQUEST,
            "The operator is not called by the name in the Host header; use an address, or add the name to AEG_HTTP_HOSTS.",
        )
    if any(not is_same_origin(origin, host) for origin in origins):
        return Refusal(
            HTTPStatus.FORBIDDEN,
            "Web pages of other sites may not use this operator: the Origin header names another host or port than the "
            "Host header.",
        )
    return None


def guarded(rule: HostRule) -> Middleware:
    """A middleware that lets nothing else in."""

    @web.middleware
    async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
        refusal = why_not(request.headers.getall(hdrs.HOST, []), request.headers.getall(hdrs.ORIGIN, []), rule)
        if refusal is not None:
            raise refusal
        return await handler(request)

    return guard
