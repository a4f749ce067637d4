"""How every command of the project ends: one sentence on standard error for a person, an exit code for a program.

Used by the plugins' commands (`ifs_bi_core.singer.plugin`) and by ``ifs-bi`` (`ifs_bi_core.cli`).
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import click

from ifs_bi_core.errors import ExitCode, IfsBiError
from ifs_bi_core.redaction import REDACTOR, redact_logs

if TYPE_CHECKING:
    from collections.abc import Callable


def exit_code(name: str, command: Callable[[], Any], *, again: str, unfinished: str) -> int:
    """Call ``command`` and give the exit code of what became of it; an error is said through the logger ``name``.

    Args:
        name: The command's name, as people type it.
        command: Usually a click command's ``main`` with ``standalone_mode=False``. An int that it returns is the exit code.
        again: What running again does, after an interruption.
        unfinished: What did not happen when an error came that nobody expected.
    """
    log = logging.getLogger(name)
    try:
        result = command()
    except IfsBiError as error:
        return _said(log, str(error), error.exit_code)
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()  # the whole help, on standard error
        return ExitCode.WRONG_CONFIGURATION
    except click.ClickException as error:
        return _said(log, f"{_sentence(error)} See {name} --help.", ExitCode.WRONG_CONFIGURATION)
    except (click.Abort, KeyboardInterrupt):
        return _said(log, f"{name} was interrupted. {again}", ExitCode.FAILED)
    except SystemExit as stop:
        if isinstance(stop.code, str):
            return _said(log, stop.code, ExitCode.FAILED)
        return stop.code or ExitCode.DONE
    except Exception as error:
        log.debug("The traceback of what follows", exc_info=True)
        return _said(
            log,
            f"{name} met something it was not made for, {type(error).__name__}: {error}. {unfinished} "
            f"Set LOGLEVEL=DEBUG for the traceback and report it.",
            ExitCode.FAILED,
        )
    return result if isinstance(result, int) else ExitCode.DONE


def _sentence(error: click.ClickException) -> str:
    said = error.format_message()
    return said if said.endswith((".", "?", "!")) else f"{said}."


def _said(log: logging.Logger, sentence: str, code: ExitCode) -> int:
    redact_logs()
    log.error("%s", REDACTOR.redact(sentence))
    return code
