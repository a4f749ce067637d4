"""The conformance suite by way of S3 and COPY, with Amazon's own driver."""

from __future__ import annotations

import pytest
from conformance import CASES, in_order, representative_first

BESIDE = {
    "numbers widen and keep their values": {
        "s": [{"id": "1", "n": str(2**62)}, {"id": "2", "n_v2": "0.01"}, {"id": "3", "n": "7"}]
    }
}
"""What cases leave where no type can be widened."""


def left(box, name):
    case = CASES[name]
    wanted = {table: in_order(rows) for table, rows in BESIDE[name].items()} if name in BESIDE else case.left(box)
    return case.found(box), wanted


def feed(box, name, **config):
    for lines in CASES[name].runs:
        box.feed(*lines, **config, **CASES[name].config)


@pytest.mark.parametrize("name", representative_first(CASES))
def test_these_lines_leave_these_rows_and_nothing_in_s3(redshift_box, name):
    feed(redshift_box, name)
    found, wanted = left(redshift_box, name)
    assert found == wanted
    assert redshift_box.servers.objects() == []


@pytest.mark.prove
@pytest.mark.parametrize("name", CASES)
def test_these_lines_in_batches_of_one_leave_these_rows(redshift_box, name):
    feed(redshift_box, name, batch_size_rows=1)
    found, wanted = left(redshift_box, name)
    assert found == wanted
