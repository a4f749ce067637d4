"""Every answer IFS Cloud can give has an error and a sentence."""

import json

import pytest
from ifs_bi_core.errors import AuthError, ContractBrokenError, ThrottledError, UnavailableError
from ifs_bi_core.http.message import Response
from tap_ifs_cloud.outcomes import RefusedError, error_of, failure


def answer(status: int, code: str = "", message: object = "") -> Response:
    return Response(status, {}, json.dumps({"error": {"code": code, "message": message, "details": []}}).encode())


@pytest.mark.parametrize(
    ("status", "code", "error"),
    [
        (400, "ODP_DESERIALIZATION_ERROR", RefusedError),
        (401, "", AuthError),
        (403, "SE_UNAUTHORIZED", ContractBrokenError),
        (404, "ODP_RESOURCE_NOTFOUND", ContractBrokenError),
        (405, "", ContractBrokenError),
        (429, "", ThrottledError),
        (500, "MI_MODIFIED_ERROR", UnavailableError),
        (500, "DATABASE_ERROR", UnavailableError),
        (501, "ODP_NOT_IMPLEMENTED", RefusedError),
        (502, "", UnavailableError),
        (503, "", UnavailableError),
        (504, "ODP_OPERATION_TIMEOUT", UnavailableError),
        (302, "", ContractBrokenError),
    ],
)
def test_a_status_and_a_code_mean_one_error(status, code, error):
    assert type(failure(answer(status, code), "orders page 3")) is error


def test_the_sentence_says_what_where_and_what_next():
    sentence = str(failure(answer(403, "SE_UNAUTHORIZED", "Insufficient privileges."), "purchase_orders page 3"))
    assert sentence == (
        "purchase_orders page 3: IFS Cloud answered 403 SE_UNAUTHORIZED (Insufficient privileges.). "
        "Grant the projection to the client's service user (a permission set that contains it), then run again."
    )


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b'{"error":{"code":"A","message":"b"}}', ("A", "b")),
        (b'{"error":{"code":"A","message":{"lang":"en","value":"b"}}}', ("A", "b")),
        (b'{"error":"invalid_token"}', ("invalid_token", None)),
        (b'{"error":{"code":3,"message":null}}', (None, None)),
        (b"<html>Gateway</html>", (None, None)),
        (b"[]", (None, None)),
        (b"", (None, None)),
    ],
)
def test_both_shapes_of_an_error_body_are_read_and_any_other_is_survived(body, expected):
    assert error_of(body) == expected
