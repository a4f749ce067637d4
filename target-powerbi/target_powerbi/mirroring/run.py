"""What one run delivers to a landing zone with."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ifs_bi_core.errors import ConfigError, ContractBrokenError
from ifs_bi_core.http.client import REAL

from target_powerbi.kept import Kept
from target_powerbi.mirroring.address import Folder, landing_zone
from target_powerbi.mirroring.landing_zone import LandingZone
from target_powerbi.mirroring.local_files import LocalFiles

if TYPE_CHECKING:
    from collections.abc import Callable

    from ifs_bi_core.http.client import Surroundings
    from ifs_bi_core.http.policies import Attempt

    from target_powerbi.mirroring.landing_zone import Files
    from target_powerbi.settings import Settings


@dataclass(frozen=True)
class Mirroring:
    """The landing zone of a run, and what is kept of it.

    Attributes:
        zone: where files go.
        kept: key, version and digest of every row in it.
        names: the table of each stream of this run.
        versions: the versions of full refreshes that the rows of each stream carried in this run.
        announced: versions that hold as soon as all rows have come, by stream.
        opened: streams whose table this run has begun with.
        numbered: the last batch of each stream without a key; its rows stay when the state leaves.
    """

    zone: LandingZone
    kept: Kept
    names: dict[str, str] = field(default_factory=dict)
    versions: dict[str, set[int]] = field(default_factory=dict)
    announced: dict[str, int] = field(default_factory=dict)
    opened: set[str] = field(default_factory=set)
    numbered: dict[str, str] = field(default_factory=dict)

    def claim(self, stream: str, table: str) -> None:
        """Note whose table it is.

        Raises:
            ContractBrokenError: another stream of the run goes there.
        """
        for other, name in self.names.items():
            if other != stream and name.casefold() == table.casefold():
                raise ContractBrokenError(
                    f"The streams {other} and {stream} would both go to table '{table}'. Give one of them another with "
                    f"tables.<stream>.table."
                )
        self.names[stream] = table

    def settle(self) -> None:
        """Note that the state leaves: rows without a key stay, and will not come again."""
        if self.numbered:
            self.kept.confirm(self.numbered)


def open_mirroring(
    settings: Settings, surroundings: Surroundings = REAL, observe: Callable[[Attempt], None] = lambda _: None
) -> Mirroring:
    """The landing zone that the settings name; ``observe`` hears of every request to it.

    Raises:
        ConfigError: another run writes there, or what is needed to write there is not installed.
    """
    url = settings.landing_zone_url or ""
    digest = hashlib.sha256(url.encode()).hexdigest()[:12]
    zone = zone_of(settings, surroundings, observe)
    return Mirroring(zone, Kept(settings.state_dir / f"mirroring-{digest}.db"))


def zone_of(
    settings: Settings, surroundings: Surroundings = REAL, observe: Callable[[Attempt], None] = lambda _: None
) -> LandingZone:
    """The landing zone alone, for who only looks at it.

    Raises:
        ConfigError: what is needed to go there is not installed.
    """
    return LandingZone(_files(settings, surroundings, observe))


def _files(settings: Settings, surroundings: Surroundings, observe: Callable[[Attempt], None]) -> Files:
    folder = landing_zone(settings.landing_zone_url or "")
    if isinstance(folder, Folder):
        return LocalFiles(folder.path)
    try:
        # Here and not above: who writes to a folder needs nothing of Azure.
        from target_powerbi.mirroring.onelake import onelake_files  # noqa: PLC0415 - the reason is the line above
    except ModuleNotFoundError as missing:
        raise ConfigError(
            f"Setting 'landing_zone_url' names OneLake, and {missing.name} is not installed. Install it with: pip install "
            f"'target-powerbi[fabric]'"
        ) from None
    return onelake_files(folder, settings, surroundings, observe)
