"""Configuration, catalog and state as nobody should write them: the whole command, a sentence, an exit code, valid Singer."""

from __future__ import annotations

import copy
import io
import json
import logging
from contextlib import redirect_stdout
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ifs_bi_core.errors import ExitCode
from ifs_bi_core.http.client import Surroundings
from ifs_bi_core.process import exit_code
from ifs_bi_core.singer import plugin
from ifs_bi_sandbox.virtual_clock import VirtualClock
from pipeline.hostile import Singer
from pipeline.tenant import COMPANIES, Tenant
from tap_ifs_cloud.tap import TapIfsCloud

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

DONE, FAILED, WRONG = ExitCode.DONE, ExitCode.FAILED, ExitCode.WRONG_CONFIGURATION


class Command:
    """The command with its files, against a tenant that is well.

    Attributes:
        folder: of the files.
        config: a configuration that works; ``catalog`` and ``state`` belong to it.
        said: what the last run told.
    """

    def __init__(self, folder: Path, tenant: Tenant, address: str) -> None:
        self.folder = folder
        self.clock = VirtualClock()
        self.said: list[str] = []
        self.config = tenant.settings(
            address,
            folder / "state",
            companies=list(COMPANIES[:2]),
            streams=["dated", "versioned"],
            retry_limit_seconds=5,
        )
        self.secret = self.config["client_secret"]
        code, out = self.run(self.config, extra=["--discover"])
        assert code == DONE, self.said
        self.catalog = json.loads(out)
        code, out = self.run(self.config, self.catalog)
        assert code == DONE, self.said
        self.state = json.loads(out.rstrip("\n").split("\n")[-1])["value"]

    def run(
        self, config: Any, catalog: Any = None, state: Any = None, extra: list[str] | None = None
    ) -> tuple[int, str]:
        """Exit code and standard output of the command; `bytes` are files as they are, anything else becomes JSON."""

        class Tap(TapIfsCloud):
            surroundings = Surroundings(clock=self.clock.now, sleep=self.clock.sleep, chance=lambda: 0.5)

        args = list(extra or [])
        for name, content in (("config", config), ("catalog", catalog), ("state", state)):
            if content is not None:
                file = self.folder / f"{name}.json"
                file.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
                args += [f"--{name}", str(file)]
        out, handler, root = io.StringIO(), logging.Handler(), logging.getLogger()
        before = list(root.handlers), root.level
        self.said = []
        handler.emit = lambda record: self.said.append(f"{record.levelname} {record.getMessage()}")
        root.addHandler(handler)
        try:
            with redirect_stdout(out):
                code = exit_code(
                    "tap-ifs-cloud", lambda: plugin._command(Tap, args), again="Again.", unfinished="Nothing."
                )
        finally:
            root.handlers[:], root.level = before
        return code, out.getvalue()

    def hold_against(self, config: Any, catalog: Any = None, state: Any = None) -> int:
        """The exit code of a run of which holds what holds of every run."""
        code, out = self.run(config, catalog, state)
        errors = [sentence for sentence in self.said if sentence.startswith(("ERROR", "CRITICAL"))]
        assert code in {DONE, FAILED, WRONG}, self.said
        assert not any("was not made for" in sentence for sentence in errors), errors
        assert not any("\n" in sentence for sentence in self.said)
        assert not any(self.secret in sentence for sentence in self.said)
        if code != DONE:
            assert errors[-1].endswith((".", "--help.")), errors
        arrived = Singer()
        for line in out.split("\n")[:-1]:
            arrived.apply(json.loads(line))
        if code == WRONG:
            assert not arrived.moved
        return code


@pytest.fixture(scope="module")
def command(tmp_path_factory) -> Iterator[Command]:
    folder = tmp_path_factory.mktemp("files")
    tenant = Tenant(folder)
    with tenant.served() as address:
        yield Command(folder, tenant, address)


NO_JSON = {
    "nothing": b"",
    "half": b'{"streams": [',
    "null": b"null",
    "a number": b"5",
    "a text": b'"x"',
    "a list": b"[1]",
    "no UTF-8": b'{"a": "\xff"}',
    "half a letter": b'{"a": "\\ud800"}',
    "a byte order mark": b"\xef\xbb\xbf{}",
    "NaN": b'{"a": NaN}',
    "an endless number": b'{"a": 1e999999}',
    "brackets without end": b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "NUL": b"\0" * 100,
}


