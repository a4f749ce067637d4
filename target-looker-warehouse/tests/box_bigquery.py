"""BigQuery as far as it can be tried here: Google's own client, over the wire, against the server of bqemulator."""

from __future__ import annotations

import json
import re
import subprocess
from decimal import Decimal
from functools import cached_property
from itertools import count
from pathlib import Path
from threading import Thread, Timer
from typing import TYPE_CHECKING, Any

import emulator_gaps
import pytest
from boxes import Box, canonical
from google.auth.credentials import AnonymousCredentials
from google.cloud import bigquery
from target_looker_warehouse.dialects.bigquery import BIGQUERY
from target_looker_warehouse.warehouses.bigquery import BigQuery
from target_looker_warehouse.warehouses.bigquery_address import place

if TYPE_CHECKING:
    from collections.abc import Iterator

ENVIRONMENT = Path(__file__).parents[2] / ".envs" / "bqemulator" / "bin"
_START_SECONDS = 60

GAPS = emulator_gaps.BIGQUERY.cases
"""Cases of the conformance suite that no BigQuery can run, with the reason; others stand in for them there."""


class Emulator:
    """The server, for all tests of a session. Its projects are in memory, and come into being when they are named.

    It runs all sessions in one: what one of them has begun and not ended is seen by all.
    """

    def __init__(self, folder: Path) -> None:
        environment = {"HOME": str(folder), "TMPDIR": str(folder), "BQEMU_ENABLE_FORMAT_EXTENSIONS": "false"}
        # DuckDB would fetch its extension over the network; from the wheel it goes where the server looks for it.
        install = "import duckdb_extensions as found; found.import_extension('spatial')"
        subprocess.run([ENVIRONMENT / "python", "-c", install], check=True, env=environment)
        self._process = subprocess.Popen(
            [
                ENVIRONMENT / "python",
                Path(__file__).with_name("bigquery_emulator.py"),
                "start",
                "--rest-port",
                "0",
                "--grpc-port",
                "0",
                "--log-format",
                "json",
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            cwd=folder,
            env=environment,
        )
        self._numbers = count(1)
        late = Timer(_START_SECONDS, self._process.kill)
        late.start()
        said = []
        for line in self._process.stdout:
            said.append(line)
            if line.startswith("{") and (told := json.loads(line)).get("event") == "rest.listen":
                self.endpoint = f"http://127.0.0.1:{told['port']}"
                break
        else:
            raise AssertionError(f"bqemulator did not start: {''.join(said)}")
        late.cancel()
        Thread(target=self._process.stdout.read, daemon=True).start()  # a full pipe would stop it

    def project(self) -> str:
        """The name of a new and empty project."""
        return f"test-{next(self._numbers)}"

    def close(self) -> None:
        self._process.kill()  # it holds its data in memory, and takes ten seconds to end by itself
        self._process.wait()


class BigQueryBox(Box):
    """A project of its own with one dataset."""

    dialect = BIGQUERY
    main = "erp"

    def __init__(self, folder: Path, emulator: Emulator) -> None:
        self.project = emulator.project()
        self.endpoint = emulator.endpoint
        super().__init__(folder, f"bigquery://{self.project}/{self.main}?api_endpoint={self.endpoint}")

    @cached_property
    def client(self) -> bigquery.Client:
        options = {"api_endpoint": self.endpoint}
        return bigquery.Client(self.project, AnonymousCredentials(), client_options=options)

    def connection(self, **more: Any) -> BigQuery:
        """Ours, alone."""
        return BigQuery(place(self.config["warehouse_url"]), **more)

    def query(self, text: str, *parameters: Any) -> list[tuple[Any, ...]]:
        given = [
            bigquery.ScalarQueryParameter(f"p{number}", "INT64" if isinstance(value, int) else "STRING", value)
            for number, value in enumerate(parameters, 1)
        ]
        config = bigquery.QueryJobConfig(query_parameters=given)
        return [row.values() for row in self.client.query_and_wait(re.sub(r"\$(\d)", r"@p\1", text), job_config=config)]

    def run(self, text: str) -> None:
        self.query(text)

    def types(self, table: str, schema: str | None = None) -> dict[str, str]:
        found = self.client.get_table(f"{self.project}.{schema or self.main}.{table}")
        return {field.name: field.field_type for field in found.schema}

    def all_tables(self) -> list[str]:
        datasets = list(self.client.list_datasets())
        return sorted(table.table_id for dataset in datasets for table in self.client.list_tables(dataset.reference))

    def place(self, table: str, schema: str | None = None) -> str:
        return self.dialect.qualified(self.project, schema or self.main, table)

    def shown(self, column: str, type_name: str) -> str:
        del type_name
        return f"CAST({self.dialect.quoted(column)} AS STRING)"

    def rows(self, table: str, schema: str | None = None) -> list[dict[str, str]]:
        """The rows; numbers have two decimals at least, and what looks like JSON is shown as other warehouses' JSON."""
        types = self.types(table, schema)
        shown = (
            {name: _shown(value, types[name]) for name, value in row.items()} for row in super().rows(table, schema)
        )
        return sorted(shown, key=repr)


def _shown(text: str, type_name: str) -> str:
    if type_name.endswith("NUMERIC"):
        number = Decimal(text).normalize()
        return f"{number:.2f}" if number.as_tuple().exponent > -2 else f"{number:f}"
    return canonical(text) if text[:1] in {"{", "["} else text


@pytest.fixture(scope="session")
def emulator(tmp_path_factory) -> Iterator[Emulator]:
    emulator = Emulator(tmp_path_factory.mktemp("bqemulator"))
    yield emulator
    emulator.close()


@pytest.fixture
def bigquery_box(tmp_path, emulator) -> BigQueryBox:
    return BigQueryBox(tmp_path, emulator)
