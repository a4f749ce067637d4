"""The decision to send again."""

from email.utils import formatdate

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ifs_bi_core.errors import AuthError, NotSentError, OutcomeUnknownError
from ifs_bi_core.http.message import Response, case_insensitive
from ifs_bi_core.http.retry import RetryRules, may_repeat, next_wait, retry_after

RULES = RetryRules()


def answer(status: int, **headers: str) -> Response:
    return Response(status, case_insensitive({name.replace("_", "-"): value for name, value in headers.items()}), b"")


@pytest.mark.parametrize(
    ("outcome", "safe_twice", "expected"),
    [
        (NotSentError("refused"), False, True),
        (answer(429), False, True),
        (answer(503, Retry_After="1"), False, True),
        (answer(503), False, False),
        (answer(503), True, True),
        (answer(500), False, False),
        (answer(500), True, True),
        (answer(504), True, True),
        (OutcomeUnknownError("reset"), False, False),
        (OutcomeUnknownError("reset"), True, True),
        (AuthError("no"), True, False),
        (answer(400), True, False),
        (answer(401), True, False),
        (answer(200), True, False),
    ],
)
def test_only_what_has_not_happened_or_is_safe_twice_is_sent_again(outcome, safe_twice, expected):
    assert may_repeat(outcome, safe_twice=safe_twice) is expected


def wait(outcome, *, attempt=1, elapsed=0.0, chance=0.5, rules=RULES, now=1_000_000.0):
    return next_wait(rules, attempt=attempt, outcome=outcome, safe_twice=True, elapsed=elapsed, now=now, chance=chance)


def test_a_retry_after_comes_before_any_computed_wait():
    assert wait(answer(429, Retry_After="7")) == 7
    assert wait(answer(503, Retry_After=formatdate(1_000_012.0, usegmt=True))) == 12


def test_a_retry_after_in_the_past_means_now():
    assert wait(answer(429, Retry_After=formatdate(999_000.0, usegmt=True))) == 0


@pytest.mark.parametrize("text", ["soon", "-3", "1e3", "", "²", "Wed, 21 Oct 2015 07:28:00 +99999999999999"])
def test_an_unreadable_retry_after_is_none(text):
    assert retry_after({"Retry-After": text}, 0) is None


@given(text=st.text(max_size=40) | st.from_regex(r"\w{3}, \d+ Oct \d+ \d+:\d+:\d+ [+-]\d+", fullmatch=True))
def test_whatever_a_retry_after_says_is_a_wait_or_none(text):
    seconds = retry_after({"Retry-After": text}, 1_000_000.0)
    assert seconds is None or seconds >= 0


def test_a_retry_after_beyond_the_limit_gives_up_at_once():
    assert wait(answer(429, Retry_After="601")) is None


@given(
    attempt=st.integers(1, 20),
    elapsed=st.floats(0, 2000),
    chance=st.floats(0, 1, exclude_max=True),
    limit=st.floats(0, 1000),
    attempts=st.integers(1, 10),
)
def test_no_attempt_starts_behind_the_limit_and_no_wait_exceeds_its_ceiling(attempt, elapsed, chance, limit, attempts):
    rules = RetryRules(limit_seconds=limit, attempts=attempts)
    seconds = wait(answer(500), attempt=attempt, elapsed=elapsed, chance=chance, rules=rules)
    if seconds is None:
        assert attempt >= attempts or elapsed + chance * min(60, 2 ** (attempt - 1)) > limit
    else:
        assert 0 <= seconds <= min(rules.ceiling_seconds, 2 ** (attempt - 1))
        assert elapsed + seconds <= limit
        assert attempt < attempts
