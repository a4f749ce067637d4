"""Vouchers that are posted from one run to the next: the warehouse shows each row in the stage where it is."""

import pytest
from ifs_bi_sandbox.data.changes import a_day_of_business
from pipeline.source import source_rows, warehouse_rows

STREAM = "journal_entries"


@pytest.mark.parametrize(
    ("replication", "companies"),
    [
        pytest.param("auto", None, marks=pytest.mark.prove),
        ("auto", ["10", "20"]),
        ("full", None),
        pytest.param("full", ["10", "20"], marks=pytest.mark.prove),
    ],
)
def test_every_row_is_in_its_stage_after_each_day_of_business(pipeline, companies, replication):
    pipeline.tap_settings |= {"streams": [STREAM], "entities": [{"name": STREAM, "replication": replication}]}
    if companies:
        pipeline.tap_settings["companies"] = companies
    database, before = pipeline.box.world.database, {}
    for seed in (1, 2, 3):
        pipeline.pump()
        rows = source_rows(database, STREAM)
        assert warehouse_rows(pipeline.warehouse, STREAM) == rows
        stages = {key: row["stage"] for key, row in rows.items()}
        assert set(stages.values()) == {"hold", "general_ledger"}
        assert not before or any(stages[key] != stage for key, stage in before.items())  # some have moved
        before = stages
        a_day_of_business(database, seed)
