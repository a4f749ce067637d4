"""The pages as a site: every link leads somewhere, every page is found, and nothing is asked of other servers."""

import ast
import json
import os
import re
import subprocess
from html.parser import HTMLParser

import pytest
import yaml
from docs.shell_blocks import ROOT

MKDOCS = ROOT / ".envs/docs/bin/mkdocs"
PAGES = sorted(page for page in (ROOT / "docs").rglob("*.md") if "reference" not in page.parts)
WRITTEN = [
    (page, kind, body)
    for page in PAGES
    for kind, body in re.findall(
        r"^```(json|yaml|python)[^\n]*\n(.*?)^```$", page.read_text("utf-8"), re.DOTALL | re.MULTILINE
    )
]


class Fetched(HTMLParser):
    """What a browser fetches for a page without being asked to; links are only followed by people."""

    def __init__(self, text):
        super().__init__()
        self.addresses = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        if tag != "a" and given.get("rel") != "canonical":
            self.addresses += [given[name] for name in ("src", "href", "data", "srcset", "poster") if given.get(name)]


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    command = [MKDOCS, "build", "--strict", "--site-dir", folder]
    # No proxy leads out: a build that wants something from elsewhere fails.
    environment = {
        **os.environ,
        "NO_MKDOCS_2_WARNING": "1",
        "HTTPS_PROXY": "http://127.0.0.1:9",
        "HTTP_PROXY": "http://127.0.0.1:9",
    }
    built = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=120)
    assert built.returncode == 0, built.stderr
    assert "WARNING" not in built.stderr
    return folder


def test_a_page_fetches_nothing_from_other_servers(site):
    pages = list(site.rglob("*.html"))
    assert len(pages) > len(PAGES)
    outside = {
        (page.name, address)
        for page in pages
        for address in Fetched(page.read_text("utf-8")).addresses
        if re.match(r"(?:[a-z]+:)?//", address)
    }
    assert outside == set()


def test_every_page_is_in_the_navigation(site):
    home = (site / "index.html").read_text("utf-8")
    for page in PAGES:
        address = str(page.relative_to(ROOT / "docs").with_suffix(".html"))
        assert f'href="{address}"' in home or address == "index.html", address


def test_a_link_to_a_readme_leads_to_its_page(site):
    page = (site / "tutorial/power-bi.html").read_text("utf-8")
    assert 'href="../packages/target-powerbi.html#what-a-microsoft-administrator-sets-up"' in page
    assert (site / "packages/target-powerbi.html").exists()


def test_a_block_says_in_the_site_what_a_reader_wants_to_know_of_it(site):
    assert "second terminal" in (site / "tutorial/index.html").read_text("utf-8")
    assert "needs a Snowflake account" in (site / "tutorial/snowflake.html").read_text("utf-8")


def test_every_block_became_one_and_every_page_is_called_like_its_heading(site):
    for page in site.rglob("*.html"):
        text = page.read_text("utf-8")
        assert not re.search("```|data-(needs|prove|types|until|code)", text), page
    assert "<title>Settings of tap-ifs-cloud" in (site / "reference/tap-ifs-cloud.html").read_text("utf-8")


@pytest.mark.parametrize(("page", "kind", "body"), WRITTEN, ids=lambda value: getattr(value, "stem", None) or "")
def test_what_a_page_gives_to_copy_into_a_file_can_be_read(page, kind, body):
    {"json": json.loads, "yaml": lambda text: list(yaml.safe_load_all(text)), "python": ast.parse}[kind](body)
