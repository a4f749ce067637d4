"""Keys of records: their one text, and a small index that tells which batches may hold a key.

The index of a batch is the sorted CRC-32 of its keys, four bytes a record, kept in the ledger's database. A lookup costs a binary
search a batch; of batches of 10,000 records, one in 430,000 is opened in vain.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from zlib import crc32

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

_ENCODE = msgspec.json.Encoder().encode
_HASH_BYTES = 4
_LARGEST_EXPONENT = 400  # Oracle's numbers end at 10^126, doubles at 10^308


def key_text(row: Mapping[str, Any], names: Sequence[str]) -> str:
    """The key of a row as JSON: names in order, values as text, so that ``10023`` typed by a person is the number's key too.

    Args:
        row: holds a value for each name.
        names: the properties of the key, sorted.
    """
    values = {name: _value_text(row.get(name)) for name in names}
    try:
        return _ENCODE(values).decode()
    except UnicodeEncodeError:  # a row that is refused for half of a surrogate pair is to be found by it all the same
        return _ENCODE({_escaped(name): value and _escaped(value) for name, value in values.items()}).decode()


def key_texts(columns: Sequence[Sequence[Any]], names: Sequence[str]) -> list[str]:
    """`key_text` of each row, in a third of the time where all values are text.

    Args:
        columns: the values of each property of the key, row by row.
        names: the properties, sorted.
    """
    columns = [
        values if set(map(type, values)) <= {str} else [_value_text(value) for value in values] for values in columns
    ]
    if len(names) == 1:
        (name,), (values,) = names, columns
        return [_ENCODE({name: value}).decode() for value in values]
    return [_ENCODE(dict(zip(names, values, strict=True))).decode() for values in zip(*columns, strict=True)]


def _value_text(value: Any) -> str | None:
    if value is None or type(value) is str:
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Decimal):
        if abs(value.adjusted()) > _LARGEST_EXPONENT:
            return str(value)  # 1E+1000000000 written out takes a gigabyte, and no destination holds it
        text = f"{value:f}"
        return text.rstrip("0").rstrip(".") if "." in text else text
    return str(value)


def _escaped(text: str) -> str:
    """Half of a surrogate pair as a program would write it: text that can be stored."""
    return text.encode("utf-8", "backslashreplace").decode()


def names_of(text: str) -> list[str]:
    """The properties that a key's text names, in order; none where the stream has no key."""
    found = msgspec.json.decode(text) if text else {}
    return sorted(found) if isinstance(found, dict) else []


def digests(keys: Iterable[str]) -> bytes:
    """The hashes of keys, one after the other."""
    return array("I", [crc32(key.encode()) for key in keys]).tobytes()


def index(hashes: bytes) -> bytes:
    """The index over hashes of `digests`: the same, sorted as unsigned numbers."""
    # Here and not above: who writes batches has it loaded, and a tap, which asks for texts of keys alone, never holds it.
    import pyarrow as pa  # noqa: PLC0415 - the reason is the line above
    import pyarrow.compute as pc  # noqa: PLC0415 - the same

    numbers = pa.Array.from_buffers(pa.uint32(), len(hashes) // _HASH_BYTES, [None, pa.py_buffer(hashes)])
    ordered = numbers.take(pc.sort_indices(numbers))
    return ordered.buffers()[1].to_pybytes()[: len(hashes)] if len(hashes) else b""


def may_hold(hashes: bytes, sought: bytes) -> bool:
    """Whether the index of a batch has this hash."""
    numbers = memoryview(hashes).cast("I")
    number = memoryview(sought).cast("I")[0]
    at = bisect_left(numbers, number)
    return at < len(numbers) and numbers[at] == number
