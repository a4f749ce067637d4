"""What the tap tells the ledger: its pages, its requests and how it ended."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from ifs_bi_core.errors import ExitCode
from ifs_bi_core.ledger import history
from ifs_bi_core.ledger.runs import Ledger
from ifs_bi_sandbox.faults import preset
from ifs_bi_sandbox.servers import Sandbox
from pipeline.pulling import Pulling


class Kept(Pulling):
    """A tap over one stream in pages of two rows, and the ledger that it leaves."""

    def __init__(self, box: Sandbox, folder: Path) -> None:
        self.state_dir = folder / "state"
        super().__init__(box, folder, streams=["sites"], page_size=2, state_dir=str(self.state_dir))

    def view(self) -> history.RunView:
        """What the ledger says of the one run."""
        with closing(Ledger.open(None, self.state_dir, create=False)) as ledger:
            [part] = history.runs(ledger)
            return history.show(ledger, part.run)

    def pages(self) -> list[sqlite3.Row]:
        with closing(sqlite3.connect(self.state_dir / "ledger.db")) as database:
            database.row_factory = sqlite3.Row
            return database.execute("SELECT * FROM pages ORDER BY id").fetchall()


@pytest.fixture
def pulling(tmp_path):
    with Sandbox(scale=300) as box:
        yield Kept(box, tmp_path)


def records(ran) -> list[dict[str, Any]]:
    messages = [json.loads(line) for line in ran.stdout.splitlines()]
    return [message["record"] for message in messages if message["type"] == "RECORD"]


def test_the_ledger_holds_every_page_with_its_first_and_its_last_key(pulling):
    sites = [record["Contract"] for record in records(pulling.run())]
    pages = [(page["stream"], page["number"], page["rows"]) for page in pulling.pages()]
    assert len(sites) == 3
    assert pages[:2] == [("sites", 1, 2), ("sites", 2, 1)]
    first, second = pulling.pages()[:2]
    assert [json.loads(first[name]) for name in ("first_key", "last_key")] == [{"Contract": s} for s in sites[:2]]
    assert [json.loads(second[name]) for name in ("first_key", "last_key")] == [{"Contract": sites[2]}] * 2
    [pull] = pulling.view().pulled
    assert (pull.stream, pull.rows, pull.pages) == ("sites", 3, len(pages))
    assert json.loads(pull.first_key) == {"Contract": sites[0]}
    assert json.loads(pull.last_key) == {"Contract": sites[2]}


def test_a_page_says_where_it_came_from_without_any_secret(pulling):
    secret = pulling.settings["client_secret"]
    pulling.settings["entities"] = [{"name": "sites", "filter": f"Contract ne '{secret}'"}]
    assert pulling.run().returncode == ExitCode.DONE
    query = pulling.pages()[0]["query"]
    assert query.startswith(f"{pulling.settings['base_url']}/")
    assert "SiteSet" in query
    assert "Contract" in query
    tokens = list(pulling.box.world.ifs_tokens)
    assert tokens
    for file in pulling.state_dir.rglob("*"):
        content = file.read_bytes() if file.is_file() else b""
        assert not any(word.encode() in content for word in (secret, *tokens))


def test_every_attempt_is_told_also_those_that_were_tried_again(pulling):
    pulling.box.world.faults.append(preset("throttled", path="*SiteSet*"))
    assert pulling.run().returncode == ExitCode.DONE
    answered = [str(request["status"]) for request in pulling.box.world.requests if request["service"] == "ifs"]
    assert "429" in answered
    told = {service.outcome: service.requests for service in pulling.view().services if service.service == "ifs"}
    assert told == {status: answered.count(status) for status in answered}


@pytest.mark.parametrize(
    ("fault", "code", "status"),
    [(None, ExitCode.DONE, "done"), (403, ExitCode.FAILED, "failed")],
)
def test_the_ledger_says_how_the_run_ended(pulling, fault, code, status):
    if fault:
        pulling.box.world.faults.append(preset("unavailable", path="*SiteSet*", status=fault, times=None))
    assert pulling.run().returncode == code
    [part] = pulling.view().parts
    assert (part.plugin, part.exit_code, part.status) == ("tap-ifs-cloud", code, status)
    assert part.ended


def test_a_run_that_can_not_sign_in_is_told_as_one_that_did_not_start(pulling):
    pulling.settings["client_secret"] = "another-one"
    assert pulling.run().returncode == ExitCode.WRONG_CONFIGURATION
    [part] = pulling.view().parts
    assert (part.exit_code, part.status) == (ExitCode.WRONG_CONFIGURATION, "no start")


def test_a_schema_line_names_the_run(pulling):
    ran = pulling.run()
    named = {message.get("run") for message in map(json.loads, ran.stdout.splitlines()) if message["type"] == "SCHEMA"}
    assert named == {pulling.view().run}


def test_discovery_opens_no_ledger(pulling):
    ran = pulling.run("--discover")
    assert ran.returncode == ExitCode.DONE
    assert [stream["stream"] for stream in json.loads(ran.stdout)["streams"]] == ["sites"]
    assert [path.name for path in pulling.state_dir.iterdir()] == ["metadata"]


def damaged(state_dir: Path) -> None:
    state_dir.mkdir()
    (state_dir / "ledger.db").write_bytes(b"this is no database at all " * 100)


@pytest.mark.parametrize("spoil", [Path.touch, damaged], ids=["a file in the folder's place", "a damaged file"])
def test_a_ledger_that_can_not_be_written_stops_the_run_before_any_request(pulling, spoil):
    spoil(pulling.state_dir)
    ran = pulling.run()
    assert (ran.returncode, ran.stdout) == (ExitCode.WRONG_CONFIGURATION, "")
    assert str(pulling.state_dir) in ran.stderr
    assert "Traceback" not in ran.stderr
    assert not pulling.box.world.requests
