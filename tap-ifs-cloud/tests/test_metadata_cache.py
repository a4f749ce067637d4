"""$metadata is asked for once a day, or at once where what is kept doesn't do, and damage to what is kept does no harm."""

import json
import logging
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ifs_bi_core.errors import ContractBrokenError, UnavailableError
from ifs_bi_sandbox.servers import Sandbox
from pipeline.pulling import access
from tap_ifs_cloud.connection import connected, metadata_of, service_of
from tap_ifs_cloud.entities import Entity
from tap_ifs_cloud.metadata_cache import MAX_AGE_SECONDS, Document, MetadataCache, names_of

SERVICE = "https://acme/main/ifsapplications/projection/v1/OrderHandling.svc"


def edmx(*names):
    properties = "".join(f'<Property Name="{name}" Type="Edm.String"/>' for name in names)
    return (
        f'<Schema Namespace="N"><EntityType Name="Order"><Key><PropertyRef Name="Id"/></Key>{properties}'
        '<NavigationProperty Name="VendorRef" Type="N.Order"/></EntityType>'
        '<EntityContainer><EntitySet Name="OrderSet" EntityType="N.Order"/></EntityContainer></Schema>'
    ).encode()


class Server:
    """A service whose document changes, and what it was asked."""

    def __init__(self):
        self.body, self.etag, self.asked = edmx("Id"), 'W/"1"', []

    def fetch(self, etag):
        self.asked.append(etag)
        if isinstance(self.body, Exception):
            raise self.body
        return None if etag and etag == self.etag else Document(self.body, self.etag)


class Runs:
    """Runs of the tap, one after the other, with one state folder and a clock."""

    def __init__(self, folder):
        self.folder, self.now, self.server = folder, 1_800_000_000.0, Server()

    def run(self, **how):
        return self.cache().metadata(SERVICE, self.server.fetch, **how)

    def cache(self):
        return MetadataCache(self.folder, lambda: self.now)

    @property
    def file(self):
        (path,) = (self.folder / "metadata").iterdir()
        return path


@pytest.fixture
def runs(tmp_path):
    return Runs(tmp_path)


def fields(metadata):
    return list(metadata.entity_sets["OrderSet"].properties)


def test_within_a_day_no_run_asks_again(runs):
    first = runs.run()
    runs.now += MAX_AGE_SECONDS - 1
    assert runs.run() == first
    assert runs.server.asked == [None]


def test_after_a_day_the_etag_is_enough_and_the_day_begins_anew(runs):
    first = runs.run()
    runs.now += MAX_AGE_SECONDS
    assert runs.run() == first
    runs.now += MAX_AGE_SECONDS - 1
    assert runs.run() == first
    assert runs.server.asked == [None, 'W/"1"']


def test_after_a_day_a_changed_document_replaces_the_kept_one(runs):
    runs.run()
    runs.server.body, runs.server.etag = edmx("Id", "Cf_New"), 'W/"2"'
    runs.now += MAX_AGE_SECONDS
    assert fields(runs.run()) == ["Id", "Cf_New"]
    assert fields(runs.run()) == ["Id", "Cf_New"]
    assert runs.server.asked == [None, 'W/"1"']


def test_a_server_without_etags_is_asked_for_the_whole_document_once_a_day(runs):
    runs.server.etag = None
    for _ in range(3):
        runs.run()
        runs.run()
        runs.now += MAX_AGE_SECONDS
    assert runs.server.asked == [None, None, None]


def test_a_clock_that_was_set_back_makes_nothing_young(runs):
    runs.run()
    runs.now -= 10 * MAX_AGE_SECONDS
    runs.run()
    assert runs.server.asked == [None, 'W/"1"']


def test_a_document_without_what_is_needed_is_asked_for_at_once_but_only_once_a_run(runs):
    runs.run()
    runs.server.body, runs.server.etag = edmx("Id", "Cf_New"), 'W/"2"'
    wanted = names_of(Entity("orders", "OrderHandling", "OrderSet", select=("Cf_New",)))
    assert fields(runs.run(accepts=wanted)) == ["Id", "Cf_New"]
    absent = names_of(Entity("orders", "OrderHandling", "OrderSet", select=("Cf_Never",)))
    cache = runs.cache()
    for _ in range(3):
        assert fields(cache.metadata(SERVICE, runs.server.fetch, accepts=absent)) == ["Id", "Cf_New"]
    assert runs.server.asked == [None, 'W/"1"', 'W/"2"']


ORDERS = Entity("orders", "OrderHandling", "OrderSet")


@pytest.mark.parametrize(
    ("changes", "is_there"),
    [
        ({}, True),
        ({"key": ("Id",), "select": ("Id",), "expand": ("VendorRef",), "modified": "Id", "company": "Id"}, True),
        ({"entity_set": "Nope"}, False),
        ({"key": ("Nope",)}, False),
        ({"select": ("Id", "Nope")}, False),
        ({"expand": ("Nope",)}, False),
        ({"modified": "Nope"}, False),
        ({"company": "Nope"}, False),
        ({"modified": "Nope", "company": "Nope", "sure": "seen"}, True),
    ],
)
def test_needed_is_what_the_configuration_names(runs, changes, is_there):
    assert names_of(replace(ORDERS, **changes))(runs.run()) is is_there


