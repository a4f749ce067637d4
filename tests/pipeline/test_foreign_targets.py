"""One file, loaded by our target and by two that nobody here wrote: equal rows, but for what is known to differ and why."""

import json
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path

import pytest
from pipeline.foreign_streams import CONTROLS, STREAMS, in_order, lines_of, many, rows_in
from sqlalchemy import make_url


@dataclass(frozen=True)
class Fault:
    """What a target makes of a stream instead of its rows."""

    reason: str
    rows: list


@dataclass(frozen=True)
class Peer:
    """A target of PostgreSQL that nobody here wrote, and what it is known to do otherwise."""

    environment: str
    settings: object
    faults: dict[str, Fault]
    stops: dict[str, str] = field(default_factory=dict)
    """Streams that end its run, and why: nothing else can be loaded along with them."""

    @property
    def command(self):
        return Path(self.environment) / "bin" / "target-postgres"

    @property
    def schema(self):
        return self.environment.partition("-")[0]

    @property
    def streams(self):
        return [name for name in STREAMS if name not in self.stops]


def meltanolabs_settings(url, schema):
    return {"sqlalchemy_url": url.replace("postgresql:", "postgresql+psycopg:"), "default_target_schema": schema}


def pipelinewise_settings(url, schema):
    parts = make_url(url)
    return {
        "host": parts.host,
        "port": parts.port,
        "user": parts.username,
        "password": parts.password,
        "dbname": parts.database,
        "default_target_schema": schema,
        "primary_key_required": False,
    }


MELTANOLABS = Peer(
    "meltanolabs-target-postgres",
    meltanolabs_settings,
    {
        "gone": Fault("a row that is marked as deleted loses its values", [{"k": 1, "_sdc_deleted_at": True}]),
        "lost": Fault(
            "what a property that the SCHEMA lost held before stays in a row that was replaced",
            [{"k": 1, "s": "x", "n": 2}, {"k": 2, "s": "y"}],
        ),
        "mixed": Fault("an integer among texts becomes one", [{"k": 1, "x": "a"}, {"k": 2, "x": "5"}]),
        "versioned": Fault(
            "an older version of a row replaces a newer one",
            [{"k": 1, "s": "old", "_ifs_row_version": "2024-01-01T00:00:00"}],
        ),
        "widened": Fault("decimals are rounded into a column of integers", [{"k": 1, "n": 1}, {"k": 2, "n": 2}]),
    },
    {"long_names": "a name of more than 63 characters is none"},
)

PIPELINEWISE = Peer(
    "pipelinewise-target-postgres",
    pipelinewise_settings,
    {
        "Cased": Fault("names of columns lose their case, and of tables", [{"id": 1, "name": "x"}]),
        "commas_in_keys": Fault(
            "keys are compared joined by commas, so that one row takes the place of another",
            [{"a": "x", "b": "y,z", "n": 2}],
        ),
        "controls": Fault(
            "control characters become two characters, a backslash and a letter",
            [{"k": k, "s": json.dumps(text)[1:-1]} for k, text in enumerate(CONTROLS)],
        ),
        "digits": Fault("numbers have 17 digits", [{"k": 1, "m": 1.2345678901234568e16, "n": 1e-18}]),
        "digits_in_objects": Fault("numbers have 17 digits", [{"k": 1, "o": {"m": 12345678901234568}}]),
        "empty": Fault("an empty text becomes null", [{"k": 1}]),
        "decimals_as_text": Fault("a decimal that travels as text stays one", [{"k": 1, "x": "1.2345"}]),
        "gone": Fault("a row that is marked as deleted loses its values", [{"k": 1, "_sdc_deleted_at": True}]),
        "lost": MELTANOLABS.faults["lost"],
        "mixed": MELTANOLABS.faults["mixed"],
        "offsets": Fault("a moment loses its offset and becomes another one", [{"k": 1, "at": "2024-06-01T02:00:00"}]),
        "refreshed": Fault("ACTIVATE_VERSION is not heard", [{"k": 1, "s": "x"}, {"k": 2, "s": "y"}]),
        "versioned": MELTANOLABS.faults["versioned"],
        "widened": Fault(
            "a column of another type is renamed with the minute, and another one takes its name",
            [{"k": 1, "n_LATER": 1}, {"k": 2, "n": Decimal("2.25")}],
        ),
    },
    {
        "empty_key": "an empty text becomes null, which a key can't be",
        "long_names": "two names of which all but a letter was cut are one",
        "quoted": "quotation marks in names are not doubled",
        "twins": "two properties that differ in case alone are one column, twice",
    },
)
PEERS = {peer.environment: peer for peer in (MELTANOLABS, PIPELINEWISE)}


