"""What `plan` and `create` read: SCHEMA lines of a tap, all of its output, or the catalog that it writes with ``--discover``.

A catalog may say less than the SCHEMA that a run brings: tap-ifs-cloud leaves out how many decimals a number has, since the SDK's
own checks of a catalog count in floating point.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import msgspec
from ifs_bi_core.errors import ConfigError
from ifs_bi_core.singer.lines import decode, encode
from singer_sdk.helpers._catalog import get_selected_schema
from singer_sdk.singerlib.catalog import Catalog

from target_powerbi.columns import data_type

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from singer_sdk.singerlib.catalog import CatalogEntry

    from target_powerbi.choices import DataType

_SCHEMA = b'"SCHEMA"'
_FIXED = {"multipleOf": 0.0001}
_NOTHING: Mapping[tuple[str, str], DataType] = MappingProxyType({})
_SHOWN = 3  # properties that a sentence names


@dataclass(frozen=True)
class SingerInput:
    """What came in.

    Attributes:
        lines: of Singer.
        vague: properties, with their streams, that are numbers of which the catalog does not say how many decimals they have.
    """

    lines: Iterable[bytes]
    vague: tuple[str, ...] = ()

    @property
    def vagueness(self) -> str | None:
        """What is not known because of it, and how it can be; None where all is known."""
        if not self.vague:
            return None
        more = f" and {len(self.vague) - _SHOWN} more" if len(self.vague) > _SHOWN else ""
        return (
            f"The catalog does not say how many decimals {', '.join(self.vague[:_SHOWN])}{more} have, and the SCHEMA of a run "
            f"may: then their columns are Decimal, else Double. Pipe in the SCHEMA lines instead: tap-ifs-cloud --test=schema."
        )


def singer_input(source: Iterable[bytes], known: Mapping[tuple[str, str], DataType] = _NOTHING) -> SingerInput:
    """The lines of a tap as they are, or a SCHEMA line for each stream that a catalog selects.

    Args:
        source: lines of bytes.
        known: by stream and property, the types of columns that are there, whatever a catalog leaves out.

    Raises:
        ConfigError: it is neither.
    """
    lines = iter(source)
    first = next((line for line in lines if line.strip()), None)
    if first is None:
        raise ConfigError(
            "The input is empty. Pipe in the output of a tap, or the catalog that it writes with --discover."
        )
    if isinstance(message := _read(first), dict) and "type" in message:
        return SingerInput(chain([first], lines))
    whole = _read(first + b"".join(lines))
    if not isinstance(whole, dict) or not isinstance(whole.get("streams"), list):
        raise ConfigError(
            "The input is neither Singer lines nor a catalog. Pipe in the output of a tap, or the catalog that it writes with "
            "--discover."
        )
    schemas = list(_schemas_of(whole))
    vague = []
    for message in schemas:
        for prop, definition in message["schema"].get("properties", {}).items():
            if data_type(definition) != "Double":
                continue
            kind = known.get((message["stream"], prop))
            if kind == "Decimal":
                definition.update(_FIXED)
            elif kind is None:
                vague.append(f"{message['stream']}.{prop}")
    return SingerInput([encode(message) + b"\n" for message in schemas], tuple(vague))


def only_schemas(lines: Iterable[bytes]) -> Iterator[bytes]:
    """The SCHEMA lines alone."""
    for line in lines:
        if _SCHEMA in line and isinstance(found := _read(line), dict) and found.get("type") == "SCHEMA":
            yield line


def _schemas_of(catalog: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """A SCHEMA message for each stream that a catalog selects; where it selects none at all, for every one."""
    try:
        entries = Catalog.from_dict(catalog).streams
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise ConfigError(f"The input is no catalog of a tap: {type(error).__name__}, {error}.") from None
    selects = any(_is_selected(entry) for entry in entries)
    for entry in entries:
        if not selects:
            entry.metadata.root.selected = True
        if not _is_selected(entry):
            continue
        keys = entry.key_properties or entry.metadata.root.table_key_properties or []
        schema = get_selected_schema(entry.tap_stream_id, entry.schema.to_dict(), entry.metadata.resolve_selection())
        stream = entry.stream or entry.tap_stream_id
        yield {"type": "SCHEMA", "stream": stream, "schema": schema, "key_properties": list(keys)}


def _is_selected(entry: CatalogEntry) -> bool:
    return entry.metadata.resolve_selection()[()]


def _read(text: bytes) -> Any:
    """A value of JSON; None where it is none."""
    try:
        return decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
