"""Microsoft's token service, asked by the real MSAL."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jwt
import msal
import pytest
import requests
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding
from ifs_bi_sandbox.listener import Listener
from ifs_bi_sandbox.powerbi.assertion import ASSERTION
from ifs_bi_sandbox.powerbi.token import login_app
from ifs_bi_sandbox.world import Switches, World

if TYPE_CHECKING:
    from collections.abc import Iterator

SCOPE = "https://analysis.windows.net/powerbi/api/.default"


class Loopback:
    """MSAL's transport: it wants https, the sandbox speaks http."""

    def __init__(self, origin: str) -> None:
        self.origin = origin
        self.asked: list[str] = []
        self.session = requests.Session()
        self.session.trust_env = False

    def get(self, url: str, **options: Any) -> requests.Response:
        return self._ask("GET", url, options)

    def post(self, url: str, **options: Any) -> requests.Response:
        return self._ask("POST", url, options)

    def close(self) -> None:
        self.session.close()

    def _ask(self, method: str, url: str, options: dict[str, Any]) -> requests.Response:
        self.asked.append(f"{method} {url.removeprefix(self.origin.replace('http:', 'https:'))}")
        return self.session.request(method, url.replace("https:", "http:", 1), timeout=10, **options)


@pytest.fixture(scope="module")
def running() -> Iterator[tuple[World, str]]:
    world = World(Path("unused"))
    listener = Listener(login_app(world))
    listener.start()
    yield world, listener.url
    listener.stop()


@pytest.fixture
def world(running: tuple[World, str]) -> World:
    running[0].powerbi_tokens.clear()
    return running[0]


@pytest.fixture
def origin(running: tuple[World, str]) -> str:
    return running[1]


def application(
    origin: str, *, tenant: str = "", client: str = "", secret: str = ""
) -> tuple[msal.ConfidentialClientApplication, Loopback]:
    known, transport = Switches(), Loopback(origin)
    app = msal.ConfidentialClientApplication(
        client or known.powerbi_client_id,
        client_credential=secret or known.powerbi_client_secret,
        authority=f"{origin.replace('http:', 'https:')}/{tenant or known.tenant_id}",
        instance_discovery=False,
        http_client=transport,
    )
    return app, transport


def test_msal_gets_a_token_and_keeps_it(world: World, origin: str) -> None:
    app, transport = application(origin)
    first = app.acquire_token_for_client([SCOPE])
    assert first["token_type"] == "Bearer"
    assert first["expires_in"] == 3599
    assert list(world.powerbi_tokens) == [first["access_token"]]
    assert app.acquire_token_for_client([SCOPE])["token_source"] == "cache"
    tenant = world.switches.tenant_id
    assert transport.asked == [
        f"GET /{tenant}/v2.0/.well-known/openid-configuration",
        f"POST /{tenant}/oauth2/v2.0/token",
    ]


@pytest.mark.parametrize(
    ("wrong", "scope", "error", "code"),
    [
        ({"secret": "wrong"}, SCOPE, "invalid_client", 7000215),
        ({"client": "00000000-0000-0000-0000-000000000000"}, SCOPE, "unauthorized_client", 700016),
        ({}, "https://analysis.windows.net/powerbi/api/Dataset.ReadWrite.All", "invalid_scope", 1002012),
        ({}, "https://example.com/api/.default", "invalid_resource", 500011),
    ],
)
def test_msal_reports_what_the_service_refuses(
    world: World, origin: str, wrong: dict[str, str], scope: str, error: str, code: int
) -> None:
    answer = application(origin, **wrong)[0].acquire_token_for_client([scope])
    assert answer["error"] == error
    assert answer["error_description"].startswith(f"AADSTS{code}: ")
    assert answer["error_codes"] == [code]
    assert world.powerbi_tokens == {}


def test_msal_takes_an_unknown_tenant_for_a_wrong_authority(world: World, origin: str) -> None:
    with pytest.raises(ValueError, match="Unable to get authority configuration"):
        application(origin, tenant="contoso.onmicrosoft.com")
    response = requests.get(f"{origin}/contoso.onmicrosoft.com/v2.0/.well-known/openid-configuration", timeout=10)
    assert response.status_code == 400
    assert response.json()["error"] == "invalid_tenant"
    assert response.json()["error_description"].startswith("AADSTS90002: Tenant 'contoso.onmicrosoft.com' not found.")


