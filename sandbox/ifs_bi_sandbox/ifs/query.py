"""The system query options of a request, parsed and checked against the entity set they are for."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from ifs_bi_sandbox.ifs.aggregation import Aggregation, aggregation
from ifs_bi_sandbox.ifs.errors import bad_request, not_implemented
from ifs_bi_sandbox.ifs.path import decoded

if TYPE_CHECKING:
    from collections.abc import Collection

    from ifs_bi_sandbox.data.model import Reference
    from ifs_bi_sandbox.ifs.layout import Layout

OF_A_DOCUMENT: Final = frozenset({"$format"})
OF_AN_ENTITY: Final = frozenset({"$select", "$expand", "$format"})
OF_A_COUNT: Final = frozenset({"$filter"})
OF_A_COLLECTION: Final = OF_AN_ENTITY | {"$filter", "$orderby", "$top", "$skip", "$count", "$skiptoken", "$apply"}
BESIDE_APPLY: Final = frozenset({"$apply", "$orderby", "$top", "$skip", "$skiptoken", "$format"})
NOT_IMPLEMENTED: Final = frozenset({"$search", "$compute"})


@dataclass(frozen=True)
class Expansion:
    """One ``…Ref`` of ``$expand``, and the members it shall show (None: all)."""

    reference: Reference
    select: tuple[str, ...] | None = None


@dataclass(frozen=True)
class Query:
    """What a request asks for.

    Attributes:
        select: Members to show, in the row's order; None for all.
        selected: ``$select`` as the client wrote it; None when absent.
        filter: The text of ``$filter``.
        orderby: Property and whether it descends.
        exact: ``$format`` asks for ``IEEE754Compatible=true``.
        apply: What ``$apply`` makes of the rows, which the other options are about then.
    """

    select: tuple[str, ...] | None = None
    selected: str | None = None
    filter: str | None = None
    orderby: tuple[tuple[str, bool], ...] = ()
    top: int | None = None
    skip: int = 0
    count: bool = False
    expand: tuple[Expansion, ...] = ()
    skiptoken: str | None = None
    exact: bool = False
    apply: Aggregation | None = None


def options(raw: str) -> dict[str, str]:
    """The options of a raw query string, decoded, by name.

    Raises:
        OdpError: 400 for a system query option that stands twice.
    """
    found: dict[str, str] = {}
    for part in filter(None, raw.split("&")):
        name, _, value = part.partition("=")
        name = decoded(name)
        if name.startswith("$") and name in found:
            raise bad_request(f"The query option {name} stands twice.")
        found[name] = decoded(value)
    return found


def parse(raw: str, allowed: frozenset[str], layout: Layout | None = None) -> Query:
    """Read the query string of a request.

    Args:
        raw: As it came, percent-encoded.
        allowed: The system query options that the resource takes. Options without ``$`` are the client's own.
        layout: The entity set; None where no option needs one.

    Raises:
        OdpError: 400 for an unknown option, name or value; 501 for what IFS does not have.
    """
    given = {name: value.strip() for name, value in options(raw).items() if name.startswith("$")}
    for name in given:
        if name in NOT_IMPLEMENTED:
            raise not_implemented(f"The query option {name}")
        if name not in allowed:
            raise bad_request(f"The query option {name} is unknown or not allowed here.")
    if "$filter" in given and not given["$filter"]:
        raise bad_request("$filter is empty.")
    query = Query(
        filter=given.get("$filter"),
        selected=given.get("$select"),
        top=_number("$top", given["$top"]) if "$top" in given else None,
        skip=_number("$skip", given.get("$skip", "0")),
        count=_truth("$count", given.get("$count", "false")),
        skiptoken=given.get("$skiptoken"),
        exact=_format(given.get("$format", "json")),
    )
    if layout is None:
        return query
    if "$apply" in given:
        for name in given.keys() - BESIDE_APPLY:
            raise not_implemented(f"{name} beside $apply")
        applied = aggregation(layout, given["$apply"])
        order = tuple(_order(layout, item, applied.names) for item in _items(given.get("$orderby", "")) if item)
        return replace(query, apply=applied, orderby=order)
    return replace(
        query,
        select=_select(layout, given["$select"]) if "$select" in given else None,
        orderby=tuple(_order(layout, item) for item in _items(given["$orderby"])) if "$orderby" in given else (),
        expand=tuple(_expand(layout, item) for item in _items(given["$expand"])) if "$expand" in given else (),
    )


def _number(name: str, text: str) -> int:
    if not re.fullmatch(r"\d{1,18}", text, re.ASCII):
        raise bad_request(f"{name} is {text!r}; it must be a whole number, 0 or more.")
    return int(text)


def _truth(name: str, text: str) -> bool:
    if text not in {"true", "false"}:
        raise bad_request(f"{name} is {text!r}; it must be true or false.")
    return text == "true"


def _format(text: str) -> bool:
    """Whether the format, which must be JSON, is to be exact."""
    kind, _, parameters = text.partition(";")
    if kind.strip().lower() not in {"json", "application/json"}:
        raise bad_request(f"$format is {text!r}; it must be json.")
    return is_exact(parameters)


def is_exact(media_type: str) -> bool:
    """Whether a media type asks for decimals as strings."""
    return "ieee754compatible=true" in media_type.replace(" ", "").lower()


def _select(layout: Layout, text: str) -> tuple[str, ...] | None:
    names = [name.strip() for name in text.split(",")]
    for name in names:
        if name != "*" and name not in layout.members and name not in layout.references:
            raise bad_request(f"$select: {layout.entity_set.entity_type} has no property {name!r}.")
    return None if "*" in names else tuple(name for name in layout.members if name in names)


def _order(layout: Layout, text: str, names: Collection[str] | None = None) -> tuple[str, bool]:
    match = re.fullmatch(r"(\w+)(?:\s+(asc|desc))?", text)
    if match is None and ("(" in text or "/" in text):
        raise not_implemented("$orderby of an expression")
    if match is None or match[1] not in (layout.properties if names is None else names):
        raise bad_request(f"$orderby: {layout.entity_set.entity_type} cannot be ordered by {text!r}.")
    return match[1], match[2] == "desc"


def _expand(layout: Layout, text: str) -> Expansion:
    match = re.fullmatch(r"(\w+)(?:\((.*)\))?", text, re.DOTALL)
    reference = layout.references.get(match[1]) if match else None
    if text == "*" or (reference is not None and reference.many):
        raise not_implemented(
            f"$expand of {text.partition('(')[0]}"
        )  # IFS's documentation: only one-to-one associations
    if match is None or reference is None:
        raise bad_request(f"$expand: {layout.entity_set.entity_type} has no navigation property {text!r}.")
    select: tuple[str, ...] | None = None
    for option in filter(None, (match[2] or "").split(";")):
        name, _, value = option.strip().partition("=")
        if name != "$select":
            raise not_implemented(f"{name} within $expand")
        select = tuple(item.strip() for item in value.split(","))
    return Expansion(reference, select)


def _items(text: str) -> list[str]:
    """The items of a list with commas, but for those within parentheses."""
    return [item.strip() for item in re.split(r",(?![^()]*\))", text)]
