"""What to do next about an operation, decided on what was seen and sent so far: pure.

Two promises hold whatever goes wrong: nothing is done twice, and nothing is called done that was not seen to be so. Where
both can't be kept, the operation is left and its outcome is called unknown.

A record's ETag decides most of it. Unchanged since a request whose answer was lost, it says that the request has not happened;
and if the request comes in late after all, the ETag lets only one of the two happen. A POST has no such guard: a create is
safe by its key, and an action, whose effects may lie elsewhere, by nothing. The ledger keeps the ETag that a request was sent
for, so all this holds across runs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from tap_ifs_cloud.odata import row_version
from tap_ifs_cloud.write_back.answers import Meaning
from tap_ifs_cloud.write_back.course import Outcome, Result, Sending
from tap_ifs_cloud.write_back.operations import Kind

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Protocol

    from tap_ifs_cloud.write_back.course import Record, View

    class Subject(Protocol):
        """What is to be decided about: an operation whose values were checked, joined with its entity set."""

        @property
        def kind(self) -> Kind:
            """What it does."""

        @property
        def version(self) -> str | None:
            """The version of the record that it is for."""

        @property
        def has_key(self) -> bool:
            """Whether its record can be looked up."""

        def differing(self, row: Mapping[str, Any]) -> list[str]:
            """Which of its values the row does not hold."""

        def touched(self, before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
            """Which of the properties that it sets are not as they were."""


MOST_SENDINGS: Final = 5
"""How often one operation is sent at most."""


def needs_look(subject: Subject, view: View) -> bool:
    """Whether the record has to be looked at before anything is decided."""
    if not subject.has_key or view.last is None:
        return subject.has_key
    if view.last.meaning is Meaning.DONE:
        return False
    return view.doubt or view.last.meaning in {Meaning.STALE, Meaning.GONE}


def decide(subject: Subject, view: View) -> Sending | Result:
    """What to do next, after the look that `needs_look` asks for."""
    if view.last is not None:
        if view.last.meaning is Meaning.DONE:
            return Result(Outcome.DONE)
        if not view.doubt and (final := _FINAL.get(view.last.meaning)):
            return Result(final, view.said)
    match subject.kind:
        case Kind.UPDATE:
            return _update(subject, view)
        case Kind.DELETE:
            return _delete(subject, view)
        case Kind.ACTION:
            return _action(subject, view)
        case Kind.CREATE:
            return _create(subject, view)


_FINAL: Final = {
    Meaning.REFUSED: Outcome.REFUSED,
    Meaning.FORM: Outcome.REFUSED,
    Meaning.AGAIN: Outcome.REFUSED,
    Meaning.LOCKED: Outcome.LOCKED,
}
"""What ends an operation that was never in doubt."""


def _update(subject: Subject, view: View) -> Sending | Result:
    if view.now is None or view.first is None:
        return _nothing_there(view)
    differing = subject.differing(view.now.row)
    if not differing:
        return Result(Outcome.DONE if view.sendings or view.before else Outcome.ALREADY)
    if not view.sendings:
        return _opening(subject, view, view.now)
    if view.doubt:
        return _after_doubt(view, f"{', '.join(differing)} hold other values")
    if view.last and view.last.meaning is Meaning.GONE:  # though it is there: not for writing
        return Result(Outcome.REFUSED, view.said)
    if touched := subject.touched(view.first.row, view.now.row):
        return Result(
            Outcome.CONFLICT, f"Somebody else changed {', '.join(touched)} meanwhile, so it was left as they wrote it."
        )
    if _is_another(subject, view.now):
        return Result(Outcome.CONFLICT, _another_version(subject))
    return _again(view, Outcome.CONFLICT, "The record is changed again and again; try again when it has come to rest.")


def _delete(subject: Subject, view: View) -> Sending | Result:
    if view.now is None:
        return Result(Outcome.DONE) if view.first or view.before else _nothing_there(view)
    if not view.sendings:
        return _opening(subject, view, view.now)
    if view.doubt:
        return _after_doubt(view, "it is there")
    if view.has_moved:
        return Result(Outcome.CONFLICT, "Somebody else changed the record meanwhile, so it was not deleted.")
    return Result(Outcome.REFUSED, view.said)


def _action(subject: Subject, view: View) -> Sending | Result:
    if view.before and not view.sendings:
        return Result(Outcome.UNKNOWN, f"{_SENT_BEFORE} {_LOOK_YOURSELF}")
    if view.doubt:
        seen = "has changed since" if view.has_moved else "looks as it did before"
        return Result(Outcome.UNKNOWN, f"{view.said} The record {seen}. {_LOOK_YOURSELF}")
    if view.now is None:
        return _nothing_there(view)
    if not view.sendings:
        return _opening(subject, view, view.now)
    if view.has_moved:
        return Result(Outcome.CONFLICT, "Somebody else changed the record meanwhile, so the action was not run on it.")
    return Result(Outcome.REFUSED, view.said)  # 404 on a record that is there: no such action; 412 on its very ETag


def _create(subject: Subject, view: View) -> Sending | Result:
    if not subject.has_key:
        if view.before or view.doubt:
            return Result(Outcome.UNKNOWN, f"{view.said or _SENT_BEFORE} {_LOOK_YOURSELF}")
        return Sending(None) if not view.sendings else Result(Outcome.REFUSED, view.said)
    if view.now is not None:
        differing = subject.differing(view.now.row)
        in_doubt = view.doubt or view.before is not None
        if not differing:
            return Result(Outcome.DONE if in_doubt else Outcome.ALREADY)
        there = f"A record with this key is there, and differs in {', '.join(differing)}"
        if in_doubt:
            return Result(Outcome.UNKNOWN, f"{view.said or _SENT_BEFORE} {there}. {_LOOK_YOURSELF}")
        return Result(Outcome.CONFLICT, f"{there}. To change it, give an operation with `set`.")
    if view.doubt and view.last and (final := _FINAL.get(view.last.meaning)):
        return Result(final, view.said)
    if view.last and not view.doubt:  # 404 or 412 to a POST of a collection
        return Result(Outcome.REFUSED, view.said)
    return _again(view, Outcome.UNKNOWN, f"{view.said} {_NOT_SEEN}")


_LOOK_YOURSELF = "Look in IFS Cloud; if it did not happen, give the operation again without its id."
_SENT_BEFORE = "An earlier run sent it and never learned what became of it."
_NOT_SEEN = "IFS Cloud does not show it so far. A replay looks again before it sends."


def _opening(subject: Subject, view: View, now: Record) -> Sending | Result:
    """The first sending, if the record may be written."""
    if now.etag is None:
        return Result(Outcome.REFUSED, "The record has no ETag, so a change of it can't be guarded against others.")
    if view.before and view.before.etag != now.etag:
        return Result(Outcome.UNKNOWN, f"{_SENT_BEFORE} The record has changed since. {_LOOK_YOURSELF}")
    if _is_another(subject, now):
        return Result(Outcome.CONFLICT, _another_version(subject))
    return Sending(now.etag)


def _is_another(subject: Subject, now: Record) -> bool:
    return subject.version is not None and subject.version != row_version(now.etag)


def _another_version(subject: Subject) -> str:
    return f"The record has changed since {subject.version}, the version that is meant."


def _after_doubt(view: View, seen: str) -> Sending | Result:
    """A record that does not show what was sent: untouched, it can be sent again; changed by whom, nobody knows."""
    if view.has_moved:
        return Result(Outcome.UNKNOWN, f"{view.said} The record has changed since, and {seen}. Look in IFS Cloud.")
    if view.last and (final := _FINAL.get(view.last.meaning)):
        return Result(final, view.said)
    return _again(view, Outcome.UNKNOWN, f"{view.said} {_NOT_SEEN}")


def _again(view: View, otherwise: Outcome, reason: str) -> Sending | Result:
    if view.sendings >= MOST_SENDINGS:
        return Result(otherwise, reason)
    return Sending(view.now.etag if view.now else None)


def _nothing_there(view: View) -> Result:
    if view.sendings:
        return Result(Outcome.CONFLICT, "Somebody else deleted the record meanwhile.")
    return Result(
        Outcome.REFUSED,
        "There is no such record, or it is of a company that is not among the service user's Allowed Companies.",
    )
