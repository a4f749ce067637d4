"""Encrypted rows of a letter: bytes and a key in, bytes out. Imported only where a letter is sealed.

A sealed file is 16 bytes that tell whether a key is the right one, a 12-byte nonce, and the AES-256-GCM ciphertext (NIST SP
800-38D) with the letter's id as associated data: it opens under no other letter's name.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from ifs_bi_core.dead_letter.letter import DamagedLetterError
from ifs_bi_core.errors import ConfigError

KEY_BYTES = 32

_NAME_BYTES = 16
_NONCE_BYTES = 12


def sealed(payload: bytes, key: bytes, letter: str) -> bytes:
    """The payload, encrypted for a letter.

    Raises:
        ConfigError: the key has not 32 bytes.
    """
    name = _name(key)
    nonce = secrets.token_bytes(_NONCE_BYTES)
    return name + nonce + AESGCM(key).encrypt(nonce, payload, letter.encode())


def opened(data: bytes, key: bytes, letter: str) -> bytes:
    """The payload of a letter.

    Raises:
        ConfigError: it was sealed with another key.
        DamagedLetterError: it was changed after it was sealed.
    """
    name, nonce, text = data[:_NAME_BYTES], data[_NAME_BYTES:][:_NONCE_BYTES], data[_NAME_BYTES + _NONCE_BYTES :]
    if not hmac.compare_digest(name, _name(key)):
        raise ConfigError(
            f"The dead letter {letter} is sealed with another key than the one this vault holds. Give the vault that was there "
            f"when the rows were refused, with the state folder or IFS_BI_VAULT."
        )
    try:
        return AESGCM(key).decrypt(nonce, text, letter.encode())
    except (InvalidTag, ValueError):
        raise DamagedLetterError(
            f"The rows of the dead letter {letter} were changed or cut after they were sealed; nothing of them is used. "
            f"Bring the letter's folder back from a backup, or fetch the rows again from the source."
        ) from None


def _name(key: bytes) -> bytes:
    """What tells a key from others without telling it."""
    if len(key) != KEY_BYTES:
        raise ConfigError(f"Dead letters are sealed with a key of {KEY_BYTES} bytes, and this one has {len(key)}.")
    return hmac.digest(key, b"ifs-bi dead letters", hashlib.sha256)[:_NAME_BYTES]
