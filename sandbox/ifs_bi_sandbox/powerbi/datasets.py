"""Push datasets: their definition as the service checks it, and their rows as it stores them. No HTTP, no clock.

Sources: the Swagger of microsoft/PowerBI-CSharp (which members each object has and which of them are required; the pattern
of a table's name), the published limits (``limits``), and public bug reports for what is refused and how (``errors``).
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from ifs_bi_sandbox.powerbi.errors import bad_request
from ifs_bi_sandbox.powerbi.limits import LIMITS, Spent
from ifs_bi_sandbox.powerbi.values import COERCIONS, DATA_TYPES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from ifs_bi_sandbox.powerbi.values import Stored

    _Coercion = tuple[str, Callable[[object], Stored]]  # a column and what it does with a value

TABLE_NAME = re.compile(r"[\t\n\r #\-0-9@A-Z^_a-z~-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]{1,100}")
COLUMN_NAME = re.compile(r"[\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]+")
RETENTION = {"none": "None", "basicfifo": "basicFIFO"}  # read without regard to case
MODES = ("AsAzure", "AsOnPrem", "Push", "Streaming", "PushStreaming")  # the one enumeration whose case matters
CROSS_FILTERING = ("onedirection", "bothdirections", "automatic")

MEMBERS: dict[str, dict[str, tuple[type, bool]]] = {
    "Dataset": {
        "name": (str, True),
        "tables": (list, True),
        "relationships": (list, False),
        "datasources": (list, False),
        "defaultMode": (str, False),
    },
    "Table": {
        "name": (str, True),
        "columns": (list, True),
        "rows": (list, False),
        "measures": (list, False),
        "isHidden": (bool, False),
        "description": (str, False),
        "source": (list, False),
    },
    "Column": {
        "name": (str, True),
        "dataType": (str, True),
        "formatString": (str, False),
        "sortByColumn": (str, False),
        "dataCategory": (str, False),
        "isHidden": (bool, False),
        "summarizeBy": (str, False),
    },
    "Measure": {
        "name": (str, True),
        "expression": (str, True),
        "formatString": (str, False),
        "description": (str, False),
        "isHidden": (bool, False),
    },
    "Relationship": {
        "name": (str, True),
        "fromTable": (str, True),
        "fromColumn": (str, True),
        "toTable": (str, True),
        "toColumn": (str, True),
        "crossFilteringBehavior": (str, False),
    },
}
"""Members of each object: JSON type, required. Any other is refused; the case of a member's name matters."""


@dataclass
class Table:
    """A table: data types by column, measures by name as they were given, and rows in the order of the columns."""

    name: str
    columns: dict[str, str]
    measures: dict[str, dict[str, Any]] = field(default_factory=dict)
    rows: list[tuple[Stored, ...]] = field(default_factory=list)

    def redefine(self, new: Table) -> None:
        """Take the columns and measures of ``new``; the rows stay, with nulls in columns that are new.

        Whether the service can change the type of a column that holds values isn't known; here it can't.
        """
        changed = [name for name, kind in new.columns.items() if self.columns.get(name, kind) != kind]
        if changed and self.rows:
            raise bad_request(f"The type of column '{changed[0]}' can't change while the table has rows.", "table")
        places = {name: place for place, name in enumerate(self.columns)}
        order = [places.get(name) for name in new.columns]
        self.rows = [tuple(None if place is None else row[place] for place in order) for row in self.rows]
        self.columns, self.measures = new.columns, new.measures

    def read(self, rows: Iterable[object], *, drop_unknown: bool) -> list[tuple[Stored, ...]]:
        """Rows of a request as they would be stored; the first value that doesn't fit refuses them all."""
        coercions = [(name, COERCIONS[kind]) for name, kind in self.columns.items()]
        stored = []
        for number, row in enumerate(rows):
            if not isinstance(row, dict):
                raise bad_request(f"Row {number} is not an object.", "rows")
            if not drop_unknown and (unknown := row.keys() - self.columns.keys()):
                told = f"Row {number}: column '{min(unknown)}' does not exist in table '{self.name}'."
                raise bad_request(told, "rows")
            stored.append(self._stored(number, row, coercions))
        return stored

    def _stored(self, number: int, row: dict[str, object], coercions: list[_Coercion]) -> tuple[Stored, ...]:
        values: list[Stored] = []
        for name, coerce in coercions:
            value = row.get(name)
            try:
                values.append(None if value is None else coerce(value))
            except ValueError as reason:
                raise bad_request(f"Row {number}, column '{name}' ({self.columns[name]}): {reason}.", "rows") from None
        return tuple(values)


