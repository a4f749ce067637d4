"""A landing zone of open mirroring as folders and files: which tables it has, their metadata and their numbered files.

Source: MicrosoftDocs/fabric-docs ``docs/mirroring/open-mirroring-landing-zone-format.md``:
``LandingZone/[Schema.schema/]Table/`` with ``_metadata.json`` and files of 20 digits without gaps. What begins with an
underscore is the writer's own business (a temporary name before the rename, a scratch pad) and is never read.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

METADATA = "_metadata.json"
PARTNER_EVENTS = "_partnerEvents.json"
SCHEMA_SUFFIX = ".schema"
_NUMBERED = re.compile(r"([0-9]{20})\.parquet")


class RefusedError(Exception):
    """What Fabric would not replicate; the sentence says where, what and what next."""


@dataclass(frozen=True)
class TableFolder:
    """The folder of one table; ``schema`` is ``main`` when no schema folder is around it."""

    schema: str
    name: str
    path: Path

    def __str__(self) -> str:
        return self.name if self.schema == "main" else f"{self.schema}.{self.name}"

    def key_columns(self) -> tuple[str, ...]:
        """The key that ``_metadata.json`` tells; none: rows can be inserted and nothing else."""
        metadata = _json(self.path / METADATA, f"Table {self}")
        keys = metadata.get("keyColumns", [])
        if not isinstance(keys, list) or not all(isinstance(name, str) for name in keys):
            raise RefusedError(f"Table {self}: keyColumns of {METADATA} must be a list of column names.")
        return tuple(keys)

    def files(self) -> dict[int, Path]:
        """The data files by number, in order; a name that is no number of 20 digits is refused."""
        found = {}
        for path in sorted(self.path.iterdir()):
            if path.name.startswith("_"):
                continue
            match = _NUMBERED.fullmatch(path.name)
            if match is None:
                told = "a data file has 20 digits and .parquet. Write under a name with an underscore and rename"
                raise RefusedError(f"Table {self}: {path.name} is no data file: {told}.")
            found[int(match[1])] = path
        return found


def table_folders(landing_zone: Path) -> list[TableFolder]:
    """The tables of a landing zone, by schema and name."""
    tables = []
    for folder in _folders(landing_zone):
        if folder.name.endswith(SCHEMA_SUFFIX):
            schema = folder.name.removesuffix(SCHEMA_SUFFIX)
            tables += [TableFolder(schema, inner.name, inner) for inner in _folders(folder)]
        else:
            tables.append(TableFolder("main", folder.name, folder))
    return tables


def partner_events(landing_zone: Path) -> dict[str, Any] | None:
    """What the writer tells about itself and its source, if anything: ``partnerName`` and ``sourceInfo.sourceType``."""
    path = landing_zone / PARTNER_EVENTS
    if not path.exists():
        return None
    events = _json(path, "The landing zone")
    match events:
        case {"partnerName": str(), "sourceInfo": {"sourceType": str()}}:
            return events
    raise RefusedError(f"{PARTNER_EVENTS} needs partnerName, and sourceInfo with sourceType, as strings.")


def _folders(parent: Path) -> list[Path]:
    shown = [path for path in sorted(parent.iterdir()) if not path.name.startswith("_")]
    for path in shown:
        if not path.is_dir():
            raise RefusedError(f"{path.name} lies beside the tables' folders. Data files belong into a table's folder.")
    return shown


def _json(path: Path, owner: str) -> dict[str, Any]:
    try:
        document = json.loads(path.read_bytes())
    except FileNotFoundError:
        raise RefusedError(f"{owner} has no {path.name}. Write it before the first data file.") from None
    except ValueError as reason:
        raise RefusedError(f"{owner}: {path.name} is not JSON: {reason}.") from None
    if not isinstance(document, dict):
        raise RefusedError(f"{owner}: {path.name} must be a JSON object.")
    return document
