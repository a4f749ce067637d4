"""What all stand-ins share: the data, the switches, the scripted faults, the request log and the clock."""

from __future__ import annotations

import asyncio
import threading
import time
import types
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, get_args, get_origin, get_type_hints

from ifs_bi_sandbox.looker.instance import Instance
from ifs_bi_sandbox.powerbi.limits import Spent
from ifs_bi_sandbox.powerbi.switches import PowerBISwitches

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from ifs_bi_sandbox.faults import Fault
    from ifs_bi_sandbox.powerbi.datasets import Dataset


@dataclass
class Switches(PowerBISwitches):
    """What a test or a user may set, at start or while the servers run. Every unknown of the real services is one of these."""

    # IFS Cloud
    realm: str = "sandbox"
    ifs_client_id: str = "IFS_BI_READER"
    ifs_client_secret: str = "sandbox-ifs-secret"  # noqa: S105 - a stand-in's password, valid nowhere
    expires_in: int = 180  # seconds an IFS access token lives; down to 2
    paging: str = "client"  # client | next_absolute | next_relative | silent_cap
    page_cap: int = 5000  # rows a page: server page (next_*), or the silent cap
    max_rows: int = 5000  # a larger $top is cut to this; 0: no limit
    requests_per_minute: int = 1000  # above: 429; 0: no limit
    retry_after: int | None = 1  # seconds in the Retry-After header of a 429; None: no header
    allowed_companies: list[str] | None = None  # None: all; rows of other companies are not there
    refuse_select: list[str] = field(default_factory=list)  # entity sets that answer 400 to $select
    refuse_keyset: list[str] = field(default_factory=list)  # entity sets that answer 400 to gt/lt on their keys
    refuse_count: list[str] = field(default_factory=list)  # entity sets that answer 400 to $count
    refuse_apply: list[str] = field(default_factory=list)  # entity sets that answer 400 to $apply
    refuse_objstate_filter: bool = False
    logged_units: list[str] = field(default_factory=list)  # logical units whose deletes the history log shows
    etag_with_select: bool = True  # False: rows of a $select carry no @odata.etag
    inactive_entity_services: list[str] = field(default_factory=list)  # these answer 404 until activated
    missing_projections: list[str] = field(default_factory=list)  # these answer 404: the tenant doesn't have them
    forbidden_projections: list[str] = field(default_factory=list)  # these answer 403: no grant for the service user
    rows_per_second: int = 0  # how fast rows are found; a query that would take too long answers 504; 0: no time
    refuse_exact: int = 0  # 400, 406 or 415: what answers IEEE754Compatible=true; 0: it is accepted
    numbered_sets: list[str] = field(
        default_factory=list
    )  # a create without the last part of its key gets the next number
    unstable_order: bool = False  # True: without $orderby, two pages of one set may come in two orders
    # Looker
    looker_client_id: str = "sandbox-looker"
    looker_client_secret: str = "sandbox-looker-secret"  # noqa: S105 - a stand-in's password, valid nowhere
    looker_warehouse: str | None = None  # what its connection leads to: a DuckDB file or postgresql://…; None: nothing
    looker_failing_tests: list[str] = field(default_factory=list)  # tests of the connection that do not pass

    def update(self, values: dict[str, Any]) -> None:
        """Set several switches, all or none: an unknown name is a KeyError, a value of another type a TypeError."""
        types_by_name = get_type_hints(type(self))
        for name, value in values.items():
            if not _is_a(value, types_by_name[name]):
                raise TypeError(f"{name} takes {types_by_name[name]}, not {value!r}")
        for name, value in values.items():
            setattr(self, name, value)


def _is_a(value: object, annotation: Any) -> bool:
    """Whether a JSON value is what a switch's annotation says: a plain class, list[str], a Literal, or a union of those."""
    if isinstance(annotation, types.UnionType):
        return any(_is_a(value, choice) for choice in get_args(annotation))
    if get_origin(annotation) is Literal:
        return value in get_args(annotation)
    if get_origin(annotation) is list:
        return isinstance(value, list) and all(_is_a(item, get_args(annotation)[0]) for item in value)
    if annotation is float:
        return type(value) in {int, float}
    return type(value) is annotation  # not isinstance: True is no number of seconds


@dataclass
class World:
    """One sandbox: everything its servers share.

    ``database`` is the SQLite file with the group's data. ``now`` gives seconds since the epoch and ``waiting`` lets them
    pass; tests replace both.
    """

    database: Path
    switches: Switches = field(default_factory=Switches)
    faults: list[Fault] = field(default_factory=list)  # the first that matches a request is applied
    requests: deque[dict[str, Any]] = field(default_factory=lambda: deque(maxlen=100_000))
    now: Callable[[], float] = time.time
    waiting: Callable[[float], Awaitable[None]] = asyncio.sleep
    lock: threading.RLock = field(default_factory=threading.RLock)
    ifs_tokens: dict[str, float] = field(default_factory=dict)  # IFS access tokens alive, and when they end
    powerbi: dict[str, Dataset] = field(default_factory=dict)  # datasets by id, in the order of their creation
    powerbi_tokens: dict[str, float] = field(default_factory=dict)  # token: second of its end
    powerbi_queries: Spent = field(default_factory=Spent)  # DAX queries of the one caller
    looker: Instance = field(default_factory=Instance)
    looker_tokens: dict[str, float] = field(default_factory=dict)  # token: second of its end
