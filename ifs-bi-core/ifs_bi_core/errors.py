"""The errors of the whole project, and the exit code that each one ends a process with.

The tree answers the two questions of every retry first: may it have happened, and is it safe twice?

- Nothing happened: `NotSentError`, `ThrottledError`, `UnavailableError`. Policies send again.
- It may have happened: `OutcomeUnknownError`. Sent again only where twice does no harm.
- It was refused for good: `AuthError`, `RowRejectedError`, `ContractBrokenError`.
"""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """How a process of this project ends."""

    DONE = 0
    FAILED = 1
    """Run again after the cause is gone."""
    WRONG_CONFIGURATION = 2
    """Nothing was sent."""
    DEAD_LETTERS = 3
    """Finished, but rows went to the dead-letter store."""


class IfsBiError(Exception):
    """What went wrong, where, and what to do next: one sentence each, for a person.

    The message never holds a secret: whoever raises puts none in, and `ifs_bi_core.redaction` removes what slips through.
    """

    exit_code: ExitCode = ExitCode.FAILED


class ConfigError(IfsBiError):
    """A setting is missing, malformed or names something that does not exist. Nothing was sent."""

    exit_code = ExitCode.WRONG_CONFIGURATION


class AuthError(IfsBiError):
    """A service refused the credentials, or a token that was just renewed."""


class NotSentError(IfsBiError):
    """The request never reached the service: no name, no route, no listener. Safe to send again."""


class ThrottledError(IfsBiError):
    """The service answered that it is asked too often. Nothing was done; safe to send again after a wait."""


class UnavailableError(IfsBiError):
    """The service answered that it cannot work now. Safe to send again where twice does no harm."""


class OutcomeUnknownError(IfsBiError):
    """The request was sent and no complete answer came back: it may have happened."""


class RowRejectedError(IfsBiError):
    """One row cannot be delivered as it is, for good."""


class ContractBrokenError(IfsBiError):
    """The source or its schema is not what the catalogue says. That stream stops; the others go on."""
