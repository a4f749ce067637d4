"""Addresses of landing zones, as people write them. No I/O.

OneLake is addressed like Azure Data Lake Storage, whose container is the workspace (learn.microsoft.com/fabric/onelake/
onelake-access-api): ``abfss://<workspace>@<host>/<item>/<path>``, or ``https://<host>/<workspace>/<item>/<path>`` as the page of
a mirrored database shows it. Workspace and item are both ids, or both names (the item's with its type).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

from ifs_bi_core.errors import ConfigError
from ifs_bi_core.settings import origin

SETTING = "landing_zone_url"
LAST_FOLDER = "LandingZone"
_PLACE = ["Files", LAST_FOLDER]  # in the item
_FORMS = (
    "abfss://<workspace>@onelake.dfs.fabric.microsoft.com/<mirrored database>/Files/LandingZone, the https address that the page "
    "of the mirrored database shows, or file:///folder for a folder of this machine"
)


@dataclass(frozen=True)
class Folder:
    """A folder of this machine."""

    path: Path

    def __str__(self) -> str:
        return f"file://{quote(str(self.path))}"


@dataclass(frozen=True)
class OneLakeFolder:
    """A folder of OneLake.

    Attributes:
        origin: of the service; http for a loopback address alone.
        workspace: name or id.
        path: in the workspace, without a slash at either end; the item comes first.
    """

    origin: str
    workspace: str
    path: str

    def __str__(self) -> str:
        return f"{self.origin}/{quote(self.workspace)}/{quote(self.path)}"


def landing_zone(url: str) -> Folder | OneLakeFolder:
    """Where a landing zone of this address lies; the same place has the same text, however it was written.

    Raises:
        ConfigError: there is none of this address.
    """
    text = url.strip().rstrip("/")
    parts = urlsplit(text)
    if parts.scheme == "file" and parts.netloc in {"", "localhost"} and parts.path.strip("/"):
        return Folder(Path(unquote(parts.path)))
    path = unquote(parts.path).strip("/")
    if parts.scheme == "abfss" and "@" in parts.netloc and not parts.query:
        workspace, _, host = parts.netloc.rpartition("@")
        return _one_lake(text, f"https://{host}", unquote(workspace), path)
    if parts.scheme in {"http", "https"} and not parts.query:
        workspace, _, path = path.partition("/")
        return _one_lake(text, f"{parts.scheme}://{parts.netloc}", workspace, path)
    raise ConfigError(f"Setting '{SETTING}' is {text!r}, and destination fabric_mirroring needs one. Write {_FORMS}.")


def _one_lake(text: str, address: str, workspace: str, path: str) -> OneLakeFolder:
    item, *place = path.split("/")
    if not (workspace and item and place[:2] == _PLACE and all(place)):
        raise ConfigError(f"Setting '{SETTING}' is {text!r}, which is no landing zone. Write {_FORMS}.")
    return OneLakeFolder(origin(SETTING, address), workspace, path)
