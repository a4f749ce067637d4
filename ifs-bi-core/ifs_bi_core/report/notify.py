"""Notices on their way: posted to a webhook, or mailed; and the mark in the state folder that keeps them from being many."""

from __future__ import annotations

import json
import os
import smtplib
import ssl
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime
from email.message import EmailMessage
from email.utils import format_datetime
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from ifs_bi_core.disk import lock_taken
from ifs_bi_core.errors import ConfigError, IfsBiError
from ifs_bi_core.http.message import Request
from ifs_bi_core.http.transport import transport
from ifs_bi_core.redaction import REDACTOR
from ifs_bi_core.report.notices import Mark, notice
from ifs_bi_core.settings import is_loopback

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from ifs_bi_core.report.figures import Report
    from ifs_bi_core.report.notices import Notice

MARK = "notified.json"
"""The file in the state folder that remembers the last notice."""

_SECONDS = 20.0  # for the whole of a request; a pipeline's last step must not hang
_PORTS = {"smtp": 587, "smtps": 465}


@dataclass(frozen=True)
class Mail:
    """Where mails are handed in, and for whom.

    Attributes:
        url: ``smtp://user:password@host:587``, which begins TLS before anything is said, or ``smtps://``. Without TLS to
            loopback addresses alone.
        sender: an address.
        recipients: addresses, at least one.
    """

    url: str
    sender: str
    recipients: Sequence[str]


def notify(
    report: Report,
    state_dir: Path,
    deliver: Sequence[Callable[[Notice], None]],
    *,
    at_most_every_seconds: float,
    host: str,
) -> Notice | None:
    """Send a notice where one is due; what was sent.

    Two processes never send the same: the mark is locked meanwhile. Where one way of delivery fails the others are tried, and
    the notice counts as sent if any way took it, so that a broken one does not make the others repeat themselves.

    Raises:
        IfsBiError: a way of delivery failed, or the mark can't be written.
    """
    with _marked(state_dir / MARK) as (last, remember):
        due = notice(report, last, at_most_every_seconds=at_most_every_seconds, host=host)
        if due is None:
            return None
        failures = []
        for way in deliver:
            try:
                way(due)
            except IfsBiError as error:
                failures.append(error)
        if len(failures) < len(deliver):
            remember(due.mark)
    if failures:
        raise failures[0]
    return due


def webhook(url: str) -> Callable[[Notice], None]:
    """Posts notices as JSON to an address, which is a secret: whoever knows it can post.

    Raises:
        ConfigError: it is no https address (http for loopback alone).
    """
    REDACTOR.register(url)
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        host = ""
    plain = parts.scheme == "http" and is_loopback(host) if host else False
    if not host or not (parts.scheme == "https" or plain):
        raise ConfigError("The webhook is no https address. Write https://host/path, or env:NAME or vault:NAME for it.")
    REDACTOR.register(parts.path if len(parts.path) > 1 else None)
    send = transport(timeout_seconds=_SECONDS, deadline_seconds=_SECONDS)

    def deliver(told: Notice) -> None:
        body = json.dumps(told.body).encode()
        headers = {"Content-Type": "application/json", "User-Agent": "ifs-bi"}
        answer = send(Request("POST", url, headers, body, operation="notice to the webhook"))
        if not answer.ok:
            raise IfsBiError(
                f"The webhook at {host} answered {answer.status}, so nobody was told. Check its address, then run again."
            )

    return deliver


def mail(to: Mail) -> Callable[[Notice], None]:
    """Hands notices in as mails.

    Raises:
        ConfigError: the address is no smtp:// or smtps:// one, or there is no recipient.
    """
    try:
        parts = urlsplit(to.url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        host, port = "", None
    if not host or parts.scheme not in _PORTS:
        raise ConfigError(
            "The SMTP address is none. Write smtp://user:password@host:587 or smtps://user:password@host:465."
        )
    if not to.recipients or not all("@" in address for address in (to.sender, *to.recipients)):
        raise ConfigError("A mail needs an address to come from and at least one to go to: --mail-from and --mail-to.")
    user, password = unquote(parts.username or ""), unquote(parts.password or "")
    REDACTOR.register(password or None)
    at = port or _PORTS[parts.scheme]

    def deliver(told: Notice) -> None:
        try:
            with _connected(parts.scheme, host, at) as server:
                if user:
                    server.login(user, password)
                server.send_message(_letter(told, to))
        except (OSError, smtplib.SMTPException) as error:
            said = REDACTOR.redact(" ".join(str(error).split())).rstrip(".")
            raise IfsBiError(
                f"The mail server {host}:{at} did not take the notice: {said}. Check the SMTP address, then run again."
            ) from None

    return deliver


def _connected(scheme: str, host: str, port: int) -> smtplib.SMTP:
    trust = ssl.create_default_context()
    if scheme == "smtps":
        return smtplib.SMTP_SSL(host, port, timeout=_SECONDS, context=trust)
    server = smtplib.SMTP(host, port, timeout=_SECONDS)
    try:
        server.ehlo()
        if server.has_extn("starttls") or not is_loopback(host):
            server.starttls(context=trust)
    except BaseException:
        server.close()
        raise
    return server


def _letter(told: Notice, to: Mail) -> EmailMessage:
    letter = EmailMessage()
    letter["Subject"] = told.title
    letter["From"] = to.sender
    letter["To"] = ", ".join(to.recipients)
    letter["Date"] = format_datetime(datetime.fromisoformat(told.mark.at))
    letter["Auto-Submitted"] = "auto-generated"
    letter.set_content(told.text)
    return letter


@contextmanager
def _marked(path: Path) -> Iterator[tuple[Mark | None, Callable[[Mark], None]]]:
    """The mark of the last notice and what writes a new one, while no other process looks at it."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise _unwritable(path, error) from None
    with os.fdopen(handle, "r+b") as file:
        if not lock_taken(file.fileno()):
            raise IfsBiError(f"Another process is sending a notice: {path} is locked. Let it end, then run again.")

        def remember(mark: Mark) -> None:
            try:
                file.seek(0)
                file.truncate()
                file.write(json.dumps(asdict(mark)).encode())
                file.flush()
                os.fsync(file.fileno())
            except OSError as error:
                raise _unwritable(path, error) from None

        yield _parsed(file.read()), remember


def _parsed(data: bytes) -> Mark | None:
    """The mark; None where there is none, or it is damaged: a notice too many is better than none."""
    try:
        said = json.loads(data)
        at, about = str(said["at"]), str(said["about"])
        datetime.fromisoformat(at)
    except (ValueError, LookupError, TypeError):
        return None
    return Mark(at, about)


def _unwritable(path: Path, error: OSError) -> IfsBiError:
    return IfsBiError(
        f"The mark of the last notice {path} can't be written: {error.strerror}. Make room or let this user write to it, then "
        f"run again; until then each run sends its notice."
    )
