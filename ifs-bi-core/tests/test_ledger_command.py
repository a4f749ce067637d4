"""`ifs-bi ledger` as people and machines see it."""

import json

import pytest
from click.testing import CliRunner
from ifs_bi_core.errors import ConfigError
from ifs_bi_core.ledger.command import ledger as command
from ifs_bi_core.ledger.keys import key_text
from ifs_bi_core.ledger.runs import Ledger
from ifs_bi_core.ledger.trail import TrailRow
from ifs_bi_core.vault.store import Vault


@pytest.fixture
def state_dir(tmp_path):
    """The state folder of two runs: one that balances, and one that lost a row."""
    ledger = Ledger.open(None, tmp_path)
    for name, read in (("good", 2), ("bad", 3)):
        run = ledger.begin_run("target-looker-warehouse", "0.1.0", run=name)
        run.page("purchase_orders", number=1, rows=2, query="PurchaseOrderSet", first_key="1", last_key="2")
        keys = (key_text({"OrderNo": f"{name} {n}"}, ["OrderNo"]) for n in range(2))
        batch = run.write_batch("purchase_orders", "warehouse", [TrailRow(key, "v1") for key in keys])
        batch.pushing()
        batch.refused("OrderNo is too long", [1])
        batch.acknowledged()
        run.read("purchase_orders", read)
        run.end(3)
    ledger.close()
    return tmp_path


@pytest.fixture
def ask(state_dir):
    def asked(*arguments, code=0):
        result = CliRunner().invoke(
            command, [*arguments, "--state-dir", str(state_dir)], catch_exceptions=False, standalone_mode=True
        )
        assert result.exit_code == code
        return result.output

    return asked


EVERY_VERB = (
    ("runs",),
    ("show", "good"),
    ("balance", "good"),
    ("find", "--stream", "purchase_orders", "--key", "OrderNo=good 1"),
    ("prune",),
)


@pytest.mark.parametrize("arguments", EVERY_VERB)
def test_every_answer_fits_a_terminal(ask, arguments):
    assert max(map(len, ask(*arguments).splitlines())) <= 80


@pytest.mark.parametrize("arguments", EVERY_VERB)
def test_every_answer_has_a_form_for_machines(ask, arguments):
    assert all(isinstance(json.loads(line), dict) for line in ask(*arguments, "--json").splitlines())


@pytest.mark.parametrize("arguments", EVERY_VERB)
def test_every_verb_says_what_it_is_for(arguments):
    assert "--ledger-url" in CliRunner().invoke(command, [arguments[0], "--help"]).output


def test_runs_are_listed_newest_first(ask):
    assert [json.loads(line)["run"] for line in ask("runs", "--json").splitlines()] == ["bad", "good"]
    assert [json.loads(line)["run"] for line in ask("runs", "--json", "--limit", "1").splitlines()] == ["bad"]
    assert "dead rows" in ask("runs")


def test_a_run_is_shown_with_what_it_read_and_what_became_of_it(ask):
    shown = ask("show", "good")
    for words in (
        "target-looker-warehouse 0.1.0",
        "exit code 3",
        "acknowledged              1 rows",
        "OrderNo is too long",
    ):
        assert words in shown


def test_the_story_of_a_record_is_told(ask):
    shown = ask("find", "--stream", "purchase_orders", "--key", "OrderNo=good 1")
    assert "REFUSED at warehouse, version v1" in shown
    assert "OrderNo is too long" in shown
    assert "No batch carried this record" in ask("find", "--stream", "purchase_orders", "--key", "OrderNo=7")


def test_a_balance_that_holds_ends_with_0_and_one_that_does_not_with_1(ask):
    assert "holds" in ask("balance", "good")
    assert "BROKEN" in ask("balance", "bad", code=1)
    [told] = [json.loads(line) for line in ask("balance", "bad", "--json", code=1).splitlines()]
    assert told["holds"] is False
    assert told["streams"][0] | {"holds": False, "read": 3, "acknowledged": 1, "dead": 1} == told["streams"][0]


def test_a_key_without_a_value_is_a_wrong_use(ask):
    assert "is no NAME=VALUE" in ask("find", "--stream", "purchase_orders", "--key", "10023", code=2)


def test_the_ledger_may_be_named_by_a_reference(state_dir, monkeypatch):
    monkeypatch.setenv("WHERE", f"sqlite:///{state_dir}/ledger.db")
    result = CliRunner().invoke(command, ["runs", "--ledger-url", "env:WHERE", "--state-dir", str(state_dir)])
    assert "good" in result.output


def test_a_reference_to_the_vault_means_the_one_of_the_named_state_folder(state_dir, tmp_path_factory, monkeypatch):
    Vault.within(state_dir).set("ledger", f"sqlite:///{state_dir}/ledger.db")
    monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))
    result = CliRunner().invoke(command, ["runs", "--ledger-url", "vault:ledger", "--state-dir", str(state_dir)])
    assert "good" in result.output


def test_a_ledger_that_is_not_there_is_a_wrong_configuration(tmp_path):
    result = CliRunner().invoke(command, ["runs", "--state-dir", str(tmp_path)])
    assert isinstance(result.exception, ConfigError)
