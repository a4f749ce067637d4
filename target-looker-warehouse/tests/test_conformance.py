"""The conformance suite against the warehouses that stand here themselves."""

import pytest
from conformance import CASES, IN_DUCKDB_FIRST


@pytest.mark.parametrize("name", CASES)
def test_these_lines_leave_these_rows(box, name):
    case = CASES[name]
    for lines in case.runs:
        box.feed(*lines, **case.config)
    assert case.found(box) == case.left(box)


@IN_DUCKDB_FIRST
@pytest.mark.parametrize("name", CASES)
def test_these_lines_row_by_row_leave_these_rows(box, name):
    case = CASES[name]
    for lines in case.runs:
        box.feed(*lines, batch_size_rows=1, **case.config)
    assert case.found(box) == case.left(box)


@IN_DUCKDB_FIRST
@pytest.mark.parametrize(
    "name",
    [
        name
        for name, case in CASES.items()
        if case.config.get("load_method") != "append-only" and "without key" not in name
    ],
)
def test_the_last_run_again_changes_nothing(box, name):
    case = CASES[name]
    for lines in [*case.runs, case.runs[-1]]:
        box.feed(*lines, **case.config)
    assert case.found(box) == case.left(box)
