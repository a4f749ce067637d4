"""Token services and $metadata as none should be: a sentence, an exit code, nothing sent, and the next run brings everything."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from ifs_bi_core.errors import ExitCode
from pipeline.hostile import hostile_server
from pipeline.tampering import Answer, Tampering

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pipeline.hostile import HostileServer

Change = "Callable[[Answer], Answer | bytes]"

DONE, FAILED, WRONG = ExitCode.DONE, ExitCode.FAILED, ExitCode.WRONG_CONFIGURATION
TOO_DEEP = b"[" * 100_000 + b"]" * 100_000
TOKENS = "/auth/*"
METADATA = "*/RowHandling.svc/$metadata"


@pytest.fixture(scope="module")
def server(tmp_path_factory) -> Iterator[HostileServer]:
    with hostile_server(tmp_path_factory.mktemp("sign_in")) as running:
        yield running


def token(said: Any) -> bytes:
    return json.dumps({"access_token": said, "expires_in": 300}).encode()


NO_TOKENS = {
    "nothing": b"",
    "a web page": b"<html>",
    "null": b"null",
    "a list": b"[]",
    "brackets without end": TOO_DEEP,
    "an empty object": b"{}",
    "a number": token(5),
    "null for a token": token(None),
    "an empty token": token(""),
    "a list for a token": token(["a"]),
    "a token with a header behind it": token("abc\r\nX-Evil: 1"),
    "a token with a line end": token("abc\n"),
    "a token of other letters": token("ab€"),
    "a token of two words": token("a b"),
    "half a letter": token("\ud800"),
    "no UTF-8": b'{"access_token":"\xff"}',
    "a life of nothing known": b'{"access_token":"a","expires_in":"soon"}',
    "a life of null": b'{"access_token":"a","expires_in":null}',
    "a life of a list": b'{"access_token":"a","expires_in":[1]}',
    "a life of NaN": b'{"access_token":"a","expires_in":NaN}',
    "a life beyond a double": b'{"access_token":"a","expires_in":1e999}',
}


@pytest.mark.parametrize("name", NO_TOKENS)
def test_a_sign_in_without_a_token_sends_nothing(server, name):
    before = sum(server.pipe.arrived.moved.values())
    code = server.suffer(Tampering(TOKENS, lambda answer: answer.with_body(NO_TOKENS[name])))
    assert code == FAILED
    assert "answered 200 without an access token. Check base_url and realm, or token_url" in server.pipe.errors()
    assert sum(server.pipe.arrived.moved.values()) == before
    server.assert_next_run_brings_everything()


@pytest.mark.parametrize("seconds", [-5, 0, True, "300", 10**18, 0.001])
def test_a_token_lives_as_long_as_can_be_understood(server, seconds):
    def change(answer: Answer) -> Answer:
        return answer.with_json(answer.json | {"expires_in": seconds})

    assert server.suffer(Tampering(TOKENS, change)) == DONE
    server.assert_next_run_brings_everything()


REFUSALS = {
    "brackets": TOO_DEEP,
    "a list": b"[1]",
    "other types": b'{"error":{"a":1},"error_description":[1,2]}',
    "no text": b"\xff",
    "lines of a log": b'{"error":"a\\nERROR b","error_description":"c\\u001b[2J"}',
    "a long reason": b'{"error":"' + b"e" * 100_000 + b'"}',
    "the secret": b"SECRET",
}


@pytest.mark.parametrize("status", [400, 401])
@pytest.mark.parametrize("name", REFUSALS)
def test_a_refusal_is_a_wrong_configuration_and_repeats_no_secret(server, name, status):
    secret = server.pipe.config["client_secret"].encode()
    body = REFUSALS[name].replace(b"SECRET", b'{"error":"invalid","error_description":"%s is wrong"}' % secret)
    code = server.suffer(Tampering(TOKENS, lambda answer: replace(answer, status=status, body=body)))
    assert code == WRONG
    assert f"answered {status}" in server.pipe.errors()
    server.assert_next_run_brings_everything()


def replaced(pattern: bytes, new: bytes, count: int = 0) -> Change:
    return lambda answer: answer.with_body(re.sub(pattern, lambda _: new, answer.body, count=count))


TEXT = rb'Name="Text" Type="Edm.String"'
NO_METADATA: dict[str, tuple[Change, str]] = {
    "half": (lambda answer: answer.with_body(answer.body[: len(answer.body) // 2]), "no EDMX document"),
    "nothing": (lambda answer: answer.with_body(b""), "no EDMX document"),
    "JSON": (lambda answer: answer.with_json({}), "no EDMX document"),
    "no content": (lambda answer: replace(answer, status=204, body=b""), "no EDMX document"),
    "entities": (replaced(rb"<edmx:Edmx", b'<!DOCTYPE x [<!ENTITY a "b">]><edmx:Edmx', 1), "DTDForbidden"),
    "a control character": (replaced(rb"<EntityType", b"\0<EntityType", 1), "no EDMX document"),
    "open elements without end": (replaced(rb"<EntityType", b"<a>" * 100_000 + b"<EntityType", 1), "mismatched tag"),
    "another encoding than it says": (
        lambda answer: answer.with_body(answer.body.decode().replace("utf-8", "utf-16").encode("utf-16")),
        "encoding",
    ),
    "a property that is a condition": (replaced(TEXT, b'Name="No eq 1 or Text"'), "is no name of a property"),
    "a property of five million letters": (
        replaced(TEXT, b'Name="' + b"T" * 5_000_000 + b'"'),
        "no name of a property",
    ),
    "a property without a name": (replaced(TEXT, b'Type="Edm.String"'), "is no name of a property"),
    "a property of the tap's": (replaced(TEXT, b'Name="_sdc_deleted_at"'), "a column that the tap adds"),
    "another property of the tap's": (replaced(TEXT, b'Name="_ifs_etag"'), "a column that the tap adds"),
    "a key of nothing": (replaced(rb'<PropertyRef Name="No"', b'<PropertyRef Name="Nope"'), "has no property Nope"),
    "a key without a name": (replaced(rb'<PropertyRef Name="No"', b'<PropertyRef Name=""'), "has no property"),
    "no key": (replaced(rb"<Key>.*?</Key>", b""), "declares no key"),
    "a key that is a stream": (replaced(rb"Edm\.Decimal", b"Edm.Stream"), "is a stream"),
    "no sets": (replaced(rb"<EntitySet", b"<EntitySat"), "has no entity set"),
    "sets of unknown types": (replaced(rb'EntityType="', b'EntityType="x.'), "has no entity set"),
}


def with_metadata(server: HostileServer, change: Change) -> int:
    shutil.rmtree(server.pipe.state_dir / "metadata")
    tampering = Tampering(METADATA, change)
    code = server.suffer(tampering)
    assert tampering.struck
    return code


@pytest.mark.parametrize("name", NO_METADATA)
def test_metadata_of_which_no_stream_can_be_made_sends_nothing(server, name):
    change, sentence = NO_METADATA[name]
    with server.undone():
        before = sum(server.pipe.arrived.moved.values())
        assert with_metadata(server, change) == WRONG
        assert sentence in server.pipe.errors()
        assert sum(server.pipe.arrived.moved.values()) == before
    server.assert_next_run_brings_everything()


HARMLESS: dict[str, Change] = {
    "another namespace": replaced(rb"http://docs\.oasis-open\.org/odata/ns/edm\b", b"urn:x"),
    "a property twice": replaced(
        rb'<Property Name="Text"', b'<Property Name="Text" Type="Edm.Int32"/><Property Name="Text"'
    ),
    "a key twice": replaced(rb'<PropertyRef Name="No"/>', b'<PropertyRef Name="No"/><PropertyRef Name="No"/>'),
    "a type twice": replaced(rb'<EntityType Name="Row"', b'<EntityType Name="Row"/><EntityType Name="Row"'),
    "a type that is its own base": replaced(
        rb'<EntityType Name="Row"', b'<EntityType Name="Row" BaseType="IfsApp.RowHandling.Row"'
    ),
    "elements in elements": replaced(rb"<EntityType", b"<a>" * 50_000 + b"</a>" * 50_000 + b"<EntityType", 1),
    "an ETag of control characters": lambda answer: answer.with_body(answer.body, ETag='W/"\x01\xff"'),
}


@pytest.mark.parametrize("name", HARMLESS)
def test_metadata_with_something_odd_is_read(server, name):
    with server.undone():
        assert with_metadata(server, HARMLESS[name]) == DONE, server.pipe.said
    server.assert_next_run_brings_everything()


@pytest.mark.parametrize(
    "declared",
    [
        rb'Name="Text" Type="Edm.Decimal"',
        rb'Name="Text" Type="Edm.Int64"',
        rb'Name="Text" Type="Edm.Decimal" Precision="5" Scale="999"',
        rb'Name="Text" Type="Edm.Boolean"',
        rb'Name="Text" Type="Collection(Collection(Edm.String))"',
        rb'Name="Text" Type=""',
        rb'Name="Text" Type="Edm.Nothing"',
        rb'Name="Text" Type="Edm.Decimal" Precision="999999999" Scale="-5"',
    ],
)
def test_metadata_that_lies_about_a_type_ends_in_a_code_and_a_sentence(server, declared):
    with server.undone():
        assert with_metadata(server, replaced(TEXT, declared)) in {DONE, FAILED}
    server.assert_next_run_brings_everything()
