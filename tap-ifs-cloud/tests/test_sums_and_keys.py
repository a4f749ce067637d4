"""Sums and keys of a stream are those of the rows that a run reads, whether the server adds up or not."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from ifs_bi_core.errors import ContractBrokenError
from ifs_bi_core.http.client import Surroundings
from ifs_bi_core.singer.configuration import settings_of
from ifs_bi_sandbox.faults import Fault
from pipeline.pulling import Pulling, access
from tap_ifs_cloud.counting import IfsFigures
from tap_ifs_cloud.tap import TapIfsCloud

BY = ("Company", "AccountingYear", "AccountingPeriod", "Account")
OF = ("DebetAmount", "CreditAmount", "Amount")
LEDGER = "GenLedVoucherRowSet"
HOLD = "VoucherRowSet"


@pytest.fixture
def figures(box, tmp_path):
    """The figures of the sandbox, with changed settings."""

    def call(**changes: Any) -> IfsFigures:
        given = access(box) | {"state_dir": str(tmp_path / "state")}
        (tmp_path / "tap.json").write_text(json.dumps(given | changes))
        box.world.requests.clear()
        config = settings_of(TapIfsCloud, [str(tmp_path / "tap.json")])
        return IfsFigures(config, Surroundings(sleep=lambda _: None))

    return call


@pytest.fixture(scope="module")
def records(running, tmp_path_factory):
    """The records of a run by stream, with every digit, and their key properties."""
    pulling = Pulling(running, tmp_path_factory.mktemp("pulling"), streams=["gl_voucher_rows", "journal_entries"])
    ran = pulling.run()
    assert ran.returncode == 0, ran.stderr
    messages = [json.loads(line, parse_float=Decimal) for line in ran.stdout.splitlines()]
    rows: dict[str, list[dict[str, Any]]] = {}
    for message in messages:
        if message["type"] == "RECORD":
            rows.setdefault(message["stream"], []).append(message["record"])
    return rows


def added(records: list[dict[str, Any]], by: tuple[str, ...]) -> dict[tuple[Any, ...], tuple[Decimal, ...]]:
    """The sums as they ought to be."""
    found: dict[tuple[Any, ...], tuple[Decimal, ...]] = {}
    for record in records:
        group = tuple(record[name] for name in by)
        before = found.get(group, (Decimal(0),) * len(OF))
        found[group] = tuple(one + Decimal(record[name] or 0) for one, name in zip(before, OF, strict=True))
    return found


def asked(box) -> list[dict[str, str]]:
    """The options of the requests for rows of the ledger."""
    return [each["query"] for each in box.world.requests if each["path"].endswith(f".svc/{LEDGER}")]


@pytest.mark.parametrize("refused", [[], [LEDGER], [LEDGER, HOLD]], ids=["adds up", "one refuses", "both refuse"])
@pytest.mark.parametrize("page_size", [5000, 37])
def test_sums_are_those_of_the_rows_whether_the_server_adds_up_or_not(box, figures, records, refused, page_size):
    box.world.switches.refuse_apply = refused
    for stream, by in (("gl_voucher_rows", BY), ("journal_entries", (*BY, "stage"))):
        expected = added(records[stream], by)
        assert figures(page_size=page_size).sums(stream, by, OF) == expected
        assert len(expected) > 37


@pytest.mark.parametrize("paging", ["next_absolute", "next_relative", "silent_cap"])
def test_sums_are_complete_however_the_server_pages(box, figures, records, paging):
    box.world.switches.paging, box.world.switches.page_cap = paging, 50
    assert figures().sums("gl_voucher_rows", BY, OF) == added(records["gl_voucher_rows"], BY)


def test_sums_by_companies_are_asked_of_each_alone(box, figures, records):
    found = figures(companies=["20"]).sums("gl_voucher_rows", BY, OF)
    rows = [record for record in records["gl_voucher_rows"] if record["Company"] == "20"]
    assert found == added(rows, BY)
    assert 0 < len(rows) < len(records["gl_voucher_rows"])


def test_the_server_adds_up_in_few_requests(box, figures):
    figures().sums("gl_voucher_rows", BY, OF)
    assert len(asked(box)) == 2
    groups = "groupby((Company,AccountingYear,AccountingPeriod,Account),aggregate("
    assert all(options["$apply"].startswith(groups) for options in asked(box))


def test_an_answer_that_is_no_sum_is_not_taken_for_one(box, figures, records):
    plain = json.dumps({"value": [{"Company": "10", "Amount": "1"}]})
    box.world.faults.append(Fault("ifs", "status", path=f"*{LEDGER}*", status=200, message=plain, times=1))
    assert figures().sums("gl_voucher_rows", BY, OF) == added(records["gl_voucher_rows"], BY)
    assert ["$apply" in options for options in asked(box)][:2] == [True, False]


def test_a_link_that_leads_back_to_itself_comes_to_an_end(box, figures, records):
    nowhere = {"value": [], "@odata.nextLink": "Nowhere?$skiptoken=1"}
    box.world.faults.append(Fault("ifs", "status", path=f"*.svc/{LEDGER}", status=200, body=nowhere, times=1))
    box.world.faults.append(Fault("ifs", "status", path="*.svc/Nowhere", status=200, body=nowhere, times=None))
    assert figures().sums("gl_voucher_rows", BY, OF) == added(records["gl_voucher_rows"], BY)


def test_sums_of_many_digits_are_added_up_to_the_last_one(box, figures):
    amount = "12345678901234567890123456789012345.01"
    some, none = json.dumps({"value": [{"Company": "10", "AmountTotal": amount}]}), json.dumps({"value": []})
    for place in (f"*.svc/{HOLD}", f"*.svc/{LEDGER}"):
        answers = (Fault("ifs", "status", path=place, status=200, message=text, times=1) for text in (some, none))
        box.world.faults.extend(answers)
    found = figures().sums("journal_entries", ("Company",), ("Amount",))
    assert found == {("10",): (Decimal("24691357802469135780246913578024690.02"),)}


def test_a_sum_without_groups_is_one_number(figures, records):
    (found,) = figures().sums("gl_voucher_rows", (), ("Amount",)).values()
    assert found == (sum(Decimal(record["Amount"]) for record in records["gl_voucher_rows"]),)


def test_a_property_that_a_stage_lacks_adds_nothing(figures):
    found = figures().sums("journal_entries", ("stage", "EntryDate"), ("Amount",))
    assert {day for stage, day in found if stage == "general_ledger"} == {None}
    assert None not in {day for stage, day in found if stage == "hold"}
    assert {stage for stage, _ in found} == {"hold", "general_ledger"}


@pytest.mark.parametrize("whole", [False, True])
@pytest.mark.parametrize("stream", ["gl_voucher_rows", "journal_entries"])
def test_keys_are_those_of_the_records_and_have_the_second_of_the_last_change(box, figures, records, stream, whole):
    box.world.switches.etag_with_select = not whole
    opened = figures(page_size=50)
    shape = opened.shape(stream)
    found = {key: version for rows in opened.keys(stream) for key, version in rows}
    assert found == {
        tuple(record[name] for name in shape.key): shape.version_of(record[shape.version]) for record in records[stream]
    }
    assert all(version.isdigit() and len(version) == 14 for version in found.values())


def test_rows_without_etags_have_keys_alone(figures):
    opened = figures()
    assert opened.shape("currencies").version is None
    keys = [row for rows in opened.keys("currencies") for row in rows]
    assert {version for _, version in keys} == {None}
    assert len(keys) == opened.count("currencies") > 0


def test_what_the_tenant_does_not_have_is_said(box, figures):
    box.world.switches.forbidden_projections = ["GenLedVoucherRowEntity"]
    opened = figures(streams=["gl_voucher_rows"])
    assert opened.streams() == ("gl_voucher_rows",)
    assert (opened.knows("gl_voucher_rows"), opened.knows("places")) == (True, False)
    with pytest.raises(ContractBrokenError, match="403"):
        opened.sums("gl_voucher_rows", BY, OF)
    with pytest.raises(ContractBrokenError, match="no stream of that name"):
        opened.shape("places")
