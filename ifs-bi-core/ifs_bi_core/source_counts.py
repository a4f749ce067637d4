"""How many rows streams have at their source, for a command that compares them with those at a destination.

A package that reads a system brings this by an entry point of the group ``ifs_bi.source_counts``: its name is the plugin's
(``tap-ifs-cloud``), and what it names is a `SourceCounter`. So a target can ask without knowing the tap.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from typing import TYPE_CHECKING, Any

from ifs_bi_core.errors import ConfigError
from ifs_bi_core.redaction import REDACTOR

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from ifs_bi_core.singer.plugin import Plugin

SOURCE_COUNTS = "ifs_bi.source_counts"
"""The group of entry points."""

Count = int | str
"""A number of rows, or a sentence that says why there is none."""


@dataclass(frozen=True)
class SourceCounter:
    """Counts the rows of one plugin's system.

    Attributes:
        system: its name for people: ``IFS Cloud``.
        plugin: gives the plugin whose settings lead to the system; called when it is needed, since importing one takes time.
        counts: given those settings and names of streams, the rows that a full run would read of each.
    """

    system: str
    plugin: Callable[[], type[Plugin]]
    counts: Callable[[Mapping[str, Any], Sequence[str]], Mapping[str, Count]]


@dataclass(frozen=True)
class SourceCounts:
    """What a system was found to have: its name, and rows by stream."""

    system: str
    rows: Mapping[str, Count]


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
    # Here and not above: the list of verbs needn't wait for the SDK to load.
    from ifs_bi_core.singer.configuration import settings_of  # noqa: PLC0415 - the reason is the line above

    installed = {point.name: point for point in entry_points(group=SOURCE_COUNTS)}
    plugin, files = owner(sorted(installed), sources)
    counter = _loaded(installed[plugin])
    config = settings_of(counter.plugin(), files)
    found: dict[str, Count] = {stream: why for stream in streams if (why := filtered(config, stream))}
    found |= counter.counts(config, [stream for stream in streams if stream not in found])
    told = {stream: REDACTOR.redact(count) if isinstance(count, str) else count for stream, count in found.items()}
    return SourceCounts(counter.system, told)


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
