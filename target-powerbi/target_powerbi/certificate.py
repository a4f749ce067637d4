"""The certificate of an app registration with its private key, read from a PEM or PFX file for MSAL."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
    pkcs12,
)
from ifs_bi_core.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path

    from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes

_PEM = b"-----BEGIN "
_KEY = re.compile(rb"-----BEGIN [A-Z ]*PRIVATE KEY-----.+?-----END [A-Z ]*PRIVATE KEY-----", re.DOTALL)


def credential_of(path: Path, password: str | None) -> dict[str, str]:
    """What MSAL's ``client_credential`` takes: the private key and its certificate as PEM text, in memory alone.

    Args:
        path: a PEM file with both, in any order and with others of the chain, or a PFX (PKCS #12) file.
        password: what the private key is encrypted with.

    Raises:
        ConfigError: the file can't be read, lacks one of the two, or the password does not fit.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ConfigError(
            f"Setting 'client_certificate_path': {path} can't be read: {error.strerror}. Check the path."
        ) from None
    secret = password.encode() if password else None
    try:
        key, certificates = _of_pem(content, secret) if _PEM in content else _of_pfx(content, secret)
    except (ValueError, TypeError):  # cryptography's words for a wrong password, an absent one and a damaged file
        advice = "Check client_certificate_password" if secret else "Set client_certificate_password if it is encrypted"
        raise ConfigError(
            f"Setting 'client_certificate_path': the private key in {path} can't be opened. {advice}; the file "
            f"has to be PEM or PFX."
        ) from None
    if key is None:
        raise ConfigError(f"Setting 'client_certificate_path': {path} holds no private key. Export it with the key.")
    own = next((one for one in certificates if one.public_key() == key.public_key()), None)
    if own is None:
        raise ConfigError(
            f"Setting 'client_certificate_path': {path} holds no certificate of its private key. Put both into it."
        )
    return {
        "private_key": key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode(),
        "public_certificate": own.public_bytes(Encoding.PEM).decode(),
    }


def _of_pem(content: bytes, secret: bytes | None) -> tuple[PrivateKeyTypes | None, list[x509.Certificate]]:
    found = _KEY.search(content)
    if found is None:
        return None, []
    encrypted = b"ENCRYPTED" in found[0]
    key = load_pem_private_key(found[0], secret if encrypted else None)
    return key, x509.load_pem_x509_certificates(content) if b"BEGIN CERTIFICATE" in content else []


def _of_pfx(content: bytes, secret: bytes | None) -> tuple[PrivateKeyTypes | None, list[x509.Certificate]]:
    key, own, others = pkcs12.load_key_and_certificates(content, secret)
    return key, [own, *others] if own else others
