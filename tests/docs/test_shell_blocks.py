"""Whoever copies a command from a page gets what the page says."""

import json
import re
import socket
from contextlib import closing

import pytest
from docs.shell_blocks import ROOT, Terminal, blocks
from pipeline.project import _TO_INSTALL

FIRST = "docs/tutorial/index.md"
"""Pages whose commands use a tap.json go on where this one ends, the others begin in the clone."""

FOLDERS = ("docs/tutorial", "docs/how-to", "docs/explanation")
PAGES = [str(page.relative_to(ROOT)) for folder in FOLDERS for page in sorted((ROOT / folder).glob("*.md"))]
PAGES = [page for page in PAGES if page != FIRST and blocks(page, (ROOT / page).read_text("utf-8"))]


def blocks_of(page):
    return blocks(page, (ROOT / page).read_text("utf-8"))


def clone_into(home, *, as_cloned=False):
    """The repository as it was cloned: what is built stands there already, what a page makes stays in this folder."""
    clone = home / "clone"
    clone.mkdir()
    made = {".git", "build", "dist", "site", ".meltano", ".ifs-bi", ".env", "meltano.yml", "warehouse.duckdb"}
    for path in ROOT.iterdir():
        if path.name not in made:
            (clone / path.name).symlink_to(path)
    # Without pip_url Meltano takes the commands of the environment that the tests run in.
    project = (ROOT / "meltano.yml").read_text("utf-8")
    (clone / "meltano.yml").write_text(project if as_cloned else _TO_INSTALL.sub("", project), "utf-8")


TESTED = ["README.md", FIRST, *PAGES]

LONG = {"docs/tutorial/postgresql.md", "docs/how-to/move-to-fabric-mirroring.md", "docs/how-to/show-it-in-looker.md"}
"""Pages whose pipes other tests of `make test` run; `make prove` runs their commands."""

NOT_HERE = {
    "the address of the repository",
    "a fresh clone",  # tests/pipeline/test_demo.py runs the demo in this one
    "a tenant of IFS Cloud",
    "a tenant of IFS Cloud and a warehouse",
    "a tenant of IFS Cloud and a Power BI workspace",
    "tenants of IFS Cloud and Power BI",
    "a Microsoft tenant with a Power BI workspace",
    "the powerbi.json of your workspace",
    "a Fabric capacity",
    "a Snowflake account",
    "a Google Cloud project",
    "a Redshift cluster",
    "an account of MotherDuck",
    "a folder in which runs were made",
}
"""What a command may need that no test has; everything else is run."""


@pytest.fixture(scope="module")
def first(tmp_path_factory):
    """Somebody who has done what the first page says; the stand-ins go on running."""
    home = tmp_path_factory.mktemp("reader")
    clone_into(home)
    reader = Terminal(home, free_ports())
    try:
        reader.printed = "".join(reader.run(block) for block in runnable(FIRST))
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


@pytest.mark.parametrize(
    "page", [pytest.param(page, marks=pytest.mark.prove) if page in LONG else page for page in PAGES]
)
def test_every_shell_block_of_a_page_does_what_the_page_says(page, reader):
    for block in runnable(page):
        reader.run(block)


def test_the_shell_blocks_of_the_readme_work_for_whoever_filled_in_the_files(first, tmp_path):
    demo, with_meltano, in_a_shell = blocks_of("README.md")
    assert demo.commands.splitlines()[-1] == "make demo"  # tests/pipeline/test_demo.py runs what it runs
    clone_into(tmp_path)
    settings = re.findall(r"^[A-Z_]+=.*$", first.printed, re.MULTILINE)
    assert settings
    (tmp_path / "clone/.env").write_text("\n".join(settings), "utf-8")
    reader = Terminal(tmp_path, first.ports, IFS_CLIENT_SECRET="sandbox-ifs-secret")
    reader.run(with_meltano)
    tap = (first.home / "ifs-first-run/tap.json").read_text("utf-8").replace("vault:ifs", "env:IFS_CLIENT_SECRET")
    for name, text in {"tap.json": tap, "target.json": "{}", "state.json": "{}"}.items():
        (tmp_path / "clone" / name).write_text(text, "utf-8")
    reader.run(in_a_shell)
    assert "bookmarks" in json.loads((tmp_path / "clone/state.json").read_text("utf-8"))


@pytest.mark.prove
@pytest.mark.parametrize(
    "page", [page for page in [FIRST, *PAGES] if any("prove" in block.options for block in blocks_of(page))]
)
def test_every_block_that_takes_long_works_too(page, tmp_path):
    clone_into(tmp_path, as_cloned=True)
    reader = Terminal(tmp_path, free_ports(), MELTANO_AUTO_INSTALL="true")
    for block in blocks_of(page):
        if "prove" in block.options:
            reader.run(block)


def test_a_block_that_no_test_can_run_says_which_of_a_few_things_it_needs():
    needed = {
        block.options["needs"] for page in [FIRST, *PAGES] for block in blocks_of(page) if "needs" in block.options
    }
    assert needed == NOT_HERE


def test_few_pages_alone_are_for_those_who_have_more_than_the_stand_ins():
    assert {page for page in PAGES if not runnable(page, prove=True)} == {
        "docs/tutorial/your-ifs-cloud.md",
        "docs/how-to/pick-a-write-mode.md",
        "docs/how-to/watch-it.md",
    }


@pytest.mark.parametrize("page", TESTED, ids=str)
def test_a_page_to_be_copied_from_has_no_prompt_in_its_commands(page):
    kinds = set(re.findall(r"^ *```(\w+)", (ROOT / page).read_text("utf-8"), re.MULTILINE))
    assert not kinds & {"bash", "shell", "console", "zsh"}