@pytest.mark.parametrize("name", NO_JSON)
@pytest.mark.parametrize("which", ["config", "catalog", "state"])
def test_a_file_that_is_none_ends_in_a_sentence(command, which, name):
    files = {"config": command.config, "catalog": command.catalog, "state": command.state, which: NO_JSON[name]}
    code = command.hold_against(**files)
    assert code == WRONG or which != "config"


STATES: dict[str, Any] = {
    "bookmarks that are a list": {"bookmarks": []},
    "a bookmark that is a text": {"bookmarks": {"dated": "x"}},
    "a bookmark that is null": {"bookmarks": {"dated": None}},
    "partitions that are an object": {"bookmarks": {"dated": {"partitions": {}}}},
    "a partition that is null": {"bookmarks": {"dated": {"partitions": [None]}}},
    "a partition without context": {"bookmarks": {"dated": {"partitions": [{"replication_key_value": "x"}]}}},
    "a stream that nobody knows": {"bookmarks": {"x'; DROP TABLE": {"replication_key_value": "x"}}},
}


@pytest.mark.parametrize("name", STATES)
def test_a_state_of_another_form_ends_in_a_sentence(command, name):
    command.hold_against(command.config, command.catalog, STATES[name])


@pytest.mark.parametrize("said", [False, True, {"items": False}, {"properties": {"a": True}}])
def test_a_catalog_whose_property_is_said_by_a_truth_value_ends_in_a_sentence(command, said):
    catalog = copy.deepcopy(command.catalog)
    catalog["streams"][0]["schema"]["properties"]["Amount"] = said
    assert command.hold_against(command.config, catalog) == WRONG
    assert "The catalog file is none of this tap's" in command.said[-1]


JUNK = (
    st.none()
    | st.booleans()
    | st.integers(-(10**20), 10**20)
    | st.sampled_from(
        ["", "\0", "x", "' or 1 eq 1 or '", "9999-12-31T23:59:59Z", "a\nb", "2026-13-01", "\ud800", "env:NOPE"]
    )
    | st.sampled_from([[], {}, [[]], {"a": 1}, [None], 1e300])
)
"""Values that may stand where another one stood."""


def nodes(value: Any, way: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The way to every node."""
    if way:
        yield way
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, one in items:
        yield from nodes(one, (*way, name))


def mutated(value: Any, way: tuple[Any, ...], how: str, junk: Any) -> Any:
    """The value with one node dropped, replaced, doubled, renamed or wrapped."""
    made = copy.deepcopy(value)
    parent = made
    for step in way[:-1]:
        parent = parent[step]
    last = way[-1]
    if how == "drop":
        del parent[last]
    elif how == "wrap":
        parent[last] = [parent[last]]
    elif how == "double" and isinstance(parent, list):
        parent.append(parent[last])
    elif how == "rename" and isinstance(parent, dict):
        parent[f"{last}'"] = parent.pop(last)
    else:
        parent[last] = junk
    return made


def mutation(place: int, how: str, junk: Any) -> Callable[[Any], Any]:
    """What mutates a value at one of its nodes."""

    def mutate(value: Any) -> Any:
        ways = list(nodes(value))
        return mutated(value, ways[place % len(ways)], how, junk)

    return mutate


MUTATIONS = st.builds(
    mutation,
    st.integers(0, 10_000),
    st.sampled_from(["drop", "replace", "replace", "double", "rename", "wrap"]),
    JUNK,
)


def hold(command: Command, which: str, mutate: Callable[[Any], Any]) -> None:
    files = {"config": command.config, "catalog": command.catalog, "state": command.state}
    files[which] = mutate(files[which])
    if (
        which == "config"
        and isinstance(files["config"], dict)
        and files["config"].get("base_url") != command.config["base_url"]
    ):
        return  # of other systems nothing is asked here
    command.hold_against(**files)


@pytest.mark.parametrize("which", ["config", "catalog", "state"])
@given(mutate=MUTATIONS)
@settings(max_examples=25, deadline=None)
def test_any_change_of_a_file_ends_in_a_code_and_a_sentence(command, which, mutate):
    hold(command, which, mutate)


@pytest.mark.prove
@pytest.mark.parametrize("which", ["config", "catalog", "state"])
@given(mutate=MUTATIONS)
@settings(max_examples=300, deadline=None)
def test_many_changes_of_files_end_in_a_code_and_a_sentence(command, which, mutate):
    hold(command, which, mutate)
