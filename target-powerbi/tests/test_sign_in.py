"""Sign-in with the real MSAL, against a token service on this machine."""

from __future__ import annotations

import re
import socket

import msal
import pytest
import requests
from ifs_bi_core.errors import AuthError, ConfigError, NotSentError
from ifs_bi_sandbox.faults import Fault
from target_powerbi.sign_in import SignIn

ANYWHERE = re.compile(".*")


def sign_in(pipe, **changes) -> SignIn:
    return SignIn(pipe.target(**changes).settings)


def test_a_service_principal_gets_a_token_that_the_api_takes(pipe):
    token = sign_in(pipe)()
    assert token.value in pipe.world.powerbi_tokens
    assert token.lifetime == pipe.world.switches.powerbi_expires_in


def test_every_call_brings_a_new_token(pipe):
    ask = sign_in(pipe)
    assert ask().value != ask().value


@pytest.mark.parametrize(
    ("changes", "parts"),
    [
        ({"client_secret": "wrong-secret"}, ["401 AADSTS7000215 invalid_client", "secret's Value"]),
        ({"client_id": "nobody"}, ["400 AADSTS700016 unauthorized_client", "check client_id"]),
        ({"tenant_id": "nowhere.example"}, ["400 AADSTS90002 invalid_tenant", "check tenant_id"]),
        ({"token_scope": "https://example.com/.default"}, ["AADSTS500011", "token_scope"]),
        ({"token_scope": "https://analysis.windows.net/powerbi/api/Read"}, ["AADSTS1002012", "/.default"]),
    ],
)
def test_what_is_configured_wrongly_is_named_with_its_code(pipe, changes, parts):
    with pytest.raises(ConfigError) as refused:
        sign_in(pipe, **changes)()
    for part in parts:
        assert part in str(refused.value)
    assert changes.get("client_secret", "wrong-secret") not in str(refused.value)


def test_a_refusal_later_in_the_run_is_none_of_the_configuration(pipe):
    ask = sign_in(pipe)
    ask()
    pipe.world.switches.powerbi_client_secret = "replaced meanwhile"
    with pytest.raises(AuthError, match="AADSTS7000215"):
        ask()


@pytest.mark.parametrize(
    "fault", [{"kind": "status", "status": 500}, {"kind": "status", "status": 429}, {"kind": "reset"}]
)
def test_a_service_that_does_not_work_is_asked_again(pipe, fault):
    ask = sign_in(pipe)
    pipe.world.faults.append(Fault("login", **fault))
    with pytest.raises(NotSentError, match=r"Sign-in to Microsoft: 127\.0\.0\.1"):
        ask()
    assert ask().value


def test_a_host_where_nobody_listens_is_named(pipe):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        host = f"127.0.0.1:{unused.getsockname()[1]}"
        with pytest.raises(NotSentError, match=f"{host} can't be reached"):
            sign_in(pipe, authority_host=f"http://{host}")()


def test_a_host_that_is_no_sign_in_service_is_named(pipe):
    with pytest.raises(ConfigError, match="authority_host"):
        sign_in(pipe, authority_host=pipe.box.powerbi_url)()


def test_an_answer_that_is_no_json_is_none_of_a_sign_in_service(pipe, requests_mock):
    requests_mock.get(ANYWHERE, text="<html>Welcome</html>")
    with pytest.raises(ConfigError, match="does not answer like a sign-in service"):
        sign_in(pipe)()


def test_an_untrusted_certificate_is_told_as_such(pipe, requests_mock):
    requests_mock.get(ANYWHERE, exc=requests.exceptions.SSLError)
    with pytest.raises(NotSentError, match="REQUESTS_CA_BUNDLE"):
        sign_in(pipe)()


def test_only_a_loopback_origin_is_spoken_to_without_tls(pipe, requests_mock):
    answers = {"authorization_endpoint": "https://login.microsoftonline.com/t/a"}
    answers["token_endpoint"] = "https://login.microsoftonline.com/t/oauth2/v2.0/token"
    requests_mock.get("https://login.microsoftonline.com/t/v2.0/.well-known/openid-configuration", json=answers)
    requests_mock.post(answers["token_endpoint"], json={"access_token": "a.b.c", "expires_in": 3599})
    assert sign_in(pipe, authority_host="https://login.microsoftonline.com", tenant_id="t")().value == "a.b.c"
    assert {call.scheme for call in requests_mock.request_history} == {"https"}


def test_an_answer_without_a_token_is_refused(pipe, monkeypatch):
    monkeypatch.setattr(
        msal.ConfidentialClientApplication, "acquire_token_for_client", lambda *_: {"token_type": "Bearer"}
    )
    with pytest.raises(ConfigError, match="holds no access token"):
        sign_in(pipe)()
