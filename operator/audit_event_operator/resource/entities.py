"""The users and hosts that events are about: the `entities` part of a spec, with the default cast."""

from typing import Annotated, Final

from pydantic import Field

from audit_event_operator.resource.fields import ALPHANUMERIC_ENDS, NO_CONTROL_CHARACTERS, Text
from audit_event_operator.resource.model import SpecModel
from audit_event_operator.resource.schema import LIST_TYPE

DEFAULT_USERS: Final = ("devops_admin", "app_user", "guest_user", "monitoring_agent", "attacker_bob")
DEFAULT_HOSTS: Final = ("prod-web-01", "prod-db-02", "dev-api-03", "test-worker-04")


UserName = Annotated[
    str, Text(255, NO_CONTROL_CHARACTERS, "must be a user name of 1 to 255 characters without control characters")
]
HostName = Annotated[
    str,
    Text(
        253,
        ALPHANUMERIC_ENDS,
        "must be a host name of at most 253 letters, digits and _ . - beginning and ending with a letter or digit",
    ),
]


class Users(SpecModel):
    """The people and service accounts."""

    names: tuple[UserName, ...] = Field(
        default=DEFAULT_USERS,
        json_schema_extra={LIST_TYPE: "atomic"},
        min_length=1,
        max_length=256,
        description="User names, 1 to 256 of at most 255 characters each. All are equally likely; a name listed twice"
        " occurs twice as often.",
    )


class Hosts(SpecModel):
    """The machines. Their names become metric labels, so they are fewer and plainer than users."""

    names: tuple[HostName, ...] = Field(
        default=DEFAULT_HOSTS,
        json_schema_extra={LIST_TYPE: "atomic"},
        min_length=1,
        max_length=32,
        description="Host names, 1 to 32 of at most 253 characters each. All are equally likely; a name listed twice"
        " occurs twice as often.",
    )


class Entities(SpecModel):
    """The users and hosts of one stream."""

    users: Users = Field(default=Users(), json_schema_extra={"default": {}}, description="Users who act.")
    hosts: Hosts = Field(default=Hosts(), json_schema_extra={"default": {}}, description="Hosts that report.")
