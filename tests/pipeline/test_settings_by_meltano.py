"""What .env says of a plugin's settings reaches the plugin through Meltano, as the number or the text that it is."""

import json

from pipeline.project import Project
from tap_ifs_cloud.tap import TapIfsCloud

NUMBERS = sorted(
    name for name, said in TapIfsCloud.config_jsonschema["properties"].items() if "number" in said.get("type", [])
)
SOME = {name: str(place) for place, name in enumerate(NUMBERS, 7)}
BASE = {"IFS_BASE_URL": "https://ifs.example", "IFS_REALM": "prod", "IFS_CLIENT_ID": "us", "IFS_CLIENT_SECRET": "se"}


def test_numbers_that_stand_in_the_environment_file_reach_the_tap_as_numbers(tmp_path):
    variables = BASE | {f"TAP_IFS_CLOUD_{name.upper()}": number for name, number in SOME.items()}
    ran = Project(tmp_path, variables, {}).meltano("invoke", "--dump=config", "tap-ifs-cloud")
    assert ran.code == 0, ran.err
    given = json.loads(ran.out)
    assert {name: given[name] for name in NUMBERS} == {name: int(number) for name, number in SOME.items()}
    assert NUMBERS
