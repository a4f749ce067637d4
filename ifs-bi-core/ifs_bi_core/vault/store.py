"""A vault on disk: read by plugins, changed by ``ifs-bi vault``."""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from ifs_bi_core.errors import ConfigError
from ifs_bi_core.redaction import REDACTOR
from ifs_bi_core.vault.files import locked, make_private_folder, read_private, write_private
from ifs_bi_core.vault.keys import KEY_FILE, EnvironmentKey, KeyFile, KeyPlace, Keyring, no_key_fits
from ifs_bi_core.vault.sealing import Document, Keys, check, derived, empty, encoded, parsed, proven, put, taken

if TYPE_CHECKING:
    from collections.abc import Mapping

PATH = "IFS_BI_VAULT"


@dataclass(frozen=True)
class Contents:
    """What a vault held when it was read."""

    path: Path
    _document: Document = field(repr=False)
    _keys: Keys = field(repr=False)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of its secrets, sorted."""
        return tuple(sorted(self._document.entries))

    def secret(self, name: str) -> str:
        """The value under ``name``, which the redactor knows from then on.

        Raises:
            ConfigError: there is none; the sentence lists the names that are there.
        """
        if name not in self._document.entries:
            raise _unknown(self.path, name, self.names)
        value = taken(self._document, self._keys, name, str(self.path))
        REDACTOR.register(value)
        return value


@dataclass(frozen=True)
class _Opened:
    """A vault as it lies on disk, with the key that fits it."""

    document: Document
    keys: Keys
    master: str = field(repr=False)
    place: KeyPlace


class Vault:
    """The vault whose file is ``path``. Nothing is read before it is asked for.

    ``environ`` may hold the master key (``IFS_BI_VAULT_KEY``) or name its file (``IFS_BI_VAULT_KEY_FILE``; default:
    ``vault.key`` beside the vault). Every method raises `ConfigError` for a vault or key file that others may read, a
    missing or wrong key, a file that was changed, or a newer format; what can't be written for another reason is an
    `IfsBiError`.
    """

    def __init__(self, path: Path, environ: Mapping[str, str] = os.environ) -> None:
        self.path = path
        key_file = Path(environ.get(KEY_FILE) or path.with_name("vault.key"))
        self._places: dict[str, KeyPlace] = {
            "environment": EnvironmentKey(environ),
            "file": KeyFile(key_file),
            "keyring": Keyring(),
        }

    @classmethod
    def within(cls, state_dir: str | Path | None = None, environ: Mapping[str, str] = os.environ) -> Vault:
        """The vault of a ``state_dir`` (default ``.ifs-bi``): ``vault/vault.json`` in it.

        The variable ``IFS_BI_VAULT`` names another file.
        """
        return cls(Path(environ.get(PATH) or Path(state_dir or ".ifs-bi") / "vault" / "vault.json"), environ)

    def read(self) -> Contents:
        """Everything in the vault, as it is now.

        Raises:
            ConfigError: there is no vault, or see `Vault`.
        """
        self._must_exist()  # asked before the lock, which would leave its file in any folder
        with locked(self.path.parent, alone=False):
            opened = self._opened()
        return Contents(self.path, opened.document, opened.keys)

    def set(self, name: str, value: str) -> None:
        """Store ``value`` under ``name``, in place of what was there. Makes the vault and a key on first use.

        Raises:
            ConfigError: name or value is empty or no Unicode text, or see `Vault`.
        """
        check(name, value)
        make_private_folder(self.path.parent)
        with locked(self.path.parent, alone=True):
            document, keys = self._begun()
            self._write(put(document, keys, name, value), keys)

    def remove(self, name: str) -> None:
        """Forget ``name``.

        Raises:
            ConfigError: there is no such name or no vault, or see `Vault`.
        """
        self._must_exist()
        with locked(self.path.parent, alone=True):
            opened = self._opened()
            entries = dict(opened.document.entries)
            if entries.pop(name, None) is None:
                raise _unknown(self.path, name, tuple(sorted(entries)))
            self._write(replace(opened.document, entries=entries), opened.keys)

    def rotate(self, key_in: str | None = None) -> KeyPlace:
        """Seal everything with a new master key and forget the old one. Returns where the new one is kept.

        A process that ends anywhere in between leaves a vault and a key that fits it.

        Args:
            key_in: ``file`` or ``keyring`` to move the key there; None: where it is now.

        Raises:
            ConfigError: the key comes from the environment and no new one is given, or see `Vault`.
        """
        self._must_exist()
        with locked(self.path.parent, alone=True):
            old = self._opened()
            place = old.place if key_in is None else self._places[key_in]
            master = place.new_master()
            document, keys = empty(master)
            for name in old.document.entries:
                document = put(document, keys, name, taken(old.document, old.keys, name, str(self.path)))
            place.add(master, keys.id)
            self._write(document, keys)
            old.place.drop(old.master, old.keys.id)
        return place

    def _must_exist(self) -> bytes:
        data = read_private(self.path, "vault")
        if data is None:
            raise _absent(self.path)
        return data

    def _opened(self) -> _Opened:
        data = self._must_exist()
        where = str(self.path)
        document = parsed(data, where)
        for place in self._places.values():
            for master in place.masters(document.key_id):
                keys = derived(master, document.salt)
                REDACTOR.register(master)
                if keys.id == document.key_id:
                    return _Opened(proven(data, document, keys, where), keys, master, place)
        raise no_key_fits(self.path, document.key_id, tuple(self._places.values()))

    def _begun(self) -> tuple[Document, Keys]:
        """The vault that is there, or a new one under the first key that is there, or under a new key file."""
        if read_private(self.path, "vault") is not None:
            opened = self._opened()
            return opened.document, opened.keys
        masters = [master for place in self._places.values() for master in place.masters(None)]
        if masters:
            return empty(masters[0])
        master = self._places["file"].new_master()
        document, keys = empty(master)
        self._places["file"].add(master, keys.id)
        return document, keys

    def _write(self, document: Document, keys: Keys) -> None:
        write_private(self.path, encoded(document, keys), "vault")


def _absent(path: Path) -> ConfigError:
    return ConfigError(
        f"There is no vault {path}. Make it with: ifs-bi vault set NAME, in the folder your runs start in, "
        f"or name it with --state-dir or IFS_BI_VAULT."
    )


def _unknown(path: Path, name: str, names: tuple[str, ...]) -> ConfigError:
    held = f"It holds {', '.join(names)}." if names else "It is empty."
    return ConfigError(
        f"The vault {path} holds no {name!r}. {held} Mend the name, or store the secret with: ifs-bi vault set NAME."
    )
