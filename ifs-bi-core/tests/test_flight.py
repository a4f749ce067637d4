"""Batches of several streams are on their way at the same time, within what there is room for."""

import threading

import pytest
from ifs_bi_core.singer.flight import Flight


class Notes:
    """Batches that land when they are told to, and the order in which they did."""

    def __init__(self, flight):
        self.flight = flight
        self.landed = []

    def launch(self, stream, size=1, error=None):
        def land():
            self.landed.append(stream)
            if error:
                raise error

        self.flight.launched(stream, land, size)


@pytest.fixture
def notes():
    return Notes(Flight())


def test_a_batch_waits_for_the_one_of_its_stream_alone(notes):
    notes.launch("a")
    notes.launch("b")
    notes.flight.land_of("b")
    notes.flight.land_of("c")
    assert notes.landed == ["b"]


@pytest.mark.parametrize(
    ("size", "most", "most_bytes", "landed"),
    [(1, 4, 100, []), (1, 3, 100, ["a"]), (1, 1, 100, ["a", "b", "c"]), (5, 4, 7, ["a"]), (9, 4, 3, ["a", "b", "c"])],
)
def test_the_oldest_land_until_there_is_room(notes, size, most, most_bytes, landed):
    for stream in "abc":
        notes.launch(stream)
    notes.flight.make_room(size, most, most_bytes)
    assert notes.landed == landed


def test_all_land_although_one_failed_and_its_error_is_told(notes):
    notes.launch("a")
    notes.launch("b", error=ValueError("of b"))
    notes.launch("c", error=ValueError("of c"))
    with pytest.raises(ValueError, match="of b"):
        notes.flight.land()
    assert notes.landed == ["a", "b", "c"]
    notes.flight.land()


def test_deliveries_go_on_beside_each_other():
    flight, both = Flight(), threading.Barrier(2, timeout=60)

    def deliver():
        both.wait()
        return 7

    ended = [flight.begin(deliver), flight.begin(deliver)]
    assert [wait() for wait in ended] == [7, 7]
