"""The conformance suite against Snowflake's emulator, by the vendor's own connector."""

from __future__ import annotations

import pytest
from box_snowflake import GAPS, OTHERWISE
from conformance import CASES, in_order, representative_first
from ifs_bi_core.errors import IfsBiError


def _fed(box, case, **config):
    for lines in case.runs:
        box.feed(*lines, **(case.config | config))
    return case.found(box)


def _left(box, name):
    return (
        {table: in_order(rows) for table, rows in OTHERWISE[name].items()}
        if name in OTHERWISE
        else CASES[name].left(box)
    )


@pytest.mark.parametrize("name", representative_first(name for name in CASES if name not in GAPS))
def test_these_lines_leave_these_rows(snowflake_box, name):
    assert _fed(snowflake_box, CASES[name]) == _left(snowflake_box, name)


@pytest.mark.prove
@pytest.mark.parametrize("name", [name for name in CASES if name not in GAPS])
def test_these_lines_row_by_row_and_their_last_run_again_leave_these_rows(snowflake_box, name):
    case = CASES[name]
    assert _fed(snowflake_box, case, batch_size_rows=1) == _left(snowflake_box, name)
    if case.config.get("load_method") != "append-only" and "without key" not in name:
        snowflake_box.feed(*case.runs[-1], **case.config)
        assert case.found(snowflake_box) == _left(snowflake_box, name)


@pytest.mark.parametrize("name", GAPS)
def test_a_gap_is_the_emulators(snowflake_box, name):
    with pytest.raises(IfsBiError, match=r"already exists"):
        _fed(snowflake_box, CASES[name])
