"""Numbers, durations and moments as a report writes them."""

from __future__ import annotations

_STEPS = ((60.0, "s"), (60.0, "min"), (24.0, "h"))
_SMALL = 10  # below it a duration has a decimal
_DAYS = "d"
_PREFIXES = ("", "k", "M", "G", "T")
_THOUSAND = 1000


def count(number: int, one: str) -> str:
    """A number with its noun: 1 row, 1,200 rows."""
    return f"{number:,} {one}{'' if number == 1 else 's'}"


def span(seconds: float) -> str:
    """A duration to about two digits: 40 s, 5.5 h, 12 d; with a minus where it is negative."""
    value, unit = abs(seconds), _DAYS
    for size, name in _STEPS:
        if round(value, 1) < size:
            unit = name
            break
        value /= size
    digits = 1 if value < _SMALL and round(value, 1) != round(value) else 0
    return f"{'-' if seconds < 0 else ''}{value:.{digits}f} {unit}"


def short(number: float) -> str:
    """A number to about two digits: 950, 8.4k, 218k, 1.2M."""
    value, step = abs(number), 0
    while round(value, 1 if value < _SMALL and step else 0) >= _THOUSAND and step < len(_PREFIXES) - 1:
        value, step = value / _THOUSAND, step + 1
    digits = 1 if value < _SMALL and round(value, 1) != round(value) else 0
    return f"{'-' if number < 0 else ''}{value:.{digits}f}{_PREFIXES[step]}"


def size(octets: float) -> str:
    """Bytes: 218 kB."""
    text = short(octets)
    digits, prefix = (text[:-1], text[-1]) if text[-1].isalpha() else (text, "")
    return f"{digits} {prefix}B"


def minute(at: str) -> str:
    """An instant of the ledger, to the minute: 2026-11-22 19:06 UTC."""
    return f"{at[:16].replace('T', ' ')} UTC"
