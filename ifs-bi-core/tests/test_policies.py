"""The policies and their order."""

import hypothesis.strategies as st
import pytest
from hypothesis import given
from ifs_bi_core.errors import ConfigError, NotSentError, OutcomeUnknownError, ThrottledError, UnavailableError
from ifs_bi_core.http.client import Surroundings, client
from ifs_bi_core.http.limits import SlidingWindow
from ifs_bi_core.http.message import Request, Response, Send, case_insensitive
from ifs_bi_core.http.policies import Attempt
from ifs_bi_core.http.retry import RetryRules
from ifs_bi_core.http.shared_limits import shared_limit
from ifs_bi_core.http.tokens import Token, TokenSource


class Service:
    """A transport that answers from a script and remembers what it was asked."""

    def __init__(self, *script: Response | Exception) -> None:
        self.script = list(script)
        self.asked: list[Request] = []

    def __call__(self, request: Request) -> Response:
        self.asked.append(request)
        outcome = self.script.pop(0)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome


class Surrounded:
    """A service behind all policies, in virtual time."""

    def __init__(self, *script: Response | Exception, limit: int = 100, lifetime: float = 3600, fetch=None) -> None:
        self.service = Service(*script)
        self.attempts: list[Attempt] = []
        self.slept: list[float] = []
        self.tokens = 0
        self.begun = 0
        now = [0.0]

        def sleep(seconds: float) -> None:
            self.slept.append(seconds)
            now[0] += seconds

        def first_come() -> Token:
            self.tokens += 1
            return Token(f"token-{self.tokens}", lifetime)

        window = SlidingWindow(limit, clock=lambda: now[0], sleep=sleep)
        self.send = client(
            self.service,
            tokens=TokenSource(fetch or first_come, clock=lambda: now[0]),
            limiter=window,
            rules=RetryRules(),
            observe=self.attempts.append,
            surroundings=Surroundings(clock=lambda: now[0], sleep=sleep, chance=lambda: 0.5),
        )


def answer(status: int, **headers: str) -> Response:
    return Response(
        status, case_insensitive({name.replace("_", "-"): value for name, value in headers.items()}), b"body"
    )


GET = Request("GET", "https://ifs/x", operation="reading")
POST = Request("POST", "https://powerbi/rows", body=b"rows", operation="pushing")


def test_a_post_that_was_not_answered_is_not_sent_twice():
    around = Surrounded(OutcomeUnknownError("reset"), answer(200))
    with pytest.raises(OutcomeUnknownError):
        around.send(POST)
    assert len(around.service.asked) == 1


def test_a_post_that_never_left_is_sent_again():
    around = Surrounded(NotSentError("refused"), answer(200))
    assert around.send(POST).status == 200
    assert len(around.service.asked) == 2


def test_a_get_is_sent_again_after_any_outage():
    around = Surrounded(
        OutcomeUnknownError("reset"), answer(500), answer(503), answer(429, Retry_After="9"), answer(200)
    )
    assert around.send(GET).status == 200
    assert around.slept == [0.5, 1.0, 2.0, 9.0]


def test_the_last_answer_stands_when_trying_ends():
    around = Surrounded(*[answer(500)] * 8)
    assert around.send(GET).status == 500
    assert len(around.service.asked) == 8


def test_a_refused_token_is_renewed_once_and_then_the_refusal_stands():
    around = Surrounded(answer(401), answer(401))
    assert around.send(GET).status == 401
    assert [request.headers["Authorization"] for request in around.service.asked] == [
        "Bearer token-1",
        "Bearer token-2",
    ]


def test_a_token_that_dies_between_two_tries_is_renewed():
    around = Surrounded(answer(500), answer(401), answer(200))
    assert around.send(GET).status == 200
    assert around.tokens == 2


def test_every_attempt_is_audited_also_those_that_policies_hide():
    around = Surrounded(OutcomeUnknownError("reset"), answer(401), answer(200))
    around.send(GET)
    assert [(a.status, a.error) for a in around.attempts] == [(None, "OutcomeUnknownError"), (401, None), (200, None)]
    assert {a.operation for a in around.attempts} == {"reading"}


def test_retries_and_renewals_spend_the_rate_budget():
    around = Surrounded(answer(500), answer(401), answer(200), limit=2)
    around.send(GET)
    assert sum(around.slept) >= 60  # the third attempt had to wait for the window


