"""What the Looker stand-in knows: a connection to the warehouse, and of one model datagroups, derived tables and plans.

Shapes follow the OpenAPI description of Looker's API 4.0 (github.com/looker-open-source/sdk-codegen,
``spec/Looker.4.0.oas.json``): of each object the members that a caller after a load reads.
"""

from __future__ import annotations

import secrets
from dataclasses import asdict, dataclass, field
from typing import Any

WRITABLE = ("stale_before", "triggered_at")
"""What an update of a datagroup may set, in Unix seconds: everything else of it is read-only in the specification."""


@dataclass(frozen=True)
class Connection:
    """A database connection as Looker's administrator made it."""

    name: str
    dialect_name: str
    tests: tuple[str, ...]

    def document(self) -> dict[str, Any]:
        """The connection as a ``DBConnection``."""
        return {
            "name": self.name,
            "dialect_name": self.dialect_name,
            "dialect": {"name": self.dialect_name, "label": self.dialect_name, "connection_tests": list(self.tests)},
            "pdts_enabled": True,
            "pdt_api_control_enabled": True,
        }


@dataclass
class Datagroup:
    """A caching policy of a model; times are Unix seconds."""

    id: str
    model_name: str
    name: str
    created_at: int
    stale_before: int | None = None
    trigger_check_at: int | None = None
    trigger_error: str | None = None
    trigger_value: str | None = None
    triggered_at: int | None = None

    def document(self) -> dict[str, Any]:
        """The datagroup as the API shows it."""
        return asdict(self)


@dataclass
class SqlQuery:
    """A query of SQL Runner: made once, run by its slug."""

    slug: str
    connection: Connection
    sql: str
    run_count: int = 0

    def document(self) -> dict[str, Any]:
        """The query as a ``SqlQuery``."""
        connection = {"name": self.connection.name, "dialect": self.connection.document()["dialect"]}
        return {"slug": self.slug, "sql": self.sql, "run_count": self.run_count, "connection": connection}


@dataclass
class Build:
    """One building of a persistent derived table."""

    id: str
    model: str
    view: str

    def document(self, text: str) -> dict[str, str]:
        """It as a ``MaterializePDT``; the specification says of ``resp_text`` that it is text."""
        return {"materialization_id": self.id, "resp_text": text}


@dataclass
class ScheduledPlan:
    """A report that is sent to people, and how often it was."""

    id: str
    name: str
    deliveries: int = 0

    def document(self, *, run_once: bool) -> dict[str, Any]:
        """It as a ``ScheduledPlan``; a run once is a plan of its own."""
        number = f"{self.id}-{self.deliveries}" if run_once else self.id
        return {"id": number, "name": self.name, "run_once": run_once, "enabled": True, "user_id": "1"}


@dataclass(frozen=True)
class Call:
    """One call that was answered.

    Attributes:
        operation: its name in the specification: ``update_datagroup``.
        quota: which calls of an edition it counts among: ``admin``, ``query``, or ``none``.
        about: the connection, datagroup, table or plan that it is about.
        status: of the answer.
        time: when it came, in seconds since the epoch.
    """

    operation: str
    quota: str
    about: str
    status: int
    time: float


def _connections() -> dict[str, Connection]:
    return {"warehouse": Connection("warehouse", "postgres", ("connect", "query", "kill"))}


def _datagroups() -> dict[str, Datagroup]:
    return {
        "7": Datagroup("7", "ifs_cloud", "purchasing_loads", created_at=1_700_000_000),
        "8": Datagroup("8", "ifs_cloud", "general_ledger_loads", created_at=1_700_000_000),
    }


def _plans() -> dict[str, ScheduledPlan]:
    return {"12": ScheduledPlan("12", "Open purchase orders")}


@dataclass
class Instance:
    """One Looker installation: connections and derived tables by name, all else by id."""

    connections: dict[str, Connection] = field(default_factory=_connections)
    datagroups: dict[str, Datagroup] = field(default_factory=_datagroups)
    derived_tables: set[tuple[str, str]] = field(default_factory=lambda: {("ifs_cloud", "spend_by_cost_centre")})
    plans: dict[str, ScheduledPlan] = field(default_factory=_plans)
    queries: dict[str, SqlQuery] = field(default_factory=dict)
    builds: dict[str, Build] = field(default_factory=dict)
    calls: list[Call] = field(default_factory=list)

    def new_query(self, connection: Connection, sql: str) -> SqlQuery:
        """Keep a query for SQL Runner."""
        query = SqlQuery(secrets.token_urlsafe(12), connection, sql)
        self.queries[query.slug] = query
        return query

    def new_build(self, model: str, view: str) -> Build:
        """Begin to build a derived table."""
        build = Build(secrets.token_hex(8), model, view)
        self.builds[build.id] = build
        return build
