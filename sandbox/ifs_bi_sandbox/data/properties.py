"""Short ways to write rows of properties: each function makes one `Property` per name."""

from __future__ import annotations

from ifs_bi_sandbox.data.model import Property


def text(length: int, *names: str, required: bool = False) -> tuple[Property, ...]:
    """Strings of at most ``length`` characters."""
    return tuple(Property(name, max_length=length, nullable=not required) for name in names)


def decimal(
    scale: int, *names: str, precision: int | None = None, show_scale: bool = True, required: bool = False
) -> tuple[Property, ...]:
    """Numbers with ``scale`` digits after the point; without ``precision`` and ``show_scale`` $metadata says nothing of it."""
    return tuple(
        Property(name, "Decimal", nullable=not required, precision=precision, scale=scale, show_scale=show_scale)
        for name in names
    )


def amount(
    *names: str, precision: int | None = None, show_scale: bool = True, required: bool = False
) -> tuple[Property, ...]:
    """Money: two digits after the point."""
    return decimal(2, *names, precision=precision, show_scale=show_scale, required=required)


def integer(*names: str, required: bool = False) -> tuple[Property, ...]:
    """Whole numbers; IFS Cloud calls them Edm.Decimal like all others, most often without a facet."""
    return decimal(0, *names, show_scale=False, required=required)


def day(*names: str, required: bool = False) -> tuple[Property, ...]:
    """Dates."""
    return tuple(Property(name, "Date", nullable=not required) for name in names)


def instant(*names: str, required: bool = False) -> tuple[Property, ...]:
    """Timestamps of whole seconds."""
    return tuple(Property(name, "DateTimeOffset", nullable=not required) for name in names)


def flag(*names: str, required: bool = False) -> tuple[Property, ...]:
    """Booleans."""
    return tuple(Property(name, "Boolean", nullable=not required) for name in names)


def choice(enum: str, *names: str, required: bool = False) -> tuple[Property, ...]:
    """Values of an enum of the projection."""
    return tuple(Property(name, "Enum", nullable=not required, enum=enum) for name in names)
