"""What tap and targets do alike: resolve settings, end with the right exit code and one sentence, keep secrets out of logs."""

from __future__ import annotations

import gc
import json
import logging
import os
import signal
import sys
from typing import TYPE_CHECKING, Any, NoReturn

from singer_sdk.exceptions import ConfigValidationError
from singer_sdk.plugin_base import PluginBase, _ConfigInput

from ifs_bi_core import logs
from ifs_bi_core.errors import ConfigError
from ifs_bi_core.process import exit_code
from ifs_bi_core.redaction import redact_logs
from ifs_bi_core.settings import complaint, register_secrets, resolve

if TYPE_CHECKING:
    from types import FrameType

    import click


_ALLOCATIONS = 100_000
"""Between two looks for garbage that holds itself. Rows never do, and looking through those of a batch takes time."""


class _WithoutAnnouncements(logging.Filter):
    """Drops what the SDK logs before it lets an error through: the sentence that follows says more."""

    _announcements = ("Error initializing target sink '%s'", "An unhandled error occurred while syncing '%s'")

    def filter(self, record: logging.LogRecord) -> bool:
        return record.msg not in self._announcements


class _Stopped(SystemExit):
    """A signal ended the process. No `Exception`, because it can come anywhere, also where exceptions are caught."""


class Plugin(PluginBase):
    """A mixin before `singer_sdk.Tap` or `singer_sdk.Target`."""

    dynamic_catalog = True
    """Discovery needs a valid configuration too."""

    def __init__(self, *, config: Any = None, parse_env_config: bool = False, **kwargs: Any) -> None:
        given = dict(config or {})
        if parse_env_config:
            given |= self._from_environment()
        resolved = resolve(given)
        self.append_builtin_config(self.config_jsonschema)
        register_secrets(resolved, self.config_jsonschema)
        for handler in logging.getLogger().handlers:
            if not any(isinstance(known, _WithoutAnnouncements) for known in handler.filters):
                handler.addFilter(_WithoutAnnouncements())
        redact_logs()
        try:
            super().__init__(config=resolved, **kwargs)
        except ConfigValidationError as error:
            raise ConfigError(complaint(self.name, error.errors, resolved)) from None

    @classmethod
    def _from_environment(cls) -> dict[str, Any]:
        """The settings that environment variables carry; the SDK leaves numbers with decimals as text."""
        try:
            found = cls._env_var_config
            properties = cls.config_jsonschema["properties"]
            return {name: float(v) if "number" in properties[name]["type"] else v for name, v in found.items()}
        except ValueError as error:
            raise ConfigError(
                f"An environment variable {cls._env_var_prefix}… does not hold what its setting needs: {error}."
            ) from None

    @classmethod
    def cb_config(cls, ctx: click.Context, param: click.Option, value: tuple[str, ...]) -> _ConfigInput:
        """Read the configuration files; one that can't be read is a `ConfigError`."""
        try:
            return super().cb_config(ctx, param, value)
        except FileNotFoundError:
            raise ConfigError(
                f"The configuration file {', '.join(value)} is not there. Name an existing file."
            ) from None
        except OSError as error:
            raise ConfigError(f"The configuration file {', '.join(value)} can't be read: {error.strerror}.") from None
        except (ValueError, TypeError, ArithmeticError, RecursionError) as error:
            raise ConfigError(
                f"The configuration file {', '.join(value)} is no JSON object ({error}). Mend it, then run again."
            ) from None

    @classmethod
    def get_singer_command(cls) -> click.Command:
        """The SDK's command, with the option ``--log-format``."""
        command = super().get_singer_command()
        command.params.append(logs.option())
        return command

    def _handle_termination(self, signum: int, frame: FrameType | None) -> None:
        """Stop at once: what the destination confirmed stays confirmed, and the rest is sent again by the next run."""
        del frame
        raise _Stopped(
            f"{self.name} was stopped by {signal.Signals(signum).name}. Run again: it goes on from the last state."
        )


def run(plugin: type[PluginBase], args: list[str] | None = None) -> NoReturn:
    """Be the command of ``plugin``: run it and end the process with the exit code of the design."""
    gc.freeze()  # what was imported stays
    gc.set_threshold(_ALLOCATIONS, 50, 50)
    sys.unraisablehook = logs.unraised
    sys.exit(
        exit_code(
            plugin.name,
            lambda: _command(plugin, args),
            again="Run again: it goes on from the last state.",
            unfinished="Nothing unconfirmed was marked as done.",
        )
    )


def _command(plugin: type[PluginBase], args: list[str] | None) -> Any:
    logs.settle_level(plugin.name, os.environ)
    command = plugin.cli  # this also gives the root logger a handler, and what SINGER_SDK_LOG_CONFIG says
    logs.set_up(
        plugin.name,
        logs.chosen(sys.argv[1:] if args is None else args, os.environ),
        terminal=sys.stderr.isatty(),
        configured="SINGER_SDK_LOG_CONFIG" in os.environ,
    )
    try:
        return command.main(args=args, prog_name=plugin.name, standalone_mode=False)
    except json.JSONDecodeError as error:
        raise ConfigError(f"The catalog or state file is no JSON: {error}. Mend it, then run again.") from None
