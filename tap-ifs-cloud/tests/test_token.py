"""The shape of the sign-in request, and what its answers mean."""

from urllib.parse import parse_qs

import pytest
import requests_mock
from ifs_bi_core.errors import AuthError, ConfigError, UnavailableError
from ifs_bi_core.http.transport import transport
from ifs_bi_core.redaction import REDACTOR
from tap_ifs_cloud.token import Client, keycloak_token_url, token_fetcher

URL = keycloak_token_url("https://acme.ifs.cloud", "acme prod")
CLIENT = Client(URL, "READER", "p&ss=wörd", "openid microprofile-jwt")
GOOD = {"access_token": "abc", "expires_in": 180, "refresh_token": "r", "token_type": "Bearer"}


def test_the_address_is_the_realm_s():
    assert URL == "https://acme.ifs.cloud/auth/realms/acme%20prod/protocol/openid-connect/token"


def test_client_and_secret_travel_in_the_body_alone():
    with requests_mock.Mocker() as service:
        service.post(URL, json=GOOD)
        token = token_fetcher(CLIENT, transport())()
    (request,) = service.request_history
    assert parse_qs(request.text) == {
        "grant_type": ["client_credentials"],
        "client_id": ["READER"],
        "client_secret": ["p&ss=wörd"],
        "scope": ["openid microprofile-jwt"],
    }
    assert "Authorization" not in request.headers
    assert not request.query
    assert (token.value, token.lifetime) == ("abc", 180)


@pytest.mark.parametrize(
    ("answer", "error", "sentence"),
    [
        ({"status_code": 401, "json": {"error": "invalid_client"}}, ConfigError, r"answered 401 \(invalid_client\)"),
        ({"status_code": 400, "text": "<html>"}, ConfigError, r"answered 400\. Check base_url and realm"),
        ({"status_code": 503}, UnavailableError, "answered 503"),
        ({"status_code": 429}, UnavailableError, "answered 429"),
        ({"text": "<html>Sign in</html>"}, AuthError, "without an access token"),
        ({"json": {"token": "x"}}, AuthError, "without an access token"),
        ({"json": []}, AuthError, "without an access token"),
    ],
)
def test_any_other_answer_is_an_error_that_says_what_to_check(answer, error, sentence):
    with requests_mock.Mocker() as service:
        service.post(URL, **answer)
        with pytest.raises(error, match=sentence) as caught:
            token_fetcher(CLIENT, transport())()
    assert "p&ss" not in str(caught.value)
    assert REDACTOR.redact(str(caught.value)) == str(caught.value)  # a word of ours behind a colon is no secret


def test_a_client_does_not_show_its_secret():
    assert "p&ss" not in repr(CLIENT)
