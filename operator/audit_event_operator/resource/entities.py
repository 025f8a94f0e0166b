"""The users, hosts and addresses that events are about: the `entities` part of a spec."""

from typing import Annotated, ClassVar, Final

from pydantic import Field

from audit_event_operator.resource.fields import ALPHANUMERIC_ENDS, NO_CONTROL_CHARACTERS, Text, WholeNumber
from audit_event_operator.resource.model import SpecModel
from audit_event_operator.resource.rules import Rule
from audit_event_operator.resource.schema import LIST_TYPE

MAX_USERS: Final = 100_000
MAX_HOSTS: Final = 10_000
SESSION_USERS: Final = 200
SESSION_HOSTS: Final = 40
"""How many there are with activity Sessions, where the spec does not say."""
DEFAULT_USERS: Final = ("devops_admin", "app_user", "guest_user", "monitoring_agent", "attacker_bob")
ATTACKER_NETWORKS: Final = ("203.0.113.0/24", "198.51.100.0/24", "192.0.2.0/24")
"""RFC 5737: nobody has these addresses, and no list of trusted networks excuses them."""
DEFAULT_HOSTS: Final = ("prod-web-01", "prod-db-02", "dev-api-03", "test-worker-04")


USER_TEXT: Final = Text(
    255, NO_CONTROL_CHARACTERS, "must be a user name of 1 to 255 characters without control characters"
)
HOST_TEXT: Final = Text(
    253,
    ALPHANUMERIC_ENDS,
    "must be a host name of at most 253 letters, digits and _ . - beginning and ending with a letter or digit",
)
UserName = Annotated[str, USER_TEXT]
HostName = Annotated[str, HOST_TEXT]


_OCTET: Final = "(25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
Network = Annotated[
    str,
    Text(
        18,
        rf"^({_OCTET}\.){{3}}{_OCTET}/([89]|[12][0-9]|3[0-2])$",
        "must be an IPv4 network such as 10.20.0.0/16, with 8 to 32 leading bits",
    ),
]


def _count_rule(most: str) -> Rule:
    return Rule(
        message=f"count must not be less than the number of names; raise it, or list fewer {most}",
        cel="!has(self.count) || !has(self.names) || self.count >= size(self.names)",
        holds=lambda cast: cast.count is None or cast.names is None or cast.count >= len(cast.names),
        field="count",
    )


class Users(SpecModel):
    """The people and service accounts."""

    names: tuple[UserName, ...] | None = Field(
        default=None,
        json_schema_extra={LIST_TYPE: "atomic"},
        min_length=1,
        max_length=256,
        description="User names, 1 to 256 of at most 255 characters each. With activity Independent all are equally likely,"
        f" and a name listed twice occurs twice as often. If unset: {', '.join(DEFAULT_USERS)}; with activity Sessions only"
        " made-up ones.",
    )
    count: Annotated[int, WholeNumber(1, MAX_USERS)] | None = Field(
        default=None,
        description="Number of users, 1 to 100000. Made-up ones fill up the names; the same seed makes up the same ones. If"
        " unset, only the names; without names 200 with activity Sessions.",
    )

    RULES: ClassVar[tuple[Rule, ...]] = (_count_rule("users"),)

    @property
    def listed(self) -> tuple[str, ...]:
        """The names, else those of the seed service."""
        return self.names or DEFAULT_USERS

    @property
    def expected(self) -> int:
        """How many there are with activity Sessions."""
        return self.count or len(self.names or ()) or SESSION_USERS


class Hosts(SpecModel):
    """The machines. Their names become metric labels, so fewer are named than users."""

    names: tuple[HostName, ...] | None = Field(
        default=None,
        json_schema_extra={LIST_TYPE: "atomic"},
        min_length=1,
        max_length=32,
        description="Host names, 1 to 32 of at most 253 characters each. With activity Independent all are equally likely,"
        f" and a name listed twice occurs twice as often. If unset: {', '.join(DEFAULT_HOSTS)}; with activity Sessions only"
        " made-up ones.",
    )
    count: Annotated[int, WholeNumber(1, MAX_HOSTS)] | None = Field(
        default=None,
        description="Number of hosts, 1 to 10000. Made-up ones fill up the names; in metrics their server_hostname is"
        ' "generated". If unset, only the names; without names 40 with activity Sessions.',
    )

    RULES: ClassVar[tuple[Rule, ...]] = (_count_rule("hosts"),)

    @property
    def listed(self) -> tuple[str, ...]:
        """The names, else those of the seed service."""
        return self.names or DEFAULT_HOSTS


class Clients(SpecModel):
    """Where users come from."""

    cidrs: tuple[Network, ...] | None = Field(
        default=None,
        json_schema_extra={LIST_TYPE: "atomic"},
        min_length=1,
        max_length=16,
        description="IPv4 networks of the client addresses, 1 to 16, such as 10.20.0.0/16. If unset, 192.168.1.100 to"
        " 192.168.1.200; with activity Sessions 10.0.0.0/8, in which each user has one or two addresses of his own.",
    )


class Attackers(SpecModel):
    """Where attackers come from."""

    cidrs: tuple[Network, ...] | None = Field(
        default=None,
        json_schema_extra={LIST_TYPE: "atomic"},
        min_length=1,
        max_length=16,
        description="IPv4 networks of the attackers in scenarios, 1 to 16. Each episode has an address of its own, as long as"
        f" they last. If unset, those reserved for documentation: {', '.join(ATTACKER_NETWORKS)}.",
    )

    @property
    def listed(self) -> tuple[str, ...]:
        """The networks, else those reserved for documentation."""
        return self.cidrs or ATTACKER_NETWORKS


class Entities(SpecModel):
    """The users, hosts and addresses of one stream."""

    users: Users = Field(default=Users(), json_schema_extra={"default": {}}, description="Users who act.")
    hosts: Hosts = Field(default=Hosts(), json_schema_extra={"default": {}}, description="Hosts that report.")
    clients: Clients = Field(
        default=Clients(), json_schema_extra={"default": {}}, description="Addresses that users come from."
    )
    attackers: Attackers = Field(
        default=Attackers(),
        json_schema_extra={"default": {}},
        description="Addresses that attackers in scenarios come from.",
    )
