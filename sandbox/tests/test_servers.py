"""The sandbox as a whole: it starts, leads a client to itself, is controlled, and leaves nothing behind."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import requests
from ifs_bi_sandbox.faults import preset
from ifs_bi_sandbox.listener import Listener
from ifs_bi_sandbox.servers import Sandbox
from ifs_bi_sandbox.world import Switches

if TYPE_CHECKING:
    from collections.abc import Iterator

COMPANIES = "/main/ifsapplications/projection/v1/CompanyHandling.svc/CompanySet"
DEFINITION = {"name": "Sales", "tables": [{"name": "T", "columns": [{"name": "Amount", "dataType": "Decimal"}]}]}


@pytest.fixture(scope="module")
def running() -> Iterator[Sandbox]:
    with Sandbox(scale=300) as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(running: Sandbox) -> Sandbox:
    running.world.faults.clear()
    running.world.requests.clear()
    return running


def control(sandbox: Sandbox, method: str, path: str, document: object = None) -> Any:
    return requests.request(method, sandbox.control_url + path, json=document, timeout=30).json()


def ifs_token(sandbox: Sandbox) -> str:
    settings = sandbox.environment()
    response = requests.post(
        f"{settings['IFS_BASE_URL']}/auth/realms/{settings['IFS_REALM']}/protocol/openid-connect/token",
        data={
            "grant_type": "client_credentials",
            "client_id": settings["IFS_CLIENT_ID"],
            "client_secret": settings["IFS_CLIENT_SECRET"],
        },
        timeout=10,
    )
    return str(response.json()["access_token"])


def companies(sandbox: Sandbox, token: str) -> requests.Response:
    return requests.get(sandbox.ifs_url + COMPANIES, headers={"Authorization": f"Bearer {token}"}, timeout=10)


def powerbi_url(sandbox: Sandbox) -> str:
    settings = sandbox.environment()
    return f"{settings['POWERBI_API_URL']}/v1.0/myorg/groups/{settings['POWERBI_WORKSPACE_ID']}/datasets"


def powerbi_headers(sandbox: Sandbox) -> dict[str, str]:
    settings = sandbox.environment()
    token = requests.post(
        f"{settings['POWERBI_AUTHORITY_HOST']}/{settings['POWERBI_TENANT_ID']}/oauth2/v2.0/token",
        data={
            "grant_type": "client_credentials",
            "client_id": settings["POWERBI_CLIENT_ID"],
            "client_secret": settings["POWERBI_CLIENT_SECRET"],
            "scope": "https://analysis.windows.net/powerbi/api/.default",
        },
        timeout=10,
    ).json()["access_token"]
    return {"Authorization": f"Bearer {token}"}


def test_the_environment_leads_to_every_service(sandbox: Sandbox) -> None:
    settings = sandbox.environment()
    assert companies(sandbox, ifs_token(sandbox)).status_code == 200
    assert requests.get(powerbi_url(sandbox), headers=powerbi_headers(sandbox), timeout=10).status_code == 200
    login = {"client_id": settings["LOOKER_CLIENT_ID"], "client_secret": settings["LOOKER_CLIENT_SECRET"]}
    assert requests.post(f"{settings['LOOKER_BASE_URL']}/api/4.0/login", data=login, timeout=10).status_code == 200
    assert requests.get(f"{settings['SANDBOX_CONTROL_URL']}/health", timeout=10).json()["status"] == "ok"


def test_a_sandbox_ends_with_all_its_threads_and_files() -> None:
    before = set(threading.enumerate())
    with Sandbox(scale=300) as sandbox:
        assert companies(sandbox, ifs_token(sandbox)).status_code == 200
        database, url = sandbox.world.database, sandbox.ifs_url
        assert database.exists()
    assert set(threading.enumerate()) == before
    assert not database.parent.exists()
    with pytest.raises(requests.ConnectionError):
        requests.get(url, timeout=10)


def test_a_sandbox_ends_although_a_client_keeps_its_connection(sandbox: Sandbox) -> None:
    with Sandbox(scale=300, database=sandbox.world.database) as second, requests.Session() as session:
        assert session.get(f"{second.control_url}/health", timeout=10).status_code == 200
    with pytest.raises(requests.ConnectionError):
        session.get(f"{second.control_url}/health", timeout=10)


def test_a_given_database_is_kept_and_used_again(tmp_path: Path) -> None:
    database = tmp_path / "group.sqlite"
    with Sandbox(scale=300, database=database) as sandbox:
        figures = control(sandbox, "GET", "/figures")
    with Sandbox(scale=5000, seed=2, database=database) as sandbox:
        assert control(sandbox, "GET", "/figures") == figures


def test_a_taken_port_is_told_and_leaves_no_server_behind(sandbox: Sandbox) -> None:
    before = set(threading.enumerate())
    taken = int(sandbox.looker_url.rsplit(":", 1)[1])
    with (
        pytest.raises(OSError, match=f"can't listen on 127.0.0.1:{taken}: Address already in use. Choose another port"),
        Sandbox(database=sandbox.world.database, ports={"looker": taken}),
    ):
        pass
    assert set(threading.enumerate()) == before


def test_a_chosen_port_is_used() -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    listener = Listener(lambda *_: None, port=port)  # type: ignore[arg-type,return-value] # never called
    assert listener.url == f"http://127.0.0.1:{port}"
    listener.stop()


def test_switches_are_read_and_set_while_it_runs(sandbox: Sandbox) -> None:
    assert control(sandbox, "GET", "/switches")["paging"] == "client"
    assert control(sandbox, "PATCH", "/switches", {"expires_in": 2, "retry_after": None})["expires_in"] == 2
    token = requests.post(
        f"{sandbox.ifs_url}/auth/realms/sandbox/protocol/openid-connect/token",
        data={
            "grant_type": "client_credentials",
            "client_id": sandbox.world.switches.ifs_client_id,
            "client_secret": sandbox.world.switches.ifs_client_secret,
        },
        timeout=10,
    ).json()
    assert token["expires_in"] == 2
    control(sandbox, "PATCH", "/switches", {"expires_in": 180, "retry_after": 1})


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"expires": 2}, "there is no expires"),
        ({"expires_in": "2"}, "expires_in takes"),
        ({"refuse_select": [1]}, "refuse_select takes"),
        ({"powerbi_unknown_columns": "maybe"}, "powerbi_unknown_columns takes"),
        ([1], "must be a JSON object"),
    ],
)
def test_a_wrong_switch_changes_nothing(sandbox: Sandbox, wrong: Any, sentence: str) -> None:
    before = control(sandbox, "GET", "/switches")
    document = {"page_cap": 7} | wrong if isinstance(wrong, dict) else wrong
    assert sentence in control(sandbox, "PATCH", "/switches", document)["error"]
    assert control(sandbox, "GET", "/switches") == before


def test_faults_are_scripted_through_the_control_endpoint(sandbox: Sandbox) -> None:
    script = [{"preset": "throttled", "path": "*/CompanySet"}, {"preset": "token_revoked", "skip": 0}]
    assert len(control(sandbox, "POST", "/faults", script)) == 2
    token = ifs_token(sandbox)
    statuses = [companies(sandbox, token).status_code for _ in range(3)]
    assert statuses == [429, 401, 401]
    assert control(sandbox, "GET", "/faults") == []
    control(sandbox, "POST", "/faults", {"preset": "reset"})
    assert control(sandbox, "DELETE", "/faults") == []
    assert "no preset 'flood'" in control(sandbox, "POST", "/faults", {"preset": "flood"})["error"]


def test_the_request_log_is_kept_by_service_and_holds_no_secret(sandbox: Sandbox) -> None:
    token = ifs_token(sandbox)
    companies(sandbox, token)
    (entry,) = control(sandbox, "GET", "/requests?service=ifs")
    assert (entry["path"], entry["status"], entry["authorization"]) == (COMPANIES, 200, True)
    everything = requests.get(f"{sandbox.control_url}/requests", timeout=10).text
    assert '"service":"token"' in everything
    assert token not in everything
    assert sandbox.world.switches.ifs_client_secret not in everything
    assert control(sandbox, "DELETE", "/requests") == control(sandbox, "GET", "/requests") == []


def test_a_day_of_business_moves_the_source(sandbox: Sandbox) -> None:
    counts = control(sandbox, "POST", "/day", {"seed": 3})
    assert sum(counts.values()) > 0
    (done,) = control(sandbox, "POST", "/changes", {"action": "new_purchase_order"})
    assert isinstance(done, dict)
    assert "error" in control(sandbox, "POST", "/changes", {"action": "burn_the_books"})


def test_the_figures_come_with_every_digit(sandbox: Sandbox) -> None:
    figures = control(sandbox, "GET", "/figures")
    assert figures.pop("today") == "2026-11-20"
    assert set(figures) == {"open_purchase_orders", "outstanding_supplier_invoices", "month_to_date_spend"}
    for rows in figures.values():
        assert rows
        assert all(isinstance(amount, str) and Decimal(amount).is_finite() for *_, amount in rows)


def test_rows_stored_before_the_answer_was_lost_are_there(sandbox: Sandbox) -> None:
    url, headers = powerbi_url(sandbox), powerbi_headers(sandbox)
    dataset = requests.post(url, json=DEFINITION, headers=headers, timeout=10).json()["id"]
    sandbox.world.faults.append(preset("rows_stored_answer_lost"))
    rows = f"{url}/{dataset}/tables/T/rows"
    with pytest.raises(requests.ConnectionError, match="Connection reset"):
        requests.post(rows, json=[{"Amount": 1.5}, {}], headers=headers, timeout=10)
    stored = control(sandbox, "GET", f"/powerbi/datasets/{dataset}/tables/T/rows")
    assert stored == [{"Amount": "1.5000"}, {"Amount": None}]
    (held,) = [item for item in control(sandbox, "GET", "/powerbi/datasets") if item["id"] == dataset]
    columns = {"columns": {"Amount": "Decimal"}, "details": {"Amount": DEFINITION["tables"][0]["columns"][0]}}
    assert held["tables"] == [{"name": "T", **columns, "measures": [], "rows": 2}]


def test_somebody_publishes_a_dataset_that_takes_no_rows(sandbox: Sandbox) -> None:
    published = control(sandbox, "POST", "/powerbi/datasets", {"name": "From a file"})
    listed = requests.get(powerbi_url(sandbox), headers=powerbi_headers(sandbox), timeout=10).json()["value"]
    assert [item["addRowsAPIEnabled"] for item in listed if item["id"] == published["id"]] == [False]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_command_serves_until_it_is_asked_to_end(tmp_path: Path, number: signal.Signals) -> None:
    env_file = tmp_path / ".env"
    options = ("--scale", "300", "--expires-in", "2", "--paging", "next_relative", "--env-file", env_file)
    command = [Path(sys.executable).with_name("ifs-bi-sandbox"), "serve", *options]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os.environ | {"PYTHONUNBUFFERED": "1"})
    assert process.stdout is not None
    lines = []
    for line in process.stdout:
        lines.append(line)
        if line.startswith("# Running"):
            break
    settings = dict(line.strip().split("=", 1) for line in lines if not line.startswith("#") and line.strip())
    assert settings == dict(line.split("=", 1) for line in env_file.read_text().splitlines())
    switches = requests.get(f"{settings['SANDBOX_CONTROL_URL']}/switches", timeout=10).json()
    assert (switches["expires_in"], switches["paging"]) == (2, "next_relative")
    process.send_signal(number)
    assert process.wait(timeout=20) == 0


@pytest.mark.parametrize("name", ["text.db", "missing/group.db"])
def test_a_data_file_that_is_no_database_is_told_in_a_sentence(tmp_path: Path, name: str) -> None:
    (tmp_path / "text.db").write_text("purchase orders, but not in a database\n" * 100)
    command = [Path(sys.executable).with_name("ifs-bi-sandbox"), "serve", "--data", tmp_path / name]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert ended.returncode == 1
    assert ended.stderr.startswith(f"Error: --data {tmp_path / name}: ")
    assert "Traceback" not in ended.stderr


def test_switches_given_at_the_start_are_the_world_s(sandbox: Sandbox) -> None:
    with Sandbox(database=sandbox.world.database, switches=Switches(page_cap=3)) as second:
        assert control(second, "GET", "/switches")["page_cap"] == 3
