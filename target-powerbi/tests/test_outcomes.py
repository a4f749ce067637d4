"""Each refusal of Power BI has its error and its sentence."""

from __future__ import annotations

import json

import pytest
from ifs_bi_core.errors import (
    AuthError,
    ConfigError,
    ContractBrokenError,
    OutcomeUnknownError,
    ThrottledError,
    UnavailableError,
)
from ifs_bi_core.http.message import Request, Response, case_insensitive
from ifs_bi_sandbox.powerbi import errors
from ifs_bi_sandbox.powerbi.row_calls import THROTTLED, TOO_MANY_ROWS
from target_powerbi.outcomes import error_of, refusal, token_refused

CLAIMS = 'Bearer realm="", authorization_uri="https://login", error="insufficient_claims", claims="eyJ9"'
UNKNOWN_PROPERTY = {
    "error": {
        "code": "BadRequest",
        "message": "Bad Request",
        "details": [
            {
                "message": "The property 'compatibilityLevel' does not exist on type 'Microsoft.PowerBI.Api.Dataset'.",
                "target": "dataset",
            }
        ],
    }
}
LOCKED = {
    "error": {
        "code": "GeneralException",
        "message": "Failed to process dataset GetTables",
        "target": "GetTables",
        "details": [{"message": "Exception of type 'AcquireLockTimeoutException' was thrown."}],
    }
}
PUSH = Request("POST", "https://pbi/rows", operation="2 rows for table 'orders'")


def answer(status: int, body: object = None, **headers: str) -> Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Response(status, case_insensitive(named), b"" if body is None else json.dumps(body).encode())


def told(error: errors.PowerBIError) -> Response:
    """An answer as the stand-in words it."""
    return answer(error.status, error.body, **{name.replace("-", "_"): value for name, value in error.headers.items()})


def unwrapped(error: errors.PowerBIError) -> Response:
    """The same without the outer object, as PowerShell has seen it."""
    return answer(error.status, (error.body or {})["error"])


def in_header(error: errors.PowerBIError) -> Response:
    """The same with the body in a header, as Microsoft's own client expects it."""
    return answer(error.status, None, X_PowerBI_Error_Details=json.dumps(error.body))


