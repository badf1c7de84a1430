from __future__ import annotations

import asyncio
import json
from typing import Any

from services.api.outbox import MAX_WAITING_SIGNALS, MAX_WAITING_WELDS, Batch, Outbox


def batch(start: int, stop: int) -> Batch:
    return Batch("welds", [f'{{"id":"{k}"}}' for k in range(start, stop)])


def drain(outbox: Outbox) -> list[dict[str, Any]]:
    async def all_of_it() -> list[dict[str, Any]]:
        taken = []
        while True:
            try:
                taken.append(json.loads(await asyncio.wait_for(outbox.take(), 0.02)))
            except TimeoutError:
                return taken

    return asyncio.run(all_of_it())


def ids(message: dict[str, Any]) -> list[int]:
    return [int(item["id"]) for item in message["items"]]


def test_a_browser_that_keeps_up_shares_the_encoded_text() -> None:
    one, two, items = Outbox(), Outbox(), batch(0, 3)
    one.put_welds(items)
    two.put_welds(items)
    assert asyncio.run(one.take()) is asyncio.run(two.take()) is items.text


def test_what_waits_is_sent_together_in_order() -> None:
    outbox = Outbox()
    outbox.put_welds(batch(0, 3))
    outbox.put_welds(batch(3, 5))
    (message,) = drain(outbox)
    assert ids(message) == [0, 1, 2, 3, 4]


def test_beyond_the_bound_the_oldest_are_missed_and_counted() -> None:
    outbox = Outbox()
    for k in range(25):
        outbox.put_welds(batch(100 * k, 100 * k + 100))
    outbox.put_welds(batch(2500, 2550))
    missed, message = drain(outbox)
    assert missed == {"type": "missed", "welds": 550, "signals": 0}
    assert ids(message) == list(range(550, 2550))
    assert len(ids(message)) == MAX_WAITING_WELDS


def test_after_a_slow_spell_it_goes_on_as_before() -> None:
    async def spell() -> list[str]:
        outbox = Outbox()
        outbox.put_welds(batch(0, MAX_WAITING_WELDS + 1))
        taken = [await outbox.take(), await outbox.take()]
        outbox.put_welds(batch(1, 2))
        return [*taken, await outbox.take()]

    missed, _, later = asyncio.run(spell())
    assert json.loads(missed) == {"type": "missed", "welds": 1, "signals": 0}
    assert later == batch(1, 2).text


def test_a_batch_larger_than_the_bound_keeps_its_newest() -> None:
    outbox = Outbox()
    outbox.put_welds(batch(0, MAX_WAITING_WELDS + 7))
    missed, message = drain(outbox)
    assert missed["welds"] == 7
    assert ids(message)[0] == 7


def test_newer_state_replaces_older() -> None:
    outbox = Outbox()
    for k in range(3):
        outbox.put_state("rate", f'{{"type":"rate","k":{k}}}')
        outbox.put_state("pipeline", f'{{"type":"pipeline","k":{k}}}')
    assert drain(outbox) == [{"type": "rate", "k": 2}, {"type": "pipeline", "k": 2}]


def test_newer_vehicles_replace_older_by_id() -> None:
    outbox = Outbox()
    first = {"a": '{"id":"a","x_m":1}', "b": '{"id":"b","x_m":1}'}
    second = {"b": '{"id":"b","x_m":2}', "c": '{"id":"c","x_m":2}'}
    outbox.put_agvs(first, Batch("agvs", list(first.values())))
    outbox.put_agvs(second, Batch("agvs", list(second.values())))
    (message,) = drain(outbox)
    assert message == {
        "type": "agvs",
        "items": [{"id": "a", "x_m": 1}, {"id": "b", "x_m": 2}, {"id": "c", "x_m": 2}],
    }


def test_vehicles_are_shared_too_while_the_browser_keeps_up() -> None:
    outbox, agvs = Outbox(), {"a": '{"id":"a"}'}
    shared = Batch("agvs", list(agvs.values()))
    outbox.put_agvs(agvs, shared)
    assert asyncio.run(outbox.take()) is shared.text


def test_findings_go_first_and_of_a_flood_the_newest_are_kept_and_the_others_counted() -> None:
    outbox = Outbox()
    outbox.put_welds(batch(0, 3))
    outbox.put_signals([f'{{"id":"{k}"}}' for k in range(MAX_WAITING_SIGNALS + 5)])
    missed, first, second = drain(outbox)
    assert missed == {"type": "missed", "welds": 0, "signals": 5}
    assert first["type"] == "signals"
    assert [item["id"] for item in first["items"]] == [str(k) for k in range(5, MAX_WAITING_SIGNALS + 5)]
    assert second["type"] == "welds"
