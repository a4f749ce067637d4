"""Pages of rows as no server should send them: a sentence, an exit code, and nothing lost or made up for the next run."""

from __future__ import annotations

import base64
import gzip
import json
import re
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ifs_bi_core.errors import ExitCode
from pipeline.hostile import ROWS, hostile_server
from pipeline.tampering import Answer, Tampering

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from pipeline.hostile import HostileServer

Change = "Callable[[Answer], Answer | bytes]"

DONE, FAILED = ExitCode.DONE, ExitCode.FAILED
TOO_DEEP = b"[" * 100_000 + b"]" * 100_000


@pytest.fixture(scope="module")
def server(tmp_path_factory) -> Iterator[HostileServer]:
    with hostile_server(tmp_path_factory.mktemp("answers")) as running:
        yield running


def body(content: bytes) -> Change:
    return lambda answer: answer.with_body(content)


def bytes_of(pattern: bytes, new: bytes) -> Change:
    """Changes the first bytes of an answer that match."""
    return lambda answer: answer.with_body(re.sub(pattern, lambda _: new, answer.body, count=1))


def member(**members: Any) -> Change:
    return lambda answer: answer.with_json(answer.json | members)


def link(address: Any) -> Change:
    return member(**{"@odata.nextLink": address})


def row(**members: Any) -> Change:
    """Changes the first row of a page, if it has one; ``...`` takes a member away."""

    def change(answer: Answer) -> Answer:
        said = answer.json
        if said["value"]:
            first = said["value"][0] | members
            said["value"][0] = {name: value for name, value in first.items() if value is not ...}
        return answer.with_json(said)

    return change


def etag(said: Any) -> Change:
    return row(**{"@odata.etag": said})


def number(text: bytes) -> Change:
    return bytes_of(rb'"No":\s*"?\d+"?', b'"No":' + text)


def status(code: int, content: bytes = b"", **headers: str) -> Change:
    return lambda answer: replace(
        answer.with_body(content), status=code, headers={name.replace("_", "-"): text for name, text in headers.items()}
    )


def framed(**headers: str) -> Change:
    return lambda answer: replace(
        answer, framing={name.replace("_", "-"): text.format(len(answer.body)) for name, text in headers.items()}
    )


def packed(pack: Callable[[bytes], bytes], encoding: str = "gzip") -> Change:
    return lambda answer: answer.with_body(pack(answer.body), Content_Encoding=encoding)


def error(**members: Any) -> bytes:
    return json.dumps({"error": members}).encode()


def of_time(digits: str) -> str:
    return f'W/"{base64.b64encode(f"W/{chr(34)}AAA:{digits}{chr(34)}".encode()).decode()}"'


PASSING: dict[str, Change] = {
    "a NUL in a text": bytes_of(b"text", b"te\\u0000xt"),
    "line ends of other alphabets in a text": bytes_of(b"text", b"te\\u2028\\u0085xt"),
    "a member twice": bytes_of(b'"Text"', b'"Text":5,"Text"'),
    "the rows twice": bytes_of(b'"value"', b'"value":7,"value"'),
    "a number as link": link(7),
    "a link to another host": link("http://127.0.0.1:1/x"),
    "a link to another scheme": link("file:///etc/passwd"),
    "a link that is no address": link("http://[::1"),
    "a link with a port that is none": link("http://127.0.0.1:99999999/"),
    "a count of six thousand digits": member(**{"@odata.count": "9" * 6000}),
    "a count that is none": member(**{"@odata.count": {"a": 1}}),
    "no ETag": etag(...),
    "a null for an ETag": etag(None),
    "an empty ETag": etag(""),
    "an ETag of anything": etag('W/"%%%\u2028\0"'),
    "an ETag with a day that is none": etag(of_time("99999999999999")),
    "a length that is none": framed(Content_Length="abc"),
    "a length below nothing": framed(Content_Length="-5"),
    "an encoding that nobody knows": packed(bytes, "br"),
    "fifty answers before the answer": lambda answer: b"HTTP/1.1 100 Continue\r\n\r\n" * 50 + answer.wire,
}
"""What means nothing, or nothing bad."""

