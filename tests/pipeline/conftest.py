"""A sandbox with the three commands in a folder, and what looks at where their rows went."""

from __future__ import annotations

from typing import Any

import duckdb
import pytest
import requests
from ifs_bi_sandbox.servers import Sandbox
from pipeline.commands import ROOT, Pipeline, run_command
from pipeline.destinations import Warehouse


@pytest.fixture
def pipeline(tmp_path):
    with Sandbox(scale=400, seed=3) as box:
        yield Pipeline(box, tmp_path)


@pytest.fixture(scope="session")
def root():
    """The folder of the checkout."""
    return ROOT


@pytest.fixture(scope="session")
def run():
    """Runs a command to its end."""
    return run_command


@pytest.fixture(scope="session")
def peer():
    """The path of a plugin that nobody here wrote, in the environment that the Makefile made for it."""
    return lambda name: ROOT / ".envs" / name / "bin" / name


@pytest.fixture(params=["duckdb", "postgresql"])
def warehouse(request, tmp_path, run):
    """A warehouse of each kind that there is a real one of."""
    if request.param == "duckdb":
        return Warehouse.in_duckdb(tmp_path / "warehouse", run)
    return Warehouse.in_postgresql(tmp_path / "warehouse", run, request.getfixturevalue("postgres_url"))


@pytest.fixture
def query(pipeline):
    """Asks the warehouse."""

    def ask(sql: str) -> list[tuple[Any, ...]]:
        with duckdb.connect(str(pipeline.warehouse), read_only=True) as connection:
            return connection.execute(sql).fetchall()

    return ask


@pytest.fixture
def dataset_rows(pipeline):
    """The rows that Power BI holds in a table of the pipeline's dataset."""

    def rows(table: str) -> list[dict[str, Any]]:
        control = pipeline.box.control_url
        (dataset,) = [
            d for d in pipeline.box.world.powerbi.values() if d.name == pipeline.powerbi_settings["dataset_name"]
        ]
        return requests.get(f"{control}/powerbi/datasets/{dataset.id}/tables/{table}/rows", timeout=10).json()

    return rows