@pytest.mark.parametrize(
    ("response", "kind", "parts"),
    [
        (told(errors.not_signed_in(None)), AuthError, ["answered 403.", "Service principals can use Fabric APIs"]),
        (told(errors.not_signed_in(errors.INVALID_TOKEN)), AuthError, ["403 InvalidToken", "token_scope"]),
        (told(errors.not_signed_in(errors.TOKEN_EXPIRED)), AuthError, ["403 TokenExpired", "clock"]),
        (told(errors.not_signed_in(errors.TOKEN_EXPIRED, told_in_body=True)), AuthError, ["TokenExpired (Access token"]),
        (answer(401, None, WWW_Authenticate=CLAIMS), AuthError, ["401 insufficient_claims", "exempts the app"]),
        (told(errors.role_too_low()), AuthError, ["403 PowerBINotAuthorizedException", "as Contributor"]),
        (told(errors.queries_switched_off()), AuthError, ["401 PowerBINotAuthorizedException", "is disabled for the tenant"]),
        (answer(401), AuthError, ["answered 401.", "renewed and refused again"]),
        (told(errors.no_access_to_workspace()), ConfigError, ["401 GroupNotAccessible", "Contributor", "workspace_id"]),
        (told(errors.dataset_not_found("d")), ConfigError, ["404 PowerBIEntityNotFound", "dataset_id"]),
        (told(errors.not_a_push_dataset("d")), ConfigError, ["ItemNotFound", "is not Push API dataset", "can't be pushed to"]),
        (told(errors.table_not_found("Cr", "d")), ContractBrokenError, ["Table 'Cr' not found", "can't be added"]),
        (told(errors.table_not_found("cr", "d", "RequestedResourceNotFound")), ContractBrokenError, ["case of a table's name"]),
        (unwrapped(errors.not_a_push_dataset("d")), ConfigError, ["404 ItemNotFound (Dataset d is not", "can't be pushed to"]),
        (in_header(errors.not_a_push_dataset("d")), ConfigError, ["404 ItemNotFound (Dataset d is not", "can't be pushed to"]),
        (told(errors.no_sequence_numbers()), ConfigError, ["answered 404.", "Check api_url"]),
        (answer(400, UNKNOWN_PROPERTY), ContractBrokenError, ["'compatibilityLevel' does not exist", "was stored"]),
        (told(errors.invalid_request(errors.PUSH_STREAMING_COLUMNS)), ContractBrokenError, ["InvalidRequest", "column prop"]),
        (told(errors.query_failed("Query (1, 10) Cannot find.")), ContractBrokenError, ["QueriesError (Query (1, 10)"]),
        (told(errors.bad_request("Row 3 is bad.", "rows")), ContractBrokenError, ["BadRequest", "Row 3 is", "was stored"]),
        (told(errors.creation_retired()), ConfigError, ["FeatureDeprecatedError", "Real-Time Intelligence", "dataset_id"]),
        (told(errors.too_large("17 MB")), ContractBrokenError, ["413", "batch_size_rows"]),
        (told(errors.throttled(TOO_MANY_ROWS, 30)), ThrottledError, ["429", "rows per hour limit", "retry_limit_seconds"]),
        (told(errors.throttled(THROTTLED, None)), ThrottledError, ["429", "exceeded the amount", "retry_limit_seconds"]),
        (answer(503, None, Retry_After="5"), UnavailableError, ["answered 503", "run again later"]),
        (answer(503), OutcomeUnknownError, ["answered 503", "may have done it all the same"]),
        (answer(500, LOCKED), OutcomeUnknownError, ["500 GeneralException (Failed to", "AcquireLockTimeout"]),
        (answer(408), OutcomeUnknownError, ["answered 408"]),
        (answer(302), ContractBrokenError, ["answered 302", "Check api_url"]),
        (answer(404, None), ConfigError, ["answered 404", "Check api_url"]),
    ],
)  # fmt: skip
def test_a_refusal_has_its_error_and_its_sentence(response, kind, parts):
    error = refusal(PUSH, response)
    assert type(error) is kind
    assert str(error).startswith("2 rows for table 'orders': Power BI answered ")
    for part in parts:
        assert part in str(error)


def test_a_500_to_what_is_safe_twice_is_a_service_that_does_not_work():
    assert type(refusal(Request("DELETE", "u", safe_twice=True), answer(500))) is UnavailableError
    assert type(refusal(Request("GET", "u"), answer(502))) is UnavailableError


def test_personal_data_tags_are_taken_out_and_long_messages_cut():
    code, message = error_of(
        answer(404, {"error": {"code": "ItemNotFound", "message": "Table '<pi>Cr</pi>' not found"}})
    )
    assert (code, message) == ("ItemNotFound", "Table 'Cr' not found")
    assert len(error_of(answer(400, {"error": {"message": "x" * 9999}}))[1] or "") == 400


def test_a_token_that_the_cut_would_go_through_does_not_show_its_first_half():
    token = "eyJ0eXAiOiJKV1Qi.eyJhdWQiOiJodHRwczovL2FuYWx5c2lz.c2lnbmF0dXJl"
    _, message = error_of(answer(400, {"error": {"code": "Bad", "message": "x" * 390 + " " + token}}))
    assert "eyJ0" not in message


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b"[]", b"null", b'{"error": 7}', b'{"error": {"details": 3}}', b"\xff"]
)
def test_a_body_of_any_shape_is_read(body):
    assert error_of(Response(400, case_insensitive({}), body)) == (None, None)


def test_another_token_helps_against_401_and_against_dead_tokens():
    assert token_refused(answer(401))
    assert token_refused(answer(403, None, x_powerbi_error_info="TokenExpired"))
    assert token_refused(answer(403, None, x_powerbi_error_info="InvalidToken"))
    assert token_refused(answer(403, {"error": {"code": "TokenExpired"}}))
    assert not token_refused(answer(403))
    assert not token_refused(answer(401, None, x_powerbi_error_info="GroupNotAccessible"))
    assert not token_refused(answer(401, None, WWW_Authenticate=CLAIMS))
    assert not token_refused(told(errors.queries_switched_off()))
    assert not token_refused(told(errors.role_too_low()))
    assert not token_refused(answer(200))