@pytest.fixture
def load(run, tmp_path):
    """Feeds lines into a schema of one database, by a target that is a command with its settings."""

    def feed(command, settings, lines, batch_rows):
        folder = tmp_path / Path(command).parts[-1]
        folder.mkdir(exist_ok=True)
        config = folder / "config.json"
        config.write_text(json.dumps(settings | {"batch_size_rows": batch_rows}))
        return run(command, "--config", config, given=lines, cwd=folder)

    return feed


@pytest.fixture
def load_ours(load, postgres_url):
    settings = {"warehouse_url": postgres_url, "schema": "ours"}
    return lambda lines, batch_rows=3: load("target-looker-warehouse", settings, lines, batch_rows)


@pytest.fixture
def load_theirs(load, root, postgres_url):
    def feed(peer, lines, batch_rows=3):
        return load(root / ".envs" / peer.command, peer.settings(postgres_url, peer.schema), lines, batch_rows)

    return feed


def lower_where(peer, name):
    return name.lower() if peer is PIPELINEWISE else name


def expected(name):
    return in_order(STREAMS[name].rows)


def test_our_target_leaves_the_rows_of_every_stream_however_often_it_loads_the_file(load_ours, postgres_url):
    for times in (1, 2):
        loaded = load_ours(lines_of(STREAMS))
        assert loaded.code == 0, loaded.err
        rows = {name: rows_in(postgres_url, "ours", name) for name in STREAMS}
        assert rows.pop("keyless") == expected("keyless") * times
        assert rows == {name: expected(name) for name in STREAMS if name != "keyless"}


@pytest.mark.parametrize("environment", PEERS)
def test_a_target_that_nobody_here_wrote_leaves_the_same_rows_but_for_its_known_faults(
    environment, load_theirs, postgres_url
):
    peer = PEERS[environment]
    loaded = load_theirs(peer, lines_of(peer.streams))
    assert loaded.code == 0, loaded.err
    rows = {name: rows_in(postgres_url, peer.schema, lower_where(peer, name)) for name in peer.streams}
    right = {name: expected(name) for name in peer.streams}
    assert {name for name in peer.streams if rows[name] != right[name]} == peer.faults.keys()
    assert {name: rows[name] for name in peer.faults} == {
        name: in_order(fault.rows) for name, fault in peer.faults.items()
    }


def test_rows_that_come_again_and_again_are_the_last_ones_whoever_loads_them(
    load, load_theirs, load_ours, postgres_url
):
    last = {}
    lines = []
    for line, row in many(seed=6):
        lines.append(line)
        if row:
            last[row["k"], row["part"]] = row
    given = "".join(f"{line}\n" for line in lines).encode()
    for loaded in (load_ours(given, 300), *(load_theirs(peer, given, 300) for peer in PEERS.values())):
        assert loaded.code == 0, loaded.err
    right = in_order({**row, "at": row["at"].removesuffix("Z")} if "at" in row else row for row in last.values())
    for schema in ("ours", *(peer.schema for peer in PEERS.values())):
        assert in_order(rows_in(postgres_url, schema, "many")) == right, schema


@pytest.mark.parametrize(
    ("environment", "stream"), [(peer.environment, stream) for peer in PEERS.values() for stream in peer.stops]
)
def test_a_stream_that_a_target_is_known_to_stop_at_stops_it(environment, stream, load_theirs):
    assert load_theirs(PEERS[environment], lines_of([stream])).code == 1
