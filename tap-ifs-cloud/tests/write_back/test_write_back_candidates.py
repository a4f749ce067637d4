"""A record is changed where the tap reads it, also where that is not the place that the catalogue names first."""

import json

from tap_ifs_cloud.tap import TapIfsCloud


def test_a_stream_that_the_tap_found_at_another_place_is_written_to_there(desk):
    desk.box.world.switches.missing_projections = ["SupplierHandling"]
    config = {**json.loads(desk.config_file.read_text()), "streams": ["suppliers"]}
    assert list(TapIfsCloud(config=config).streams) == ["suppliers"]
    ((supplier,),) = desk.sql("SELECT min(SupplierId) FROM supplier_info")
    change = {"entity": "suppliers", "key": {"SupplierId": supplier}, "set": {"Name": "Renamed"}}
    assert desk.give(change) == (0, ["done"])
    (sent,) = desk.sent("PATCH")
    assert "SuppliersHandling.svc/SupplierInfoGeneralSet" in sent["path"]
    assert desk.sql("SELECT Name FROM supplier_info WHERE SupplierId = ?", supplier) == [("Renamed",)]
