"""What is taken out of text and logs."""

import base64
import io
import json
import logging
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ifs_bi_core.redaction import RedactingFilter, Redactor


@given(secret=st.text(min_size=4, max_size=40), before=st.text(max_size=20), after=st.text(max_size=20))
def test_a_registered_secret_is_never_left(secret, before, after):
    redactor = Redactor()
    redactor.register(secret)
    text = redactor.redact(f"{before}|{secret}|{after}")
    assert secret not in text.replace("[redacted]", "")


FORMS = {
    "plain": lambda secret: secret,
    "URL": lambda secret: quote(secret, safe=""),
    "URL path": quote,
    "form": quote_plus,
    "base64": lambda secret: base64.b64encode(secret.encode()).decode(),
    "base64 for URLs": lambda secret: base64.urlsafe_b64encode(secret.encode()).decode().rstrip("="),
    "JSON": lambda secret: json.dumps(secret)[1:-1],
    "JSON beyond ASCII": lambda secret: json.dumps(secret, ensure_ascii=False)[1:-1],
}


@pytest.mark.parametrize("form", FORMS)
@given(secret=st.text(min_size=4, max_size=40))
def test_a_registered_secret_is_found_in_every_form(form, secret):
    redactor = Redactor()
    redactor.register(secret)
    said = FORMS[form](secret)
    left = redactor.redact(f"<{said}>")
    assert "[redacted]" in left
    assert said.rstrip("=") not in left.replace("[redacted]", "")


def test_of_two_secrets_that_contain_each_other_nothing_is_left():
    redactor = Redactor()
    for secret in ("hunter", "my hunter22", "hunter22"):
        redactor.register(secret)
    assert redactor.redact("my hunter22, hunter22, hunter") == "[redacted], [redacted], [redacted]"


def test_the_password_in_a_registered_url_is_a_secret_of_its_own():
    redactor = Redactor()
    redactor.register("snowflake://loader:sec%2Fret@account/db")
    redactor.register("https://[broken")
    assert redactor.redact("for user loader: sec%2Fret or sec/ret") == "for user loader: [redacted] or [redacted]"


def test_a_secret_that_is_no_valid_text_is_taken_out_too():
    redactor = Redactor()
    redactor.register("hunter\udcff22")
    assert redactor.redact("a hunter\udcff22") == "a [redacted]"


def test_tokens_are_known_by_their_shape():
    text = Redactor().redact(
        "Authorization: Bearer abcdef123456, eyJhbGciOiJ.eyJzdWIiOiI.c2ln client_secret=hunter22&x=1"
    )
    assert "abcdef123456" not in text
    assert "eyJzdWIiOiI" not in text
    assert "hunter22" not in text
    assert text.endswith("&x=1")


def test_a_short_value_does_not_blank_out_words():
    redactor = Redactor()
    redactor.register("id")
    redactor.register(None)
    assert redactor.redact("the id of the company") == "the id of the company"


def test_logs_lose_secrets_in_messages_arguments_and_tracebacks():
    redactor = Redactor()
    redactor.register("hunter22")
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.addFilter(RedactingFilter(redactor))
    logger = logging.Logger("x")  # noqa: LOG001 - a logger of its own, apart from the process's
    logger.addHandler(handler)
    try:
        raise ValueError("refused hunter22")
    except ValueError:
        logger.exception("the secret %s was refused", "hunter22")
    assert "hunter22" not in stream.getvalue()
    assert stream.getvalue().count("[redacted]") == 3  # message, source line, exception