def test_whether_a_document_is_kept_is_known_without_a_request_however_old_it_is(runs):
    entity = Entity("orders", "OrderHandling", "OrderSet", select=("Id",))
    assert not runs.cache().has(SERVICE, names_of(entity))
    runs.run()
    runs.now += 10 * MAX_AGE_SECONDS
    assert runs.cache().has(SERVICE, names_of(entity))
    assert not runs.cache().has(SERVICE, names_of(replace(entity, select=("Cf_New",))))
    assert runs.server.asked == [None]


def test_forgotten_is_asked_for_as_if_it_were_the_first_time(runs):
    cache = runs.cache()
    for _ in range(2):
        cache.metadata(SERVICE, runs.server.fetch)
        cache.forget(SERVICE)
    cache.metadata(SERVICE, runs.server.fetch)
    assert runs.server.asked == [None, None, None]


def test_a_refusal_is_never_kept_and_spoils_nothing(runs):
    first = runs.run()
    good, runs.server.body = runs.server.body, UnavailableError("down")
    runs.now += MAX_AGE_SECONDS
    with pytest.raises(UnavailableError):
        runs.run()
    runs.server.body = good
    assert runs.run() == first


def test_what_is_no_metadata_is_refused_and_not_kept(runs):
    runs.server.body = b"<html>Sign in</html>"
    with pytest.raises(ContractBrokenError, match=r"\$metadata of OrderHandling"):
        runs.run()
    assert not (runs.folder / "metadata").exists()


def test_a_server_that_calls_nothing_unchanged_is_not_believed(runs):
    with pytest.raises(ContractBrokenError, match="nothing is kept"):
        runs.cache().metadata(SERVICE, lambda _: None)


@settings(max_examples=300)
@given(st.data())
def test_a_damaged_file_counts_as_none(tmp_path_factory, data):
    runs = Runs(tmp_path_factory.mktemp("state"))
    first = runs.run()
    whole = runs.file.read_bytes()
    kind = data.draw(st.sampled_from(["cut", "flip", "replace"]))
    if kind == "cut":
        damaged = whole[: data.draw(st.integers(0, len(whole) - 1))]
    elif kind == "flip":
        place = data.draw(st.integers(0, len(whole) - 1))
        damaged = whole[:place] + bytes([whole[place] ^ data.draw(st.integers(1, 255))]) + whole[place + 1 :]
    else:
        damaged = data.draw(st.binary(max_size=400))
    runs.file.write_bytes(damaged)
    runs.server.body, runs.server.etag = edmx("Id", "New"), 'W/"2"'
    read = runs.run()
    assert fields(read) == (["Id"] if runs.server.asked == [None] else ["Id", "New"])
    assert runs.server.asked in ([None, None], [None])
    if kind != "flip":  # a space of the first line may become another blank
        assert runs.server.asked == [None, None]
    assert fields(first) == ["Id"]


def test_a_file_of_another_system_or_layout_counts_as_none(runs):
    runs.run()
    head, _, body = runs.file.read_bytes().partition(b"\n")
    for change in ({"service": "https://other"}, {"layout": "older"}):
        runs.file.write_bytes(json.dumps(json.loads(head) | change).encode() + b"\n" + body)
        runs.run()
    assert runs.server.asked == [None, None, None]


def test_a_folder_that_cannot_be_written_costs_requests_alone(runs, caplog):
    (runs.folder / "metadata").write_text("in the way")
    with caplog.at_level(logging.WARNING):
        assert runs.run() == runs.run()
    assert runs.server.asked == [None, None]
    assert "can't be kept in" in caplog.text


def test_no_temporary_file_is_left_behind(runs):
    runs.run()
    assert len(list((runs.folder / "metadata").iterdir())) == 1
    assert (runs.folder / "metadata").stat().st_mode & 0o077 == 0


def test_ifs_cloud_says_that_its_document_is_unchanged_without_sending_it(tmp_path):
    with Sandbox(scale=300) as box:
        config = {
            **access(box),
            "requests_per_minute": 1000,
            "request_timeout_seconds": 60,
            "retry_limit_seconds": 0,
            "user_agent": "test",
            "state_dir": str(tmp_path),
        }
        service = service_of(config, "SitesHandling", "main", "projection")
        for now in (0.0, MAX_AGE_SECONDS):
            cache = MetadataCache(tmp_path, lambda now=now: now)
            metadata = cache.metadata(service, metadata_of(connected(config), service))
            assert "SiteSet" in metadata.entity_sets
    asked = [request["status"] for request in box.world.requests if request["path"].endswith("$metadata")]
    assert asked == [200, 304]
