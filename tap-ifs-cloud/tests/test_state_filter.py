"""An entity's filter brings the same rows where the server refuses to filter by states and the tap does it."""

from contextlib import closing
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ifs_bi_core.errors import ContractBrokenError
from ifs_bi_sandbox.data.tables import connect
from ifs_bi_sandbox.servers import Sandbox
from pipeline.pulling import Pulling
from tap_ifs_cloud.metadata import Property
from tap_ifs_cloud.outcomes import RefusedError
from tap_ifs_cloud.reading import LEARNED
from tap_ifs_cloud.state_filter import StateFilter

ALL = [("10", number) for number in range(12)]
STATE = "IfsApp.RowHandling.RowState"
NOT_CLOSED = f"Objstate ne {STATE}'Closed'"
PROPERTIES = {
    prop.name: prop
    for prop in (
        Property("Objstate", "IfsApp.H.State", is_enum=True),
        Property("Name", "Edm.String"),
        Property("Amount", "Edm.Decimal"),
        Property("Day", "Edm.Date"),
        Property("Moment", "Edm.DateTimeOffset"),
        Property("Flag", "Edm.Boolean"),
    )
}
ENUMS = {"IfsApp.H.State": ("Planned", "Released", "Closed")}
ROW = {
    "Objstate": "Released",
    "Name": "O'Neill",
    "Amount": "10.50",
    "Day": "2026-02-01",
    "Moment": "2026-02-01T10:00:00Z",
    "Flag": True,
}


def judged(text, row):
    """Whether a row is kept by a filter that the server refuses because it names a state."""
    together = f"(Objstate ne null or Objstate eq null) and ({text} or Objstate eq null)"
    return StateFilter(together, PROPERTIES, ENUMS).split("s").kept([row]) == [row]


def filled(rig, **switches):
    rig.tenant.put(*ALL)
    rig.tenant.set_state("Closed", *ALL[:4])
    rig.tenant.set_state("Planned", *ALL[4:6])
    rig.tenant.seconds += 100
    rig.tenant.switches.update(switches)
    return rig


def open_rows(rig):
    return {key: text for key, text in rig.tenant.rows().items() if key not in ALL[:4]}


@pytest.mark.parametrize(
    "ways", [{}, {"modified": "Changed"}, {"replication": "full"}, {"select": ("Text", "Changed")}]
)
@pytest.mark.parametrize("refuses_select", [False, True])
def test_rows_are_filtered_here_where_the_server_refuses_to_in_every_way_of_replication(rig, ways, refuses_select):
    rig = filled(rig(filter=NOT_CLOSED, **ways), refuse_objstate_filter=True)
    rig.tenant.switches.refuse_select = ["RowSet"] if refuses_select else []
    rig.run()
    assert rig.destination.texts() == open_rows(rig)
    assert [s for s in rig.said if "filter by" in s] == ["rows refuses to filter by Objstate; rows are filtered here"]
    rig.tenant.seconds += 100
    rig.tenant.put(ALL[0], ALL[7])
    rig.run()
    assert rig.destination.texts() == open_rows(rig)
    assert rig.moved["row"] == (8 if "replication" in ways else 1)
    assert not any("Objstate" in options.get("$filter", "") for options in rig.tenant.requests)
    assert not any("filter by" in sentence for sentence in rig.said)


def test_a_row_that_leaves_the_filter_is_gone_and_one_that_enters_it_comes(rig):
    rig = filled(rig(filter=NOT_CLOSED), refuse_objstate_filter=True)
    rig.run()
    rig.tenant.seconds += 100
    rig.tenant.set_state("Closed", ALL[8])
    rig.tenant.set_state("Released", ALL[0])
    rig.run()
    assert rig.moved == {"row": 1, "gone": 1}


def test_where_the_server_filters_it_is_left_to_it(rig):
    rig = filled(rig(filter=NOT_CLOSED))
    rig.run()
    assert rig.destination.texts() == open_rows(rig)
    assert all("Objstate ne" in options["$filter"] for options in rig.tenant.requests)
    assert LEARNED not in rig.states[-1]


def test_what_does_not_name_a_state_is_still_asked_of_the_server(rig):
    rig = filled(rig(filter=f"No lt 9 and ({NOT_CLOSED} and startswith(Text,''))"), refuse_objstate_filter=True)
    rig.settings["companies"] = ["10", "20"]
    rig.run()
    assert set(rig.destination.texts()) == set(ALL[4:9])
    kept = rig.tenant.requests[1]["$filter"]
    assert "No lt 9" in kept
    assert "startswith(Text,'')" in kept
    assert "Company eq '10' or Company eq '20'" in kept
    assert "Objstate" not in kept


def test_a_state_as_a_plain_text_is_refused_with_what_to_write_instead(rig):
    rig = filled(rig(filter="Objstate ne 'Closed'"))
    with pytest.raises(RefusedError, match=r"write IfsApp\.RowHandling\.RowState'Closed' instead of 'Closed'"):
        rig.run()


