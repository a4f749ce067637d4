"""Whoever copies a command from a page gets what the page says."""

import re
import socket
from contextlib import closing

import pytest
from docs.shell_blocks import ROOT, SHELLS, Terminal, blocks
from pipeline.project import _TO_INSTALL

FIRST = "docs/tutorial/index.md"
"""Pages whose commands use a tap.json go on where this one ends, the others begin in the clone."""

FOLDERS = ("docs/tutorial", "docs/how-to", "docs/explanation")
PAGES = [str(page.relative_to(ROOT)) for folder in FOLDERS for page in sorted((ROOT / folder).glob("*.md"))]
PAGES = [page for page in PAGES if blocks(page, (ROOT / page).read_text("utf-8"))]


def blocks_of(page):
    return blocks(page, (ROOT / page).read_text("utf-8"))



def clone_into(home):
    """The repository as it was cloned: what is built stands there already, what a page makes stays in this folder."""
    clone = home / "clone"
    clone.mkdir()
    made = {".git", "build", "dist", "site", ".meltano", ".ifs-bi", ".env", "meltano.yml", "warehouse.duckdb"}
    for path in ROOT.iterdir():
        if path.name not in made:
            (clone / path.name).symlink_to(path)
    # Without pip_url Meltano takes the commands of the environment that the tests run in.
    (clone / "meltano.yml").write_text(_TO_INSTALL.sub("", (ROOT / "meltano.yml").read_text("utf-8")), "utf-8")


@pytest.fixture(scope="module")
def first(tmp_path_factory):
    """Somebody who has done what the first page says; the stand-ins go on running."""
    home = tmp_path_factory.mktemp("reader")
    clone_into(home)
    reader = Terminal(home, free_ports())
    try:
        for block in runnable(FIRST):
            reader.run(block)
        yield reader
    finally:
        reader.close()


@pytest.fixture
def reader(page, tmp_path, request):
    """Somebody who has the page before them, and a database of their own where it asks for one."""
    asks = "$WAREHOUSE_URL" in (ROOT / page).read_text("utf-8")
    variables = {"WAREHOUSE_URL": request.getfixturevalue("postgres_url")} if asks else {}
    if any(re.search(r"tap\.json|run\.sh", block.commands) for block in runnable(page)):
        first = request.getfixturevalue("first")
        reader = Terminal(tmp_path, first.ports, **variables)
        reader.go_on(first)
    else:
        clone_into(tmp_path)
        reader = Terminal(tmp_path, free_ports(), **variables)
    yield reader
    reader.close()


def runnable(page, *, prove=False):
    """Those blocks of a page that can be run here; with ``prove`` also those that take long."""
    left_out = {"needs"} if prove else {"needs", "prove"}
    return [block for block in blocks_of(page) if not block.options.keys() & left_out]


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


def test_the_first_page_of_the_tutorial_does_what_it_says(first):
    assert list(first.home.glob("ifs-first-run/run.sh"))


@pytest.mark.parametrize("page", [page for page in PAGES if page != FIRST])
def test_every_shell_block_of_a_page_does_what_the_page_says(page, reader):
    for block in runnable(page):
        reader.run(block)
