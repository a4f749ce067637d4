"""One request to Power BI by a caller who is let in, and the refusals that many operations share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ifs_bi_sandbox.powerbi import errors
from ifs_bi_sandbox.powerbi.bodies import read_json
from ifs_bi_sandbox.powerbi.limits import LIMITS

if TYPE_CHECKING:
    from starlette.requests import Request

    from ifs_bi_sandbox.powerbi.datasets import Dataset, Table
    from ifs_bi_sandbox.world import World


@dataclass(frozen=True)
class Call:
    """One request, by a caller who is let in, to one world."""

    request: Request
    world: World

    def dataset(self, *, push: bool = False) -> Dataset:
        """The dataset of the path; ``push``: it must be one that takes rows."""
        wanted = self.request.path_params["dataset"]
        found = self.world.powerbi.get(wanted)
        if found is None or found.visible > self.world.now():
            raise errors.dataset_not_found(wanted)
        if push and not found.push:
            raise errors.not_a_push_dataset(found.id)
        return found

    def table(self) -> tuple[Dataset, Table]:
        """The table of the path, and its dataset; the case of a table's name matters."""
        dataset = self.dataset(push=True)
        name = self.request.path_params["table"]
        if name in dataset.tables:
            return dataset, dataset.tables[name]
        if name.casefold() in {known.casefold() for known in dataset.tables}:
            raise errors.table_not_found(name, dataset.id, self.world.switches.powerbi_wrong_case)
        raise errors.table_not_found(name, dataset.id)

    def check_writer(self) -> None:
        """Refuse a caller whose role only lets him look."""
        if self.world.switches.powerbi_role == "Viewer":
            raise errors.role_too_low()

    def check_pushing(self) -> None:
        """Refuse to change what is in a push dataset once that is over."""
        if self.world.switches.pushing_retired:
            raise errors.creation_retired()

    def check_size(self, body: bytes) -> None:
        """Refuse a body of more than 16 MB."""
        if len(body) > LIMITS.request_bytes:
            told = f"{len(body)} bytes in one request: at most {LIMITS.request_bytes} are allowed."
            raise errors.too_large(told, self.world.switches.powerbi_too_large_status)

    def retry_after(self, seconds: int) -> int | None:
        """What a 429 tells about the wait."""
        return seconds if self.world.switches.powerbi_throttle_retry_after else None

    async def json(self) -> object:
        """The body as JSON."""
        body = await self.request.body()
        self.check_size(body)
        return read_json(body)
