"""How the commands log: text for people, JSON for machines. ``--log-format`` or ``IFS_BI_LOG_FORMAT`` chooses.

JSON is one object a line, as the Singer SDK's ``singer_sdk.logging.StructuredFormatter`` writes it and Meltano's parser
``singer-sdk`` reads it; ``app_name`` is the command, and the run's id stands in ``extra`` as ``run``. Text on a terminal is
short (time, level unless it is INFO, message) and leaves the SDK's metrics out; elsewhere it is as the SDK writes it.
Where Meltano or a user configures the SDK's logging (``SINGER_SDK_LOG_CONFIG``) and nothing is chosen here, that format stands.
"""

from __future__ import annotations

import json
import logging
import sys
from typing import TYPE_CHECKING, Any

import click

from ifs_bi_core.errors import ConfigError
from ifs_bi_core.redaction import REDACTOR, Redactor

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, MutableMapping, Sequence

FORMATS = ("text", "json")
OPTION = "--log-format"
VARIABLE = "IFS_BI_LOG_FORMAT"
LEVEL = "LOGLEVEL"
"""The variable that names how much is logged; a plugin's own, such as ``TAP_IFS_CLOUD_LOGLEVEL``, goes before it."""

_METRICS = "singer_sdk.metrics"
_fields: dict[str, str] = {}


def option() -> click.Option:
    """The option, for a command that calls `set_up` with what `chosen` finds before click reads anything."""
    return click.Option(
        [OPTION],
        type=click.Choice(FORMATS),
        expose_value=False,
        help=f"Log as text for people, or as one JSON object a line for machines. Default: {VARIABLE}, else text.",
    )


def chosen(args: Sequence[str], environ: Mapping[str, str]) -> str | None:
    """The format that a command line asks for, else the environment; None where neither does.

    The command line is read without click, so that what click has to say about it comes in that format too. A value that is no
    format is left to click.

    Raises:
        ConfigError: the environment names no format.
    """
    asked = [value for value in _values(args) if value in FORMATS]
    if asked:
        return asked[-1]
    named = environ.get(VARIABLE) or None
    if named not in (None, *FORMATS):
        raise ConfigError(
            f"The environment variable {VARIABLE} is {named!r}. Set it to {' or '.join(FORMATS)}, or leave it out."
        )
    return named


def settle_level(plugin: str, environ: MutableMapping[str, str]) -> None:
    """Make sure that the SDK can read the level of the logs.

    Args:
        plugin: the plugin's name.
        environ: the environment; an empty variable is taken out, since the SDK takes it for the name of a level.

    Raises:
        ConfigError: the environment names no level.
    """
    own = f"{plugin.upper().replace('-', '_')}_{LEVEL}"
    variable = own if environ.get(own) else LEVEL
    named = environ.get(variable)
    if not named:
        environ.pop(variable, None)
    elif named.upper() not in logging.getLevelNamesMapping():
        raise ConfigError(
            f"The environment variable {variable} is {named!r}, which is no level. Set it to DEBUG, INFO, WARNING or ERROR, or "
            f"leave it out."
        )


def set_up(command: str, choice: str | None, *, terminal: bool = False, configured: bool = False) -> None:
    """Give the handlers of the root logger their format; secrets are taken out of whatever they write.

    Args:
        command: the command's name.
        choice: what `chosen` found.
        terminal: whether a person sees standard error at once and wants short lines.
        configured: whether somebody has configured the handlers on purpose.
    """
    _fields["app_name"] = command
    root = logging.getLogger()
    formatter = _formatter(choice, terminal=terminal, configured=configured)
    if formatter is not None:
        spoken = [handler for handler in root.handlers if _is_standard_error(handler)]
        if not spoken:
            spoken = [logging.StreamHandler(sys.stderr)]
            root.addHandler(spoken[0])
        for handler in spoken:
            handler.setFormatter(formatter)
            if isinstance(formatter, _Brief):
                handler.addFilter(_is_for_people)
    for handler in root.handlers:
        if not isinstance(handler.formatter, RedactingFormatter):
            handler.setFormatter(RedactingFormatter(handler.formatter or logging.Formatter()))
            handler.addFilter(_with_fields)


