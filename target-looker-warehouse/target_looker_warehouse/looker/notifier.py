"""Tells Looker after a load what changed, or leaves it to the next run: the load stands in any case."""

from __future__ import annotations

from functools import cached_property, partial
from importlib.util import find_spec
from typing import TYPE_CHECKING

from ifs_bi_core.errors import ConfigError, ContractBrokenError, IfsBiError, OutcomeUnknownError
from ifs_bi_core.http.client import REAL
from ifs_bi_core.ledger.notifications import Notification, pending

from target_looker_warehouse.looker.known import KnownDatagroups
from target_looker_warehouse.looker.outcomes import NOT_NOW
from target_looker_warehouse.looker.plan import Kind, Look, due_by, ids_of, plan
from target_looker_warehouse.row_counts import count_query, counts_of

if TYPE_CHECKING:
    import logging
    from collections.abc import Callable, Iterable, Mapping

    from ifs_bi_core.http.client import Surroundings
    from ifs_bi_core.singer.account import Account

    from target_looker_warehouse.looker.api import Looker
    from target_looker_warehouse.looker.plan import Plan
    from target_looker_warehouse.looker.settings import LookerSettings

_ONCE = {Kind.PDT_BUILD, Kind.SCHEDULED_PLAN}
"""What would do harm twice: the ledger says that it is told before it is sent."""


def destination_of(settings: LookerSettings) -> str:
    """How the ledger calls this Looker."""
    return f"looker {settings.base_url}"


def check_installed() -> None:
    """See that Looker's client is there, without the half second that it takes to load.

    Raises:
        ConfigError: it isn't.
    """
    if find_spec("looker_sdk") is None:
        raise ConfigError(
            "Setting 'looker' is there, and Looker's client is not installed. Install it: "
            "pip install 'target-looker-warehouse[looker]'."
        )


