"""One operation carried out to its end, or looked at without sending anything."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ifs_bi_core.errors import IfsBiError, RowRejectedError

from tap_ifs_cloud.write_back.answers import Meaning
from tap_ifs_cloud.write_back.course import Outcome, Result, Sending, View
from tap_ifs_cloud.write_back.decisions import decide, needs_look

if TYPE_CHECKING:
    from collections.abc import Callable

    from ifs_bi_core.http.message import Request

    from tap_ifs_cloud.write_back.course import Earlier
    from tap_ifs_cloud.write_back.operations import Operation
    from tap_ifs_cloud.write_back.sending import Writer
    from tap_ifs_cloud.write_back.task import Task


def carry_out(
    writer: Writer, operation: Operation, before: Earlier | None, about_to_send: Callable[[str | None], None]
) -> Result:
    """Carry out one operation to its end.

    Args:
        writer: asks IFS Cloud.
        operation: what is to be done.
        before: what an earlier run did about it, whose outcome nobody knows.
        about_to_send: called before anything is sent that may change something, with the ETag of the record that it is for; an
            `IfsBiError` of it prevents the sending.
    """
    view = View(before=before)
    try:
        task = writer.task(operation)
        while True:
            if needs_look(task, view):
                view = view.looked(writer.look(task))
            step = decide(task, view)
            if isinstance(step, Result):
                row = view.last.row if view.last else None
                return replace(step, key=task.resource.known_key(row)) if row and not operation.key else step
            about_to_send(step.etag)
            view = _after_sending(writer, task, view, step)
    except RowRejectedError as error:
        return Result(Outcome.UNKNOWN if view.doubt else Outcome.REFUSED, _both(view, error))
    except IfsBiError as error:
        return Result(Outcome.UNKNOWN if view.doubt else Outcome.NOT_SENT, _both(view, error), stop=error)


def planned(writer: Writer, operation: Operation) -> Request | Result:
    """What would be sent for an operation as things are, or why nothing would be.

    Raises:
        IfsBiError: nothing can be looked at now.
    """
    try:
        task = writer.task(operation)
        view = View()
        if needs_look(task, view):
            view = view.looked(writer.look(task))
        step = decide(task, view)
    except RowRejectedError as error:
        return Result(Outcome.REFUSED, str(error))
    return task.request(step.etag, exact=True) if isinstance(step, Sending) else step


def _after_sending(writer: Writer, task: Task, view: View, step: Sending) -> View:
    after = view.sent(writer.write(task, step.etag))
    if after.last and after.last.meaning is Meaning.DOUBT:
        writer.pause(after.sendings)
    return after


def _both(view: View, error: IfsBiError) -> str:
    return f"{view.said} {error}" if view.doubt else str(error)
