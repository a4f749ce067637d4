from hypothesis import given
from hypothesis import strategies as st
from row_laws import KEY, applied, apply, arrow, repr_of, streams_of_rows, table
from target_looker_warehouse.rounds import rounds


def plain(rows):
    """Rows of an Arrow table as the model has them."""
    text = rows.set_column(
        rows.schema.get_field_index("_sdc_deleted_at"), "_sdc_deleted_at", rows["_sdc_deleted_at"].cast("string")
    )
    return [
        {
            name: value.replace(" ", "T") if name == "_sdc_deleted_at" else value
            for name, value in row.items()
            if value is not None
        }
        for row in text.to_pylist()
    ]


@given(streams_of_rows, st.booleans())
def test_rounds_one_after_another_do_what_the_rows_one_by_one_do(rows, hard_delete):
    kept = {}
    for live, gone in rounds(arrow(rows), table()):
        for row in plain(live) + plain(gone):
            apply(kept, row, hard_delete=hard_delete)
    assert sorted(kept.values(), key=repr_of) == applied(rows, hard_delete=hard_delete)


@given(streams_of_rows)
def test_no_key_comes_twice_in_a_round(rows):
    for live, gone in rounds(arrow(rows), table()):
        keys = [tuple(row[name] for name in KEY) for row in plain(live) + plain(gone)]
        assert len(set(keys)) == len(keys)
        assert all("_sdc_deleted_at" in row for row in plain(gone))
        assert not any("_sdc_deleted_at" in row for row in plain(live))


@given(streams_of_rows, st.sampled_from([None, 3]))
def test_live_rows_need_one_round_whether_or_not_they_have_versions(rows, version):
    live = [{**row, "_ifs_row_version": version} for row in rows if "_sdc_deleted_at" not in row]
    assert len(rounds(arrow(live), table())) == 1


def test_a_batch_of_distinct_keys_is_passed_on_as_it_is():
    rows = arrow([{"k": "x", "n": n} for n in range(5)])
    [(live, gone)] = rounds(rows, table())
    assert live is rows
    assert gone.num_rows == 0
