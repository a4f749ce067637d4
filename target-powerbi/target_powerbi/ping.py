"""What ``ifs-bi ping`` looks at in Power BI: sign-in, the workspace, the dataset, what its limits leave, and queries."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ifs_bi_core.errors import ConfigError, ExitCode, IfsBiError
from ifs_bi_core.http.client import REAL
from ifs_bi_core.ping import Check, Ping, Status

from target_powerbi.allowance import allowance
from target_powerbi.api import connect
from target_powerbi.capacity import Capacity
from target_powerbi.dataset import named
from target_powerbi.kept import Kept, file_of
from target_powerbi.limits import HOUR
from target_powerbi.mirroring.run import zone_of
from target_powerbi.outcomes import ALLOW_QUERIES
from target_powerbi.settings import read_settings
from target_powerbi.sign_in import SignIn
from target_powerbi.traffic import Traffic

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from ifs_bi_core.http.client import Surroundings
    from ifs_bi_core.singer.plugin import Plugin

    from target_powerbi.api import Dataset, PowerBI
    from target_powerbi.settings import Settings

_LONGEST_RETRY_SECONDS = 10.0  # a ping tells how it is now
_SHOWN = 10  # tables that a sentence names
_QUERIES_OFF = (
    "Without them nobody can ask whether rows arrived when an answer is lost, and `ifs-bi powerbi verify` has no figures. "
    f"{ALLOW_QUERIES}"
)


def checks(config: Mapping[str, Any], surroundings: Surroundings = REAL) -> Iterator[Check]:
    """Look at one thing after the other; where nothing more can be found out, it ends."""
    try:
        settings = read_settings(config)
    except IfsBiError as error:
        yield Check.failed("configuration", error)
        return
    settings = replace(settings, retry_limit_seconds=min(settings.retry_limit_seconds, _LONGEST_RETRY_SECONDS))
    steps = (
        _landing_zone(settings, surroundings)
        if settings.landing_zone_url
        else _PushDataset(settings, surroundings).steps()
    )
    for name, step in steps:
        try:
            yield step()
        except IfsBiError as error:
            yield Check.failed(name, error)
            return  # every further line would say the same


def _landing_zone(settings: Settings, surroundings: Surroundings) -> Iterator[tuple[str, Callable[[], Check]]]:
    url = settings.landing_zone_url or ""

    def configuration() -> Check:
        return Check("configuration", f"Mirroring into {url}.", found={"landing_zone_url": url})

    def zone() -> Check:
        tables = zone_of(settings, surroundings).tables()
        holds = f"{len(tables)} tables" if tables else "no table yet"
        return Check("landing zone", f"The landing zone can be listed; it holds {holds}.", found={"tables": tables})

    yield "configuration", configuration
    yield "landing zone", zone


class _PushDataset:
    """The configured dataset, and what is known of it so far."""

    def __init__(self, settings: Settings, surroundings: Surroundings) -> None:
        self._settings = settings
        self._surroundings = surroundings
        self._api: PowerBI
        self._sign_in: SignIn
        self._datasets: list[Dataset] = []
        self._dataset: Dataset | None = None

    def steps(self) -> Iterator[tuple[str, Callable[[], Check]]]:
        yield "configuration", self._configuration
        yield "token", self._token
        yield "workspace", self._workspace
        yield "dataset", self._found
        yield "limits", self._limits
        if self._dataset is not None:
            yield "queries", self._queries

    def _configuration(self) -> Check:
        self._sign_in = SignIn(self._settings)
        self._api = connect(self._settings, self._surroundings)
        who, where = self._settings.client_id or "a managed identity", self._settings.workspace_id
        facts = {"api_url": self._settings.api_url, "workspace_id": where, "write_mode": self._settings.write_mode}
        sentence = f"{self._settings.api_url}, workspace {where}, as {who}; write_mode {self._settings.write_mode}."
        return Check("configuration", sentence, found=facts)

    def _token(self) -> Check:
        seconds = self._sign_in().lifetime
        who = self._settings.client_id or "The managed identity"
        return Check(
            "token", f"{who} is let in; a token lives {seconds:,.0f} seconds.", found={"lifetime_seconds": seconds}
        )

    def _workspace(self) -> Check:
        self._datasets = self._api.datasets()
        sentence = (
            f"It can be read and has {len(self._datasets)} datasets. Whether rows may be written shows with the first ones: the "
            f"role Contributor is needed."
        )
        return Check("workspace", sentence, found={"datasets": len(self._datasets)})

    def _found(self) -> Check:
        settings = self._settings
        found = self._look_up()
        if found is None and not settings.manage_schema:
            sentence = (
                f"The workspace has no dataset {settings.dataset}, and manage_schema is off. Check dataset_name, or switch "
                f"manage_schema on to have it made."
            )
            return Check("dataset", sentence, Status.FAILED, ExitCode.WRONG_CONFIGURATION)
        if found is None:
            sentence = f"There is none called {settings.dataset}; the first run makes it. See: ifs-bi powerbi plan."
            return Check("dataset", sentence, found={"id": None, "name": settings.dataset_name})
        facts = {"id": found.id, "name": found.name, "push": found.push}
        if not found.push:
            sentence = (
                f"'{found.name}' ({found.id}) was not made for pushing: one that was published from a file takes no rows. Name "
                f"another one, or a dataset_name that does not exist yet."
            )
            return Check("dataset", sentence, Status.FAILED, ExitCode.WRONG_CONFIGURATION, facts)
        tables = self._api.tables(found.id)
        self._dataset = found
        more = f" and {len(tables) - _SHOWN} more" if len(tables) > _SHOWN else ""
        sentence = f"'{found.name}' ({found.id}) takes rows; its tables: {', '.join(tables[:_SHOWN]) or 'none'}{more}."
        return Check("dataset", sentence, found={**facts, "tables": tables})

    def _look_up(self) -> Dataset | None:
        if self._settings.dataset_id:
            return self._api.dataset(self._settings.dataset_id)
        return named(self._datasets, self._settings.dataset_name or "")

    def _limits(self) -> Check:
        file, now = file_of(self._settings), self._surroundings.clock()
        sent: list[tuple[float, int]] = []
        largest, large = 0, False
        if file.exists():
            try:
                with closing(Kept(file)) as kept:
                    largest = max(kept.held_by_stream().values(), default=0)
                    large = Capacity(kept, retains=self._settings.retention_policy == "none").large
                    known = self._dataset.id if self._dataset else kept.dataset_id
                    sent = Traffic(kept.database, known).sendings(now - HOUR) if known else []
            except ConfigError as error:
                return Check("limits", f"What they leave can't be told now. {error}", Status.NOTICE)
        left = allowance(sent, now, large=large)
        facts = {
            "rows_this_hour": left.rows,
            "requests_this_minute": left.requests,
            "requests_this_hour": left.requests_this_hour,
            "largest_table_rows": largest,
        }
        exhausted = not left.rows or left.requests_this_hour == 0
        sentence = f"After what this target sent, they leave {left.sentence}; the largest table holds {largest:,} rows."
        return Check("limits", sentence, Status.NOTICE if exhausted else Status.FINE, found=facts)

    def _queries(self) -> Check:
        if self._dataset is None:
            raise RuntimeError("there is no dataset")
        try:
            self._api.query(self._dataset.id, 'EVALUATE ROW("n", 1)', operation="query of the dataset")
        except IfsBiError as error:
            return Check("queries", f"Power BI answers none about it. {error} {_QUERIES_OFF}", Status.NOTICE)
        return Check("queries", "Power BI answers queries about it.")


def _plugin() -> type[Plugin]:
    from target_powerbi.target import TargetPowerBI  # noqa: PLC0415 - the SDK loads when a ping begins, not for the list of verbs

    return TargetPowerBI


PING = Ping("Power BI", _plugin, checks)
"""The entry point."""
