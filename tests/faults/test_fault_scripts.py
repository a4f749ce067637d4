"""Scripts are data that a seed gives; a few of them are played here, and `make prove` plays new ones for an hour."""

import random
from collections import Counter

import pytest
from faults.destinations import DESTINATIONS
from faults.kinds import KINDS
from faults.playing import play
from faults.scripts import DESTINATIONS as DRAWN
from faults.scripts import script_of

FEW = {"duckdb": 25, "postgresql": 7, "mirror": 9, "signed": 8, "append": 16, "folder": 3, "onelake": 24}
"""A seed for each destination, in whose script much goes wrong; a new kind makes other scripts, and may want other seeds."""
BY_MELTANO = (31, 139)


@pytest.fixture(scope="module")
def many():
    return [script_of(seed) for seed in range(4_000)]


def places_of(script):
    return frozenset({script.destination, "ledger"} if script.ledger == "postgresql" else {script.destination})


def test_a_seed_is_one_script_whatever_was_drawn_before():
    random.seed(1)
    before = script_of(7)
    random.seed(2)
    assert script_of(7) == before
    assert str(script_of(7)) == str(before)


def test_scripts_have_faults_of_every_kind_where_they_can_strike(many):
    drawn = {(fault.kind, places_of(script)) for script in many for run in script.runs for fault in run.faults}
    assert {kind for kind, _ in drawn} == KINDS.keys()
    nowhere = [kind for kind, places in drawn if KINDS[kind].destinations and not KINDS[kind].destinations & places]
    assert nowhere == []
    assert {script.destination for script in many} == set(DRAWN) == DESTINATIONS.keys()


def test_one_thing_at_most_happens_to_a_process(many):
    for script in many:
        for run in script.runs:
            harmed = Counter(fault.side for fault in run.faults if fault.harm)
            assert harmed["tap"] + harmed["both"] <= 1
            assert harmed["target"] + harmed["both"] <= 1


@pytest.mark.parametrize("destination", FEW)
def test_a_destination_is_the_source_again_after_whatever_went_wrong(destination, tmp_path, postgres):
    script = script_of(FEW[destination])
    assert script.destination == destination
    played = play(script, tmp_path, postgres)
    assert played.broken == [], str(script)
    assert played.figures.struck.total() > 1


@pytest.mark.prove
@pytest.mark.parametrize("seed", BY_MELTANO)
def test_a_destination_is_the_source_again_after_meltano_was_killed(seed, tmp_path, postgres):
    script = script_of(seed)
    assert script.by_meltano
    played = play(script, tmp_path, postgres)
    assert played.broken == [], str(script)
    assert played.figures.struck.total() == 1