class Notifier:
    """The notification of one run.

    Args:
        settings: what to tell which Looker.
        account: of the run; its ledger keeps what is due until it is told.
        log: takes warnings and one line of success.
        surroundings: clock, sleep and dice.
    """

    def __init__(
        self,
        settings: LookerSettings,
        account: Account,
        log: logging.Logger,
        surroundings: Surroundings = REAL,
    ) -> None:
        self._settings = settings
        self._account = account
        self._log = log
        self._surroundings = surroundings
        self._destination = destination_of(settings)
        self._done: list[str] = []
        self._later: list[str] = []
        self._asked = False
        self.streams: set[str] = set()
        """Those that this run changes."""

    @property
    def compares(self) -> bool:
        """Whether it wants to know how many rows the tables have."""
        return self._settings.verify

    def expect(self, stream: str) -> None:
        """Note in the ledger what is due when a stream changes, before the first row of it moves.

        Raises:
            LedgerError: it can't be written.
        """
        if stream in self.streams:
            return
        self.streams.add(stream)
        new = [item for item in due_by(self._settings, stream) if item not in self._due]
        if new:
            self._say(new, Notification.DUE)
            self._due.update(dict.fromkeys(new))

    def tell(self, tables: Mapping[str, int]) -> None:
        """Tell Looker what is due, also by earlier runs. What it can't be told now stays due, and is warned of.

        Args:
            tables: number of rows by table, quoted and qualified as SQL names them; those that this run changed.

        Raises:
            LedgerError: the ledger can't be written.
        """
        if not self._due:
            return
        # Here and not above: the client takes half a second to load, and most runs of a schedule change nothing.
        from target_looker_warehouse.looker.api import connect  # noqa: PLC0415 - the reason is the line above

        known = KnownDatagroups(self._account.state_dir, self._settings.base_url)
        ids = known.ids()
        chosen = plan(self._settings, self._due, ids.keys(), counted=bool(tables))
        looker = connect(self._settings, self._surroundings, self._account.run.observer("looker"))
        try:
            compare = partial(self._compare, looker, tables)
            tell: dict[Kind, Callable[[str], None]] = {
                Kind.DATAGROUP: partial(self._trigger, looker, dict(ids), known),
                Kind.CONNECTION: compare if chosen.look is Look.VERIFY else partial(self._test, looker),
                Kind.PDT_BUILD: partial(self._build, looker),
                Kind.SCHEDULED_PLAN: partial(self._send, looker),
            }
            for kind, name in chosen.told:
                remembered = known if kind is Kind.DATAGROUP and name in ids else None
                self._step(kind, name, partial(tell[kind], name), remembered)
        except NOT_NOW as error:
            self._log.warning(
                "The load stands, and Looker was not told all of it: %s The next run tells it: %s.",
                error,
                ", ".join(self._due),
            )
        else:
            self._close(chosen)
        if self._done:
            self._log.info("Looker at %s: %s", self._settings.base_url, "; ".join(self._done))

    @cached_property
    def _due(self) -> dict[str, None]:
        """Items in the order in which they became due."""
        found = pending(self._account.ledger, self._destination)
        return dict.fromkeys(one.item for one in found)

    def _test(self, looker: Looker, connection: str) -> None:
        failed = "; ".join(f"{test.name}: {test.message}" for test in looker.test(connection) if not test.passed)
        if failed:
            self._log.warning(
                "The load stands, and Looker's connection '%s' fails its test: %s. Until that is mended in Looker (Admin > "
                "Connections), nobody sees there what was loaded.",
                connection,
                failed,
            )
        else:
            self._done.append(f"connection '{connection}' passes its tests")

    def _compare(self, looker: Looker, tables: Mapping[str, int], connection: str) -> None:
        rows = looker.rows(connection, count_query(tables, f"ifs-bi {self._account.run.id}"))
        try:
            seen = counts_of(rows)
        except (KeyError, ValueError):
            raise ContractBrokenError(
                f"query of connection '{connection}': Looker's answer holds no row counts."
            ) from None
        different = [
            f"{table} has {count:,} rows and Looker sees {seen.get(place, 0):,}"
            for place, (table, count) in enumerate(tables.items())
            if seen.get(place) != count
        ]
        if different:
            self._log.warning(
                "The load stands, and Looker's connection '%s' shows something else: %s. See whether it leads to this warehouse "
                "and schema, and whether another run is loading now.",
                connection,
                "; ".join(different),
            )
        else:
            self._done.append(
                f"sees the same number of rows in {len(tables)} changed table{'s' if len(tables) > 1 else ''}"
            )

    def _trigger(self, looker: Looker, ids: dict[str, str], known: KnownDatagroups, name: str) -> None:
        """Trigger a datagroup; where its id is not known, all are asked for, once a run."""
        if name not in ids and not self._asked:
            self._asked = True
            ids.update(ids_of((one.name for one in self._settings.datagroups), looker.datagroups()))
            known.keep(ids)
        if name not in ids:
            raise ConfigError(
                f"trigger of datagroup '{name}': Looker has no such datagroup, or several of that name. Write model.name as "
                f"LookML has them, and see that the user of the API key may see the model."
            )
        looker.trigger(name, ids[name])
        self._done.append(f"datagroup '{name}' is triggered")

    def _build(self, looker: Looker, name: str) -> None:
        model, _, view = name.partition(".")
        looker.build(model, view)
        self._done.append(f"builds derived table '{name}'")

    def _send(self, looker: Looker, name: str) -> None:
        looker.send_plan(name)
        self._done.append(f"sends scheduled plan {name}")

    def _step(self, kind: Kind, name: str, call: Callable[[], None], remembered: KnownDatagroups | None = None) -> None:
        """Make a call, and say in the ledger what came of it.

        Args:
            kind: of what it is about.
            name: the same.
            call: makes it.
            remembered: what an earlier run remembered of it, which may be true no more: then the next run asks for it anew.

        Raises:
            IfsBiError: Looker can't be told now (the classes of `outcomes.NOT_NOW`); it stays due.
        """
        item = kind.item(name)
        if kind in _ONCE:
            self._say([item], Notification.TOLD)
        try:
            call()
        except (ConfigError, ContractBrokenError) as error:
            if remembered is None:
                self._drop(item, error)
                return
            remembered.keep({})  # one that was made anew has another id
            self._later.append(item)
        except OutcomeUnknownError as error:
            if kind not in _ONCE:
                raise
            self._drop(item, error)
        except NOT_NOW:
            if kind in _ONCE:
                self._say([item], Notification.DUE)
            raise
        else:
            if kind not in _ONCE:
                self._say([item], Notification.TOLD)
            self._due.pop(item, None)

    def _drop(self, item: str, error: IfsBiError) -> None:
        self._log.warning("The load stands, and Looker was not told: %s", error)
        self._say([item], Notification.DROPPED, str(error))
        self._due.pop(item, None)

    def _close(self, chosen: Plan) -> None:
        """Say what waits for the next run, and forget what is no longer configured or was not looked at."""
        self._later += [kind.item(name) for kind, name in chosen.later]
        if self._later:
            self._log.warning(
                "Looker is told by the next run: %s. This one may make %d calls, and asks for ids that are not known or changed.",
                ", ".join(self._later),
                self._settings.max_calls,
            )
        over = [item for item in self._due if item not in self._later]
        if over:
            self._say(over, Notification.DROPPED, "no longer configured, or no call was left for it")
            for item in over:
                self._due.pop(item)

    def _say(self, items: Iterable[str], state: Notification, reason: str | None = None) -> None:
        self._account.run.notification(self._destination, items, state, reason)
