"""Definitions of push datasets as the service checks them.

Sources: the Swagger of microsoft/PowerBI-CSharp (which members each object has and which of them are required; the pattern
of a table's name), the published limits (``limits``), MicrosoftDocs/powerbi-docs ``developer/api-dataset-properties.md`` (words
of summarizeBy), and public bug reports for what is refused and how (``errors``).
"""

from __future__ import annotations

import re
from typing import Any

from ifs_bi_sandbox.powerbi.datasets import Dataset, Table
from ifs_bi_sandbox.powerbi.errors import PUSH_STREAMING_COLUMNS, bad_request, invalid_request
from ifs_bi_sandbox.powerbi.limits import LIMITS
from ifs_bi_sandbox.powerbi.switches import PowerBISwitches
from ifs_bi_sandbox.powerbi.values import DATA_TYPES

TABLE_NAME = re.compile(r"[\t\n\r #\-0-9@A-Z^_a-z~-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]{1,100}")
COLUMN_NAME = re.compile(r"[\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]+")
RETENTION = {"none": "None", "basicfifo": "basicFIFO"}  # read without regard to case
MODES = ("AsAzure", "AsOnPrem", "Push", "Streaming", "PushStreaming")  # the one enumeration whose case matters
CROSS_FILTERING = ("onedirection", "bothdirections", "automatic")
SUMMARIZE_BY = ("default", "none", "sum", "min", "max", "count", "average", "distinctcount")
_DEFAULTS = PowerBISwitches()

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


def read_dataset(
    document: object,
    *,
    id: str,  # noqa: A002 - the service's word
    created: str,
    retention: str,
    rules: PowerBISwitches = _DEFAULTS,
) -> Dataset:
    """A dataset from the body of a creation request and its ``defaultRetentionPolicy``."""
    known = _checked("Dataset", document, "dataset")
    policy = RETENTION.get(retention.lower())
    if policy is None:
        raise bad_request(f"'{retention}' is not a retention policy: None or basicFIFO.", "defaultRetentionPolicy")
    mode = known.get("defaultMode", "Push")
    if mode not in MODES:
        raise bad_request(f"Requested value '{mode}' was not found.", "dataset")
    if mode not in {"Push", "PushStreaming"}:
        raise bad_request(f"This sandbox has push datasets alone: it can't make one of mode {mode}.", "dataset")
    if known.get("datasources"):
        raise bad_request("Datasources are not applicable to push datasets.", "dataset")
    tables = _by_name([read_table(table, rules) for table in known["tables"]], "table", LIMITS.tables)
    if mode == "PushStreaming" and any(
        detail.keys() - {"name", "dataType"} for table in tables.values() for detail in table.details.values()
    ):
        raise invalid_request(PUSH_STREAMING_COLUMNS)
    _by_name([measure for table in tables.values() for measure in table.measures.values()], "measure")
    relationships = [_checked("Relationship", item, "relationship") for item in known.get("relationships", [])]
    _check_relationships(relationships, tables, rules)
    return Dataset(id, known["name"], created, policy, tables, relationships, mode=mode)


def read_table(document: object, rules: PowerBISwitches = _DEFAULTS) -> Table:
    """A table from its definition."""
    known = _checked("Table", document, "table")
    name = known["name"]
    if rules.powerbi_table_names == "pattern" and not TABLE_NAME.fullmatch(name):
        raise bad_request(f"'{name}' is not a valid table name.", "table")
    if rules.powerbi_date_table == "refuse" and name.casefold() == "date":
        raise bad_request("A table can't be called Date.", "table")
    if known.get("rows") or known.get("source"):
        raise bad_request("A definition takes no rows and no source: push them afterwards.", "table")
    columns = [_checked("Column", column, "column") for column in known["columns"]]
    details = _by_name(columns, "column", LIMITS.columns)
    types = {column: _data_type(column, detail) for column, detail in details.items()}
    for column, detail in details.items():
        if detail.get("sortByColumn", column) not in types:
            raise bad_request(f"Column '{column}' is sorted by a column that isn't there.", "column")
    measures = _by_name([_checked("Measure", item, "measure") for item in known.get("measures", [])], "measure")
    both = {column.casefold() for column in types} & {measure.casefold() for measure in measures}
    if both:
        raise bad_request(f"'{min(both)}' is a column and a measure of table '{name}'.", "measure")
    return Table(name, types, measures, details)


def _data_type(name: str, column: dict[str, Any]) -> str:
    """A column's data type, when everything about the column is allowed."""
    if not COLUMN_NAME.fullmatch(name):
        raise bad_request(f"'{name}' is not a valid column name.", "column")
    if column["dataType"].lower() not in DATA_TYPES:
        raise bad_request(f"Column '{name}': '{column['dataType']}' is not a data type.", "column")
    if column.get("summarizeBy", "default").lower() not in SUMMARIZE_BY:
        raise bad_request(f"Column '{name}': it can't be summarized by '{column['summarizeBy']}'.", "column")
    return DATA_TYPES[column["dataType"].lower()]


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


def _check_relationships(relationships: list[dict[str, Any]], tables: dict[str, Table], rules: PowerBISwitches) -> None:
    _by_name(relationships, "relationship", LIMITS.relationships)
    for relationship in relationships:
        if rules.powerbi_table_names == "pattern" and not TABLE_NAME.fullmatch(relationship["name"]):
            raise bad_request(f"'{relationship['name']}' is not a valid relationship name.", "relationship")
        if relationship.get("crossFilteringBehavior", CROSS_FILTERING[0]).lower() not in CROSS_FILTERING:
            raise bad_request(f"'{relationship['crossFilteringBehavior']}' is not a filter direction.", "relationship")
        for side in ("from", "to"):
            table = tables.get(relationship[f"{side}Table"])
            if table is None or relationship[f"{side}Column"] not in table.columns:
                raise bad_request(
                    f"Relationship '{relationship['name']}': the {side} column isn't there.", "relationship"
                )
