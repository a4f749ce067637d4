"""What can go wrong with the demo, in a sentence for the person who started it."""


class DemoError(Exception):
    """The demo can't go on; the message says why, and what to look at."""
