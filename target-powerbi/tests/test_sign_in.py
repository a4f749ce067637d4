"""Sign-in with the real MSAL, against a token service on this machine."""

from __future__ import annotations

import re
import socket
from datetime import UTC, datetime, timedelta

import msal
import pytest
import requests
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    pkcs12,
)
from ifs_bi_core.errors import AuthError, ConfigError, NotSentError
from ifs_bi_core.http.tokens import TokenSource
from ifs_bi_sandbox.faults import Fault
from target_powerbi.api import connect
from target_powerbi.sign_in import SignIn

ANYWHERE = re.compile(".*")
ASSIGNED = "99999999-8888-7777-6666-555555555555"


class Identity:
    """A private key and its certificate, made for this test run alone."""

    def __init__(self, name: str = "powerbi-loader") -> None:
        self.key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
        builder = x509.CertificateBuilder().subject_name(subject).issuer_name(subject).public_key(self.key.public_key())
        begin = datetime.now(UTC) - timedelta(days=1)
        builder = builder.not_valid_before(begin).not_valid_after(begin + timedelta(days=30))
        self.certificate = builder.serial_number(1).sign(self.key, hashes.SHA256())

    @property
    def public(self) -> bytes:
        return self.certificate.public_bytes(Encoding.PEM)

    def pem(self, password: str | None = None) -> bytes:
        protection = BestAvailableEncryption(password.encode()) if password else NoEncryption()
        return self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, protection)

    def pfx(self, password: str | None = None) -> bytes:
        protection = BestAvailableEncryption(password.encode()) if password else NoEncryption()
        return pkcs12.serialize_key_and_certificates(b"app", self.key, self.certificate, None, protection)


@pytest.fixture(scope="module")
def identity() -> Identity:
    return Identity()


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


def test_what_an_answer_lacks_is_told_in_words(pipe):
    pipe.world.faults.append(Fault("login", "status", status=200, body={"token_type": "Bearer"}))
    with pytest.raises(ConfigError, match="the answer holds no 'authorization_endpoint'"):
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


def by_certificate(pipe, tmp_path, content: bytes, password: str | None = None) -> SignIn:
    """Sign-in with a certificate file of this content."""
    path = tmp_path / "app.cert"
    path.write_bytes(content)
    return sign_in(pipe, client_secret=None, client_certificate_path=str(path), client_certificate_password=password)


@pytest.mark.parametrize("password", [None, "pass-word"])
@pytest.mark.parametrize("form", ["pem", "certificate first", "pfx"])
def test_a_certificate_signs_in(pipe, tmp_path, identity, form, password):
    pipe.world.switches.powerbi_certificate = identity.public.decode()
    content = {
        "pem": identity.pem(password) + identity.public,
        "certificate first": Identity("an authority").public + identity.public + identity.pem(password),
        "pfx": identity.pfx(password),
    }[form]
    assert by_certificate(pipe, tmp_path, content, password)().value in pipe.world.powerbi_tokens


def test_a_certificate_that_the_app_does_not_know_is_told(pipe, tmp_path, identity):
    pipe.world.switches.powerbi_certificate = Identity().public.decode()
    with pytest.raises(
        ConfigError, match=r"401 AADSTS700027 invalid_client\. The app does not know this certificate: upload"
    ):
        by_certificate(pipe, tmp_path, identity.pem() + identity.public)()


def test_a_clock_that_is_wrong_is_told(pipe, tmp_path, identity):
    pipe.world.switches.powerbi_certificate = identity.public.decode()
    pipe.world.now = lambda: datetime.now(UTC).timestamp() + 7200
    with pytest.raises(ConfigError, match=r"AADSTS700024 invalid_client\. .*check this machine's clock"):
        by_certificate(pipe, tmp_path, identity.pem() + identity.public)()


def test_a_certificate_file_that_can_not_be_used_is_told(pipe, tmp_path, identity):
    other = Identity()
    for content, password, sentence in (
        (identity.public, None, "holds no private key"),
        (identity.pem(), None, "holds no certificate of its private key"),
        (identity.pem() + other.public, None, "holds no certificate of its private key"),
        (identity.pem("right") + identity.public, "wrong", "can't be opened. Check client_certificate_password"),
        (identity.pem("right") + identity.public, None, "can't be opened. Set client_certificate_password"),
        (identity.pfx("right"), "wrong", "can't be opened. Check client_certificate_password"),
        (b"nonsense", None, "the file has to be PEM or PFX"),
    ):
        with pytest.raises(ConfigError) as refused:
            by_certificate(pipe, tmp_path, content, password)
        assert sentence in str(refused.value)
        assert "PRIVATE KEY" not in str(refused.value)
    with pytest.raises(ConfigError, match=r"nowhere\.pem can't be read: No such file or directory\. Check the path"):
        sign_in(pipe, client_secret=None, client_certificate_path=str(tmp_path / "nowhere.pem"))


