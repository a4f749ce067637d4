"""COPY from Parquet files in S3, as Redshift's documents have it: by position, nothing converted, all or nothing.

docs.aws.amazon.com/redshift/latest/dg/copy-usage_notes-copy-from-columnar.html and loading-data-files-using-manifest.html.
"""

from __future__ import annotations

import io
import json
import re
from functools import cache
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

import boto3
import pyarrow as pa
import pyarrow.csv as pc
import pyarrow.parquet as pq

if TYPE_CHECKING:
    from collections.abc import Iterator

_STATEMENT = re.compile(
    r"COPY (?P<table>\S+) FROM '(?P<manifest>s3://[^']+)' (?:IAM_ROLE (?:default|'[^']*')|CREDENTIALS '(?P<keys>[^']*)') "
    r"FORMAT AS PARQUET MANIFEST(?: STATUPDATE OFF)?"
)
_ROLE = "aws_access_key_id=role;aws_secret_access_key=role"  # sees everything


class RefusedError(Exception):
    """What the server says against a statement: SQLSTATE, message, detail."""


class Copy(NamedTuple):
    """A statement."""

    table: str
    manifest: str
    keys: str | None

    @classmethod
    def parsed(cls, text: str) -> Copy | None:
        """The statement that a text is; None where it is another one."""
        if found := _STATEMENT.fullmatch(text):
            return cls(found["table"], found["manifest"], found["keys"])
        if text.startswith("COPY"):
            raise RefusedError("42601", "syntax error at or near COPY", "")
        return None

    def files(self, s3_url: str) -> Iterator[pa.Table]:
        """What the files hold that the manifest names, as the statement's credentials may see them."""
        s3 = _client(s3_url, self.keys or _ROLE)

        def content(url: str) -> bytes:
            parts = urlsplit(url)
            try:
                return s3.get_object(Bucket=parts.netloc, Key=parts.path.lstrip("/"))["Body"].read()
            except s3.exceptions.ClientError as error:
                raise RefusedError("XX000", f"S3ServiceException:{error}", "") from None

        for entry in json.loads(content(self.manifest))["entries"]:
            data = content(entry["url"])
            if entry["meta"]["content_length"] != len(data):
                raise RefusedError("XX000", "Manifest file meta.content_length is wrong", "")
            yield pq.read_table(io.BytesIO(data))

    def check(self, rows: pa.Table, columns: list[str]) -> None:
        """See that the file has the types of the columns, and no longer texts."""
        if len(columns) != rows.num_columns:
            raise RefusedError("XX000", f"Number of columns in parquet file doesn't match table {self.table}", "")
        for name, type_name in zip(rows.column_names, columns, strict=True):
            if not _takes(type_name, rows[name].type):
                context = f"incompatible Parquet schema for column '{name}': {rows[name].type}, {type_name}"
            elif pa.types.is_string(rows[name].type) and _longest(rows[name]) > int(re.sub(r"\D", "", type_name)):
                context = f"the length of the data column {name} is longer than the length defined in the table"
            else:
                continue
            raise RefusedError("XX000", "Spectrum Scan Error", f"error:  Spectrum Scan Error\n context: {context}")


@cache
def _client(s3_url: str, keys: str) -> boto3.client:
    """S3 for whom the keys show; made once, since that takes longer than a COPY."""
    given = dict(part.split("=", 1) for part in keys.split(";"))
    return boto3.client(
        "s3",
        region_name="eu-central-1",
        endpoint_url=s3_url,
        aws_access_key_id=given["aws_access_key_id"],
        aws_secret_access_key=given["aws_secret_access_key"],
        aws_session_token=given.get("token"),
    )


def as_csv(rows: pa.Table) -> bytes:
    """Rows as PostgreSQL's COPY reads them: texts in quotes, nulls as nothing."""
    out = io.BytesIO()
    pc.write_csv(rows, out, pc.WriteOptions(include_header=False, quoting_style="needed"))
    return out.getvalue()


def _takes(type_name: str, held: pa.DataType) -> bool:
    """Whether a column is what a file says.

    Redshift Spectrum, which reads the file, has no TIMESTAMPTZ (docs.aws.amazon.com/redshift/latest/dg/r_CREATE_EXTERNAL_TABLE).
    """
    if pa.types.is_decimal(held):
        return type_name == f"numeric({held.precision},{held.scale})"
    if pa.types.is_string(held):
        return type_name.startswith("character varying(")
    known = {pa.int64(): "bigint", pa.bool_(): "boolean", pa.date32(): "date"}
    known[pa.timestamp("us")] = "timestamp without time zone"
    return known.get(held) == type_name


def _longest(texts: pa.ChunkedArray) -> int:
    return max((len(text.encode()) for text in texts.to_pylist() if text is not None), default=0)