def unraised(args: sys.UnraisableHookArgs) -> None:
    """What Python calls for an error that it can raise to nobody: a library's own, while an object of it is thrown away.

    A connection that is lost comes to psycopg's generators that way, for one. Whoever used it has been told by then; by itself
    Python would write a traceback to standard error, from which nothing has taken secrets.
    """
    what = args.err_msg or "Exception ignored in"
    logging.getLogger(__name__).debug("%s: %r", what, args.object, exc_info=args.exc_value)


def set_run(run_id: str) -> None:
    """From now on every line of JSON tells the run's id, in ``extra`` as ``run``."""
    _fields["run"] = run_id


class RedactingFormatter(logging.Formatter):
    """Takes secrets out of what another formatter writes: messages, exceptions, lines of source, fields of JSON.

    Args:
        inner: writes the line.
        redactor: knows the secrets.
    """

    def __init__(self, inner: logging.Formatter, redactor: Redactor = REDACTOR) -> None:
        super().__init__()
        self._inner = inner
        self._redactor = redactor

    def format(self, record: logging.LogRecord) -> str:
        """The line without secrets. A JSON object stays one: only texts inside it are changed."""
        line = self._inner.format(record)
        redacted = self._redactor.redact(line)
        if redacted == line:
            return line
        try:
            data = json.loads(line)
        except ValueError:
            return redacted
        return json.dumps(self._cleaned(data), separators=(",", ":"))

    def _cleaned(self, value: Any, name: str = "") -> Any:
        if isinstance(value, dict):
            return {self._redactor.redact(key): self._cleaned(inner, key) for key, inner in value.items()}
        if isinstance(value, list):
            return [self._cleaned(inner, name) for inner in value]
        if not isinstance(value, str):
            return value
        before = f"{name}="  # with its name, since a field called access_token is a secret whatever it looks like
        pair = self._redactor.redact(before + value)
        return pair.removeprefix(before) if pair.startswith(before) else self._redactor.redact(value)


class _Brief(logging.Formatter):
    """A short line for a person who looks on."""

    def __init__(self) -> None:
        super().__init__("{asctime} {level}{message}", datefmt="%H:%M:%S", style="{")

    def format(self, record: logging.LogRecord) -> str:
        record.level = "" if record.levelno == logging.INFO else f"{record.levelname} "
        return super().format(record)


def _formatter(choice: str | None, *, terminal: bool, configured: bool) -> logging.Formatter | None:
    """The formatter of standard error; None: the one that it has."""
    if choice == "json":
        # Here and not above: `ifs-bi vault list` needn't wait most of a second for the SDK to load.
        from singer_sdk.logging import StructuredFormatter  # noqa: PLC0415 - the reason is the line above

        return StructuredFormatter()
    if configured and choice is None:
        return None
    if terminal:
        return _Brief()
    if configured:
        from singer_sdk.logging import ConsoleFormatter  # noqa: PLC0415 - as above

        return ConsoleFormatter()
    return None


def _values(args: Sequence[str]) -> Iterator[str]:
    """What the option is given as, each time it is given."""
    for place, word in enumerate(args):
        if word == "--":
            return
        if word == OPTION:
            yield from args[place + 1 : place + 2]
        elif word.startswith(f"{OPTION}="):
            yield word.removeprefix(f"{OPTION}=")


def _is_standard_error(handler: logging.Handler) -> bool:
    return isinstance(handler, logging.StreamHandler) and handler.stream is sys.stderr


def _is_for_people(record: logging.LogRecord) -> bool:
    return record.name != _METRICS


def _with_fields(record: logging.LogRecord) -> bool:
    """Add what is known of the whole process to a record; it always passes."""
    for name, value in _fields.items():
        record.__dict__.setdefault(name, value)
    return True
