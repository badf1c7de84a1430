from models.fleet.track import FleetTracker
from services.rows import agv_row
from tests.unit.edge.sources.samples import AGV_TOPIC, STATE_2, read


def test_a_vehicle_with_endless_errors_still_fits_into_a_store_and_keeps_the_gravest() -> None:
    endless = {"errorType": "\u4e2d" * 500, "errorLevel": "WARNING", "errorDescription": '"' * 500}
    fatal = {"errorType": "fire", "errorLevel": "FATAL"}
    [placed] = read(f"{AGV_TOPIC}state", {**STATE_2, "errors": [endless] * 300 + [fatal]}).agvs
    agv = FleetTracker().add(placed.update)
    assert len(str(agv_row(agv)["errors"]).encode()) < 2**16
    assert agv.activity == "error"
