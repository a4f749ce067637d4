"""The signed assertion that stands for an app's certificate, as the token service checks it.

Source: learn.microsoft.com/entra/identity-platform/certificate-credentials (which claims and headers there are), RFC 7523.
"""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

import jwt
from cryptography import x509
from cryptography.hazmat.primitives import hashes

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_SKEW = 300  # seconds by which a client's clock may differ


def flaw(
    form: Mapping[str, str], certificate: str, app: str, audiences: Sequence[str], now: float
) -> tuple[int, str] | None:
    """What is wrong with an assertion: the number of the error and its text; None where it is right.

    Args:
        form: of the token request.
        certificate: the app's, as PEM; empty: it has none.
        app: its client id.
        audiences: the addresses that the token service answers to.
        now: seconds since the epoch.
    """
    if form.get("client_assertion_type") != ASSERTION:
        return 50027, f"The 'client_assertion_type' has to be '{ASSERTION}'."
    try:
        header = jwt.get_unverified_header(form["client_assertion"])
        claims = jwt.decode(
            form["client_assertion"],
            _named(header, certificate).public_key(),  # type: ignore[arg-type]  # RSA, or the signature does not fit
            algorithms=["PS256", "RS256"],
            audience=list(audiences),
            options={
                "require": ["aud", "exp", "iss", "sub", "jti"],
                "verify_exp": False,
                "verify_nbf": False,
                "verify_iat": False,
            },
        )
    except (jwt.PyJWTError, ValueError) as reason:
        return 700027, f"Client assertion contains an invalid signature. [Reason - {reason}]"
    if not claims.get("nbf", 0) - _SKEW <= now < claims["exp"] + _SKEW:
        return 700024, "Client assertion is not within its valid time range."
    if not claims["iss"] == claims["sub"] == app:
        return 700021, f"The client assertion names '{claims['iss']}' as its issuer, which is not '{app}'."
    return None


def _named(header: Mapping[str, Any], pem: str) -> x509.Certificate:
    """The app's certificate, where the assertion's header names it by its thumbprint."""
    if not pem:
        raise ValueError("The key was not found.")
    certificate = x509.load_pem_x509_certificate(pem.encode())
    thumbprints = {
        "x5t#S256": certificate.fingerprint(hashes.SHA256()),
        "x5t": certificate.fingerprint(hashes.SHA1()),  # noqa: S303 - the name of a certificate, no protection
    }
    named = {name: _decoded(header[name]) for name in thumbprints if name in header}
    if not named or any(thumbprints[name] != given for name, given in named.items()):
        shown = next((given.hex().upper() for given in named.values()), "none")
        raise ValueError(f"The key was not found., Thumbprint of key used by client: '{shown}'")
    return certificate


def _decoded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
