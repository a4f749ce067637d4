"""The first thing a person does with this project."""

import re
from pathlib import Path

import psutil
import pytest
from ifs_bi_sandbox.world import Switches

SWITCHES = Switches()
SECRETS = (SWITCHES.ifs_client_secret.encode(), SWITCHES.powerbi_client_secret.encode())


@pytest.fixture(scope="module")
def demo(run, root):
    """The demo, run once, and the processes that it left."""
    before = {process.pid for process in psutil.process_iter()}
    ran = run("ifs-bi-sandbox", "demo", "--meltano", root / ".envs/meltano/bin/meltano", cwd=root)
    after = [process for process in psutil.process_iter() if process.pid not in before]
    return ran, [process for process in after if works_in(process, root / "build")]


def works_in(process, folder):
    """Whether a process works in a folder; other tests' processes work elsewhere."""
    try:
        return Path(process.cwd()).is_relative_to(folder)
    except psutil.Error:
        return False


def test_both_pipes_run_twice_and_their_figures_equal_the_source(demo):
    ran, left = demo
    said = ran.out.decode()
    assert ran.code == 0, said + ran.err
    for words in ("purchase orders", "invoices", "cost centre", ".env", "report.html"):
        assert words in said
    assert left == []


def test_the_report_is_one_page_that_asks_nothing_of_the_network(demo, root):
    page = (root / "build/demo/report.html").read_text("utf-8")
    assert "<svg" in page
    assert not re.search(r"""(?:src|href)\s*=\s*["']?(?:https?:)?//""", page)


def test_no_secret_is_in_any_file_that_meltano_and_the_plugins_leave(demo, root):
    files = [path for path in (root / "build/demo").rglob("*") if path.is_file() and path.name != ".env"]
    assert files
    assert [path for path in files if any(secret in path.read_bytes() for secret in SECRETS)] == []
