import dataclasses

import pytest

from models.fleet.state import AgvError, AgvUpdate
from models.fleet.track import Agv, FleetTracker


def update(topic: str = "state", header: int = 1, time_ns: int = 10, **what: object) -> AgvUpdate:
    base = AgvUpdate("acme/7", "acme", "7", "2.1.0", topic, header, time_ns)  # type: ignore[arg-type]
    return dataclasses.replace(base, **what)  # type: ignore[arg-type]


def test_messages_that_each_tell_a_part_are_put_together() -> None:
    fleet = FleetTracker()
    fleet.add(update("connection", connection="ONLINE"))
    fleet.add(update(driving=True, battery_percent=55.0, operating_mode="AUTOMATIC"))
    agv = fleet.add(update("visualization", x_m=1.0, y_m=2.0, theta_rad=0.5, time_ns=20))
    assert (agv.connection, agv.driving, agv.battery_percent, agv.x_m) == ("ONLINE", True, 55.0, 1.0)
    assert (agv.messages, agv.lost, agv.activity) == (3, 0, "driving")


def test_an_older_message_does_not_undo_a_newer_one() -> None:
    fleet = FleetTracker()
    fleet.add(update(x_m=5.0, time_ns=20))
    assert fleet.add(update("visualization", x_m=1.0, time_ns=10)).x_m == 5.0


def test_a_gap_in_the_header_counts_as_lost_per_topic_and_a_restart_does_not() -> None:
    fleet = FleetTracker()
    for topic, header in (
        ("state", 1),
        ("visualization", 8),
        ("state", 2),
        ("state", 6),
        ("visualization", 9),
        ("state", 0),
    ):
        agv = fleet.add(update(topic, header))
    assert agv.lost == 3


@pytest.mark.parametrize(
    ("state", "activity"),
    [
        ({}, "idle"),
        ({"driving": True}, "driving"),
        ({"driving": True, "charging": True}, "charging"),
        ({"driving": True, "operating_mode": "MANUAL"}, "manual"),
        ({"order_active": True}, "blocked"),
        ({"order_active": True, "action_running": True}, "acting"),
        ({"errors": (AgvError("x", "WARNING"),), "driving": True}, "driving"),
        ({"errors": (AgvError("x", "FATAL"),), "driving": True}, "error"),
        ({"emergency_stop": "MANUAL"}, "error"),
        ({"emergency_stop": "NONE"}, "idle"),
        ({"connection": "CONNECTION_BROKEN", "driving": True}, "offline"),
        ({"connection": "HIBERNATING"}, "offline"),
    ],
)
def test_activity_is_what_vda_5050_means_by_it(state: dict[str, object], activity: str) -> None:
    agv = Agv("a/1", "a", "1", **state)  # type: ignore[arg-type]
    assert agv.activity == activity
