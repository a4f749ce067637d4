"""The history log shows the deletes of the logical units that the tenant logs."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from urllib.parse import quote, urlencode

import pytest
import requests
from ifs_bi_sandbox.data.changes import apply
from ifs_bi_sandbox.servers import Sandbox


@pytest.fixture(scope="module")
def box():
    with Sandbox(scale=300) as running:
        yield running


def log(box, **options):
    env = box.environment()
    form = {
        "grant_type": "client_credentials",
        "client_id": env["IFS_CLIENT_ID"],
        "client_secret": env["IFS_CLIENT_SECRET"],
    }
    token = requests.post(
        f"{box.ifs_url}/auth/realms/{env['IFS_REALM']}/protocol/openid-connect/token", data=form, timeout=30
    ).json()["access_token"]
    answer = requests.get(
        f"{box.ifs_url}/main/ifsapplications/projection/v1/HistoryLogHandling.svc/HistoryLogOverviewSet",
        params=urlencode(options, quote_via=quote),
        headers={"Authorization": f"Bearer {token}"},
        timeout=30,
    )
    assert answer.status_code == 200, answer.text
    return answer.json()["value"]


def test_a_delete_is_in_the_log_of_its_logical_unit_alone(box):
    box.world.switches.logged_units = ["CustomerOrder"]
    with closing(sqlite3.connect(box.world.database)) as connection:
        before = {row[0] for row in connection.execute('SELECT "OrderNo" FROM customer_order')}
    apply(box.world.database, {"action": "delete_customer_order"})
    with closing(sqlite3.connect(box.world.database)) as connection:
        (gone,) = before - {row[0] for row in connection.execute('SELECT "OrderNo" FROM customer_order')}
        (now,) = connection.execute("SELECT value FROM _state WHERE name = 'clock'").fetchone()
    (entry,) = log(box)
    assert (entry["LuName"], entry["HistoryType"], entry["Keys"]) == ("CustomerOrder", "Delete", f"ORDER_NO={gone}^")
    assert entry["TimeStamp"] == f"{now}Z"
    box.world.switches.logged_units = ["CustomerOrder", "CustomerOrderLine"]
    kinds = "IfsApp.HistoryLogHandling.HistoryType'Delete'"
    lines = log(
        box, **{"$filter": f"LuName eq 'CustomerOrderLine' and HistoryType eq {kinds}", "$orderby": "LogId desc"}
    )
    assert lines
    assert all(line["Keys"].startswith("LINE_ITEM_NO=") and f"^ORDER_NO={gone}^" in line["Keys"] for line in lines)


def test_a_tenant_that_logs_nothing_has_an_empty_log(box):
    box.world.switches.logged_units = []
    assert log(box) == []
