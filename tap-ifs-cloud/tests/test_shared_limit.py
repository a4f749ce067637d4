"""Machines that share a ledger count every request to IFS Cloud together."""

from __future__ import annotations

from contextlib import closing

from ifs_bi_core.ledger.runs import Ledger
from ifs_bi_core.ledger.shared_calls import CALLS
from ifs_bi_sandbox.servers import Sandbox
from pipeline.pulling import Pulling
from sqlalchemy import func, select
from tap_ifs_cloud.connection import limiter_of


def counted(ledger: Ledger) -> int:
    with ledger.database.read() as connection:
        return connection.execute(select(func.count()).select_from(CALLS)).scalar_one()


def test_each_request_of_each_machine_is_counted_where_all_of_them_see_it(tmp_path, postgres_url):
    with Sandbox(scale=300, seed=3) as box, closing(Ledger.open(postgres_url, tmp_path)) as ledger:
        for name in ("here", "there"):
            (tmp_path / name).mkdir()
            machine = Pulling(box, tmp_path / name, streams=["suppliers", "currencies"], ledger_url=postgres_url)
            machine.pull()
            assert counted(ledger) == len(box.world.requests) > 0
        limiter_of(machine.settings | {"requests_per_minute": 1000, "state_dir": str(tmp_path)}).acquire()
        assert counted(ledger) == len(box.world.requests) + 1
    assert not list(tmp_path.glob("*/.ifs-bi/limits"))
