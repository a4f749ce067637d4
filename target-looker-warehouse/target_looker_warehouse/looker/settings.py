"""The setting `looker`: its table, and what it says. Needs no part of Looker's client."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from ifs_bi_core.errors import ConfigError
from ifs_bi_core.redaction import REDACTOR
from ifs_bi_core.settings import origin
from singer_sdk import typing as th

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

CALLS_A_RUN = 3
"""Besides the login, which counts against no quota. Looker's Standard edition allows 1,000 admin calls a month (33 a day)."""

_NAMES: dict[str, Any] = {
    "type": ["array", "null"],
    "items": {
        "anyOf": [
            {"type": "string", "minLength": 1},
            {
                "type": "object",
                "properties": {
                    "name": {"type": "string", "minLength": 1},
                    "streams": {"type": "array", "items": {"type": "string"}, "minItems": 1},
                },
                "required": ["name", "streams"],
                "additionalProperties": False,
            },
        ]
    },
}

_TEXT = th.StringType(min_length=1)

LOOKER = th.Property(
    "looker",
    th.ObjectType(
        th.Property("base_url", _TEXT, required=True, description="Address of the API host, https://host[:port]"),
        th.Property("client_id", _TEXT, required=True, description="Client id of an API key"),
        th.Property("client_secret", _TEXT, required=True, secret=True, description="Its secret, or env:NAME"),
        th.Property("connection", _TEXT, description="Looker's name of the connection to the warehouse"),
        th.Property("datagroups", th.CustomType(_NAMES), description="Datagroups to trigger"),
        th.Property("pdt_builds", th.CustomType(_NAMES), description="Derived tables to build, as model.view"),
        th.Property("scheduled_plans", th.CustomType(_NAMES), description="Ids of scheduled plans to send"),
        th.Property("verify", th.BooleanType, description="Compare row counts"),
        th.Property("max_calls", th.IntegerType(minimum=1), description="Most calls a run"),
        additional_properties=False,
    ),
    title="Looker",
    description=(
        "The Looker that queries the warehouse; it is told after a load that changed something. `base_url`: address of its API "
        "host, `https://host[:port]`. `client_id`, `client_secret`: an API key; `env:NAME` or `vault:NAME` keep the secret out "
        "of files. `connection`: Looker's name of the connection to this warehouse, which is tested. `datagroups`: those to "
        "trigger, by `model.name`, or by `name` where only one model has it. `pdt_builds`: persistent derived tables to build, "
        "by `model.view`. `scheduled_plans`: ids of plans whose report is sent out once. An item of these three lists may be "
        '`{"name": "ifs.gl", "streams": ["gl_voucher_rows"]}`: then only if one of these streams changed. `verify` (default '
        "false): compare the number of rows that Looker sees in each changed table, by SQL Runner, with the warehouse's own; it "
        f"takes the place of the test. `max_calls` (default {CALLS_A_RUN}): calls a run besides the login, since editions limit "
        "them a month. If Looker can't be told, the load stands, the run warns and ends well, and the next run tells it. Needs "
        "`pip install 'target-looker-warehouse[looker]'`."
    ),
)
"""As one row of the settings table."""


@dataclass(frozen=True)
class Item:
    """A datagroup, derived table or plan.

    Attributes:
        name: Looker's, or its id.
        streams: those whose change concerns it; None: any.
    """

    name: str
    streams: frozenset[str] | None = None

    def concerns(self, stream: str) -> bool:
        """Whether a change of a stream concerns it."""
        return self.streams is None or stream in self.streams


@dataclass(frozen=True)
class LookerSettings:
    """What to tell which Looker."""

    base_url: str
    client_id: str
    client_secret: str = field(repr=False)
    connection: str | None = None
    datagroups: tuple[Item, ...] = ()
    pdt_builds: tuple[Item, ...] = ()
    scheduled_plans: tuple[Item, ...] = ()
    verify: bool = False
    max_calls: int = CALLS_A_RUN

    @property
    def calls(self) -> int:
        """How many calls a run needs that changed all streams, once the ids of datagroups are known."""
        told = len(self.datagroups) + len(self.pdt_builds) + len(self.scheduled_plans)
        return told + (2 if self.verify else 1 if self.connection else 0)


def read_looker(config: Mapping[str, Any]) -> LookerSettings | None:
    """The setting of a target's resolved configuration; None where there is no Looker to tell.

    Raises:
        ConfigError: it can't be meant.
    """
    given = config.get("looker")
    if not given:
        return None
    missing = [name for name in ("base_url", "client_id", "client_secret") if not given.get(name)]
    if missing:
        raise ConfigError(f"Setting 'looker' lacks {', '.join(missing)}. Give all of it, or leave 'looker' out.")
    REDACTOR.register(given["client_secret"])
    settings = LookerSettings(
        base_url=_api_host(given["base_url"]),
        client_id=given["client_id"],
        client_secret=given["client_secret"],
        connection=given.get("connection") or None,
        datagroups=_items(given.get("datagroups")),
        pdt_builds=_items(given.get("pdt_builds")),
        scheduled_plans=_items(given.get("scheduled_plans")),
        verify=bool(given.get("verify")),
        max_calls=given.get("max_calls") or CALLS_A_RUN,
    )
    if settings.verify and not settings.connection:
        raise ConfigError(
            "Setting 'looker.verify' needs 'looker.connection': the name under which Looker knows this warehouse."
        )
    for item in settings.pdt_builds:
        if not all(item.name.partition(".")):
            raise ConfigError(
                f"Setting 'looker.pdt_builds' names {item.name!r}. Write model.view, as LookML names them."
            )
    if settings.calls > settings.max_calls:
        raise ConfigError(
            f"Setting 'looker' asks for {settings.calls} calls a run, and 'looker.max_calls' allows {settings.max_calls}. Raise "
            f"it if your edition has calls enough (one a datagroup, derived table and plan; one for the test of the connection, "
            f"or two for 'verify'), or ask for less."
        )
    return settings


def _api_host(address: str) -> str:
    found = origin("looker.base_url", address)
    if urlsplit(found).path:
        raise ConfigError(
            f"Setting 'looker.base_url' is {found!r}, which has a path. Write the API host alone, https://host[:port], without "
            f"/api/4.0."
        )
    return found


def _items(given: Iterable[str | Mapping[str, Any]] | None) -> tuple[Item, ...]:
    found = (
        Item(each) if isinstance(each, str) else Item(each["name"], frozenset(each["streams"])) for each in given or ()
    )
    return tuple({item.name: item for item in found}.values())
