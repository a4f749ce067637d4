"""What is taken out of text and logs."""

import io
import logging

from hypothesis import given
from hypothesis import strategies as st
from ifs_bi_core.redaction import RedactingFilter, Redactor


@given(secret=st.text(min_size=4, max_size=40), before=st.text(max_size=20), after=st.text(max_size=20))
def test_a_registered_secret_is_never_left(secret, before, after):
    redactor = Redactor()
    redactor.register(secret)
    text = redactor.redact(f"{before}|{secret}|{after}")
    assert secret not in text.replace("[redacted]", "")


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
