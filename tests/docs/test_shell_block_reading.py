"""What the tests of the pages believe about a block."""

from docs.shell_blocks import blocks, missing_lines
from hypothesis import given
from hypothesis import strategies as st

PAGE = """
```sh title="second terminal" data-until="# Running"
serve
```

```sh
list
```

```text
a … b
```

Prose.

```text
a drawing
```

1. In a list:

   ```sh data-code="3" data-needs="a tenant"
   run
   ```
"""


def test_blocks_are_read_with_what_is_said_of_them():
    serve, listing, run = blocks("page.md", PAGE)
    assert (serve.line, serve.commands, serve.options) == (2, "serve\n", {"until": "# Running"})
    assert (listing.options, listing.prints) == ({}, ("a … b",))
    assert (run.commands, run.options, run.prints) == ("run\n", {"code": "3", "needs": "a tenant"}, ())


LINES = st.lists(st.text("abc ✓", min_size=1).filter(str.strip), min_size=1, max_size=6)


@given(lines=LINES, data=st.data())
def test_an_output_has_any_of_its_lines_in_their_order(lines, data):
    some = [line for line in lines if data.draw(st.booleans())]
    assert missing_lines(tuple(some), "\n".join(lines)) == []
    assert missing_lines((*some, "not there"), "\n".join(lines)) == ["not there"]


def test_lines_in_another_order_are_missing():
    assert missing_lines(("second", "first"), "first\nsecond") == ["first"]


def test_three_dots_stand_for_anything_and_nothing_else_does():
    assert missing_lines(("orders: … rows",), "orders: 12 rows") == []
    assert missing_lines(("orders: . rows",), "orders: 12 rows") == ["orders: . rows"]
