"""No byte that a run writes holds a secret: not where it goes well, and not where a service says the secret back."""

import base64
import gzip
import json
import re
import sqlite3
from contextlib import closing
from dataclasses import dataclass, field

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from ifs_bi_core.replay.key import NAME as LETTER_KEY
from ifs_bi_core.vault.store import Vault
from ifs_bi_sandbox.faults import Fault
from ifs_bi_sandbox.servers import Sandbox
from ifs_bi_sandbox.world import Switches
from pipeline.commands import run_command
from pipeline.leaks import files, forms, leaks
from pipeline.project import Project
from pipeline.recorded import EVENTS_SCHEMA, event, singer, state

IFS_SECRET = "ifs + s/cret%25 & \"qüote\" 'x' \\z?"
POWERBI_SECRET = 'pbi/s+cret & %2B "ö" ~\\n=#'
_PLACE = "dataset_name: $POWERBI_DATASET_NAME\n"
WITHOUT_MODEL = {_PLACE: f"{_PLACE}        model: false\n"}
"""What stands in meltano.yml where the shipped model chooses no types."""
STREAMS = json.dumps(["customer_order_lines", "gl_voucher_rows", "purchase_orders", "suppliers"])
"""Each way of reading; rows of the first are refused."""
WRONG_SECRET = 'wrong "s+cret" / % & é'
VAULT_KEY = 'vault "k+y" / % & å'
PASSWORD = 'pä/ss+w%rd&"x" y'
ENCODED_PASSWORD = "p%C3%A4%2Fss%2Bw%25rd%26%22x%22%20y"
REFUSALS = ("ifs 401", "ifs 500", "ifs sign-in", "power bi sign-in", "power bi 403", "power bi 400", "power bi 500")
JWT = re.compile(rb"eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")


@dataclass(frozen=True)
class Echo(Fault):
    """An answer that says back what the service was asked with: the latest token, and the secret that it was given for."""

    secret: str = ""
    tokens: dict[str, float] = field(default_factory=dict)

    def answer(self):
        token = list(self.tokens)[-1] if self.tokens else "none"
        told = f"Not accepted: {self.secret}; Authorization: Bearer {token}, that is {token}"
        body = {"error": {"code": "Echo", "message": told}}
        if self.service in {"token", "login"}:
            body = {"error": "invalid_client", "error_description": f"AADSTS7000215: {told}"}
        return self.status, {}, json.dumps(body).encode()


@dataclass
class Story:
    """What runs wrote: the folder of the project, what they said, and the secrets that none of it may hold."""

    project: Project
    box: Sandbox
    said: dict[str, bytes] = field(default_factory=dict)
    tokens: set[str] = field(default_factory=set)

    def tell(self, name, ran, code):
        output = ran.out + ran.err.encode()
        assert ran.code == code, f"{name}: {output[-3000:].decode(errors='replace')}"
        assert name not in self.said
        self.said[name] = output
        self.tokens |= self.box.world.ifs_tokens.keys() | self.box.world.powerbi_tokens.keys()
        self.box.world.faults.clear()
        return output

    def meltano(self, name, *words, code=0, **variables):
        variables = {"LOGLEVEL": "DEBUG", "TAP_IFS_CLOUD_STREAMS": STREAMS} | variables
        return self.tell(name, self.project.meltano("--log-level=debug", "run", *words, **variables), code)

    def shell(self, name, line, *faults, code, **variables):
        self.box.world.faults.extend(faults)
        return self.tell(name, self.project.shell(line, **variables, LOGLEVEL="DEBUG"), code)

    def powerbi(self, name, lines, *words, faults=(), code):
        """What a shell runs, by a clock that waits move on: whether rows have arrived is asked for half a minute each time."""
        self.box.world.faults.extend(faults)
        variables = self.project.environment(**self.project.variables, LOGLEVEL="DEBUG")
        given, folder = (self.project.folder / lines).read_bytes(), self.project.folder
        command = ("target-powerbi", "--config", "powerbi.json", *words)
        return self.tell(name, run_command(*command, given=given, cwd=folder, waits=False, **variables), code)

    @property
    def contents(self):
        left_by_us = (file for file in files(self.project.folder) if file[0] != ".env")
        return [*left_by_us, *((f"what {name} said", output) for name, output in self.said.items())]

    @property
    def secrets(self):
        letter_key = Vault.within(self.project.folder / ".ifs-bi", self.project.variables).read().secret(LETTER_KEY)
        tokens = {f"token {number}": token for number, token in enumerate(sorted(self.tokens))}
        return {
            "IFS secret": IFS_SECRET,
            "Power BI secret": POWERBI_SECRET,
            "wrong secret": WRONG_SECRET,
            "vault key": VAULT_KEY,
            "dead letters' key": letter_key,
            "password": PASSWORD,
            "password in its URL": ENCODED_PASSWORD,
            **tokens,
        }


