from models.fleet.state import AgvError
from models.fleet.track import Agv
from services.rows import agv_row


def test_a_vehicle_with_endless_errors_still_fits_into_a_store() -> None:
    errors = tuple(AgvError("\u4e2d" * 500, "WARNING", '"' * 5000) for _ in range(1000))
    row = agv_row(Agv("a/1", "a", "1", errors=errors))
    assert len(str(row["errors"]).encode()) < 2**16
