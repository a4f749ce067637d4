r"""The text of a ``.env``: Meltano reads the same values from it as a shell does (``set -a; . ./.env``). Pure.

What both agree on is a name, ``=``, and a value without quotes or in single ones; inside them a shell takes everything as it
stands, and python-dotenv, which Meltano reads with, still replaces ``\\`` and ``${NAME}``.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

_PLAIN = re.compile(r"[\w@%+=:,./-]*", re.ASCII)
_READ_DIFFERENTLY = re.compile(r"'|\\|\$\{")


def env_file(settings: Mapping[str, str]) -> str:
    """A line for each setting.

    Raises:
        ValueError: a value can't be written so that both read it.
    """
    return "".join(f"{name}={_quoted(name, value)}\n" for name, value in settings.items())


def _quoted(name: str, value: str) -> str:
    if _PLAIN.fullmatch(value):
        return value
    if _READ_DIFFERENTLY.search(value) or not value.isprintable():
        raise ValueError(f"{name} has a character that a shell and Meltano read differently")
    return f"'{value}'"