@pytest.fixture
def azure(pipe, monkeypatch):
    """A machine of Azure with an identity of its own, and one that was assigned to it."""
    for name in ("IDENTITY_SERVER_THUMBPRINT", "MSI_ENDPOINT", "IMDS_ENDPOINT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("IDENTITY_ENDPOINT", f"{pipe.box.login_url}/msi/token")
    monkeypatch.setenv("IDENTITY_HEADER", pipe.world.switches.powerbi_identity_header)
    pipe.world.switches.powerbi_identities = [ASSIGNED]
    return {"client_secret": None, "client_id": None, "tenant_id": None, "managed_identity": True}


@pytest.mark.parametrize("named", [True, ASSIGNED])
def test_a_managed_identity_signs_in_without_a_secret(pipe, azure, named):
    ask = sign_in(pipe, **azure | {"managed_identity": named})
    token = ask()
    assert token.value in pipe.world.powerbi_tokens
    assert token.lifetime == pytest.approx(pipe.world.switches.powerbi_expires_in, abs=5)
    assert ask().value != token.value


def test_a_managed_identity_delivers_rows(pipe, azure):
    pipe.feed(pipe.schema(), pipe.order(1), **azure)
    assert pipe.amounts() == {"1": 1}


def test_an_identity_that_the_machine_has_not_is_told(pipe, azure):
    pipe.world.switches.powerbi_identities = []
    with pytest.raises(ConfigError) as refused:
        sign_in(pipe, **azure | {"managed_identity": ASSIGNED})()
    assert "No User Assigned or Delegated Managed Identity found" in str(refused.value)
    assert "check managed_identity (true, or the client id" in str(refused.value)


def test_a_machine_without_the_service_is_told(pipe, azure, monkeypatch):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        host = f"127.0.0.1:{unused.getsockname()[1]}"
        monkeypatch.setenv("IDENTITY_ENDPOINT", f"http://{host}/msi/token")
        with pytest.raises(
            NotSentError, match=f"no service for it answers at {host}. It is there on Azure's own machines"
        ):
            sign_in(pipe, **azure)()


def test_a_managed_identity_that_does_not_work_now_is_asked_again(pipe, azure):
    ask = sign_in(pipe, **azure)
    pipe.world.faults.append(Fault("login", "status", status=500))
    with pytest.raises(NotSentError, match=r"Managed identity: 127\.0\.0\.1:\d+ answered 500"):
        ask()
    assert ask().value


def tokens_asked_for(pipe) -> int:
    return len([call for call in pipe.world.requests if call["path"].endswith("/oauth2/v2.0/token")])


@pytest.mark.parametrize("where", ["header", "body"])
def test_a_token_that_died_early_is_renewed_once(pipe, where):
    """Power BI answers 403 with ``x-powerbi-error-info: TokenExpired`` then, and once did in the body."""
    pipe.world.switches.powerbi_token_errors = where
    api = connect(pipe.target().settings)
    api.datasets()
    pipe.world.powerbi_tokens.clear()
    pipe.world.requests.clear()
    assert api.datasets() == []
    assert tokens_asked_for(pipe) == 1


def test_a_token_that_is_refused_again_ends_the_run(pipe):
    api = connect(pipe.target().settings)
    pipe.fault("status", status=403, headers={"x-powerbi-error-info": "TokenExpired"}, times=None)
    with pytest.raises(AuthError, match="The token was renewed and refused again: check this machine's clock"):
        api.datasets()
    assert tokens_asked_for(pipe) == 2


def test_a_token_is_renewed_ahead_of_its_end(pipe):
    pipe.world.switches.powerbi_expires_in = 1200
    now = [0.0]
    tokens = TokenSource(sign_in(pipe), clock=lambda: now[0])
    first = tokens.get()
    now[0] = 599
    assert tokens.get() == first
    now[0] = 600
    assert tokens.get() != first
