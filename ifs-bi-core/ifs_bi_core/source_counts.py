"""What streams have at their source, for a command that compares it with what is at a destination: rows, sums, keys.

A package that reads a system brings this by an entry point of the group ``ifs_bi.source_counts``: its name is the plugin's
(``tap-ifs-cloud``), and what it names is a `SourceCounter`. So a target can ask without knowing the tap.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from typing import TYPE_CHECKING, Any, Protocol

from ifs_bi_core.errors import ConfigError
from ifs_bi_core.redaction import REDACTOR

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from decimal import Decimal

    from ifs_bi_core.singer.plugin import Plugin

SOURCE_COUNTS = "ifs_bi.source_counts"
"""The group of entry points."""

Count = int | str
"""A number of rows, or a sentence that says why there is none."""


Sums = dict[tuple[Any, ...], tuple["Decimal", ...]]
"""Sums of some properties, exact, by the values of others; a value is as a record carries it, and of no row the sum is 0."""

Keys = list[tuple[tuple[Any, ...], str | None]]
"""Some rows' keys, as records carry them, each with what tells the row's version; None where nothing does."""


@dataclass(frozen=True)
class Shape:
    """What the rows of a stream are made of.

    Attributes:
        properties: the JSON Schema of each property, by name.
        key: the properties that identify a row.
        version: the property that changes with its row; None where there is none.
        version_of: what of that property's value tells the version.
    """

    properties: Mapping[str, Any]
    key: tuple[str, ...]
    version: str | None
    version_of: Callable[[str], str] = str


class OpenSource(Protocol):
    """One system that answers questions about the rows that a full run would read now.

    Each method but `streams` raises ContractBrokenError where the system can't tell this of the stream, and another IfsBiError
    where it can't be asked.
    """

    def streams(self) -> Sequence[str]:
        """The streams that the settings choose; none: all there are."""

    def knows(self, stream: str) -> bool:
        """Whether the settings have a stream of that name."""

    def shape(self, stream: str) -> Shape:
        """What the rows of a stream are made of."""

    def count(self, stream: str) -> int:
        """How many rows it has."""

    def sums(self, stream: str, by: Sequence[str], of: Sequence[str]) -> Sums:
        """The sums of the properties ``of``, by the values of the properties ``by``; a null adds nothing."""

    def keys(self, stream: str) -> Iterator[Keys]:
        """The keys of all rows, some at a time, in any order."""


@dataclass(frozen=True)
class SourceCounter:
    """Counts the rows of one plugin's system.

    Attributes:
        system: its name for people: ``IFS Cloud``.
        plugin: gives the plugin whose settings lead to the system; called when it is needed, since importing one takes time.
        counts: given those settings and names of streams, the rows that a full run would read of each.
        opened: given those settings, what tells more than numbers of rows; None where nothing does.
    """

    system: str
    plugin: Callable[[], type[Plugin]]
    counts: Callable[[Mapping[str, Any], Sequence[str]], Mapping[str, Count]]
    opened: Callable[[Mapping[str, Any]], OpenSource] | None = None


@dataclass(frozen=True)
class SourceCounts:
    """What a system was found to have: its name, and rows by stream."""

    system: str
    rows: Mapping[str, Count]


@dataclass(frozen=True)
class Source:
    """A system that can be asked.

    Attributes:
        system: its name.
        config: the settings that lead there.
        rows: what answers.
    """

    system: str
    config: Mapping[str, Any]
    rows: OpenSource


def opened(sources: Sequence[str]) -> Source:
    """The system that configuration files lead to.

    Args:
        sources: as of `counted`.

    Raises:
        ConfigError: as of `counted`; or the plugin's system tells numbers of rows alone.
        IfsBiError: the system can't be asked.
    """
    counter, plugin, config = _configured(sources)
    if counter.opened is None:
        raise ConfigError(f"{plugin} tells how many rows there are, and no more. Install a later version of it.")
    return Source(counter.system, config, counter.opened(config))


def counted(sources: Sequence[str], streams: Sequence[str]) -> SourceCounts:
    """Count the rows of streams at their source.

    Args:
        sources: what leads there: configuration files of the tap, of which a later one wins, and ``ENV`` for its environment
            variables, each bare or as ``PLUGIN=FILE``.
        streams: as the tap names them.

    Raises:
        ConfigError: it isn't clear whose the files are, or the settings are wrong.
        IfsBiError: the system can't be asked.
    """
    counter, _, config = _configured(sources)
    found: dict[str, Count] = {stream: why for stream in streams if (why := filtered(config, stream))}
    found |= counter.counts(config, [stream for stream in streams if stream not in found])
    told = {stream: REDACTOR.redact(count) if isinstance(count, str) else count for stream, count in found.items()}
    return SourceCounts(counter.system, told)


def _configured(sources: Sequence[str]) -> tuple[SourceCounter, str, Mapping[str, Any]]:
    """Whose the files are, its name, and the settings they amount to."""
    # Here and not above: the list of verbs needn't wait for the SDK to load.
    from ifs_bi_core.singer.configuration import settings_of  # noqa: PLC0415 - the reason is the line above

    installed = {point.name: point for point in entry_points(group=SOURCE_COUNTS)}
    plugin, files = owner(sorted(installed), sources)
    counter = _loaded(installed[plugin])
    return counter, plugin, settings_of(counter.plugin(), files)


def owner(installed: Sequence[str], sources: Iterable[str]) -> tuple[str, list[str]]:
    """Whose configuration files these are: the plugin, and the files.

    Args:
        installed: the plugins that can count.
        sources: ``FILE``, ``ENV``, or the same behind ``PLUGIN=``.

    Raises:
        ConfigError: that isn't clear.
    """
    if not installed:
        raise ConfigError(
            "Nothing that is installed can count the rows of a source. Install the tap beside the target."
        )
    plugins, files = set[str](), []
    for source in sources:
        name, is_named, rest = source.partition("=")
        is_of_plugin = bool(is_named) and name in installed
        plugins |= {name} if is_of_plugin else set(installed)
        files.append(rest if is_of_plugin else source)
    if len(plugins) != 1:
        raise ConfigError(
            f"--source {' --source '.join(files)} doesn't say whose it is. Write PLUGIN=FILE, where PLUGIN is one of "
            f"{', '.join(installed)}."
        )
    return plugins.pop(), files


def filtered(config: Mapping[str, Any], stream: str) -> str | None:
    """Why the rows of a stream are less than those that are read, where a plugin's `stream_maps` filter them; else None."""
    for name, mapped in (config.get("stream_maps") or {}).items():
        if isinstance(mapped, dict) and mapped.get("__filter__") and stream in {name, mapped.get("__alias__")}:
            return "stream_maps filter its rows, so fewer leave than are there."
    return None


def mapped(config: Mapping[str, Any], stream: str) -> str | None:
    """Why the values of a stream are not those that are read, where a plugin's `stream_maps` change them; else None."""
    maps = config.get("stream_maps") or {}
    changed = stream in maps or any(
        isinstance(each, dict) and each.get("__alias__") == stream for each in maps.values()
    )
    return "stream_maps change what its rows hold." if changed else None


def _loaded(point: EntryPoint) -> SourceCounter:
    try:
        found = point.load()
    except Exception as error:  # noqa: BLE001 - importing a package may raise anything
        raise ConfigError(
            f"What counts rows for {point.name} can't be loaded ({type(error).__name__}: {error}). Install the package again."
        ) from None
    if not isinstance(found, SourceCounter):
        raise TypeError(f"{point.value} is no SourceCounter")
    return found
