"""The verbs of ``ifs-bi vault``."""

from __future__ import annotations

import json
import sys
from typing import Any

import click

from ifs_bi_core.errors import ConfigError
from ifs_bi_core.redaction import REDACTOR
from ifs_bi_core.vault.store import Vault

_VALUE_IN_ARGUMENTS = (
    "A secret's value is not taken from arguments: the shell's history and the list of processes would show it, so treat "
    "what you typed as known to others. Type 'ifs-bi vault set NAME' and give the value when asked, or pipe it in."
)


@click.group()
def vault() -> None:
    """Sealed secrets, for settings written as vault:NAME."""


_state_dir = click.option(
    "--state-dir",
    envvar="IFS_BI_STATE_DIR",
    default=".ifs-bi",
    show_default=True,
    help="Folder that holds vault/vault.json, unless IFS_BI_VAULT names the file.",
)
_as_json = click.option("--json", "as_json", is_flag=True, help="Answer with one JSON object.")


# An option that isn't known may be a value that begins with a dash; click's own error would print it.
@vault.command("set", context_settings={"ignore_unknown_options": True})
@click.argument("name")
@click.argument("surplus", nargs=-1, metavar="")
@_state_dir
@_as_json
def set_(name: str, surplus: tuple[str, ...], state_dir: str, *, as_json: bool) -> None:
    """Store a secret under NAME: asked for without echo, or read from a pipe.

    On first use this makes the vault and, where IFS_BI_VAULT_KEY gives no key, a key file beside it.
    """
    if surplus:
        raise ConfigError(_VALUE_IN_ARGUMENTS)
    value = _asked_for(name) if sys.stdin.isatty() else _piped()
    REDACTOR.register(value)
    store = Vault.within(state_dir)
    store.set(name, value)
    _answer({"vault": str(store.path), "set": name}, f"{store.path} holds {name}: write vault:{name}.", as_json=as_json)


@vault.command("list")
@_state_dir
@_as_json
def list_(state_dir: str, *, as_json: bool) -> None:
    """Print the names of the secrets, one a line; never their values."""
    contents = Vault.within(state_dir).read()
    _answer({"vault": str(contents.path), "names": contents.names}, "\n".join(contents.names), as_json=as_json)


@vault.command("remove")
@click.argument("name")
@_state_dir
@_as_json
def remove(name: str, state_dir: str, *, as_json: bool) -> None:
    """Forget the secret NAME."""
    store = Vault.within(state_dir)
    store.remove(name)
    _answer({"vault": str(store.path), "removed": name}, f"{store.path} no longer holds {name}.", as_json=as_json)


@vault.command("rotate")
@click.option("--key-in", type=click.Choice(["file", "keyring"]), help="Keep the new key here.  [default: as now]")
@_state_dir
@_as_json
def rotate(key_in: str | None, state_dir: str, *, as_json: bool) -> None:
    """Seal every secret with a new master key and forget the old one.

    Where the key comes from IFS_BI_VAULT_KEY, give the new one in IFS_BI_VAULT_NEW_KEY.
    """
    store = Vault.within(state_dir)
    place = store.rotate(key_in)
    _answer(
        {"vault": str(store.path), "key_in": place.name},
        f"{store.path} is sealed with a new key, {place.kept}.",
        as_json=as_json,
    )


def _asked_for(name: str) -> str:
    value: str = click.prompt(f"Value of {name}", hide_input=True, confirmation_prompt="Once more", err=True)
    return value


def _piped() -> str:
    """Standard input without the one line end that echo and editors put behind a value."""
    try:
        text = sys.stdin.buffer.read().decode()
    except UnicodeDecodeError:
        raise ConfigError(
            "What came on standard input is no UTF-8 text; nothing was stored. Put bytes into base64 first."
        ) from None
    return text.removesuffix("\n").removesuffix("\r")


def _answer(said: dict[str, Any], sentence: str, *, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(said))
    elif sentence:
        click.echo(sentence)
