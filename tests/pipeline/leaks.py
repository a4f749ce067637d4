"""Secrets in bytes: the forms in which one may stand there, and every byte that runs left, also of what is compressed."""

from __future__ import annotations

import base64
import gzip
import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from pathlib import Path
from urllib.parse import quote, quote_plus

import duckdb
import pyarrow.parquet as pq

_BITS_OF_BYTE, _BITS_OF_CHARACTER = 8, 6


def forms(secret: str) -> dict[str, bytes]:
    """A secret in plain, URL-encoded, base64 (within other bytes too) and JSON-escaped form, by the form's name."""
    escaped = json.dumps(secret)[1:-1]
    texts = {
        "plain": secret,
        "URL": quote(secret, safe=""),
        "URL with slashes": quote(secret),
        "form": quote_plus(secret),
        "JSON": escaped,
        "JSON in UTF-8": json.dumps(secret, ensure_ascii=False)[1:-1],
        "JSON in JSON": json.dumps(escaped)[1:-1],
        "repr": repr(secret)[1:-1],
    }
    found = {name: text.encode() for name, text in texts.items()}
    for behind in range(3):  # how many bytes stand before it, modulo the three that four characters are made of
        found[f"base64, {behind} behind"] = inner = _inner_base64(secret.encode(), behind)
        found[f"base64url, {behind} behind"] = inner.replace(b"+", b"-").replace(b"/", b"_")
    return found


def _inner_base64(raw: bytes, behind: int) -> bytes:
    """The characters that are the same whatever stands before and after."""
    first = -(-behind * _BITS_OF_BYTE // _BITS_OF_CHARACTER)
    end = (behind + len(raw)) * _BITS_OF_BYTE // _BITS_OF_CHARACTER
    return base64.b64encode(bytes(behind) + raw)[first:end]


def leaks(secrets: Mapping[str, str], contents: Iterable[tuple[str, bytes]]) -> list[str]:
    """Where which secret stands in which form."""
    sought = [(name, form, text) for name, secret in secrets.items() for form, text in forms(secret).items()]
    return [f"{name} ({form}) in {where}" for where, data in contents for name, form, text in sought if text in data]


def files(folder: Path) -> Iterator[tuple[str, bytes]]:
    """Every file below a folder by its name there, as it lies there and, where its bytes hide what it says, opened too."""
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            name, data = path.relative_to(folder).as_posix(), path.read_bytes()
            yield name, data
            yield from ((f"{name}, opened", text) for text in _opened(path, data))


def _opened(path: Path, data: bytes) -> Iterator[bytes]:
    if data.startswith(b"\x1f\x8b"):
        yield gzip.decompress(data)
    elif data.startswith(b"PAR1"):
        yield "\n".join(str(value) for column in pq.read_table(path).columns for value in column.to_pylist()).encode()
    elif data.startswith(b"SQLite format 3\x00"):
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
            names = [name for (name,) in database.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")]
            yield b"\n".join(
                value if isinstance(value, bytes) else str(value).encode()
                for name in names
                for row in database.execute(f'SELECT * FROM "{name}"')
                for value in row
            )
    elif data[8:12] == b"DUCK":
        with duckdb.connect(str(path), read_only=True) as database:
            names = [name for (name,) in database.execute("SELECT table_name FROM duckdb_tables()").fetchall()]
            for name in names:
                rows = database.execute(f'SELECT CAST(COLUMNS(*) AS VARCHAR) FROM "{name}"').fetchall()
                yield "\n".join(str(value) for row in rows for value in row).encode()
