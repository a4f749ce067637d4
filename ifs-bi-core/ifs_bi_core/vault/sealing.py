"""What a vault's file says and how it is sealed: text and keys in, text and bytes out, no file and no clock.

The file is canonical JSON: ``format``, ``key_id`` (tells whether a key is the right one without trying it), ``salt``, ``entries``
(name → hex of a 12-byte nonce and the AES-256-GCM ciphertext, with format and name as associated data) and ``seal``, an
HMAC-SHA256 of all the rest. The canonical form and the seal together leave no byte that can change unseen: not a space, not an
entry put under another's name, not an entry taken away.

AES-GCM: NIST SP 800-38D. Derivation of three keys from one: HKDF, RFC 5869. Passphrases: scrypt, RFC 7914.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import secrets
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from ifs_bi_core.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping

FORMAT = 1
"""What this version writes and reads."""

_NONCE_BYTES = 12
_GENERATED_KEY = re.compile(r"[A-Za-z0-9+/_-]{43}=?")  # 32 random bytes in base64, standard or url-safe
# OWASP Password Storage Cheat Sheet, scrypt: N = 2^17, r = 8, p = 1 (128 MiB, a third of a second)
_SCRYPT_COST, _SCRYPT_BLOCK, _SCRYPT_LANES = 2**17, 8, 1


@dataclass(frozen=True)
class Keys:
    """What one master key and one salt make: three keys that tell nothing of each other."""

    id: str
    """Names the master key without telling it: 32 hex digits."""
    entries: AESGCM = field(repr=False)
    seal: bytes = field(repr=False)


@dataclass(frozen=True)
class Document:
    """A vault's content, still sealed."""

    key_id: str
    salt: str
    """32 hex digits, new with every master key."""
    entries: Mapping[str, str]
    """Name → hex of nonce and ciphertext."""


class DamagedVaultError(ConfigError):
    """The file is not what a vault wrote."""


def new_master_key() -> str:
    """A random master key: 32 bytes in url-safe base64, 43 characters."""
    return secrets.token_urlsafe(32)


def derived(master: str, salt: str) -> Keys:
    """The keys of ``master``: a generated key as it is, anything else as a passphrase, which takes a third of a second."""
    if _GENERATED_KEY.fullmatch(master):
        material = master.rstrip("=").encode()
    else:
        kdf = Scrypt(salt=salt.encode(), length=32, n=_SCRYPT_COST, r=_SCRYPT_BLOCK, p=_SCRYPT_LANES)
        material = kdf.derive(master.encode("utf-8", "surrogateescape"))
    made = HKDF(algorithm=SHA256(), length=80, salt=salt.encode(), info=b"ifs-bi vault 1").derive(material)
    return Keys(id=made[:16].hex(), entries=AESGCM(made[16:48]), seal=made[48:])


def empty(master: str) -> tuple[Document, Keys]:
    """A vault without entries for ``master``, under a new salt."""
    salt = secrets.token_hex(16)
    keys = derived(master, salt)
    return Document(keys.id, salt, {}), keys


def check(name: str, value: str) -> None:
    """Whether a vault can hold ``value`` under ``name``.

    Raises:
        ConfigError: one of them is empty or no Unicode text.
    """
    if not name or not value:
        raise ConfigError("A secret needs a name and a value, and one is empty; nothing was stored. Give both.")
    try:
        (name + value).encode()
    except UnicodeEncodeError:
        raise ConfigError(
            "A secret's name and value must be UTF-8 text; nothing was stored. Put bytes into base64 first."
        ) from None


def put(document: Document, keys: Keys, name: str, value: str) -> Document:
    """The document with ``value`` under ``name``, in place of what was there.

    Raises:
        ConfigError: see `check`.
    """
    check(name, value)
    nonce = secrets.token_bytes(_NONCE_BYTES)
    sealed = nonce + keys.entries.encrypt(nonce, value.encode(), _bound(name))
    return replace(document, entries={**document.entries, name: sealed.hex()})


def taken(document: Document, keys: Keys, name: str, where: str) -> str:
    """The value under ``name``, which must be there. ``where`` names the vault in errors.

    Raises:
        DamagedVaultError: the entry was not sealed under this name with this key.
    """
    try:
        sealed = bytes.fromhex(document.entries[name])
        return keys.entries.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], _bound(name)).decode()
    except (ValueError, InvalidTag):
        raise _damaged(where) from None


def encoded(document: Document, keys: Keys) -> bytes:
    """The bytes of the file."""
    fields = {
        "format": FORMAT,
        "key_id": document.key_id,
        "salt": document.salt,
        "entries": dict(sorted(document.entries.items())),
    }
    return _canonical({**fields, "seal": hmac.new(keys.seal, _canonical(fields), hashlib.sha256).hexdigest()})


def parsed(data: bytes, where: str) -> Document:
    """What ``data`` says; nothing of it is proven before `proven`.

    Raises:
        ConfigError: it was written by a newer version.
        DamagedVaultError: it is no vault's file.
    """
    try:
        said: Any = json.loads(data)
    except (ValueError, RecursionError):
        raise _damaged(where) from None
    if not isinstance(said, dict):
        raise _damaged(where)
    version = said.get("format")
    if isinstance(version, int) and version > FORMAT:
        raise ConfigError(
            f"The vault {where} has format {version}; this version of ifs-bi-core reads format {FORMAT}. "
            f"Install the version that wrote it, or a newer one, then run again."
        )
    match said:
        case {"key_id": str(key_id), "salt": str(salt), "entries": dict(entries)} if all(
            isinstance(entry, str) for entry in entries.values()
        ):
            return Document(key_id, salt, entries)
    raise _damaged(where)


def proven(data: bytes, document: Document, keys: Keys, where: str) -> Document:
    """The document, when ``data`` is byte for byte what the holder of ``keys`` wrote.

    Raises:
        DamagedVaultError: it is not.
    """
    if not hmac.compare_digest(encoded(document, keys), data):
        raise _damaged(where)
    return document


def _bound(name: str) -> bytes:
    """What an entry's ciphertext is tied to."""
    return f"ifs-bi vault {FORMAT} entry {name}".encode()


def _canonical(fields: dict[str, Any]) -> bytes:
    return (json.dumps(fields, indent=1) + "\n").encode()


def _damaged(where: str) -> DamagedVaultError:
    return DamagedVaultError(
        f"The vault {where} was changed or cut after it was written; nothing in it is used. "
        f"Bring it back from a backup, or delete it and set its secrets again."
    )
