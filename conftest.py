"""Laws are held against the same examples in every run; ``pytest --hypothesis-profile=default`` looks for new ones."""

import gc
from collections.abc import Iterator

import pytest
from hypothesis import settings
from ifs_bi_core.redaction import REDACTOR

pytest_plugins = ["postgres"]  # tests/postgres.py: a server for whoever asks for one

settings.register_profile("repeatable", derandomize=True, max_examples=50, deadline=None)
settings.load_profile("repeatable")

LONGEST_FIRST = (
    "test_fault_scripts.py",
    "test_kill_points.py",
    "test_fault_pairs.py",
    "test_no_secrets.py",
    "test_paging_matrix.py",
    "test_warehouse_pipe.py",
    "test_fuzz_lines.py",
    "test_soak.py",
    "test_conformance.py",
    "test_redshift.py",
    "test_demo.py",
    "test_replay_pipe.py",
    "test_outgoing.py",
    "test_powerbi_pipe.py",
    "test_write_back_laws.py",
    "test_verify_pipe.py",
    "test_lookml_pipe.py",
    "test_row_version.py",
    "test_shell_blocks.py",
)
"""Files of tests that take longest: begun first, none of them is what all other processes wait for in the end."""


def pytest_configure(config: pytest.Config) -> None:
    """Keep the order below where files are dealt out to processes: xdist would begin with those of the most tests."""
    config.option.loadscopereorder = False


def pytest_collection_finish() -> None:
    """What was collected stays: looking for garbage in it again and again costs time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the longest files first, then the pipelines, then what is over in a moment."""
    places = {name: place for place, name in enumerate(LONGEST_FIRST)}

    def place(item: pytest.Item) -> tuple[int, bool]:
        return places.get(item.path.name, len(places)), "pipeline" not in item.path.parts

    items.sort(key=place)


@pytest.fixture(autouse=True, scope="module")
def _secrets_of_their_own() -> Iterator[None]:
    """Secrets stay registered as long as a process lives; those of one file of tests are no secrets of the next."""
    REDACTOR.forget()
    yield
    REDACTOR.forget()
