"""Whatever names and values hold, it arrives as data: nothing else of the warehouse changes."""

from __future__ import annotations

import pytest
from singer_lines import INTEGER, STRING, activate, record, schema, state
from target_looker_warehouse import statements
from target_looker_warehouse.dialects.bigquery import BIGQUERY
from target_looker_warehouse.dialects.duckdb import DUCKDB
from target_looker_warehouse.dialects.postgresql import POSTGRESQL
from target_looker_warehouse.dialects.redshift import REDSHIFT
from target_looker_warehouse.dialects.snowflake import SNOWFLAKE
from target_looker_warehouse.names import names_for

HOSTILE = [
    "'; DROP TABLE canary; --",
    '"; DROP TABLE canary; --',
    '""; DROP TABLE canary; --',
    "`; DROP TABLE canary; --",
    "\\`; DROP TABLE canary; --",
    '\\"; DROP TABLE canary; --',
    "/* a */ -- b",
    "$$; DROP TABLE canary; $$",
    "$1 ${x} {0} {x} %s %d %(x)s :x ?",
    "a\nb\r\nc\td",
    "\u2019; \uff07 \u02bc \u201c \uff02",
    "[a] ]b[ ]]",
    "../../x/./y",
    "x' or '1'='1",
    "\\",
    "'",
    '"',
    "%27 %00 &amp; <b>",
]
"""Texts that would be more than a text wherever one is pasted into a statement."""

CANARY = [schema("canary", ["id"], id=INTEGER, x=STRING), record("canary", {"id": 1, "x": "lives"})]


@pytest.mark.parametrize("method", ["upsert", "append-only", "overwrite"])
def test_hostile_values_arrive_as_they_are(box, method):
    rows = [record("s", {"id": number, "x": text}) for number, text in enumerate(HOSTILE)]
    box.feed(*CANARY)
    box.feed(schema("s", ["id"], id=INTEGER, x=STRING), *rows, state({"at": HOSTILE}), load_method=method)
    assert {row["x"] for row in box.rows("s")} == set(HOSTILE)
    assert [row["x"] for row in box.rows("canary")] == ["lives"]
    assert box.tables() == ["canary", "s"]


def test_hostile_keys_are_found_again(box):
    declared = schema("s", ["x"], x=STRING, n=INTEGER)
    for number in (1, 2):
        box.feed(declared, *(record("s", {"x": text, "n": number}) for text in HOSTILE))
    found = {row["x"]: row["n"] for row in box.rows("s")}
    assert found == dict.fromkeys(HOSTILE, "2")


def test_hostile_columns_and_streams_are_names(box):
    box.feed(*CANARY)
    columns = dict.fromkeys(HOSTILE, STRING)
    streams = HOSTILE[::3]
    for stream in streams:
        declared = schema(stream, [stream], **columns)
        row = {name: f"value of {name}" for name in HOSTILE}
        box.feed(declared, record(stream, row, 1), activate(stream, 1), state({stream: 1}))
        box.feed(declared, record(stream, row, 2), activate(stream, 2), hard_delete=True)
    names = names_for(HOSTILE, (), box.dialect)
    for stream in streams:
        (table,) = names_for([stream], (), box.dialect).values()
        (loaded,) = box.rows(table)
        assert {loaded[names[name]] for name in HOSTILE} == {f"value of {name}" for name in HOSTILE}
    assert len(box.tables()) == len(streams) + 1
    assert [row["x"] for row in box.rows("canary")] == ["lives"]


@pytest.mark.parametrize("name", ['"; DROP TABLE canary; --', "a'b", "[a]"])
def test_a_hostile_schema_is_a_name(box, name):
    box.feed(*CANARY)
    box.feed(schema("s", ["id"], id=INTEGER), record("s", {"id": 1}), schema=name)
    assert box.rows("s", name) == [{"id": "1"}]
    assert [row["x"] for row in box.rows("canary")] == ["lives"]


DIALECTS = [BIGQUERY, DUCKDB, POSTGRESQL, REDSHIFT, SNOWFLAKE]


def outside_of_names(text: str, quote: str, *, has_backslashes: bool) -> tuple[str, list[str]]:
    """A statement without its quoted identifiers, and what those name, read as the warehouse's own lexer does."""
    rest, names, place = "", [], 0
    while place < len(text):
        if text[place] != quote:
            rest += text[place]
            place += 1
            continue
        name, place = "", place + 1
        while True:
            if has_backslashes and text[place] == "\\":
                name += {"n": "\n", "r": "\r", "t": "\t"}.get(text[place + 1], text[place + 1])
                place += 2
            elif text[place] == quote:
                if has_backslashes or text[place + 1 : place + 2] != quote:
                    place += 1
                    break
                name += quote
                place += 2
            else:
                name += text[place]
                place += 1
        names.append(name)
    return rest, names


@pytest.mark.parametrize("dialect", DIALECTS, ids=lambda dialect: dialect.name)
@pytest.mark.parametrize("hostile", HOSTILE)
def test_in_every_dialect_a_name_is_one_quoted_identifier(dialect, hostile):
    is_bigquery = dialect is BIGQUERY
    (held,) = names_for([hostile], (), dialect).values()
    made = [
        statements.listed([held, "b"], dialect),
        statements.insert("t", [held], "r", dialect),
        statements.create_index("t", [held], dialect),
        statements.delete_unseen("t", held, dialect),
        statements.mark_unseen("t", held, held, dialect),
    ]
    harmless = [
        statements.listed(["a", "b"], dialect),
        statements.insert("t", ["a"], "r", dialect),
        statements.create_index("t", ["a"], dialect),
        statements.delete_unseen("t", "a", dialect),
        statements.mark_unseen("t", "a", "a", dialect),
    ]
    quote = "`" if is_bigquery else '"'
    for text, plain in zip(made, harmless, strict=True):
        rest, names = outside_of_names(text, quote, has_backslashes=is_bigquery)
        assert rest == outside_of_names(plain, quote, has_backslashes=is_bigquery)[0]
        assert set(names) <= {held, dialect.cased(held), "b"}
