"""What ``ifs-bi ping`` looks at: the warehouse, and in Looker sign-in, version, connection and datagroups."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ifs_bi_core.errors import ConfigError, ExitCode, IfsBiError
from ifs_bi_core.http.client import REAL
from ifs_bi_core.ledger.notifications import pending
from ifs_bi_core.ledger.runs import DEFAULT_STATE_DIR, Ledger
from ifs_bi_core.ping import Check, Ping, Status

from target_looker_warehouse.addresses import check_address, missing_file
from target_looker_warehouse.looker.notifier import check_installed, destination_of
from target_looker_warehouse.looker.plan import ids_of
from target_looker_warehouse.looker.settings import read_looker

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from ifs_bi_core.http.client import Surroundings
    from ifs_bi_core.singer.plugin import Plugin

    from target_looker_warehouse.looker.api import Looker
    from target_looker_warehouse.looker.settings import LookerSettings
    from target_looker_warehouse.warehouses.connection import Address

_LONGEST_RETRY_SECONDS = 10.0  # a ping tells how it is now


def checks(config: Mapping[str, Any], surroundings: Surroundings = REAL) -> Iterator[Check]:
    """Look at one thing after the other; where nothing more can be found out, it ends."""
    try:
        address = check_address(config["warehouse_url"], config.get("staging_url"))
        settings = read_looker(config)
        if settings is not None:
            check_installed()
    except IfsBiError as error:
        yield Check.failed("configuration", error)
        return
    looker = "no Looker is told" if settings is None else f"Looker at {settings.base_url} is told"
    facts = {"warehouse": address.destination, "looker": settings and settings.base_url}
    yield Check("configuration", f"{address.destination}; {looker} of what was loaded.", found=facts)
    yield _warehouse(address)
    if settings is None:
        return
    state_dir = Path(config.get("state_dir") or DEFAULT_STATE_DIR)
    for name, step in _looker(settings, surroundings, config.get("ledger_url"), state_dir):
        try:
            yield step()
        except IfsBiError as error:
            yield Check.failed(name, error)
            return  # every further line would say the same


def _warehouse(address: Address) -> Check:
    """Whether it can be connected to; a file that a first run would make is not made here."""
    if (file := missing_file(address)) is not None:
        return Check("warehouse", f"There is no file {file} yet; the first run makes it.")
    try:
        with closing(address.open()) as connection, connection.transaction("the warehouse", "be asked"):
            connection.query("SELECT 1")
    except IfsBiError as error:
        return Check.failed("warehouse", error)
    return Check("warehouse", f"{address.destination} answers.")


def _looker(
    settings: LookerSettings, surroundings: Surroundings, ledger_url: str | None, state_dir: Path
) -> Iterator[tuple[str, Callable[[], Check]]]:
    # Here and not above: the client takes half a second to load, and the list of verbs needn't wait for it.
    from target_looker_warehouse.looker.api import connect  # noqa: PLC0415 - the reason is the line above

    looker = connect(settings, surroundings, retry_limit_seconds=_LONGEST_RETRY_SECONDS)
    yield "sign-in", lambda: _sign_in(looker, settings)
    yield "version", lambda: _version(looker)
    if settings.connection:
        connection = settings.connection
        yield "connection", lambda: _connection(looker, connection)
    if settings.datagroups:
        yield "datagroups", lambda: _datagroups(looker, settings)
    yield "notification", lambda: _notification(settings, ledger_url, state_dir)


def _sign_in(looker: Looker, settings: LookerSettings) -> Check:
    user = looker.user()
    return Check("sign-in", f"The API key {settings.client_id} is let in, as user '{user}'.", found={"user": user})


def _version(looker: Looker) -> Check:
    release = looker.release()
    return Check("version", f"Looker {release}.", found={"release": release})


def _connection(looker: Looker, connection: str) -> Check:
    tests = looker.test(connection)
    failed = [f"{test.name}: {test.message}" for test in tests if not test.passed]
    facts = {"name": connection, "tests": {test.name: test.passed for test in tests}}
    if failed:
        said = "; ".join(failed)
        sentence = (
            f"Looker's connection '{connection}' fails its test: {said}. Mend it in Looker (Admin > Connections)."
        )
        return Check("connection", sentence, Status.FAILED, ExitCode.FAILED, facts)
    names = ", ".join(test.name for test in tests)
    return Check("connection", f"Looker's connection '{connection}' passes its tests ({names}).", found=facts)


def _datagroups(looker: Looker, settings: LookerSettings) -> Check:
    found = looker.datagroups()
    ids = ids_of((one.name for one in settings.datagroups), found)
    missing = [one.name for one in settings.datagroups if one.name not in ids]
    if missing:
        sentence = (
            f"Looker has no datagroup {', '.join(missing)}, or several of that name; it shows {', '.join(found) or 'none'}. "
            f"Write model.name as LookML has them, and see that the user of the API key may see the model."
        )
        return Check("datagroups", sentence, Status.FAILED, ExitCode.WRONG_CONFIGURATION, {"shown": sorted(found)})
    return Check("datagroups", f"{', '.join(ids)} can be triggered.", found={"shown": sorted(found)})


def _notification(settings: LookerSettings, ledger_url: str | None, state_dir: Path) -> Check:
    try:
        with closing(Ledger.open(ledger_url, state_dir, create=False)) as ledger:
            waiting = pending(ledger, destination_of(settings))
    except ConfigError:  # no run has begun a ledger yet
        waiting = []
    if not waiting:
        return Check("notification", "Looker was told of all that was loaded.", found={"pending": []})
    items = [one.item for one in waiting]
    sentence = f"Looker is still to be told, since {waiting[0].since}: {', '.join(items)}. The next run tells it."
    return Check("notification", sentence, Status.NOTICE, found={"pending": items})


def _plugin() -> type[Plugin]:
    from target_looker_warehouse.target import TargetLookerWarehouse  # noqa: PLC0415 - the SDK loads when a ping begins

    return TargetLookerWarehouse


PING = Ping("Warehouse and Looker", _plugin, checks)
"""The entry point."""