def configure(project: Project) -> None:
    """The configurations that a user writes for a shell: references alone."""
    names = ("tenant_id", "client_id", "workspace_id", "authority_host", "api_url")
    powerbi = {name: project.variables[f"POWERBI_{name.upper()}"] for name in names}
    powerbi |= {"client_secret": "vault:powerbi", "dataset_name": "In a shell", "retry_limit_seconds": 0}
    ifs = {name: project.variables[f"IFS_{name.upper()}"] for name in ("base_url", "realm", "client_id")}
    ifs |= {"client_secret": "env:IFS_CLIENT_SECRET", "retry_limit_seconds": 0, "streams": ["sites", "suppliers"]}
    warehouse = {"warehouse_url": "duckdb:///shell.duckdb", "ledger_url": "env:LEDGER_URL"}
    for name, config in (("tap", ifs), ("powerbi", powerbi), ("warehouse", warehouse)):
        (project.folder / f"{name}.json").write_text(json.dumps(config))


@pytest.fixture(scope="module")
def story(tmp_path_factory):
    """Runs of both pipes that went well, and of all kinds that did not; what they wrote is looked at by the tests."""
    switches = Switches(ifs_client_secret=IFS_SECRET, powerbi_client_secret=POWERBI_SECRET)
    with Sandbox(scale=300, seed=3, switches=switches) as box:
        variables = box.environment() | {
            "POWERBI_CLIENT_SECRET": "vault:powerbi",
            "IFS_BI_VAULT_KEY": VAULT_KEY,
            "LEDGER_URL": f"postgresql://ifs:{ENCODED_PASSWORD}@127.0.0.1:9/ledger",
        }
        # Costs are not rounded here, so that some rows are refused.
        project = Project(
            tmp_path_factory.mktemp("project"),
            variables,
            {"Cost: {type: Double}": "Cost: {format: '0'}"} | WITHOUT_MODEL,
        )
        configure(project)
        told = Story(project, box)
        sealed = project.shell("ifs-bi vault set powerbi", POWERBI_SECRET.encode())
        assert sealed.code == 0, sealed.err
        told.said["vault set"] = sealed.out + sealed.err.encode()
        told.meltano("warehouse", "tap-ifs-cloud", "target-looker-warehouse")
        told.meltano("powerbi", "tap-ifs-cloud", "target-powerbi", code=1, IFS_BI_LOG_FORMAT="json")
        told.meltano("replay", "tap-replay", "target-powerbi", code=1)
        told.meltano("wrong", "tap-ifs-cloud", "target-looker-warehouse", code=1, IFS_CLIENT_SECRET=WRONG_SECRET)
        fail_in_a_shell(told)
        yield told


