import dataclasses
import json

from hypothesis import given
from hypothesis import strategies as st

from models.welds.bodies import BodyState, BodyTracker

MIN = 60 * 10**9
SPOTS = ["S1", "S2", "S3"]


def tracker() -> BodyTracker:
    return BodyTracker(SPOTS, 30 * MIN)


def add(t: BodyTracker, *welds: tuple[str, str, str, int]):
    return {b.body: b for b in t.add(*zip(*welds, strict=True))} if welds else {}


def test_a_body_with_all_spots_ok_qualifies() -> None:
    t = tracker()
    body = add(t, *[("B1", spot, "ok", MIN) for spot in SPOTS])["B1"]
    assert (t.complete(body), t.missing(body), t.verdict(body)) == (True, 0, "ok")


def test_one_defect_disqualifies_at_once() -> None:
    t = tracker()
    body = add(t, ("B1", "S1", "defect", MIN))["B1"]
    assert (t.complete(body), t.verdict(body)) == (False, "defect")


def test_a_body_in_the_shop_is_not_judged_and_misses_nothing_yet() -> None:
    t = tracker()
    body = add(t, ("B1", "S1", "ok", MIN), ("B1", "S2", "ok", 2 * MIN))["B1"]
    assert (t.missing(body), t.verdict(body)) == (0, "unjudged")


def running() -> BodyTracker:
    """Return a tracker that has watched the shop for long enough to know what a body had."""
    t = tracker()
    add(t, ("B0", "S1", "ok", -60 * MIN))
    return t


def test_a_body_that_left_without_a_spot_misses_it() -> None:
    t = running()
    add(t, ("B1", "S1", "ok", MIN), ("B1", "S2", "ok", MIN))
    changed = add(t, ("B2", "S1", "ok", 32 * MIN))
    assert changed.keys() == {"B1", "B2"}
    assert (t.complete(changed["B1"]), t.missing(changed["B1"]), t.verdict(changed["B1"])) == (True, 1, "defect")


def test_unjudged_welds_neither_qualify_nor_disqualify() -> None:
    t = tracker()
    body = add(t, ("B1", "S1", "ok", 1), ("B1", "S2", "unjudged", 2), ("B1", "S3", "ok", 3))["B1"]
    assert t.verdict(body) == "ok"
    body = add(t, *[("B2", spot, "unjudged", 4) for spot in SPOTS])["B2"]
    assert t.verdict(body) == "unjudged"


def test_a_body_that_was_in_the_shop_before_anything_was_seen_is_not_called_incomplete() -> None:
    t = tracker()
    add(t, ("B1", "S3", "ok", MIN))
    body = add(t, ("B2", "S1", "ok", 32 * MIN))["B1"]
    assert (t.complete(body), t.missing(body), t.verdict(body)) == (True, 0, "unjudged")


def test_a_late_weld_corrects_a_body_that_left_and_keeps_its_first_time() -> None:
    t = running()
    add(t, ("B1", "S1", "ok", 2 * MIN), ("B1", "S2", "ok", 2 * MIN), ("B2", "S1", "ok", 40 * MIN))
    body = add(t, ("B1", "S3", "ok", MIN))["B1"]
    assert (t.missing(body), t.verdict(body), body.first_ns, body.last_ns) == (0, "ok", 2 * MIN, 2 * MIN)


def test_spots_that_the_plant_does_not_know_count_as_welds_only() -> None:
    t = tracker()
    body = add(t, *[("B1", spot, "ok", 1) for spot in [*SPOTS, "NEW"]])["B1"]
    assert (t.spots(body), t.missing(body), body.ok) == (4, 0, 4)


def test_welds_without_a_body_are_left_out() -> None:
    assert tracker().add([""], ["S1"], ["ok"], [1]) == []


def test_an_empty_plant_misses_nothing() -> None:
    t = BodyTracker([], 30 * MIN)
    add(t, ("B1", "S1", "ok", MIN))
    body = add(t, ("B2", "S1", "ok", 60 * MIN))["B1"]
    assert (t.complete(body), t.missing(body), t.verdict(body)) == (True, 0, "ok")


def test_a_snapshot_survives_a_plant_whose_spots_changed_places() -> None:
    t = running()
    add(t, ("B1", "S1", "ok", MIN), ("B1", "S3", "ok", MIN), ("B1", "NEW", "ok", MIN))
    later = BodyTracker(["S0", "S3", "S1"], 30 * MIN)
    later.restore(t.snapshot())
    body = add(later, ("B1", "S0", "ok", 2 * MIN))["B1"]
    assert (later.complete(body), later.spots(body), later.missing(body)) == (True, 4, 0)


weld = st.tuples(
    st.sampled_from(["B1", "B2", "B3", ""]),
    st.sampled_from([*SPOTS, "X"]),
    st.sampled_from(["ok", "defect", "unjudged"]),
    st.integers(0, 100).map(lambda m: m * MIN),
)


@given(welds=st.lists(weld, max_size=40), cut=st.integers(0, 40))
def test_neither_batches_nor_a_restart_change_the_state(welds, cut) -> None:
    whole, split = tracker(), tracker()
    for w in welds:
        add(whole, w)
    add(split, *welds[:cut])
    restarted = tracker()
    state = split.snapshot()
    restarted.restore(BodyState(**json.loads(json.dumps(dataclasses.asdict(state)))))
    add(restarted, *welds[cut:])
    assert restarted.snapshot() == whole.snapshot()
