"""Lines and kept rows of anything, into Power BI: a sentence or a dead letter, and no row that a state stands for is lost."""

import contextlib
import io
import json

import pytest
from hostile import TEXTS, VALUES, refusal
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ifs_bi_core.errors import IfsBiError
from target_powerbi.changes import Row
from target_powerbi.kept import Kept, Status
from target_powerbi.tables import Column, Table

TABLE = Table("orders", "Orders", ("OrderNo",), (Column("OrderNo", "OrderNo", "String"),))
ONE_BY_ONE = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)


def feed(pipe, data):
    """Run the target over bytes; the states that left, and the sentence that ended it, if one did."""
    target, out, said = pipe.target(), io.StringIO(), None
    try:
        with contextlib.redirect_stdout(out), target.account.closing(target.exit_code):
            target.listen(io.BytesIO(data))
    except IfsBiError as error:
        said = str(error)
    finally:
        target.close()
    return out.getvalue().splitlines(), said


def around(pipe, line):
    good = [pipe.schema(), pipe.order(1, 10), pipe.state(1)]
    return pipe.lines(*good) + line + b"\n" + pipe.lines(pipe.order(2, 20), pipe.state(2))


REFUSED = {
    "NaN": b'{"OrderNo":"9","Amount":NaN}',
    "half of a surrogate pair": rb'{"OrderNo":"\ud800"}',
    "5,000 digits": b'{"OrderNo":"9","Lines":' + b"9" * 5000 + b"}",
    "an exponent of 20 digits": b'{"OrderNo":"9","Amount":1e99999999999999999999}',
    "1e400": b'{"OrderNo":"9","Amount":1e400}',
    "text as a number": b'{"OrderNo":"9","Amount":"x"}',
    "no key": b'{"Amount":1}',
    "no date": b'{"OrderNo":"9","Ordered":"2026-02-30"}',
    "more than 64 bits": b'{"OrderNo":"9","Lines":9223372036854775808}',
}


@pytest.mark.parametrize("row", REFUSED.values(), ids=REFUSED)
def test_a_row_that_power_bi_cannot_hold_goes_to_the_dead_letters_alone(pipe, row):
    states, said = feed(pipe, around(pipe, b'{"type":"RECORD","stream":"orders","record":' + row + b"}"))
    assert said is None
    assert json.loads(states[-1]) == {"bookmark": 2}
    assert pipe.amounts() == {"1": 10, "2": 20}
    assert len(pipe.dead()) == 1


ROWS = st.fixed_dictionaries(
    {"OrderNo": st.just("9") | VALUES},
    optional={"Amount": VALUES, "Ordered": VALUES, "Lines": VALUES, "_sdc_deleted_at": VALUES, "more": VALUES},
)


def holds_for(pipe, rows):
    """The law: what a state stands for is in Power BI or in the dead letters."""
    lines = [json.dumps(pipe.record(row)).encode() for row in rows]
    states, said = feed(pipe, around(pipe, b"\n".join(lines)))
    assert said is None or said.endswith(".")
    if states:
        assert pipe.amounts()["1"] == 10
    if said is None:
        assert pipe.amounts()["2"] == 20
        assert len(pipe.dead()) <= len(rows)


@settings(parent=ONE_BY_ONE, max_examples=12)
@given(st.lists(ROWS, min_size=1, max_size=4))
def test_no_row_whatever_it_holds_stops_the_others(new_pipe, rows):
    holds_for(new_pipe(), rows)


@pytest.mark.prove
@settings(parent=ONE_BY_ONE, max_examples=300)
@given(st.lists(ROWS, min_size=1, max_size=4))
def test_no_row_stops_the_others_over_many(new_pipe, rows):
    holds_for(new_pipe(), rows)


@settings(parent=ONE_BY_ONE, max_examples=12)
@given(st.dictionaries(TEXTS, st.sampled_from(["string", "integer", "number", "object", "boolean"]), max_size=4))
def test_no_name_of_a_column_ends_without_a_sentence(new_pipe, names):
    pipe = new_pipe()
    properties = {"OrderNo": {"type": "string"}} | {name: {"type": [kind, "null"]} for name, kind in names.items()}
    data = b"\n".join(
        json.dumps(message).encode()
        for message in (pipe.schema(properties=properties), pipe.record({"OrderNo": "1"}), pipe.state(1))
    )
    states, said = feed(pipe, data)
    assert (said is None) == bool(states)
    assert said is None or said.endswith(".")


def flipped(content, bits):
    changed = bytearray(content)
    for bit in bits:
        changed[bit // 8 % len(changed)] ^= 1 << bit % 8
    return bytes(changed)


DAMAGES = st.one_of(
    st.floats(0, 1).map(lambda part: lambda content: content[: int(part * len(content))]),
    st.binary(max_size=500).map(lambda noise: lambda content: noise + content[len(content) :]),
    st.lists(st.integers(0, 2**24), min_size=1, max_size=30).map(lambda bits: lambda content: flipped(content, bits)),
)


def kept_holds_for(pipe, damage):
    """The law: a run over a damaged file of kept rows says so, or leaves Power BI as it should be."""
    assert feed(pipe, pipe.lines(pipe.schema(), *(pipe.order(n, n) for n in range(30)), pipe.state(1)))[1] is None
    kept = pipe.kept_file()
    kept.write_bytes(damage(kept.read_bytes()))
    states, said = feed(pipe, pipe.lines(pipe.schema(), pipe.order(1, 100), pipe.state(2)))
    assert said is None or said.endswith(".")
    assert bool(states) == (said is None)
    if said is None:
        assert pipe.amounts() == {str(n): 100 if n == 1 else n for n in range(30)}


@settings(parent=ONE_BY_ONE, max_examples=20)
@given(DAMAGES)
def test_kept_rows_of_anything_are_told_or_do_no_harm(new_pipe, damage):
    kept_holds_for(new_pipe(), damage)


@pytest.mark.prove
@settings(parent=ONE_BY_ONE, max_examples=400)
@given(DAMAGES)
def test_kept_rows_are_told_or_do_no_harm_over_many(new_pipe, damage):
    kept_holds_for(new_pipe(), damage)


@pytest.fixture
def new_pipe(pipe, tmp_path_factory):
    """Makes a pipe at each call, into an empty Power BI."""

    def make():
        for left in (pipe.world.faults, pipe.world.requests, pipe.world.powerbi):
            left.clear()
        return type(pipe)(pipe.box, tmp_path_factory.mktemp("pipe"))

    return make


@settings(max_examples=60, deadline=None)
@given(DAMAGES)
def test_a_damaged_file_of_kept_rows_is_used_or_refused_with_a_sentence(tmp_path_factory, damage):
    path = tmp_path_factory.mktemp("kept") / "kept.db"
    with contextlib.closing(Kept(path)) as kept:
        kept.define(TABLE, defined=True, status=Status.CLEAN)
        kept.write("orders", {str(n): Row(b'{"OrderNo":"%d"}' % n) for n in range(200)})
    path.write_bytes(damage(path.read_bytes()))

    def use():
        with contextlib.closing(Kept(path)) as kept:
            kept.tables()
            kept.find("orders", ["1", "199"])
            list(kept.rows("orders"))
            kept.count("orders")
            kept.write("orders", {"5": Row(b"{}")}, status=Status.PENDING)

    said = refusal(use, IfsBiError)
    assert said is None or "Restore the file, or move it away" in said
