"""Every answer IFS Cloud can give has its row: what is done, an error and a sentence."""

import json

import pytest
from ifs_bi_core.errors import AuthError, ContractBrokenError, ThrottledError, UnavailableError
from ifs_bi_core.http.message import Response
from ifs_bi_core.http.retry import may_repeat
from tap_ifs_cloud.outcomes import (
    MEANINGS,
    QueryFailedError,
    QueryStoppedError,
    RefusedError,
    Step,
    error_of,
    failure,
    is_web_page,
    meaning_of,
)

URL = "https://acme.ifs.cloud/main/ifsapplications/projection/v1/PurchaseOrderHandling.svc/PurchaseOrderSet?$top=5"


def answer(status: int, code: str = "", message: object = "") -> Response:
    return Response(status, {}, json.dumps({"error": {"code": code, "message": message, "details": []}}).encode())


@pytest.mark.parametrize(
    ("status", "code", "step", "error"),
    [
        (302, "", Step.STOP, AuthError),
        (307, "", Step.STOP, AuthError),
        (400, "", Step.REPHRASE, RefusedError),
        (400, "ODP_DESERIALIZATION_ERROR", Step.REPHRASE, RefusedError),
        (400, "DATABASE_ERROR", Step.REPHRASE, RefusedError),
        (401, "", Step.RENEW, AuthError),
        (403, "SE_UNAUTHORIZED", Step.STOP, ContractBrokenError),
        (403, "", Step.STOP, ContractBrokenError),
        (404, "ODP_RESOURCE_NOTFOUND", Step.STOP, ContractBrokenError),
        (405, "", Step.STOP, ContractBrokenError),
        (406, "", Step.REPHRASE, RefusedError),
        (412, "", Step.STOP, ContractBrokenError),
        (414, "", Step.REPHRASE, RefusedError),
        (415, "", Step.REPHRASE, RefusedError),
        (423, "", Step.STOP, UnavailableError),
        (428, "ODP_MISSING_PRECONDITION", Step.STOP, ContractBrokenError),
        (429, "", Step.AGAIN, ThrottledError),
        (500, "MI_MODIFIED_ERROR", Step.AT_ONCE, UnavailableError),
        (500, "DATABASE_ERROR", Step.AGAIN, QueryFailedError),
        (500, "", Step.AGAIN, UnavailableError),
        (501, "ODP_NOT_IMPLEMENTED", Step.REPHRASE, RefusedError),
        (502, "", Step.AGAIN, UnavailableError),
        (503, "", Step.AGAIN, UnavailableError),
        (504, "ODP_OPERATION_TIMEOUT", Step.SHRINK, QueryStoppedError),
        (504, "", Step.SHRINK, UnavailableError),
        (418, "TEAPOT", Step.STOP, ContractBrokenError),
    ],
)
def test_a_status_and_a_code_mean_one_step_and_one_error(status, code, step, error):
    meaning = meaning_of(answer(status, code))
    assert (meaning.step, meaning.error) == (step, error)
    assert type(failure(answer(status, code), "orders page 3")) is error


def test_what_the_table_has_sent_again_is_what_the_retry_policy_sends_again():
    """A slow page without a smaller one, too; what is sent again at once has been by then."""
    repeated = {
        (status, code) for (status, code) in MEANINGS if may_repeat(answer(status, code or ""), safe_twice=True)
    }
    steps = {Step.AGAIN, Step.SHRINK, Step.AT_ONCE}
    assert repeated == {row for row, meaning in MEANINGS.items() if meaning.step in steps}


@pytest.mark.parametrize("row", MEANINGS, ids=str)
def test_every_row_ends_in_a_sentence_that_says_what_to_do(row):
    status, code = row
    response = Response(status, {}, json.dumps({"error": {"code": code, "message": "M"}}).encode(), URL)
    said = str(failure(response, "orders page 3"))
    assert said.startswith(f"orders page 3: IFS Cloud answered {status}")
    assert said.endswith((".", "`select`."))
    assert "{" not in said


def test_the_sentence_names_the_projection_and_the_grant():
    body = {"error": {"code": "SE_UNAUTHORIZED", "message": "Insufficient privileges.", "details": []}}
    response = Response(403, {}, json.dumps(body).encode(), URL)
    assert str(failure(response, "purchase_orders page 3")) == (
        "purchase_orders page 3: IFS Cloud answered 403 SE_UNAUTHORIZED (Insufficient privileges.) for PurchaseOrderHandling. "
        "Grant the projection PurchaseOrderHandling to the client's service user "
        "(a permission set that contains it, or IFSREADONLYSUPPORT), then run again."
    )


def test_a_redirect_is_told_with_the_host_it_leads_to_and_nothing_more():
    response = Response(302, {"Location": "https://login.example.com/authorize?state=s3cret"}, b"", URL)
    said = str(failure(response, "orders page 1"))
    assert "answered 302 and leads to login.example.com for PurchaseOrderHandling." in said
    assert "s3cret" not in said


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b'{"error":{"code":"A","message":"b"}}', ("A", "b")),
        (b'{"error":{"code":"A","message":{"lang":"en","value":"b"}}}', ("A", "b")),
        (
            b'{"error":{"code":"A","message":"b","details":[{"code":"X","message":"ORA-1"},{"message":"b"},3]}}',
            ("A", "b; ORA-1"),
        ),
        (b'{"error":{"code":"A","details":[{"message":"ORA-1"}]}}', ("A", "ORA-1")),
        (b'{"error":"invalid_token"}', ("invalid_token", None)),
        (b'{"error":"invalid_token","error_description":"Token expired"}', ("invalid_token", "Token expired")),
        (b'{"statusCode":401,"message":"Access denied"}', (None, "Access denied")),
        (b'{"error":{"code":3,"message":null}}', (None, None)),
        (b'{"error":{"details":"x"}}', (None, None)),
        (b'{"error":null}', (None, None)),
        (b"<html>Gateway</html>", (None, None)),
        (b"[]", (None, None)),
        (b"", (None, None)),
        (b"\xff\xfe", (None, None)),
    ],
)
def test_every_known_shape_of_an_error_body_is_read_and_any_other_is_survived(body, expected):
    assert error_of(body) == expected


def test_a_token_that_the_cut_would_go_through_does_not_show_its_first_half():
    token = "eyJ0eXAiOiJKV1Qi.eyJhdWQiOiJodHRwczovL2FuYWx5c2lz.c2lnbmF0dXJl"
    _, message = error_of(answer(400, "Bad", "x" * 290 + " " + token).body)
    assert "eyJ0" not in message


def test_a_long_message_is_cut():
    _, message = error_of(answer(400, "A", "x" * 10_000).body)
    assert message is not None
    assert len(message) == 300


@pytest.mark.parametrize(
    ("body", "is_page"),
    [
        (b"<!DOCTYPE html><html>", True),
        (b"\r\n  <HTML lang='en'>", True),
        (b'<?xml version="1.0"?><edmx:Edmx>', False),
        (b'{"value":[]}', False),
        (b"", False),
    ],
)
def test_a_web_page_is_told_from_what_an_api_says(body, is_page):
    assert is_web_page(Response(200, {}, body)) is is_page
