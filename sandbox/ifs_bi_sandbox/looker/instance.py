"""What the Looker stand-in knows: a connection to the warehouse and the datagroups of one model.

Shapes follow the OpenAPI description of Looker's API 4.0 (github.com/looker-open-source/sdk-codegen,
``spec/Looker.4.0.oas.json``): of each object the members that a caller after a load reads.
"""

from __future__ import annotations

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

    def try_out(self, tests: tuple[str, ...]) -> list[dict[str, str]]:
        """The results of the named tests (all when none is named); an unknown one is a KeyError."""
        for test in tests:
            if test not in self.tests:
                raise KeyError(test)
        return [{"name": test, "status": "success", "message": f"Can {test}"} for test in tests or self.tests]


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


def _connections() -> dict[str, Connection]:
    return {"warehouse": Connection("warehouse", "postgres", ("connect", "query", "kill"))}


def _datagroups() -> dict[str, Datagroup]:
    return {
        "7": Datagroup("7", "ifs", "ifs_load", created_at=1_700_000_000),
        "8": Datagroup("8", "ifs", "nightly", created_at=1_700_000_000),
    }


@dataclass
class Instance:
    """One Looker installation: connections by name, datagroups by id."""

    connections: dict[str, Connection] = field(default_factory=_connections)
    datagroups: dict[str, Datagroup] = field(default_factory=_datagroups)