def fail_in_a_shell(told: Story) -> None:
    """All refusals say back what they were asked with."""
    world, folder = told.box.world, told.project.folder
    ifs = {"kind": "status", "times": None, "secret": IFS_SECRET, "tokens": world.ifs_tokens}
    power_bi = {"kind": "status", "times": None, "secret": POWERBI_SECRET, "tokens": world.powerbi_tokens}
    (folder / "first.singer").write_bytes(singer([EVENTS_SCHEMA, event(1, 1), state("first")]))
    (folder / "second.singer").write_bytes(singer([EVENTS_SCHEMA, event(1, 2), event(2, 2), state("second")]))
    tap = "tap-ifs-cloud --config tap.json"
    told.powerbi("first", "first.singer", code=0)  # makes the dataset
    read, write, post = {"path": "*Set"}, {"path": "*/datasets"}, {"path": "*/rows", "method": "POST"}
    for what, line, fault, code in (
        ("ifs 401", f"{tap} --log-format json", Echo("ifs", **ifs, **read, status=401), 1),
        ("ifs 500", f"{tap} --log-format text", Echo("ifs", **ifs, **read, status=500), 1),
        ("ifs sign-in", f"{tap} --log-format json", Echo("token", **ifs, status=401), 2),
    ):
        told.shell(what, line, fault, code=code)
    json_lines = ("--log-format", "json")
    for what, words, fault, code in (
        ("power bi sign-in", (), Echo("login", **power_bi, method="POST", status=401), 2),
        ("power bi 403", json_lines, Echo("powerbi", **power_bi, **write, status=403), 1),
        ("power bi 400", json_lines, Echo("powerbi", **power_bi, **post, status=400), 3),
        ("power bi 500", (), Echo("powerbi", **power_bi, **post, status=500), 1),
    ):
        told.powerbi(what, "second.singer", *words, faults=[fault], code=code)
    told.shell("ledger", "target-looker-warehouse --config warehouse.json < second.singer", code=2)
    told.shell("list", "ifs-bi dead-letters list --json; ifs-bi ledger runs --json", code=0)


def test_every_kind_of_file_was_looked_at(story):
    names = [name for name, _ in story.contents]
    for part in (
        ".ifs-bi/ledger.db",
        ".parquet, opened",
        "rows.singer.sealed",
        "reason.json",
        "vault",
        ".meltano/meltano.db",
    ):
        assert any(part in name for name in names), part
    assert "warehouse.duckdb, opened" in names
    assert len(story.tokens) > 5


@pytest.mark.parametrize("name", REFUSALS)
def test_what_a_service_said_back_was_told_without_the_secrets(story, name):
    assert b"[redacted]" in story.said[name], story.said[name].decode()


def test_no_byte_holds_a_secret(story):
    assert leaks(story.secrets, story.contents) == []


def test_no_byte_holds_anything_shaped_like_a_token(story):
    assert [where for where, data in story.contents if JWT.search(data)] == []


def test_no_byte_holds_the_key_of_the_dead_letters_as_it_is_used(story):
    key = base64.b64decode(story.secrets["dead letters' key"])
    assert [where for where, data in story.contents if key in data or key.hex().encode() in data] == []


@pytest.mark.parametrize("form", list(forms(IFS_SECRET)))
def test_a_leak_in_any_form_would_be_found(tmp_path, form):
    leak = forms(IFS_SECRET)[form]
    (tmp_path / "log").write_bytes(b"before " + leak + b" behind")
    (tmp_path / "log.gz").write_bytes(gzip.compress(leak))
    pq.write_table(pa.table({"payload": [leak.decode()] * 9}), tmp_path / "rows.parquet", compression="zstd")
    with closing(sqlite3.connect(tmp_path / "ledger.db")) as database, database:
        database.execute("CREATE TABLE said (text)")
        database.execute("INSERT INTO said VALUES (?)", (leak.decode(),))
    with duckdb.connect(str(tmp_path / "w.duckdb")) as database:
        database.execute("CREATE TABLE said AS SELECT ? AS text", [leak.decode()])
    found = leaks({"secret": IFS_SECRET}, files(tmp_path))
    for where in ("log", "log.gz, opened", "rows.parquet, opened", "ledger.db, opened", "w.duckdb, opened"):
        assert any(f"({form}) in {where}" in line for line in found), where


@pytest.mark.parametrize("before", [b"", b"a", b"ab", b"abc"])
@pytest.mark.parametrize("after", [b"", b"z", b"zz"])
def test_a_secret_within_other_bytes_is_found_in_their_base64(before, after):
    data = base64.b64encode(before + IFS_SECRET.encode() + after)
    assert leaks({"secret": IFS_SECRET}, [("log", data)])
    assert leaks({"secret": WRONG_SECRET}, [("log", data)]) == []
