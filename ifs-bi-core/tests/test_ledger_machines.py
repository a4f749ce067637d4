"""Two machines share a ledger in PostgreSQL, and each has batch files of its own."""

import socket
import threading
from datetime import UTC, datetime, timedelta

import pytest
from ifs_bi_core.ledger.database import LedgerError
from ifs_bi_core.ledger.history import balance, runs
from ifs_bi_core.ledger.keys import key_text
from ifs_bi_core.ledger.outcomes import State
from ifs_bi_core.ledger.retention import prune
from ifs_bi_core.ledger.runs import Ledger
from ifs_bi_core.ledger.stories import find
from ifs_bi_core.ledger.trail import TrailRow

ROW = TrailRow(key_text({"OrderNo": 1}, ["OrderNo"]), payload="{}")


@pytest.fixture
def machines(tmp_path, postgres_url):
    """The ledgers of two machines: one database, and a state folder of each one's own."""
    now = [datetime(2026, 11, 22, 10, tzinfo=UTC)]
    found = [Ledger.open(postgres_url, tmp_path / name, clock=lambda: now[0]) for name in ("berlin", "lyon")]
    yield *found, lambda **time: now.__setitem__(0, now[0] + timedelta(**time))
    for ledger in found:
        ledger.close()


def test_a_batch_of_another_machine_is_resolved_without_its_file(machines, monkeypatch):
    berlin, lyon, _ = machines
    monkeypatch.setattr(socket, "gethostname", lambda: "berlin")
    first = berlin.begin_run("target", "1", run="B")
    sent, waiting = (first.write_batch("orders", "warehouse", [ROW]) for _ in range(2))
    sent.pushing()
    lyon.begin_run("target", "1", run="L")
    found = lyon.unanswered("warehouse", "orders")
    assert [(batch.id, batch.host) for batch in found] == [(sent.id, "berlin"), (waiting.id, "berlin")]
    with pytest.raises(LedgerError, match="look on the machine that wrote it"):
        list(found[0].rows())
    found[0].unknown("its rows are on berlin")
    found[1].withdrawn("it never left")
    assert balance(lyon, "B").holds
    assert berlin.unanswered("warehouse", "orders") == lyon.unanswered("warehouse", "orders") == []
    [late] = lyon.unanswered("warehouse", "orders", or_unknown=True)
    late.acknowledged()
    [in_berlin, _] = find(berlin, "orders", {"OrderNo": 1})
    [in_lyon, _] = find(lyon, "orders", {"OrderNo": 1})
    assert (in_berlin.position, in_lyon.position) == (0, None)
    assert in_berlin.fate is in_lyon.fate is State.ACKNOWLEDGED
    assert "berlin wrote it" in in_lyon.moments[0].note


def test_each_machine_prunes_its_own_files_and_a_run_is_forgotten_when_none_is_left(machines):
    berlin, lyon, pass_by = machines
    for ledger in (berlin, lyon):
        run = ledger.begin_run("target", "1", run="R")
        batch = run.write_batch("orders", "warehouse", [ROW])
        batch.pushing()
        batch.acknowledged()
        run.read("orders", 1)
        run.end(0)
    pass_by(days=8)
    assert (prune(berlin).payloads, prune(lyon).payloads) == (1, 1)
    pass_by(days=400)
    removed = prune(berlin)
    assert (removed.trails, removed.runs) == (1, 0)
    assert list(lyon.state_dir.glob("batches/*/*"))
    removed = prune(lyon)
    assert (removed.trails, removed.runs) == (1, 1)
    assert runs(berlin) == []


def test_machines_that_prune_at_once_do_not_get_in_each_others_way(machines):
    berlin, lyon, pass_by = machines
    for number in range(30):
        ledger = (berlin, lyon)[number % 2]
        run = ledger.begin_run("target", "1", run=f"R{number}")
        run.write_batch("orders", "warehouse", [ROW]).acknowledged()
        run.end(0)
    pass_by(days=401)
    failed, together = [], threading.Barrier(2)

    def prune_one(ledger):
        together.wait()
        try:
            prune(ledger)
        except LedgerError as error:
            failed.append(error)

    threads = [threading.Thread(target=prune_one, args=(ledger,)) for ledger in (berlin, lyon)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    prune(berlin)
    assert runs(berlin) == []
