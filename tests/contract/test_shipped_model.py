"""What the shipped model of Power BI says of streams is about those that the tap has."""

from tap_ifs_cloud.entities import BUILT_IN
from target_powerbi.model import STREAMS


def test_the_model_knows_every_built_in_stream_and_no_other():
    assert {entity.name for entity in BUILT_IN} == STREAMS
