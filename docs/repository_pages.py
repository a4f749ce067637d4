"""What mkdocs is told beyond mkdocs.yml: which pages there are, in which order, and where links between them lead.

A page of docs/ may link to any file of the repository, as it stands on disk. Readmes and a few more files are pages of the site
too; a link to a file that is no page becomes its text.
"""

from __future__ import annotations

import posixpath
import re
from pathlib import Path
from typing import TYPE_CHECKING

from mkdocs.structure.files import File

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files
    from mkdocs.structure.pages import Page

ROOT = Path(__file__).parents[1]

ELSEWHERE = {
    "README.md": "overview.md",
    "tap-ifs-cloud/README.md": "packages/tap-ifs-cloud.md",
    "target-powerbi/README.md": "packages/target-powerbi.md",
    "target-looker-warehouse/README.md": "packages/target-looker-warehouse.md",
    "ifs-bi-core/README.md": "packages/ifs-bi-core.md",
    "sandbox/README.md": "packages/sandbox.md",
    "docker/README.md": "packages/container.md",
    "SECURITY.md": "security.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
}
"""Pages that stand outside docs/, and what they are called in the site."""

SECTIONS = {
    "Start": ["index.md", "overview.md"],
    "Tutorial": ["tutorial/index.md", "tutorial/duckdb.md", "tutorial/power-bi.md", "tutorial/*.md"],
    "How to": ["how-to/*.md"],
    "Explanation": ["explanation/*.md"],
    "Operation": ["operations.md", "upgrading.md", "security.md", "*.md"],
    "Packages": ["packages/*.md"],
    "Reference": ["reference/*.md"],
    "Decisions": ["adr/*.md"],
}
"""The navigation: a page is in the first section that has a pattern for it, so that a new page needs no entry."""

TITLES = {"index.md": "Where to begin", "overview.md": "The project on one page"}
"""In the navigation, of pages that are headed like the site itself."""

_GENERATED = re.compile(r"\A<!--.*?-->\s*")  # in front of a heading it would keep the page from being called like it
_NEEDS = re.compile(r'^( *```sh(?!.*title=).*) data-needs="([^"]*)"(.*)$', re.MULTILINE)
_FOR_TESTS = re.compile(r'^( *```sh.*?)((?: data-[a-z]+="[^"]*")+)(.*)$', re.MULTILINE)
_LINK = re.compile(r"(?<!!)\[((?:[^\[\]]|\[[^\]]*\])+)\]\((?![a-z]+:|#)([^)\s#]*)(#[^)\s]*)?\)")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that stand outside docs/, and lay out the navigation."""
    for path, uri in ELSEWHERE.items():
        if (ROOT / path).exists():
            files.append(File.generated(config, uri, abs_src_path=str(ROOT / path)))
    uris = sorted(file.src_uri for file in files.documentation_pages())
    config.nav = navigation(uris)
    return files


def navigation(uris: list[str]) -> list[dict[str, list[str | dict[str, str]]]]:
    """The sections with their pages."""
    left, sections = dict.fromkeys(uris), []
    for title, patterns in SECTIONS.items():
        matching = [uri for pattern in patterns for uri in uris if _fits(uri, pattern)]
        pages = [uri for uri in dict.fromkeys(matching) if uri in left]
        left = {uri: None for uri in left if uri not in pages}
        sections.append({title: [{TITLES[uri]: uri} if uri in TITLES else uri for uri in pages]})
    return [section for section in sections if all(section.values())]


def on_page_markdown(markdown: str, page: Page, files: Files, **_: object) -> str:
    """Lead links to the pages of the site, and show of what tests read behind ``sh`` what a reader wants to know."""
    uri = page.file.src_uri
    there = {name: path for path, name in ELSEWHERE.items()}.get(uri, f"docs/{uri}")
    pages = {file.src_uri for file in files.documentation_pages()}

    def led(found: re.Match[str]) -> str:
        text, path, anchor = found[1], found[2], found[3] or ""
        target = posixpath.normpath(posixpath.join(posixpath.dirname(there), path))
        name = ELSEWHERE.get(target, target.removeprefix("docs/"))
        if name in pages:
            return f"[{text}]({posixpath.relpath(name, posixpath.dirname(uri) or '.')}{anchor})"
        return text if (ROOT / target).exists() else found[0]  # mkdocs tells of one that leads nowhere

    markdown = _NEEDS.sub(r'\1 title="needs \2"\3', _GENERATED.sub("", markdown))
    return _LINK.sub(led, _FOR_TESTS.sub(r"\1\3", markdown))


def _fits(uri: str, pattern: str) -> bool:
    folder, _, name = pattern.rpartition("/")
    return posixpath.dirname(uri) == folder and (name == "*.md" or posixpath.basename(uri) == name)
