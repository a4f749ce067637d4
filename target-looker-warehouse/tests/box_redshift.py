"""Amazon Redshift as far as it can be tried here: Amazon's own driver, PostgreSQL behind a relay, and S3 on loopback."""

from __future__ import annotations

import os
from functools import cache
from typing import TYPE_CHECKING, Any
from unittest import mock

import psycopg
import pytest
from boxes import Box, canonical
from target_looker_warehouse.dialects.redshift import REDSHIFT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

BUCKET = "staging-of-tests"
SECRET = "the-key-of-the-bucket-0123456789abcdef01"


class RedshiftServers:
    """The relay and the bucket, for all tests of a session."""

    def __init__(self, postgres) -> None:
        # Here and not above: tests of other warehouses don't wait for these to load.
        import boto3  # noqa: PLC0415
        from moto.server import ThreadedMotoServer  # noqa: PLC0415
        from redshift_shim import RedshiftShim  # noqa: PLC0415

        self.postgres = postgres
        self._moto = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
        self._moto.start()
        host, port = self._moto.get_host_and_port()
        self.s3_url = f"http://{host}:{port}"
        self.environment = {
            "AWS_ENDPOINT_URL": self.s3_url,
            "AWS_ACCESS_KEY_ID": "AKIAEXAMPLE",
            "AWS_SECRET_ACCESS_KEY": SECRET,
            "AWS_DEFAULT_REGION": "eu-central-1",
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        }
        with mock.patch.dict(os.environ, self.environment):
            self.aws = boto3.session.Session().client
            self.s3 = self.aws("s3")
        self.s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
        self.shim = RedshiftShim(postgres.port, self.s3_url)

    def objects(self) -> list[str]:
        return [found["Key"] for found in self.s3.list_objects_v2(Bucket=BUCKET).get("Contents", [])]

    def url(self, database: str, port: int | None = None) -> str:
        return f"redshift://team:{self.postgres.escaped}@127.0.0.1:{port or self.shim.port}/{database}?ssl=false"

    def close(self) -> None:
        self.shim.close()
        self._moto.stop()


class RedshiftBox(Box):
    """A database of its own behind the relay; looked at by PostgreSQL's driver, past the relay."""

    dialect = REDSHIFT
    main = "public"

    def __init__(self, folder: Path, servers: RedshiftServers) -> None:
        self.servers = servers
        self.database = servers.postgres.database()
        super().__init__(folder, servers.url(self.database))
        self.config |= {"staging_url": f"s3://{BUCKET}/ifs", "identifier_case": "keep"}
        self._behind = servers.postgres.url(self.database)

    def rows(self, table: str, schema: str | None = None) -> list[dict[str, str]]:
        """The rows; texts that are JSON are shown as other warehouses' JSON."""
        found = super().rows(table, schema)
        shown = (
            {name: canonical(value) if value.startswith(("{", "[")) else value for name, value in row.items()}
            for row in found
        )
        return sorted(shown, key=repr)

    def query(self, text: str, *parameters: Any) -> list[tuple[Any, ...]]:
        with psycopg.connect(self._behind, cursor_factory=psycopg.RawCursor, options="-c TimeZone=UTC") as connection:
            return connection.execute(text.encode(), parameters or None).fetchall()

    def run(self, text: str) -> None:
        with psycopg.connect(self._behind) as connection:
            connection.execute(text.encode())


@pytest.fixture(scope="session")
def redshift_servers(postgres) -> Iterator[RedshiftServers]:
    from botocore.loaders import JSONFileLoader  # noqa: PLC0415 - as above

    read = cache(JSONFileLoader().load_file)  # what AWS offers is megabytes, which each new client would read again
    with mock.patch.object(JSONFileLoader, "load_file", lambda _, path: read(path)):
        servers = RedshiftServers(postgres)
        with mock.patch.dict(os.environ, servers.environment):
            yield servers
        servers.close()


@pytest.fixture
def redshift_box(tmp_path, redshift_servers) -> RedshiftBox:
    return RedshiftBox(tmp_path, redshift_servers)
