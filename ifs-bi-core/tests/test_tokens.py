"""Renewal ahead of time, once for all threads."""

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ifs_bi_core.http.tokens import Token, TokenSource, renewal_margin


@pytest.mark.parametrize(("lifetime", "renewed_at"), [(3600, 3000), (180, 90), (2, 1), (1200, 600), (86_400, 85_800)])
def test_a_token_is_renewed_at_half_its_life_or_ten_minutes_before_its_end(lifetime, renewed_at):
    assert lifetime - renewal_margin(lifetime) == renewed_at


@given(lifetime=st.floats(1, 7200), calls=st.lists(st.floats(0, 2000), max_size=50))
def test_a_token_that_is_given_out_has_not_ended(lifetime, calls):
    now = [0.0]
    ends: dict[str, float] = {}

    def fetch() -> Token:
        ends[str(len(ends))] = now[0] + lifetime
        return Token(str(len(ends) - 1), lifetime)

    source = TokenSource(fetch, clock=lambda: now[0])
    for pause in calls:
        now[0] += pause
        assert ends[source.get()] > now[0]


def test_threads_that_see_one_token_refused_renew_it_once():
    fetched = []
    gate = threading.Barrier(8)

    def fetch() -> Token:
        fetched.append(1)
        return Token(f"token-{len(fetched)}", 60)

    source = TokenSource(fetch)
    old = source.get()
    seen = []

    def renew() -> None:
        gate.wait()
        seen.append(source.replace(old))

    threads = [threading.Thread(target=renew) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == ["token-2"] * 8
    assert len(fetched) == 2


def test_an_error_of_the_token_service_passes_through_and_the_next_call_asks_again():
    answers = [RuntimeError("down"), Token("good", 60)]

    def fetch() -> Token:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    source = TokenSource(fetch)
    with pytest.raises(RuntimeError):
        source.get()
    assert source.get() == "good"


def test_a_token_does_not_show_itself():
    assert "s3cr3t" not in repr(Token("s3cr3t", 1))


def test_threads_that_ask_near_the_end_of_a_token_renew_it_once():
    fetched = []
    gate = threading.Barrier(8)
    now = [0.0]

    def fetch() -> Token:
        fetched.append(1)
        return Token(f"token-{len(fetched)}", 3600)

    source = TokenSource(fetch, clock=lambda: now[0])
    assert source.get() == "token-1"
    now[0] = 3000.0
    seen = []

    def ask() -> None:
        gate.wait()
        seen.append(source.get())

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == ["token-2"] * 8
