"""A request and its answer, and what answers have in common."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import orjson

from ifs_bi_sandbox.ifs.errors import OdpError
from ifs_bi_sandbox.ifs.rows import ETAG

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ifs_bi_sandbox.ifs.query import Query
    from ifs_bi_sandbox.ifs.resource import Resource

JSON: Final = "application/json;odata.metadata=minimal"
EXACT_JSON: Final = f"{JSON};IEEE754Compatible=true"


@dataclass(frozen=True)
class Call:
    """One request.

    Attributes:
        method: The HTTP method.
        place: Endpoint and kind: ``("main", "projection")``.
        root: Address of the place, up to and with ``/v1/``.
        path: The raw path below the place.
        query: The raw query string.
        headers: By lower-case name.
        body: As it came.
    """

    method: str
    place: tuple[str, str]
    root: str
    path: str
    query: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


@dataclass(frozen=True)
class Answer:
    """One response."""

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)


def entity_answer(rows: list[dict[str, Any]], context: str, *, exact: bool) -> Answer:
    """One entity, with its ETag in a header too; 404 when there is none."""
    if not rows:
        raise OdpError("ODP_RESOURCE_NOTFOUND")
    headers = {"Content-Type": EXACT_JSON if exact else JSON}
    if ETAG in rows[0]:
        headers["ETag"] = rows[0][ETAG]
    return Answer(200, orjson.dumps({"@odata.context": context, **rows[0]}), headers)


def context(root: str, resource: Resource, query: Query) -> str:
    """``…/$metadata#Set``, ``#Set(A,B)``, ``#Set/$entity``; below an entity, ``#Set(key)/NameArray``."""
    path = resource.layout.name if resource.single else resource.path
    shown = [] if query.selected is None else [name.strip() for name in query.selected.split(",")]
    shown += query.apply.names if query.apply else ()
    shown += [f"{expansion.reference.name}()" for expansion in query.expand]
    select = f"({','.join(shown)})" if shown else ""
    return f"{root}$metadata#{path}{select}{'/$entity' if resource.single else ''}"
