"""What kind of failure an error of Snowflake is, by its number and SQLSTATE. Pure.

Snowflake publishes no list of its numbers; these are as its messages show them.
"""

from __future__ import annotations

from target_looker_warehouse.warehouses.sentences import Failure

_VALUE_ERRORS = range(100_000, 101_000)
"""Numbers of errors about values; those of SQLSTATE class 22 among them say that a value doesn't fit its column. Others of this
class, without such a number, say that the session lacks a database or its warehouse a credit."""
_FORBIDDEN = frozenset(
    {
        606,  # no active warehouse
        2003,  # does not exist or not authorized
        2043,  # the same
        3001,  # insufficient privileges
        90073,  # a resource monitor suspended the warehouse
        90105,  # no current database
        90106,  # no current schema
    }
)
_REFUSED_CLASS, _FORBIDDEN_STATE, _ENDED_CLASS = "22", "42501", "57"


def kind(number: int, state: str, *, answered: bool, ending: bool) -> Failure:
    """Why a transaction failed.

    Args:
        number: of the error, 0 where there is none.
        state: its SQLSTATE, empty where there is none.
        answered: whether Snowflake said it, and not the network or the connector.
        ending: whether the end of the transaction was awaited.
    """
    if ending and (not answered or state.startswith(_ENDED_CLASS)):
        return Failure.UNKNOWN
    if number in _VALUE_ERRORS and state.startswith(_REFUSED_CLASS):
        return Failure.REFUSED
    if number in _FORBIDDEN or state == _FORBIDDEN_STATE:
        return Failure.FORBIDDEN
    return Failure.OTHER
