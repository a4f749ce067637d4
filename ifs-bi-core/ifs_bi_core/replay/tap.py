"""``tap-replay``: dead letters as a Singer tap, for ``meltano run tap-replay target-powerbi``.

Settings come from ``--config`` files and from variables ``TAP_REPLAY_<SETTING>``, which win: Meltano gives both. There is no
catalog and no state: which letters are pending, the store knows.
"""

from __future__ import annotations

import json
import logging
import os
import sys
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

import click

from ifs_bi_core.dead_letter.store import DeadLetters
from ifs_bi_core.errors import ConfigError
from ifs_bi_core.process import exit_code
from ifs_bi_core.redaction import redact_logs
from ifs_bi_core.replay.key import letter_key
from ifs_bi_core.replay.printing import Selection, moment, replay, standard_output
from ifs_bi_core.settings import resolve

if TYPE_CHECKING:
    from collections.abc import Mapping

NAME = "tap-replay"


class Setting(NamedTuple):
    """One setting of the tap."""

    kind: type
    description: str


SETTINGS = {
    "state_dir": Setting(str, "The folder that holds dead-letters (default .ifs-bi), the same as the target's."),
    "stream": Setting(str, "Dead letters of this stream alone."),
    "batch": Setting(str, "Of this batch, also if refused again."),
    "run": Setting(str, "Of this run alone."),
    "since": Setting(str, "Refused at this date or timestamp (ISO 8601, UTC) or later."),
    "destination": Setting(str, "Refused by this destination alone."),
    "letter": Setting(str, "This letter, also if refused again."),
    "unanswered": Setting(bool, "Also those of an earlier replay whose target never told of them."),
}
"""What can be set; without any, all that is pending is replayed."""

_WORDS = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}


@click.command(NAME)
@click.option("--config", "files", multiple=True, metavar="FILE", help="Settings, a JSON object; may be given again.")
@click.option("--catalog", metavar="FILE", help="Accepted and not read.")
@click.option("--state", metavar="FILE", help="Accepted and not read.")
@click.option("--discover", is_flag=True, help="Print a catalog without streams.")
@click.option("--about", is_flag=True, help="Print what this is and its settings.")
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", help="Of --about.")
@click.version_option(version("ifs-bi-core"), prog_name=NAME)
def tap_replay(
    files: tuple[str, ...], catalog: str | None, state: str | None, form: str, *, discover: bool, about: bool
) -> None:
    """Print dead letters again as Singer SCHEMA and RECORD lines, for the target that refused them."""
    del catalog, state
    if about:
        click.echo(_about(form))
    elif discover:
        click.echo('{"streams": []}')
    else:
        state_dir, selection = configured(files, os.environ)
        store = DeadLetters(state_dir, key=letter_key(state_dir, create=False))
        replay(store, selection, standard_output(), logging.getLogger(NAME).info)


def configured(files: tuple[str, ...], environ: Mapping[str, str]) -> tuple[Path, Selection]:
    """The state folder and what to replay, as configured.

    Raises:
        ConfigError: a file can't be read, a setting is unknown or of another type, or a reference can't be resolved.
    """
    given: dict[str, Any] = {}
    for name in files:
        given |= _file(name)
    given |= {name: environ[_variable(name)] for name in SETTINGS if environ.get(_variable(name))}
    unknown = sorted(given.keys() - SETTINGS)
    if unknown:
        raise ConfigError(
            f"{NAME} has no setting {', '.join(unknown)}. It has {', '.join(SETTINGS)}: take out the others, or mend the name."
        )
    resolved = resolve({name: value for name, value in given.items() if value is not None and value != ""}, environ)
    config = {name: _typed(name, value) for name, value in resolved.items()}
    if "since" in config:
        config["since"] = moment(config["since"])
    return Path(config.pop("state_dir", ".ifs-bi")), Selection(**config)


def main(args: list[str] | None = None) -> NoReturn:
    """Be the command ``tap-replay``."""
    level = os.environ.get("LOGLEVEL", "").upper()
    logging.basicConfig(level=logging.getLevelNamesMapping().get(level, logging.INFO), format="%(message)s")
    redact_logs()
    sys.exit(
        exit_code(
            NAME,
            lambda: tap_replay.main(args=args, prog_name=NAME, standalone_mode=False),
            again="Run again: what was not printed is still pending.",
            unfinished="What was not printed is still pending.",
        )
    )


def _file(name: str) -> dict[str, Any]:
    if name == "ENV":  # as the SDK's plugins say it; variables are read anyway
        return {}
    try:
        said = json.loads(Path(name).read_bytes())
    except OSError as error:
        raise ConfigError(
            f"The configuration file {name} can't be read: {error.strerror}. Name an existing one."
        ) from None
    except ValueError as error:
        raise ConfigError(f"The configuration file {name} is no JSON ({error}). Mend it, then run again.") from None
    if not isinstance(said, dict):
        raise ConfigError(f"The configuration file {name} is no JSON object. Mend it, then run again.")
    return said


def _typed(name: str, value: Any) -> Any:
    kind = SETTINGS[name].kind
    if isinstance(value, kind):
        return value
    if kind is bool and str(value).lower() in _WORDS:  # a variable has no other way to say it
        return _WORDS[str(value).lower()]
    raise ConfigError(f"Setting '{name}' of {NAME} is {value!r}: write {'true or false' if kind is bool else 'text'}.")


def _variable(setting: str) -> str:
    return f"TAP_REPLAY_{setting.upper()}"


def _about(form: str) -> str:
    says = "Dead letters of ifs-bi as a Singer tap: what is pending, for the target that refused it."
    if form == "json":
        settings = {
            name: {"type": "boolean" if setting.kind is bool else "string", "description": setting.description}
            for name, setting in SETTINGS.items()
        }
        schema = {"type": "object", "properties": settings}
        return json.dumps({"name": NAME, "description": says, "version": version("ifs-bi-core"), "settings": schema})
    lines = [f"{name:<12} {setting.description}" for name, setting in SETTINGS.items()]
    return "\n".join([f"{NAME} {version('ifs-bi-core')}", says, "", *lines])