FAILING: dict[str, tuple[Change, str]] = {
    "half": (lambda answer: answer.with_body(answer.body[: len(answer.body) // 2]), "cut off or no JSON"),
    "nothing": (body(b""), "cut off or no JSON"),
    "a web page": (body(b"<!DOCTYPE html><html>Sign in</html>"), "with a web page"),
    "null": (body(b"null"), "holds no list of rows"),
    "a list": (body(b"[]"), "holds no list of rows"),
    "a number": (body(b"5"), "holds no list of rows"),
    "an object for the rows": (member(value={}), "holds no list of rows"),
    "a text for the rows": (member(value="x"), "holds no list of rows"),
    "null for the rows": (member(value=None), "holds no list of rows"),
    "null for a row": (member(value=[None]), "holds no list of rows"),
    "texts for rows": (member(value=["a", "b"]), "holds no list of rows"),
    "an empty row": (member(value=[{}]), "no value for what the pages are ordered by"),
    "a row without key": (row(No=...), "no value for what the pages are ordered by"),
    "null in a key": (row(Company=None), "no value for what the pages are ordered by"),
    "an object in a key": (number(b'{"a":1}'), "no value for what the pages are ordered by"),
    "a list in a key": (number(b"[1]"), "no value for what the pages are ordered by"),
    "a truth in a key": (number(b"true"), "not what .metadata says"),
    "a key that changes from page to page": (row(Company="other"), "missing from the next one"),
    "a number beyond a double": (number(b"9" * 5000), "cut off or no JSON"),
    "a gigabyte of zeros": (number(b'"1e999999999"'), "beyond what databases hold"),
    "a gigabyte of zeros before": (number(b'"0e-999999999"'), "beyond what databases hold"),
    "NaN": (number(b"NaN"), "cut off or no JSON"),
    "NaN as a text": (number(b'"NaN"'), "not what .metadata says"),
    "an infinity as a text": (number(b'"-Infinity"'), "not what .metadata says"),
    "a number for a text": (row(Text=5), "not what .metadata says"),
    "an object for a text": (row(Text={"a": [1]}), "not what .metadata says"),
    "a day that is none": (row(Changed="2026-99-99T00:00:00Z"), "not what .metadata says"),
    "a time before all": (row(Changed="0001-01-01T00:00:00+14:00"), "beyond the calendar"),
    "a time after all": (row(Changed="9999-12-31T23:59:59-14:00"), "beyond the calendar"),
    "a time too fine": (row(Changed="2026-01-01T00:00:00.123456789Z"), "finer than a microsecond"),
    "a number for a time": (row(Changed=5), "not what .metadata says"),
    "a number for an ETag": (etag(5), "@odata.etag that is no text"),
    "an object for an ETag": (etag({}), "@odata.etag that is no text"),
    "no UTF-8": (bytes_of(b"text", b"te\xff\xfext"), "cut off or no JSON"),
    "UTF-16": (lambda answer: answer.with_body(answer.body.decode().encode("utf-16")), "cut off or no JSON"),
    "half a letter": (bytes_of(b"text", b"te\\ud800xt"), "cut off or no JSON"),
    "a byte order mark": (lambda answer: answer.with_body(b"\xef\xbb\xbf" + answer.body), "cut off or no JSON"),
    "something behind the end": (lambda answer: answer.with_body(answer.body + b"garbage"), "cut off or no JSON"),
    "brackets without end": (body(TOO_DEEP), "cut off or no JSON"),
    "brackets in an answer": (bytes_of(b'"value"', b'"deep":' + TOO_DEEP + b',"value"'), "cut off or no JSON"),
    "brackets in a row": (bytes_of(b'"Text"', b'"deep":' + TOO_DEEP + b',"Text"'), "cut off or no JSON"),
    "a link to no page": (link("?$filter=1"), "answered 400"),
    "a link of two hundred thousand letters": (link("?x=" + "y" * 200_000), "address is too long"),
    "damaged gzip": (packed(lambda content: b"\x1f\x8b\x08\0" + content), "connection .* Run again"),
    "half of gzip": (packed(lambda content: gzip.compress(content)[:-12]), "cut off or no JSON"),
    "gzip with another sum": (packed(lambda content: gzip.compress(content)[:-8] + b"12345678"), "connection"),
    "fifty layers of gzip": (packed(bytes, ",".join(["gzip"] * 50)), "connection .* Run again"),
    "a length that is too long": (framed(Content_Length="9{}"), "connection .* Run again"),
    "a length that is too short": (framed(Content_Length="7"), "cut off or no JSON"),
    "chunks that are none": (framed(Transfer_Encoding="chunked"), "connection .* Run again"),
    "another protocol": (lambda _: b"SSH-2.0-OpenSSH\r\n", "connection .* Run again"),
    "a closed door": (lambda _: b"", "connection .* Run again"),
    "a status that is none": (lambda _: b"HTTP/1.1 abc Junk\r\n\r\n", "connection .* Run again"),
    "five hundred headers": (
        lambda _: b"HTTP/1.1 200 OK\r\n" + b"".join(b"X-%d: y\r\n" % place for place in range(500)) + b"\r\n{}",
        "connection .* Run again",
    ),
    "a header without end": (lambda _: b"HTTP/1.1 200 OK\r\nX: " + b"y" * 200_000, "connection .* Run again"),
    "status 999": (status(999), "answered 999"),
    "status 204": (status(204), "cut off or no JSON"),
    "status 304 to nothing that could have changed": (status(304), "answered 304"),
    "a way to no address": (status(302, Location="http://[bad/"), "answered what can.t be read .* Run again"),
    "a wait that is none": (status(429, Retry_After="x" * 50), "asked too often"),
    "a wait until the end of the world": (status(429, Retry_After="9" * 400), "asked too often"),
    "a wait that is no number": (status(503, Retry_After="nan"), "does not answer properly"),
    "a wait until a day that is none": (
        status(503, Retry_After="Sun, 99 Nov 99999 08:49:37 GMT"),
        "does not answer properly",
    ),
    "an error of brackets": (status(400, TOO_DEEP), "answered 400"),
    "an error that is a list": (status(403, b'{"error":[1]}'), "answered 403"),
    "an error of other types": (status(403, error(code={}, message=[1], details={"a": 1})), "answered 403"),
    "an error that looks like lines of a log": (
        status(403, error(code="A\nERROR B", message="line\r\n12:00:00 ERROR forged\x1b[2J\x00\u202e")),
        r"A\\nERROR B \(line\\r\\n12:00:00 ERROR forged\\u001b\[2J\\u0000\\u202e\)",
    ),
    "an error with holes for values": (status(403, error(code="{x}", message="{service} %s %d")), "{x} .{service} %s"),
    "an error without end": (status(403, error(code="c" * 100_000, message="m" * 100_000)), "answered 403 ccc"),
    "an error that is no text": (status(403, b'{"error":{"code":"\xff"}}'), "answered 403"),
    "an error of half letters": (status(403, b'{"error":{"code":"\\ud800"}}'), "answered 403"),
}
"""What no answer may be, and what a person is told."""


def some(names: Iterable[str]) -> list[Any]:
    """Every third name; the others' turn comes in `make prove`."""
    return [pytest.param(name, marks=() if place % 3 == 0 else pytest.mark.prove) for place, name in enumerate(names)]


@pytest.mark.parametrize("name", some(PASSING))
def test_what_means_nothing_is_passed_over(server, name):
    assert server.suffer(Tampering(ROWS, PASSING[name])) == DONE
    server.assert_next_run_brings_everything()


@pytest.mark.parametrize("name", some(FAILING))
def test_an_answer_that_is_none_ends_in_a_sentence_and_the_next_run_brings_everything(server, name):
    change, sentence = FAILING[name]
    striking = Tampering(ROWS, change)
    assert server.suffer(striking) == FAILED
    assert striking.struck
    assert re.search(sentence, server.pipe.errors()), server.pipe.errors()
    server.assert_next_run_brings_everything()


@pytest.mark.parametrize("skip", [1, 2, 5])
@pytest.mark.parametrize(
    "name", ["half", "an object in a key", "a number for a text", "brackets in a row", "status 999"]
)
def test_pages_before_the_damage_leave_and_no_state_runs_ahead_of_them(server, name, skip):
    striking = Tampering(ROWS, FAILING[name][0], skip=skip)
    server.suffer(striking, page_size=2)
    server.assert_next_run_brings_everything()


@pytest.mark.parametrize("address", ["{asked}", "?$skiptoken=1", "/main/x", "//{host}/main", "?$top=1&$skip=1"])
def test_links_in_a_circle_come_to_an_end(server, address):
    """Each page says that there is one more, and it is always the same."""
    host = server.between.url.removeprefix("http://")

    def change(answer: Answer) -> Answer:
        asked = server.between.asked[-1][1]
        return answer.with_json(answer.json | {"@odata.nextLink": address.format(asked=asked, host=host)})

    with server.undone():
        before = len(server.between.asked)
        server.suffer(Tampering(ROWS, change))
        assert len(server.between.asked) - before < 300


JUNK = (
    st.none()
    | st.booleans()
    | st.integers(-(10**20), 10**20)
    | st.floats()
    | st.sampled_from(["", "\0", "'", "1e400", "9999-12-31T23:59:59Z", "x" * 5000, "\U0001f600", "2026-01-01"])
    | st.sampled_from([[], {}, [[]], {"value": []}, {"a": {"b": [None]}}])
)
"""Values that may stand where another one stood."""


@st.composite
def mutation(draw: Any) -> Callable[[Any], Any]:
    """Drops, replaces, doubles or renames one node of a JSON value."""
    how = draw(st.sampled_from(["drop", "replace", "double", "rename", "wrap"]))
    steps = draw(st.lists(st.integers(0, 20), min_size=1, max_size=5))
    junk = draw(JUNK)

    def mutated(value: Any, way: list[int]) -> Any:
        if not isinstance(value, list | dict) or not value:
            return [value, value] if how == "double" else [value] if how == "wrap" else junk
        names = list(value) if isinstance(value, dict) else list(range(len(value)))
        name = names[way[0] % len(names)]
        if len(way) > 1:
            return (
                {**value, name: mutated(value[name], way[1:])}
                if isinstance(value, dict)
                else [mutated(one, way[1:]) if place == name else one for place, one in enumerate(value)]
            )
        items = list(value.items()) if isinstance(value, dict) else list(enumerate(value))
        changed = []
        for key, one in items:
            if key != name:
                changed.append((key, one))
            elif how == "replace":
                changed.append((key, junk))
            elif how == "double":
                changed += [(key, one), (f"{key}2", one)]
            elif how == "rename":
                changed.append((f"{key}\n'", one))
            elif how == "wrap":
                changed.append((key, [one]))
        return dict(changed) if isinstance(value, dict) else [one for _, one in changed]

    return lambda value: mutated(value, steps)


def hold_against(server: HostileServer, change: Callable[[Any], Any], skip: int) -> None:
    """A lie that is told well may be believed: what has to hold is that the run ends, and how."""

    def damaged(answer: Answer) -> Answer:
        with suppress(ValueError):
            return answer.with_body(json.dumps(change(answer.json)).encode())
        return answer

    with server.undone():
        before = len(server.between.asked)
        server.suffer(Tampering(ROWS, damaged, skip=skip, times=3))
        assert len(server.between.asked) - before < 400


@given(mutation(), st.integers(0, 6))
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_change_of_a_page_ends_in_a_code_and_a_sentence(server, change, skip):
    hold_against(server, change, skip)


@pytest.mark.prove
@given(mutation(), st.integers(0, 10))
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_many_changes_of_pages_end_in_a_code_and_a_sentence(server, change, skip):
    hold_against(server, change, skip)


def test_metadata_that_a_row_contradicts_is_asked_for_by_the_next_run(server):
    folder = server.pipe.state_dir / "metadata"
    kept = set(folder.iterdir())
    assert server.suffer(Tampering(ROWS, FAILING["a truth in a key"][0])) == FAILED
    assert len(set(folder.iterdir())) < len(kept)
    server.assert_next_run_brings_everything()
    assert set(folder.iterdir()) == kept