@dataclass
class Dataset:
    """A dataset of the workspace; ``push`` is False for one that was published from a file."""

    id: str
    name: str
    created: str  # ISO 8601
    retention: str = "None"
    tables: dict[str, Table] = field(default_factory=dict)
    relationships: list[dict[str, Any]] = field(default_factory=list)
    push: bool = True
    spent: Spent = field(default_factory=Spent)

    @property
    def has_large_table(self) -> bool:
        """Whether a table is so large that the hour's budget of requests shrinks."""
        return any(len(table.rows) >= LIMITS.large_table_rows for table in self.tables.values())

    def redefine(self, new: Table) -> None:
        """Replace the definition of the table of that name, unless a relationship hangs on a column it drops."""
        for relationship in self.relationships:
            for side in ("from", "to"):
                if relationship[f"{side}Table"] == new.name and relationship[f"{side}Column"] not in new.columns:
                    raise bad_request(f"Relationship '{relationship['name']}' needs a column that is gone.", "table")
        self.tables[new.name].redefine(new)

    def add(self, table: Table, rows: list[tuple[Stored, ...]]) -> None:
        """Append rows; drop the oldest when the retention policy says so, refuse them all when the table is full."""
        if self.retention == "None" and len(table.rows) + len(rows) > LIMITS.rows_per_table:
            raise bad_request(f"Table '{table.name}' is full: {LIMITS.rows_per_table} rows.", "rows")
        table.rows.extend(rows)
        if self.retention == "basicFIFO" and len(table.rows) > LIMITS.fifo_rows + LIMITS.fifo_slack:
            del table.rows[: -LIMITS.fifo_rows]


def read_dataset(document: object, *, id: str, created: str, retention: str) -> Dataset:  # noqa: A002 - the service's word
    """A dataset from the body of a creation request and its ``defaultRetentionPolicy``."""
    known = _checked("Dataset", document, "dataset")
    policy = RETENTION.get(retention.lower())
    if policy is None:
        raise bad_request(f"'{retention}' is not a retention policy: None or basicFIFO.", "defaultRetentionPolicy")
    mode = known.get("defaultMode", "Push")
    if mode not in MODES:
        raise bad_request(f"Requested value '{mode}' was not found.", "dataset")
    if mode != "Push":
        raise bad_request(f"This sandbox has push datasets alone: it can't make one of mode {mode}.", "dataset")
    if known.get("datasources"):
        raise bad_request("Datasources are not applicable to push datasets.", "dataset")
    tables = _by_name([read_table(table) for table in known["tables"]], "table", LIMITS.tables)
    relationships = [_checked("Relationship", item, "relationship") for item in known.get("relationships", [])]
    _check_relationships(relationships, tables)
    return Dataset(id, known["name"], created, policy, tables, relationships)


