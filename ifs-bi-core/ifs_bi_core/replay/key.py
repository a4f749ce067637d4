"""The key that dead letters are sealed with: a secret of the vault, so it stays the same when the vault's own key changes."""

from __future__ import annotations

import base64
import os
import secrets
from functools import partial
from typing import TYPE_CHECKING

from ifs_bi_core.dead_letter.folders import locked
from ifs_bi_core.errors import ConfigError
from ifs_bi_core.redaction import REDACTOR

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from ifs_bi_core.vault.store import Vault

NAME = "ifs-bi/dead-letters"
"""Under which the vault holds it."""

_KEY_BYTES = 32


def letter_key(
    state_dir: Path, environ: Mapping[str, str] = os.environ, *, create: bool = True
) -> Callable[[], bytes | None]:
    """What `ifs_bi_core.dead_letter.store.DeadLetters` asks for its key; nothing is read before it asks.

    It gets None, and letters stay readable, where there is neither a vault nor ``IFS_BI_VAULT_KEY``.

    Args:
        state_dir: the folder whose vault it is, unless ``IFS_BI_VAULT`` names another.
        environ: may hold the vault's master key.
        create: make a key on first use, for who puts letters; False for who only opens them.

    The function that is returned raises `ConfigError` for a vault that can't be opened.
    """
    return partial(_key, state_dir, environ, create=create)


def _key(state_dir: Path, environ: Mapping[str, str], *, create: bool) -> bytes | None:
    # Here and not above: who has no dead letters needn't wait for cryptography to load.
    from ifs_bi_core.vault.files import make_private_folder  # noqa: PLC0415 - the reason is the line above
    from ifs_bi_core.vault.keys import KEY  # noqa: PLC0415
    from ifs_bi_core.vault.store import Vault  # noqa: PLC0415

    vault = Vault.within(state_dir, environ)
    if not vault.path.exists() and not environ.get(KEY, "").strip():
        return None
    held = _held(vault)
    if held is None and create:
        make_private_folder(vault.path.parent)
        with locked(vault.path.with_name("dead-letters.lock")):
            held = _held(vault) or _made(vault)
    return None if held is None else _decoded(held, vault.path)


def _held(vault: Vault) -> str | None:
    if not vault.path.exists():
        return None
    contents = vault.read()
    return contents.secret(NAME) if NAME in contents.names else None


def _made(vault: Vault) -> str:
    made = base64.b64encode(secrets.token_bytes(_KEY_BYTES)).decode()
    REDACTOR.register(made)
    vault.set(NAME, made)
    return made


def _decoded(held: str, path: Path) -> bytes:
    try:
        key = base64.b64decode(held, validate=True)
    except ValueError:
        key = b""
    if len(key) != _KEY_BYTES:
        raise ConfigError(
            f"What the vault {path} holds as {NAME} is no key of {_KEY_BYTES} bytes in base64. Bring the vault back from a "
            f"backup, or, when there are no sealed dead letters, run: ifs-bi vault remove {NAME}."
        )
    return key
