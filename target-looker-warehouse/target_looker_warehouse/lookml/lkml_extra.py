"""Whether `lkml` is there, which writes and reads LookML and comes with the extra `looker`."""

from __future__ import annotations

from importlib.util import find_spec

from ifs_bi_core.errors import ConfigError


def require_lkml(who: str) -> None:
    """See that LookML can be written.

    Args:
        who: wants to write it, for the sentence.

    Raises:
        ConfigError: the package isn't installed.
    """
    if find_spec("lkml") is None:
        raise ConfigError(
            f"{who} needs the package lkml, which is not installed. Install it: pip install 'target-looker-warehouse[looker]'."
        )
