"""``ifs-bi report``: the state of the pipes as a page, as JSON, as OpenMetrics text, served, or told to somebody."""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ifs_bi_core.errors import ConfigError, IfsBiError
from ifs_bi_core.ledger import options
from ifs_bi_core.ledger.runs import DEFAULT_STATE_DIR
from ifs_bi_core.report.findings import verdict
from ifs_bi_core.report.notices import AT_MOST_EVERY_SECONDS
from ifs_bi_core.report.reading import RUNS, read_report
from ifs_bi_core.report.schedules import duration, given_schedules
from ifs_bi_core.settings import resolve

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from ifs_bi_core.report.figures import Report
    from ifs_bi_core.report.notices import Notice

OUTPUT = Path("ifs-bi-report.html")
PORT = 8719


@click.command("report")
@click.option(
    "--output",
    type=click.Path(path_type=Path, dir_okay=False, allow_dash=True),
    help=f"Where to write, - for standard output.  [default: {OUTPUT}; standard output for --json and --openmetrics]",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object instead of the page, for monitors.")
@click.option("--openmetrics", "as_metrics", is_flag=True, help="OpenMetrics text instead of the page, for Prometheus.")
@click.option(
    "--serve", is_flag=True, help="Serve all three on 127.0.0.1 until it is interrupted: /, /report.json, /metrics."
)
@click.option(
    "--port", type=click.IntRange(0, 65535), default=PORT, show_default=True, help="Of --serve; 0: any free one."
)
@click.option(
    "--notify",
    "to_notify",
    is_flag=True,
    help="Write nothing, but tell a webhook or mail addresses, if a run failed, a stream is late, or rows are dead or unknown.",
)
@click.option(
    "--runs", type=click.IntRange(1, 1000), default=RUNS, show_default=True, help="How many runs, from the newest."
)
@click.option(
    "--every",
    multiple=True,
    metavar="[STREAM=]TIME",
    help="How often a stream, or every one, should be delivered, such as 24h; may be given again.  [default: as often as it "
    "was so far]",
)
@click.option(
    "--limit",
    "limits",
    multiple=True,
    metavar="SERVICE=N",
    help="Requests a minute that a service takes, such as ifs=600; may be given again.  [default: ifs=1000, powerbi=120]",
)
@click.option(
    "--webhook", envvar="IFS_BI_NOTIFY_WEBHOOK", help="For --notify: https address, or env:NAME or vault:NAME."
)
@click.option(
    "--smtp-url",
    envvar="IFS_BI_NOTIFY_SMTP_URL",
    help="For --notify: smtp://user:password@host:587 (STARTTLS) or smtps://…, or env:NAME or vault:NAME.",
)
@click.option("--mail-from", envvar="IFS_BI_NOTIFY_MAIL_FROM", help="For --notify: the sender's address.")
@click.option(
    "--mail-to", envvar="IFS_BI_NOTIFY_MAIL_TO", multiple=True, help="For --notify: an address; may be given again."
)
@click.option(
    "--at-most-every",
    metavar="TIME",
    default=f"{AT_MOST_EVERY_SECONDS / 3600:g}h",
    show_default=True,
    help="For --notify: the shortest time between two notices.",
)
@options.state_dir
@options.ledger_url
def report(  # noqa: PLR0913 - one for each option
    *,
    output: Path | None,
    as_json: bool,
    as_metrics: bool,
    serve: bool,
    to_notify: bool,
    port: int,
    state_dir: Path,
    ledger_url: str | None,
    runs: int,
    every: tuple[str, ...],
    limits: tuple[str, ...],
    **notifying: Any,
) -> None:
    """Show how the pipes are: freshness, rows, requests, dead letters, unknown outcomes, delete scans, lag.

    Writes one HTML page that needs no server and no network, from the ledger. No key and no value of a record is in it.

    \b
        ifs-bi report --every 24h --every gl_accounts=7d
        ifs-bi report --serve
        ifs-bi report --openmetrics --output /var/lib/node_exporter/ifs_bi.prom
        ifs-bi report --notify --webhook vault:OPS_WEBHOOK
    """  # noqa: D301 - \b is click's mark for lines that stay as they are
    if as_json + as_metrics + serve + to_notify > 1:
        raise ConfigError("Give one of --json, --openmetrics, --serve and --notify: each is a form of its own.")
    schedules, per_minute = given_schedules(every), _limits(limits)
    named = None if state_dir == DEFAULT_STATE_DIR else str(state_dir)
    ways = _ways(state_dir, **notifying) if to_notify else ()
    pause = duration(notifying["at_most_every"], "--at-most-every")
    with options.opened(ledger_url, state_dir) as ledger:

        def read() -> Report:
            return read_report(ledger, runs=runs, schedules=schedules, limits=per_minute, state_dir=named)

        if serve:
            _serve(port, read)
        elif to_notify:
            _notify(read(), state_dir, ways, pause)
        else:
            _write(read(), output, as_json=as_json, as_metrics=as_metrics)


def _write(found: Report, output: Path | None, *, as_json: bool, as_metrics: bool) -> None:
    # Each form is imported where it is asked for: the list of verbs needn't wait for any.
    if as_json:
        from ifs_bi_core.report.figures import as_json as form  # noqa: PLC0415 - the reason stands above
    elif as_metrics:
        from ifs_bi_core.report.openmetrics import openmetrics as form  # noqa: PLC0415 - the same
    else:
        from ifs_bi_core.report.page import page as form  # noqa: PLC0415 - the same
    text = form(found)
    place = output or (Path("-") if as_json or as_metrics else OUTPUT)
    if str(place) == "-":
        sys.stdout.write(text if text.endswith("\n") else f"{text}\n")
        return
    _put(place, text)
    click.echo(f"{place}: {verdict(found)}.", err=as_json or as_metrics)


def _put(place: Path, text: str) -> None:
    """Write a file that others, such as Prometheus' collector, see whole or not at all."""
    temporary = place.with_name(f".{place.name}.{os.getpid()}")
    try:
        temporary.write_text(text, encoding="utf-8")
        temporary.replace(place)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise IfsBiError(
            f"{place} can't be written: {error.strerror or error}. Name another file with --output, then run again."
        ) from None


def _serve(port: int, read: Callable[[], Report]) -> None:
    from ifs_bi_core.report.serving import ReportServer  # noqa: PLC0415 - as above

    read()  # what is wrong is said before anybody is sent there
    with ReportServer(port, read) as server:
        click.echo(f"Serving {server.url} until you press Ctrl+C.")
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            click.echo("Stopped.")


def _ways(
    state_dir: Path,
    *,
    webhook: str | None,
    smtp_url: str | None,
    mail_from: str | None,
    mail_to: Sequence[str],
    at_most_every: str,  # noqa: ARG001 - of the same group of options
) -> list[Callable[[Notice], None]]:
    from ifs_bi_core.report import notify  # noqa: PLC0415 - as above

    known = resolve({"webhook": webhook, "smtp_url": smtp_url, "state_dir": str(state_dir)})
    ways = [notify.webhook(known["webhook"])] if webhook else []
    if smtp_url:
        ways.append(notify.mail(notify.Mail(known["smtp_url"], mail_from or "", mail_to)))
    if not ways:
        raise ConfigError("--notify needs somebody to tell: --webhook, or --smtp-url with --mail-from and --mail-to.")
    return ways


def _notify(found: Report, state_dir: Path, ways: Sequence[Callable[[Notice], None]], pause: float) -> None:
    from ifs_bi_core.report.notify import notify  # noqa: PLC0415 - as above

    sent = notify(found, state_dir, ways, at_most_every_seconds=pause, host=socket.gethostname())
    click.echo(sent.title if sent else "There is nothing new to tell.")


def _limits(texts: Iterable[str]) -> dict[str, float]:
    found = {}
    for text in texts:
        service, _, number = text.partition("=")
        if not service or not number.isdecimal() or not int(number):
            raise ConfigError(f"--limit {text} is no SERVICE=N with a number of requests a minute, such as ifs=600.")
        found[service] = float(number)
    return found
