"""The command as people type it, and marks on what a run delivered."""

import json
import subprocess
import sys

import pytest
from click.testing import CliRunner
from ifs_bi_core.errors import ConfigError
from ifs_bi_core.ledger.keys import key_text
from ifs_bi_core.ledger.runs import Ledger
from ifs_bi_core.ledger.trail import TrailRow
from ifs_bi_core.process import exit_code
from tap_ifs_cloud.odata import row_version
from tap_ifs_cloud.write_back.command import write_back


def asked(desk, *words, given=b""):
    return CliRunner().invoke(write_back, [*words, "--config", str(desk.config_file)], given, standalone_mode=False)


def test_operations_come_from_a_file_or_a_pipe_and_are_told_of_line_by_line(desk):
    order = desk.order()
    line = json.dumps(desk.setting(order, NoteText="x")).encode()
    file = desk.folder / "operations.ndjson"
    file.write_bytes(line)
    planned = asked(desk, str(file), "--dry-run")
    assert planned.return_value == 0
    assert f"would send set purchase_orders OrderNo={order}\n  PATCH http" in planned.stdout
    assert "  If-Match: W/" in planned.stdout
    assert desk.sent() == []
    ran = asked(desk, "-", given=line)
    assert (ran.return_value, ran.stdout) == (0, f"done      set purchase_orders OrderNo={order}\n")
    assert "done 1" in ran.stderr
    told = asked(desk, "--json", given=line)
    assert json.loads(told.stdout)["outcome"] == "already"
    missing = asked(desk, given=json.dumps(desk.setting("none", NoteText="x")).encode())
    assert missing.return_value == 3
    assert "ifs-bi replay --stream write-back | ifs-bi write-back -" in missing.stderr


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["nowhere.ndjson"], "nowhere.ndjson can't be read"),
        (["--run", "R"], "--from-ledger goes with --run and --set"),
        (["--set", "A=1"], "--from-ledger goes with --run and --set"),
        (["--from-ledger", "--set", "A=1"], "--from-ledger goes with --run and --set"),
        (["--from-ledger", "--run", "R"], "needs --set NAME=VALUE"),
        (["--from-ledger", "--run", "R", "--set", "A"], "is no NAME=VALUE"),
        (["x", "--from-ledger", "--run", "R", "--set", "A=1"], "leave FILE out"),
        (["--from-ledger", "--run", "R", "--set", "A=1"], "The ledger has no run R"),
    ],
)
def test_what_does_not_go_together_gets_a_sentence(desk, words, sentence):
    ran = asked(desk, *words)
    assert isinstance(ran.exception, ConfigError)
    assert sentence in str(ran.exception)
    assert desk.sent() == []


def test_settings_that_are_not_there_end_with_exit_code_2(desk, monkeypatch, caplog):
    monkeypatch.chdir(desk.folder)
    code = exit_code("ifs-bi", lambda: write_back.main([], standalone_mode=False), again="", unfinished="")
    assert code == 2
    assert "base_url" in caplog.text


def test_help_shows_an_example_of_each_operation(desk):
    shown = CliRunner().invoke(write_back, ["--help"]).stdout
    for word in ('"set"', '"create"', '"delete"', '"action"', "--from-ledger", "--dry-run"):
        assert word in shown


def test_the_tap_itself_never_writes():
    seen = "import sys, tap_ifs_cloud.tap; print([name for name in sys.modules if 'write_back' in name])"
    ran = subprocess.run([sys.executable, "-c", seen], capture_output=True, check=True, timeout=60)
    assert ran.stdout == b"[]\n"


@pytest.fixture
def deliver(desk):
    """Lets a target deliver records, as the ledger tells of it."""

    def delivered(run, stream, keys, *, refused=(), version=None):
        ledger = Ledger.open(None, desk.state_dir)
        part = ledger.begin_run("target", "1", run=run)
        rows = [TrailRow(key_text(key, sorted(key)), version and version(key), payload="{}") for key in keys]
        batch = part.write_batch(stream, "warehouse", rows)
        batch.pushing()
        batch.refused("too long", refused)
        batch.acknowledged()
        part.end(0)
        ledger.close()

    return delivered


def seen_version(desk):
    def version(key):
        (found,) = desk.sql("SELECT _rowversion FROM purchase_order WHERE OrderNo = ?", key["OrderNo"])[0]
        return f"{found[:4]}-{found[4:6]}-{found[6:8]}T{found[8:10]}:{found[10:12]}:{found[12:]}.000000Z"

    return version


def test_what_a_run_delivered_is_marked_and_nothing_else(desk, deliver):
    first, refused, changed, other = (desk.order() for _ in range(4))
    keys = [{"OrderNo": number} for number in (first, refused, changed)]
    deliver("R1", "purchase_orders", keys, refused=[1], version=seen_version(desk))
    desk.somebody_writes(changed, LabelNote="newer than what was delivered")
    assert desk.mark("R1", "NoteText=synced", "Revision=null") == (3, ["done", "conflict"])
    assert [desk.note(number)[0] == "synced" for number in (first, refused, changed, other)] == [
        True,
        False,
        False,
        False,
    ]
    assert desk.mark("R1", "NoteText=synced")[1] == ["already", "conflict"]


def test_keys_that_are_numbers_and_the_streams_that_are_named(desk, deliver):
    (line,) = desk.sql("SELECT OrderNo, LineNo, RelNo, LineItemNo FROM customer_order_line LIMIT 1")
    key = dict(zip(("OrderNo", "LineNo", "RelNo", "LineItemNo"), line, strict=True))
    deliver("R2", "customer_order_lines", [key])
    deliver("R2", "purchase_orders", [{"OrderNo": desk.order()}])
    assert desk.mark("R2", "CatalogDesc=marked", streams=["customer_order_lines"]) == (0, ["done"])
    assert desk.sql("SELECT count(*) FROM customer_order_line WHERE CatalogDesc = 'marked'") == [(1,)]


@pytest.mark.parametrize(
    ("stream", "text", "wanted", "sentence"),
    [
        ("purchase_orders", "Cf_Nothing=true", (), "has no property Cf_Nothing"),
        ("purchase_orders", "Revision=many", (), "the value of Revision is no Edm.Decimal"),
        ("purchase_orders", "NoteText=x", ("sites",), "has no stream sites"),
        ("somebody_elses", "NoteText=x", (), "is none of the tap's"),
    ],
)
def test_a_mark_that_can_not_be_set_is_told_before_anything_is_sent(desk, deliver, stream, text, wanted, sentence):
    deliver("R3", stream, [{"OrderNo": desk.order()}])
    assert desk.mark("R3", text, streams=wanted)[0] == 2
    assert sentence in str(desk.error)
    assert desk.sent() == []


def test_the_version_of_the_trail_is_that_of_the_etag(desk):
    order = desk.order()
    desk.give(desk.setting(order, NoteText="v"), dry_run=True)
    etag = desk.out[0]["request"]["headers"]["If-Match"]
    assert row_version(etag) == seen_version(desk)({"OrderNo": order})
