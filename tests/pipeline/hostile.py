"""Runs of the whole tap against a server whose answers are tampered with, and what has to hold of them whatever comes."""

from __future__ import annotations

import copy
import shutil
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from ifs_bi_core.errors import ExitCode
from jsonschema import Draft7Validator
from pipeline.tampering import Between, Tampering
from pipeline.tenant import Arrived, Tenant
from pipeline.undelayed import Pipe

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

STREAMS = ("dated", "versioned")
ROWS = "*/RowSet"


class Singer(Arrived):
    """A destination that refuses what is not Singer."""

    def __init__(self) -> None:
        super().__init__()
        self.schemas: dict[str, Any] = {}

    def apply(self, message: dict[str, Any]) -> None:
        """Take a message.

        Raises:
            AssertionError: it has no place here, or a record is not what its schema says.
        """
        kind = message["type"]
        assert kind in {"SCHEMA", "RECORD", "STATE", "ACTIVATE_VERSION"}, kind
        if kind == "SCHEMA":
            self.schemas[message["stream"]] = message
            return
        if kind == "RECORD":
            schema = self.schemas[message["stream"]]
            assert all(message["record"].get(name) is not None for name in schema["key_properties"])
            types = {name: {"type": said["type"]} for name, said in schema["schema"]["properties"].items()}
            Draft7Validator({"properties": types}).validate(message["record"])
        super().apply(message)


class HostileServer:
    """A tenant behind a server that tampers with its answers, and the tap's runs against it.

    Attributes:
        pipe: the runs.
        between: the server.
        code: exit code of the last run.
    """

    def __init__(self, folder: Path, tenant: Tenant, between: Between) -> None:
        self.pipe = Pipe(folder, tenant, between.url)
        self.pipe.arrived = Singer()
        self.between = between
        self.code = -1
        self._secrets = [tenant.world.switches.ifs_client_secret]

    def suffer(self, *tamperings: Tampering, streams: Sequence[str] = STREAMS, **settings: Any) -> int:
        """The exit code of a run after a change of the source, in which these things happen to the server's answers."""
        self.pipe.change()
        self.between.tamperings[:] = tamperings
        try:
            self.code = self.pipe.run(**{"streams": list(streams), **settings})
        finally:
            self.between.tamperings.clear()
        self.assert_ends_in_a_sentence()
        return self.code

    def assert_ends_in_a_sentence(self) -> None:
        """What holds of every run: a code of the table, a sentence where it is not 0, each event one line, no secret."""
        said, errors = self.pipe.said, self.pipe.errors()
        assert self.code in {ExitCode.DONE, ExitCode.FAILED, ExitCode.WRONG_CONFIGURATION}, said
        assert "was not made for" not in errors
        assert not any("\n" in sentence or "\x1b" in sentence for sentence in said)
        assert not any(secret in sentence for secret in self._secrets for sentence in said)
        if self.code != ExitCode.DONE:
            last = errors.split("\n")[-1]
            assert last.endswith(".")
            assert len(last) < 3_000

    def assert_next_run_brings_everything(self, streams: Sequence[str] = STREAMS) -> None:
        """The healthy server gives what the source holds, and no row twice."""
        self.pipe.assert_next_run_brings_everything(streams)

    @contextmanager
    def undone(self) -> Iterator[None]:
        """What a server said that lied well is no truth to go on from: destination and state folder are put back."""
        arrived, kept = copy.deepcopy(self.pipe.arrived), self.pipe.state_dir.with_name("kept")
        shutil.copytree(self.pipe.state_dir, kept)
        try:
            yield
        finally:
            self.pipe.arrived = arrived
            shutil.rmtree(self.pipe.state_dir)
            kept.rename(self.pipe.state_dir)


@contextmanager
def hostile_server(folder: Path) -> Iterator[HostileServer]:
    """One that has been honest for a run."""
    tenant = Tenant(folder)
    with tenant.served() as address, Between(address).served() as between:
        server = HostileServer(folder, tenant, between)
        assert server.pipe.run() == ExitCode.DONE, server.pipe.said
        server.pipe.assert_is_equal()
        yield server