@given(st.lists(st.sampled_from([200, 401, 500]), max_size=25), st.sampled_from([1, 40, 150, 3600]))
def test_no_minute_holds_more_than_the_limit_whenever_a_token_has_to_be_renewed(statuses, lifetime):
    limit, now, begun = 4, [0.0], []

    def sleep(seconds: float) -> None:
        now[0] += seconds

    window = SlidingWindow(limit, clock=lambda: now[0], sleep=sleep)

    def fetch() -> Token:
        window.acquire()
        begun.append(now[0])
        return Token(f"token-{len(begun)}", lifetime)

    def service(request: Request) -> Response:
        begun.append(now[0])
        return answer(statuses.pop() if statuses else 200)

    send = client(
        service,
        tokens=TokenSource(fetch, clock=lambda: now[0]),
        limiter=window,
        rules=RetryRules(),
        observe=lambda _: None,
        surroundings=Surroundings(clock=lambda: now[0], sleep=sleep, chance=lambda: 0.5),
    )
    for _ in range(12):
        send(GET)
    assert max(sum(begin <= at <= begin + 60 for at in begun) for begin in begun) == limit


def test_a_token_that_died_while_its_request_waited_is_renewed_before_that_leaves():
    around = Surrounded(answer(200), answer(200), limit=1, lifetime=50)
    around.send(GET)
    around.send(GET)
    assert [request.headers["Authorization"] for request in around.service.asked] == [
        "Bearer token-1",
        "Bearer token-2",
    ]


def test_a_limit_that_is_shared_between_processes_can_stand_in_for_one_s_own(tmp_path):
    now = [0.0]

    def sleep(seconds: float) -> None:
        now[0] += seconds

    def sender() -> Send:  # as another process would make it
        return client(
            Service(answer(200), answer(200)),
            tokens=TokenSource(lambda: Token("t", 3600), clock=lambda: now[0]),
            limiter=shared_limit(tmp_path, "ifs-cloud", "https://ifs", 2, clock=lambda: now[0], sleep=sleep),
            rules=RetryRules(),
            observe=lambda _: None,
        )

    one, other = sender(), sender()
    for send in (one, other):
        assert send(GET).status == 200
    assert now[0] == 0
    assert one(GET).status == 200
    assert now[0] > 60


def test_a_long_retry_after_does_not_keep_a_request_beyond_its_limit():
    around = Surrounded(*[answer(429, Retry_After="250")] * 8)
    assert around.send(GET).status == 429
    assert around.slept == [250.0, 250.0]  # a third wait would end after 600 seconds


def test_the_audit_is_told_sizes_and_the_service_s_request_id_but_no_token():
    around = Surrounded(answer(200, RequestId="abc"))
    around.send(POST)
    (attempt,) = around.attempts
    assert (attempt.sent_bytes, attempt.received_bytes, attempt.request_id) == (4, 4, "abc")
    assert "token" not in repr(attempt)


OUTAGES = [NotSentError("refused"), OutcomeUnknownError("reset"), UnavailableError("503"), ThrottledError("429")]


@pytest.mark.parametrize("outage", OUTAGES)
def test_a_sign_in_that_failed_says_that_the_request_was_not_sent(outage):
    script = [outage, Token("t", 60)]

    def fetch() -> Token:
        step = script.pop(0)
        if isinstance(step, Exception):
            raise step
        return step

    around = Surrounded(answer(200), fetch=fetch)
    assert around.send(POST).status == 200
    assert len(around.service.asked) == 1


def test_a_sign_in_is_tried_as_often_as_a_request_and_not_as_often_for_each_try():
    asked = []

    def fetch() -> Token:
        asked.append(1)
        raise OutcomeUnknownError("silence")

    around = Surrounded(fetch=fetch)
    with pytest.raises(NotSentError, match="silence"):
        around.send(POST)
    assert len(asked) == RetryRules().attempts


def test_refused_credentials_are_not_tried_again():
    asked = []

    def fetch() -> Token:
        asked.append(1)
        raise ConfigError("wrong secret")

    with pytest.raises(ConfigError, match="wrong secret"):
        Surrounded(fetch=fetch).send(GET)
    assert len(asked) == 1
