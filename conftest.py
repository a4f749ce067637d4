"""Laws are held against the same examples in every run; ``pytest --hypothesis-profile=default`` looks for new ones."""

from hypothesis import settings

pytest_plugins = ["postgres"]  # tests/postgres.py: a server for whoever asks for one

settings.register_profile("repeatable", derandomize=True)
settings.load_profile("repeatable")
