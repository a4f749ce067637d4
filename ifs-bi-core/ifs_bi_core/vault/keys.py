"""Where the master key of a vault is kept: in the environment, in a file, or in the operating system's keyring.

They are asked in that order, and the first key that fits the vault opens it. A new key is added beside the old one before the
vault is sealed with it, and the old one is dropped after that: whenever a process ends, a key that fits is there.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from ifs_bi_core.errors import ConfigError
from ifs_bi_core.vault.files import read_private, remove_private, write_private
from ifs_bi_core.vault.sealing import new_master_key

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

KEY = "IFS_BI_VAULT_KEY"
NEW_KEY = "IFS_BI_VAULT_NEW_KEY"
KEY_FILE = "IFS_BI_VAULT_KEY_FILE"

_SERVICE = "ifs-bi vault"


class KeyPlace(Protocol):
    """One place that can keep master keys."""

    @property
    def name(self) -> str:
        """What to call it in a sentence."""

    @property
    def kept(self) -> str:
        """What to say of a key that was just made: where it is, or what to do with it."""

    def masters(self, key_id: str | None) -> list[str]:
        """The master keys to try for the vault whose key is ``key_id``; None: for a vault that is about to be made."""

    def new_master(self) -> str:
        """A key to seal with from now on, not yet kept."""

    def add(self, new: str, new_id: str) -> None:
        """Keep ``new`` beside what is kept."""

    def drop(self, old: str, old_id: str) -> None:
        """Forget ``old``."""


@dataclass(frozen=True)
class EnvironmentKey:
    """The variable ``IFS_BI_VAULT_KEY``; a new key comes in ``IFS_BI_VAULT_NEW_KEY``, since a process can't set its parent's."""

    environ: Mapping[str, str] = field(repr=False)

    @property
    def name(self) -> str:
        """What to call it in a sentence."""
        return f"the variable {KEY}"

    @property
    def kept(self) -> str:
        """What to do with a key that was just given."""
        return f"the one in {NEW_KEY}: put it into {KEY} now, everywhere this vault is read"

    def masters(self, key_id: str | None) -> list[str]:
        """The variable's value, if it is set."""
        del key_id
        value = self.environ.get(KEY, "").strip()
        return [value] if value else []

    def new_master(self) -> str:
        """What the caller wants from now on.

        Raises:
            ConfigError: ``IFS_BI_VAULT_NEW_KEY`` is not set or holds the present key.
        """
        value = self.environ.get(NEW_KEY, "").strip()
        if not value or [value] == self.masters(None):
            raise ConfigError(
                f"The vault's key comes from {KEY}, which a command can't change for you. Set {NEW_KEY} to the new key "
                f"(make one with: openssl rand -base64 32), or move the key with --key-in file or --key-in keyring."
            )
        return value

    def add(self, new: str, new_id: str) -> None:
        """Nothing to do: the caller holds it."""

    def drop(self, old: str, old_id: str) -> None:
        """Nothing to do: the caller holds it."""


@dataclass(frozen=True)
class KeyFile:
    """A file of mode 0600 with one key a line: one, or more while a rotation is under way or after it was stopped."""

    path: Path

    @property
    def name(self) -> str:
        """What to call it in a sentence."""
        return f"the key file {self.path}"

    @property
    def kept(self) -> str:
        """Where a key that was just made is."""
        return f"kept in {self.name}"

    def masters(self, key_id: str | None) -> list[str]:
        """The keys in the file, if it is there."""
        del key_id
        data = read_private(self.path, "key file") or b""
        return [line.strip() for line in data.decode("utf-8", "surrogateescape").split("\n") if line.strip()]

    def new_master(self) -> str:
        """A generated key."""
        return new_master_key()

    def add(self, new: str, new_id: str) -> None:
        """Write the file with ``new`` before the others."""
        del new_id
        self._write([new, *self.masters(None)])

    def drop(self, old: str, old_id: str) -> None:
        """Write the file without ``old``, or delete it when nothing is left."""
        del old_id
        left = [master for master in self.masters(None) if master != old]
        if left:
            self._write(left)
        else:
            remove_private(self.path, "key file")

    def _write(self, masters: list[str]) -> None:
        text = "".join(f"{master}\n" for master in masters)
        write_private(self.path, text.encode("utf-8", "surrogateescape"), "key file")


@dataclass(frozen=True)
class Keyring:
    """The operating system's keyring through the package ``keyring``, each key under the vault's key id."""

    @property
    def name(self) -> str:
        """What to call it in a sentence."""
        return "the operating system's keyring"

    @property
    def kept(self) -> str:
        """Where a key that was just made is."""
        return f"kept in {self.name}"

    def masters(self, key_id: str | None) -> list[str]:
        """The key of that id, if there is a keyring and it has one. A keyring that can't be asked has none."""
        if key_id is None:
            return []
        try:
            found = _asked("get_password", key_id)
        except ConfigError:
            return []
        return [found] if found else []

    def new_master(self) -> str:
        """A generated key."""
        return new_master_key()

    def add(self, new: str, new_id: str) -> None:
        """Put it into the keyring.

        Raises:
            ConfigError: there is no keyring, or it refuses.
        """
        _asked("set_password", new_id, new)

    def drop(self, old: str, old_id: str) -> None:
        """Take it out of the keyring."""
        del old
        _asked("delete_password", old_id)


def _asked(verb: str, *words: str) -> str | None:
    """What the keyring answers; where there is none, or it refuses, a `ConfigError`."""
    try:
        package: Any = importlib.import_module("keyring")
        refusal: type[Exception] = importlib.import_module("keyring.errors").KeyringError
    except ModuleNotFoundError:
        raise ConfigError(
            "The package keyring isn't installed, so the operating system's keyring can't be asked. "
            "Install it with: pip install 'ifs-bi-core[keyring]'."
        ) from None
    try:
        answer: str | None = getattr(package, verb)(_SERVICE, *words)
    except refusal as error:
        raise ConfigError(
            f"The operating system's keyring can't be used: {type(error).__name__}: {error}. Unlock it or set one up, "
            f"or keep the key in a file or in {KEY}."
        ) from None
    return answer


def no_key_fits(vault: Path, key_id: str, places: Sequence[KeyPlace]) -> ConfigError:
    """The error for a vault that no key in ``places`` opens: a wrong key or none."""
    tried = [place.name for place in places if place.masters(key_id)]
    if tried:
        return ConfigError(
            f"The vault {vault} is sealed with another key than the one in {' or in '.join(tried)}. "
            f"Give the key it was sealed with, or bring back the vault that belongs to this key."
        )
    try:
        _asked("get_password", key_id)
        why = ""
    except ConfigError as error:
        why = f" {error}"
    return ConfigError(
        f"The vault {vault} has no key: there is none in {', '.join(place.name for place in places)}. Bring the key back; "
        f"if it is lost, so are the secrets: delete the vault and set them again.{why}"
    )