def read_table(document: object) -> Table:
    """A table from its definition."""
    known = _checked("Table", document, "table")
    if not TABLE_NAME.fullmatch(known["name"]):
        raise bad_request(f"'{known['name']}' is not a valid table name.", "table")
    if known.get("rows") or known.get("source"):
        raise bad_request("A definition takes no rows and no source: push them afterwards.", "table")
    columns = [_checked("Column", column, "column") for column in known["columns"]]
    types = {}
    for name, column in _by_name(columns, "column", LIMITS.columns).items():
        if not COLUMN_NAME.fullmatch(name):
            raise bad_request(f"'{name}' is not a valid column name.", "column")
        if column["dataType"].lower() not in DATA_TYPES:
            raise bad_request(f"Column '{name}': '{column['dataType']}' is not a data type.", "column")
        types[name] = DATA_TYPES[column["dataType"].lower()]
    for column in columns:
        if column.get("sortByColumn", column["name"]) not in types:
            raise bad_request(f"Column '{column['name']}' is sorted by a column that isn't there.", "column")
    measures = [_checked("Measure", measure, "measure") for measure in known.get("measures", [])]
    return Table(known["name"], types, _by_name(measures, "measure"))


def read_rows(body: bytes) -> list[object]:
    """The rows of a POST: ``{"rows": […]}``, ``{"Rows": […]}`` or a bare array; numbers keep every digit."""
    document = read_json(body)
    if isinstance(document, dict):
        document = document.get("rows", document.get("Rows"))
    if not isinstance(document, list):
        raise bad_request("The body has no array of rows.", "rows")
    if len(document) > LIMITS.rows_per_post:
        raise bad_request(f"{len(document)} rows in one request: at most {LIMITS.rows_per_post} are allowed.", "rows")
    return document


def read_json(body: bytes) -> object:
    """JSON with exact decimals; NaN, infinities and half surrogate pairs are refused."""
    try:
        document: object = json.loads(body, parse_float=Decimal, parse_constant=_not_json)
        body.decode()
    except (ValueError, RecursionError) as reason:
        raise bad_request(f"The body is not JSON: {reason}.") from None
    return document


def _not_json(name: str) -> None:
    raise ValueError(f"{name} is not a JSON number")


def _checked(kind: str, document: object, target: str) -> dict[str, Any]:
    """The document when it has what its kind requires and nothing that its kind hasn't; null is like absent."""
    if not isinstance(document, dict):
        raise bad_request(f"A {target} must be an object.", target)
    members = MEMBERS[kind]
    for name in document:
        if name not in members:
            told = f"The property '{name}' does not exist on type 'Microsoft.PowerBI.ServiceContracts.Api.{kind}'."
            raise bad_request(f"{told} Make sure to only use property names that are defined by the type.", target)
    present = {name: value for name, value in document.items() if value is not None}
    for name, (kind_of_value, required) in members.items():
        if required and present.get(name) in (None, "", []):
            raise bad_request(f"The property '{name}' is required.", target)
        if name in present and type(present[name]) is not kind_of_value:
            raise bad_request(f"The property '{name}' must be of JSON type {kind_of_value.__name__}.", target)
    return present


def _by_name(items: list[Any], what: str, limit: int | None = None) -> dict[str, Any]:
    """Tables or documents by name; the same name twice is refused, whatever its case."""
    if limit is not None and len(items) > limit:
        raise bad_request(f"{len(items)} {what}s: at most {limit} are allowed.", what)
    named = {item.name if isinstance(item, Table) else item["name"]: item for item in items}
    if len({name.casefold() for name in named}) < len(items):
        raise bad_request(f"Two {what}s have the same name.", what)
    return named


def _check_relationships(relationships: list[dict[str, Any]], tables: dict[str, Table]) -> None:
    _by_name(relationships, "relationship", LIMITS.relationships)
    for relationship in relationships:
        if relationship.get("crossFilteringBehavior", CROSS_FILTERING[0]).lower() not in CROSS_FILTERING:
            raise bad_request(f"'{relationship['crossFilteringBehavior']}' is not a filter direction.", "relationship")
        for side in ("from", "to"):
            table = tables.get(relationship[f"{side}Table"])
            if table is None or relationship[f"{side}Column"] not in table.columns:
                raise bad_request(
                    f"Relationship '{relationship['name']}': the {side} column isn't there.", "relationship"
                )
