"""What a damage of the journal does to the account, over a real journal and the real pipeline."""

from __future__ import annotations

import json
from pathlib import Path

from edge.journal import Journal
from edge.journal_salvage import salvage
from edge.sources import PlacedDamage
from edge.sources.journal_record import Damage, TooLarge, encode_record
from edge.topics import JOURNAL
from services.reconciling import reconcile
from services.state import SourceCount
from services.store.protocol import Filters
from tests.unit.services.test_pipeline import T0, TOPIC, S, Shop

SOURCE = "s/a/L1/C1/weld"
STATE = "uagv/v2/acme/7/state"


def weld(number: int) -> bytes:
    item = {
        "id": f"w{number}", "spot": "S1", "gun": "G1", "body": "B1", "program": "7", "time": T0 + number * S,
        "dt_us": 1000, "current_ka": [0, 8.0, 8.1, 8.0, 0], "voltage_v": [0, 1.2, 1.1, 1.0, 0],
    }  # fmt: skip
    return json.dumps(item).encode()


def test_what_a_damage_lost_is_named_in_account_rejects_and_events_and_the_rest_is_judged(tmp_path: Path) -> None:
    shop = Shop(tmp_path)
    for number in range(1, 11):
        shop.send(TOPIC, weld(number))
    shop.journal.close()
    path = shop.layout.journal
    content = path.read_bytes()
    path.write_bytes(content.replace(b'"id": "w4"', b'"id": "x4"').replace(b'"id": "w5"', b'"id": "w7"'))
    salvage(path, 0, "two bits")
    shop.journal = Journal.open(path, 2**28, 1)
    shop.send(TOPIC, weld(11))
    shop.run()
    shop.journal.close()
    assert shop.account() == {"received": 12, "stored": 10, "rejected": 2, "duplicate": 0, "pending": 0}
    assert {row["weld_id"] for row in shop.welds()} == {f"w{n}" for n in (1, 2, 3, 6, 7, 8, 9, 10, 11)}
    (reject,) = shop.ask(lambda store: store.rejects("", 10))
    assert (reject["source"], reject["path"]) == (SOURCE, "journal")
    assert reject["came"] == "2 items lost: messages 4 to 5 of the journal"
    (event,) = shop.ask(lambda store: store.events(Filters(kind="journal_damaged"), 10))
    assert event["note"] == f"The journal was damaged: 2 messages lost (4 to 5); of sources {SOURCE}. two bits"


def placed(**received: int) -> PlacedDamage:
    return PlacedDamage(9, 1, Damage("why", [(5, 8)], received))


def test_counting_that_the_journal_lost_is_made_up_for() -> None:
    counts = {"a": SourceCount(stored=8, rejected=1, duplicate=1), "b": SourceCount(stored=5)}
    assert reconcile(counts, placed(a=7, b=5)) == []
    assert (counts["a"].recovered, counts["b"].recovered) == (3, 0)
    # From then on the journal counts on from 7, and a second damage is reckoned with from there.
    counts["a"].stored += 2
    (lost,) = reconcile(counts, placed(a=10, b=5))
    assert (lost.source, counts["a"].rejected, counts["a"].recovered) == ("a", 2, 3)


def test_a_source_that_nobody_else_knows_is_lost_too() -> None:
    counts: dict[str, SourceCount] = {}
    (lost,) = reconcile(counts, placed(c=2))
    assert (lost.source, lost.reject.came) == ("c", "2 items lost: messages 5 to 8 of the journal")
    assert counts == {"c": SourceCount(rejected=2), JOURNAL: SourceCount(stored=1)}


def test_a_message_that_the_journal_had_no_room_for_is_a_reject_of_its_own_source(tmp_path: Path) -> None:
    shop = Shop(tmp_path)
    record = encode_record(TooLarge(TOPIC, 9_000_000, 1_000_000))
    shop.journal.append([(JOURNAL, record, T0, SOURCE, 1)])
    shop.run()
    shop.journal.close()
    assert shop.account() == {"received": 1, "stored": 0, "rejected": 1, "duplicate": 0, "pending": 0}
    (reject,) = shop.ask(lambda store: store.rejects(SOURCE, 10))
    assert (reject["topic"], reject["bytes"], reject["came"]) == (TOPIC, 9_000_000, "a payload of 9000000 bytes")
    assert reject["expected"] == "at most 1000000 bytes, for which the journal has room (journal.max_bytes)"


def state(number: int) -> bytes:
    return json.dumps(
        {
            "headerId": number, "timestamp": f"2026-09-21T14:13:{number % 60:02d}.00Z", "version": "2.1.0",
            "manufacturer": "acme", "serialNumber": "7", "driving": True,
        }
    ).encode()  # fmt: skip


def test_a_vehicles_message_that_is_delivered_again_counts_once(tmp_path: Path) -> None:
    shop = Shop(tmp_path)
    for number in (1, 2, 3, 2, 3, 4):
        shop.send(STATE, state(number))
    shop.run()
    shop.send(STATE, state(3))  # and after a restart
    shop.send(STATE, state(5))
    shop.run()
    shop.journal.close()
    assert shop.account() == {"received": 8, "stored": 5, "rejected": 0, "duplicate": 3, "pending": 0}
    (agv,) = shop.ask(lambda store: store.agvs())
    assert (agv["messages"], agv["lost"]) == (5, 0)
