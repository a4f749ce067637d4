"""Whoever copies a command from a page gets what the page says."""

import re
import socket
from contextlib import closing

import pytest
from docs.shell_blocks import ROOT, SHELLS, Terminal, blocks
from pipeline.project import _TO_INSTALL

FIRST = "docs/tutorial/index.md"
"""The other pages of the tutorial go on where this one ends."""

FOLDERS = ("docs/tutorial", "docs/how-to", "docs/explanation")
PAGES = [str(page.relative_to(ROOT)) for folder in FOLDERS for page in sorted((ROOT / folder).glob("*.md"))]
PAGES = [page for page in PAGES if blocks(page, (ROOT / page).read_text("utf-8"))]


def blocks_of(page):
    return blocks(page, (ROOT / page).read_text("utf-8"))


@pytest.fixture
def clone(tmp_path):
    """The repository as it was cloned: what is built stands there already, what a page makes stays in this folder."""
    folder = tmp_path / "clone"
    folder.mkdir()
    made = {".git", "build", "dist", "site", ".meltano", ".ifs-bi", ".env", "meltano.yml", "warehouse.duckdb"}
    for path in ROOT.iterdir():
        if path.name not in made:
            (folder / path.name).symlink_to(path)
    # Without pip_url Meltano takes the commands of the environment that the tests run in.
    (folder / "meltano.yml").write_text(_TO_INSTALL.sub("", (ROOT / "meltano.yml").read_text("utf-8")), "utf-8")
    return folder


@pytest.fixture
def terminal(page, clone, request):
    """Somebody who has the page before them, and a database of their own where it asks for one."""
    asks = "$WAREHOUSE_URL" in (ROOT / page).read_text("utf-8")
    variables = {"WAREHOUSE_URL": request.getfixturevalue("postgres_url")} if asks else {}
    reader = Terminal(clone, free_ports(), **variables)
    yield reader
    reader.close()


def free_ports():
    """Five free ports in a row."""
    for first in range(18100, 28100, 5):
        ports = range(first, first + 5)
        if all(map(is_free, ports)):
            return ports
    raise AssertionError("no five ports in a row are free")


def is_free(port):
    with closing(socket.socket()) as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0


@pytest.mark.parametrize("page", PAGES)
def test_every_shell_block_of_a_page_does_what_the_page_says(page, terminal):
    run_page(page, terminal, leave_out=("needs", "prove"))


def run_page(page, terminal, leave_out):
    begun = [] if page == FIRST or not page.startswith("docs/tutorial/") else blocks_of(FIRST)
    for block in [*begun, *blocks_of(page)]:
        if not block.options.keys() & set(leave_out):
            terminal.run(block)
