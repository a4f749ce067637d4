"""Jobs of BigQuery, begun so that a request which is sent again never does anything twice.

Each job gets its id before it is asked for. Where the answer is lost, the request is sent again with the same id, and BigQuery
says that there is such a job already (409): it is that one whose end is awaited. A job that failed for a reason that passes is
begun again under another id, but only where whoever asks for it says that it may be. The client's own retries, which have no
limit to speak of, are switched off.
"""

from __future__ import annotations

import secrets
import time
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from google.api_core.exceptions import Conflict, GoogleAPICallError

from target_looker_warehouse.warehouses.bigquery_errors import ERRORS, JobFailedError, JobUnfinishedError, passes

if TYPE_CHECKING:
    from collections.abc import Callable

    from google.cloud import bigquery

T = TypeVar("T")

REQUEST_TIMEOUT_SECONDS = 60
"""How long one request may wait for the network."""
JOB_LIMIT_SECONDS = 3_600
"""How long a job may take: a batch takes seconds, marking what a refresh of a large table didn't carry takes minutes."""
WAITS_SECONDS = (1, 2, 4, 8, 16, 30)
"""How long to wait before a request is sent again, or a job begun again, whose failure passes."""
_FIRST_LOOK_SECONDS, _RARELY_SECONDS, _OF_ITS_TIME = 0.1, 60, 5
"""A job is looked at again after a fifth of the time that it has taken so far, within these bounds."""


class Jobs:
    """Begins jobs and waits for their end.

    Attributes:
        location: where they run; None for wherever the tables lie that they name.

    Args:
        client: Google's.
        clock: tells the seconds that have passed.
        sleep: waits for some seconds.
    """

    def __init__(
        self,
        client: bigquery.Client,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.location = client.location
        self._client = client
        self._clock = clock
        self._sleep = sleep
        self._run = secrets.token_hex(8)
        self._begun = 0

    def done(self, begin: Callable[..., Any], *, repeatable: bool) -> Any:
        """A job that has come to a good end.

        Args:
            begin: asks for the job, with the ``job_id`` and ``location`` that it is given.
            repeatable: whether it may be begun again when it failed for a reason that passes: it did nothing then, but a
                transaction to which it belonged is gone.

        Raises:
            JobFailedError: it has come to a bad end.
            JobUnfinishedError: it has come to none.
            GoogleAPICallError: BigQuery doesn't begin it.
            OSError: no answer came; it may be done.
        """
        for wait in (*WAITS_SECONDS, None):
            job = self._job(begin)
            self._await(job)
            if not job.error_result:
                return job
            error = JobFailedError(job.error_result.get("reason") or "", job.error_result.get("message") or "")
            if wait is None or not repeatable or not passes(error):
                break
            self._sleep(wait)
        raise error

    def answer(self, request: Callable[..., T], *given: Any, **options: Any) -> T:
        """The answer to a request of the client's that may be sent twice."""
        return self.asked(partial(request, *given, **options, retry=None, timeout=REQUEST_TIMEOUT_SECONDS))

    def asked(self, ask: Callable[[], T]) -> T:
        """The answer to whatever may be asked twice."""
        for wait in WAITS_SECONDS:
            try:
                return ask()
            except ERRORS as error:
                if not passes(error):
                    raise
            self._sleep(wait)
        return ask()

    def _job(self, begin: Callable[..., Any]) -> Any:
        """A job that is begun, by this request or by an earlier one whose answer was lost."""
        self._begun += 1
        job_id = f"ifs_bi_{self._run}_{self._begun}"

        def ask() -> Any:
            try:
                return begin(job_id=job_id, location=self.location)
            except Conflict as conflict:
                return self._earlier(job_id, conflict)

        return self.asked(ask)

    def _earlier(self, job_id: str, conflict: Conflict) -> Any:
        try:
            return self._client.get_job(
                job_id,
                location=self.location,
                retry=None,  # type: ignore[arg-type]  # its signature leaves out what its documentation allows
                timeout=REQUEST_TIMEOUT_SECONDS,
            )
        except GoogleAPICallError as error:
            if passes(error):
                raise
            raise conflict from None  # it was about something else

    def _await(self, job: Any) -> None:
        """See that a job has ended; one that takes too long is asked to stop."""
        started = self._clock()
        while not self.answer(job.done):
            taken = self._clock() - started
            if taken > JOB_LIMIT_SECONDS:
                self.answer(job.cancel)
                raise JobUnfinishedError(f"Job {job.job_id} has not ended within {JOB_LIMIT_SECONDS} seconds.")
            self._sleep(min(max(taken / _OF_ITS_TIME, _FIRST_LOOK_SECONDS), _RARELY_SECONDS))
