"""The conformance suite against bqemulator, by Google's own client, and what stands in where it can't be run."""

import pytest
from box_bigquery import GAPS
from conformance import CASES, ORDERS, Case, in_order, representative_first
from ifs_bi_core.errors import IfsBiError
from singer_lines import INTEGER, STRING, record, schema

OWN_CASES = {
    "properties that differ in case alone, ones that SQL knows, and ones that no column can be called": Case(
        [
            [
                schema(
                    "select",
                    ["Id"],
                    Id=INTEGER,
                    ID=STRING,
                    **{'a "b"': STRING, "": STRING, "from": STRING, "1st": STRING},
                ),
                record("select", {"Id": 1, "ID": "x", "from": "f", "1st": "first"}),
            ],
            [
                schema(
                    "select", ["Id"], ID=STRING, Id=INTEGER, **{'a "b"': STRING, "": STRING, "_partition_x": STRING}
                ),
                record("select", {"ID": "y", "Id": 2, 'a "b"': "z", "": "e", "_partition_x": "p"}),
            ],
        ],
        {
            "select": [
                {"Id": "1", "ID_3843971d": "x", "from": "f", "_1st_e01ddf65": "first"},
                {
                    "Id": "2",
                    "ID_3843971d": "y",
                    "a__b__34838019": "z",
                    "_e3b0c442": "e",
                    "__partition_x_8213a650": "p",
                },
            ]
        },
    ),
    "a dataset of its own": Case(
        [[ORDERS, record("orders", {"id": "1"})]], {"orders": [{"id": "1"}]}, {"schema": "erp_2"}
    ),
}


def held(box, case):
    return {
        name: in_order(box.rows(name, case.config.get("schema")))
        for name in box.tables()
        if not name.startswith("_ifs_")
    }


@pytest.mark.parametrize("name", [*representative_first(name for name in CASES if name not in GAPS), *OWN_CASES])
def test_these_lines_leave_these_rows(bigquery_box, name):
    case = (CASES | OWN_CASES)[name]
    for lines in case.runs:
        bigquery_box.feed(*lines, **case.config)
    assert held(bigquery_box, case) == case.left(bigquery_box)


@pytest.mark.prove
@pytest.mark.parametrize("name", [name for name in CASES if name not in GAPS])
def test_these_lines_leave_these_rows_row_by_row_too(bigquery_box, name):
    case = CASES[name]
    for lines in case.runs:
        bigquery_box.feed(*lines, batch_size_rows=1, **case.config)
    assert held(bigquery_box, case) == case.left(bigquery_box)


def test_the_gaps_are_ones(bigquery_box):
    names, dataset = (CASES[name] for name in GAPS)
    for lines in names.runs:
        bigquery_box.feed(*lines, **names.config)
    assert held(bigquery_box, names) != names.left(bigquery_box)
    with pytest.raises(IfsBiError, match="Invalid dataset ID"):
        bigquery_box.feed(*dataset.runs[0], **dataset.config)
