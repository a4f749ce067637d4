"""Where the calls of a service are counted: in the ledger if several machines share it, else among the files of this one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ifs_bi_core.http.limits import CountedWindow
from ifs_bi_core.http.shared_limits import shared_limit

if TYPE_CHECKING:
    from ifs_bi_core.http.limits import Limiter
    from ifs_bi_core.ledger.runs import Ledger


def request_limit(ledger: Ledger, service: str, address: str, limit: float, seconds: float = 60.0) -> Limiter:
    """The limit of a service that is called at ``address``, for all who share the ledger.

    Args:
        ledger: open.
        service: a short word for it.
        address: what it counts calls for: usually its base URL.
        limit: calls a window.
        seconds: length of the window.

    Raises:
        IfsBiError: calls can't be counted there.
    """
    calls = ledger.shared_calls(f"{service} {address.strip().rstrip('/').lower()}")
    if calls is None:
        return shared_limit(ledger.state_dir, service, address, limit, seconds)
    return CountedWindow(calls.begin, limit, seconds)