@pytest.mark.parametrize(
    "part",
    [
        "tolower(Objstate) eq 'closed'",
        f"Objstate gt {STATE}'Closed'",
        f"Objstate eq {STATE}'Clozed'",
        "(Objstate eq IfsApp.OtherHandling.RowState'Closed')",
        f"(Text gt 'a' or {NOT_CLOSED})",
        f"not {NOT_CLOSED}",
        f"({NOT_CLOSED}",
        f"Objstate in ({STATE}'Closed', 3)",
    ],
)
def test_what_cannot_be_judged_exactly_is_said_and_stops_the_stream(rig, part):
    rig = filled(rig(filter=part), refuse_objstate_filter=True)
    with pytest.raises(ContractBrokenError, match=r"refuses to filter by Objstate, and .* can't be judged by the tap"):
        rig.run()


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("Name eq 'O''Neill'", True),
        ("Name ne 'O''Neill'", False),
        ("Name in ('a','O''Neill')", True),
        ("Name in ('a')", False),
        ("Amount eq 10.5", True),
        ("Amount gt 10.49 and Amount le 10.50", True),
        ("Amount lt -3", False),
        ("Day ge 2026-02-01", True),
        ("Day gt 2026-02-01", False),
        ("Moment eq 2026-02-01T11:00:00+01:00", True),
        ("Moment lt 2026-02-01T10:00:00Z", False),
        ("Flag eq true", True),
        ("not (Flag eq true)", False),
        ("Name eq null", False),
        ("not (Name eq null) and Name ne null", True),
        ("Objstate in (IfsApp.H.State'Planned',IfsApp.H.State'Released')", True),
        ("(Objstate eq IfsApp.H.State'Planned' or ((Name eq 'O''Neill')))", True),
    ],
)
def test_a_condition_is_judged_as_the_database_does(text, kept):
    assert judged(text, ROW) is kept
    assert judged(text, {**ROW, "Amount": Decimal("10.50")}) is kept


@given(st.sampled_from(["Name ne 'x'", "not (Name eq 'x')", "Amount ge 0", "not (Amount ge 0)", "Flag ne true"]))
def test_a_comparison_with_null_keeps_no_row(text):
    nothing = dict.fromkeys(ROW) | {"Objstate": "Released"}
    assert not judged(text, nothing)
    assert judged(f"({text} or Name eq null)", nothing)


STATES = st.sampled_from(["Planned", "Released", "Closed"])
CONDITIONS = st.recursive(
    st.one_of(
        st.builds(lambda op, state: f"Objstate {op} {STATE}'{state}'", st.sampled_from(["eq", "ne"]), STATES),
        st.builds(
            lambda op, no: f"No {op} {no}", st.sampled_from(["eq", "ne", "gt", "ge", "lt", "le"]), st.integers(0, 11)
        ),
        st.builds(
            lambda states: f"Objstate in ({', '.join(f'{STATE}{s!r}' for s in states)})", st.lists(STATES, min_size=1)
        ),
        st.sampled_from(["Text eq null", "Text ne null", "Text ne 'x'"]),
    ),
    lambda inner: st.one_of(
        st.builds("({} {} {})".format, inner, st.sampled_from(["and", "or"]), inner),
        st.builds("not ({})".format, inner),
    ),
    max_leaves=6,
)


@pytest.fixture(scope="module")
def both(new_rig):
    rig = new_rig(replication="full")
    rig.tenant.put(*ALL)
    rig.tenant.set_state("Closed", *ALL[:4])
    rig.tenant.set_state("Planned", *ALL[4:6])
    yield rig
    rig.close()


@settings(deadline=None, max_examples=40)
@given(text=CONDITIONS)
def test_rows_are_the_same_whoever_filters_them(both, text):
    brought = []
    for refuses in (False, True):
        both.tenant.switches.refuse_objstate_filter = refuses
        both.entity = both.entity.__class__("rows", "RowHandling", "RowSet", replication="full", filter=text)
        both.destination.rows.clear()
        both.run({})
        brought.append(set(both.destination.rows))
    assert brought[0] == brought[1]


def test_the_command_brings_the_same_orders_from_a_tenant_that_refuses_to_filter_by_state(tmp_path):
    state = "IfsApp.CustomerOrderHandling.CustomerOrderState"
    with Sandbox(scale=300) as box:
        pulling = Pulling(
            box,
            tmp_path,
            companies=["10", "20"],
            source_time_zone="Europe/Berlin",
            streams=["customer_orders"],
            entities=[{"name": "customer_orders", "select": ["Contract"], "filter": f"Objstate ne {state}'Invoiced'"}],
        )
        brought = []
        for refuses in (False, True):
            box.world.switches.refuse_objstate_filter = refuses
            pulling.state = {}
            messages = pulling.pull()
            assert ("refuses to filter by Objstate; rows are filtered here" in pulling.said) is refuses
            brought.append([m["record"] for m in messages if m["type"] == "RECORD"])
        with closing(connect(box.world.database)) as connection:
            (left_out,) = connection.execute(
                "SELECT count(*) FROM customer_order WHERE Objstate = 'Invoiced' AND Company IN ('10', '20')"
            ).fetchone()
    assert left_out
    assert brought[0] == brought[1]
    assert "Objstate" not in brought[0][0]