@pytest.mark.parametrize(
    ("form", "status", "error"),
    [
        ({"client_secret": "wrong"}, 401, "invalid_client"),
        ({"client_secret": ""}, 401, "invalid_client"),
        ({"client_id": "other"}, 400, "unauthorized_client"),
        ({"grant_type": "password"}, 400, "unsupported_grant_type"),
    ],
)
def test_refusals_have_the_documented_status(
    world: World, origin: str, form: dict[str, str], status: int, error: str
) -> None:
    good = {
        "client_id": world.switches.powerbi_client_id,
        "client_secret": world.switches.powerbi_client_secret,
        "grant_type": "client_credentials",
        "scope": SCOPE,
    }
    response = requests.post(f"{origin}/{world.switches.tenant_id}/oauth2/v2.0/token", data=good | form, timeout=10)
    assert (response.status_code, response.json()["error"]) == (status, error)


def test_the_lifetime_of_a_token_is_a_switch(world: World, origin: str) -> None:
    world.switches.powerbi_expires_in = 400
    world.now = lambda: 10_000.0
    answer = application(origin)[0].acquire_token_for_client([SCOPE])
    assert answer["expires_in"] == 400
    assert list(world.powerbi_tokens.values()) == [10_400.0]


KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
NOW = datetime.now(UTC)


def certificate() -> x509.Certificate:
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "app")])
    builder = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(KEY.public_key()).serial_number(1)
    )
    return builder.not_valid_before(NOW).not_valid_after(NOW + timedelta(days=1)).sign(KEY, hashes.SHA256())


OWN = certificate()


def asserted(world: World, origin: str, *, kind: str = ASSERTION, thumbprint: bytes = b"", **claims: Any) -> Any:
    """The answer to a request with an assertion that is right but for what is given."""
    world.now = NOW.timestamp
    world.switches.powerbi_certificate = OWN.public_bytes(Encoding.PEM).decode()
    known = world.switches
    audience = f"{origin.replace('http:', 'https:')}/{known.tenant_id}/oauth2/v2.0/token"
    lives = {"nbf": NOW, "exp": NOW + timedelta(minutes=10)}
    said = (
        {"aud": audience, "iss": known.powerbi_client_id, "sub": known.powerbi_client_id, "jti": "1"} | lives | claims
    )
    named = jwt.utils.base64url_encode(thumbprint or OWN.fingerprint(hashes.SHA256())).decode()
    form = {
        "client_id": known.powerbi_client_id,
        "grant_type": "client_credentials",
        "scope": SCOPE,
        "client_assertion_type": kind,
        "client_assertion": jwt.encode(said, KEY, algorithm="PS256", headers={"x5t#S256": named}),
    }
    return requests.post(f"{origin}/{known.tenant_id}/oauth2/v2.0/token", data=form, timeout=10)


def test_a_certificate_stands_for_the_app(world: World, origin: str) -> None:
    response = asserted(world, origin)
    assert response.status_code == 200
    assert response.json()["access_token"] in world.powerbi_tokens


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        ({"kind": "something else"}, 50027),
        ({"thumbprint": b"another"}, 700027),
        ({"aud": "https://example.com"}, 700027),
        ({"exp": NOW - timedelta(hours=1)}, 700024),
        ({"nbf": NOW + timedelta(hours=1)}, 700024),
        ({"iss": "somebody", "sub": "somebody"}, 700021),
    ],
)
def test_an_assertion_that_is_wrong_is_refused(world: World, origin: str, wrong: dict[str, Any], code: int) -> None:
    response = asserted(world, origin, **wrong)
    assert (response.status_code, response.json()["error_codes"]) == (401, [code])
    assert world.powerbi_tokens == {}


def test_a_machine_has_the_identities_that_it_was_given(world: World, origin: str) -> None:
    world.switches.powerbi_identities = ["assigned"]
    headers = {"X-IDENTITY-HEADER": world.switches.powerbi_identity_header}
    asked = {"resource": SCOPE.removesuffix("/.default"), "api-version": "2019-08-01"}

    def status(headers: dict[str, str], **parameters: str) -> int:
        return requests.get(f"{origin}/msi/token", params=asked | parameters, headers=headers, timeout=10).status_code

    assert status(headers) == 200
    assert status(headers, client_id="assigned") == 200
    assert len(world.powerbi_tokens) == 2
    assert status(headers, client_id="another") == 400
    assert status({}) == 401
    assert status(headers, resource="https://example.com") == 500
