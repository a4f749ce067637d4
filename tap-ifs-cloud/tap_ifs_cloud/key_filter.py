"""Filters that name rows by their keys, cut so that addresses stay short enough."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from tap_ifs_cloud.odata import literal

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from tap_ifs_cloud.metadata import Property

FILTER_LENGTH = 1_800
"""Characters of a filter that names rows by their keys. Servers and proxies are known that take no address beyond 8 KB, and a
character may take nine in it."""

_ADDRESS_LENGTH = 4_000  # the same filter, percent-encoded
_OR = " or "


def key_filters(
    keys: Iterable[tuple[bytes, Mapping[str, Any]]], properties: Sequence[Property]
) -> Iterator[tuple[list[bytes], str]]:
    """Filters that each name some rows by their keys, and those keys; as many as fit into `FILTER_LENGTH`.

    ``OrderNo eq 'A' or OrderNo eq 'B'``, or of a key with several parts ``(OrderNo eq 'A' and LineNo eq '1') or (…)``
    """
    some: list[bytes] = []
    parts: list[str] = []
    length = encoded = 0
    for key, values in keys:
        part = " and ".join(f"{prop.name} eq {literal(values[prop.name], prop)}" for prop in properties)
        part = f"({part})" if len(properties) > 1 else part
        longer, longer_encoded = len(part) + len(_OR), len(quote(part + _OR, safe=""))
        if some and (length + longer > FILTER_LENGTH or encoded + longer_encoded > _ADDRESS_LENGTH):
            yield some, _OR.join(parts)
            some, parts, length, encoded = [], [], 0, 0
        some.append(key)
        parts.append(part)
        length += longer
        encoded += longer_encoded
    if some:
        yield some, _OR.join(parts)
