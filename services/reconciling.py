"""What a damage of the journal cost, made part of the account: nothing is lost without a name.

The record of a damage stands in the journal behind the last message that it can concern. When the pipeline comes to
it, each source's items are compared: those that the journal had counted and that never came are lost, and count as
rejected. Where the damage took the newest counting with it, the pipeline knows of more than the journal does; that
surplus is kept as `recovered`, and added to what the journal says from then on.
"""

from __future__ import annotations

from collections.abc import MutableMapping

from edge.plant import Plant
from edge.sources import PlacedDamage, PlacedEvent, PlacedReject
from edge.sources.rejects import Reject, count
from edge.topics import JOURNAL, Place
from services.feed import NOWHERE
from services.rows import OWN
from services.state import SourceCount

KIND = "journal_damaged"
EXPECTED = "what the journal had counted as received"


def reconcile(counts: MutableMapping[str, SourceCount], placed: PlacedDamage) -> list[PlacedReject]:
    """Make the account of every source add up with what the journal says of it; return a reject for each loss.

    `counts` is the account after every message before the record. One reject stands for all items that a source lost.
    """
    damage = placed.damage
    rejects: list[PlacedReject] = []
    for source in sorted({*damage.received, *counts}):
        known = counts.setdefault(source, SourceCount())
        lost = damage.received.get(source, 0) + known.recovered - known.stored - known.rejected - known.duplicate
        if lost < 0:
            known.recovered -= lost
        elif lost > 0:
            known.rejected += lost
            came = f"{count(lost, 'item')} lost: messages {damage.numbers or '(no longer known)'} of the journal"
            reject = Reject(len(rejects), "journal", came, EXPECTED)
            rejects.append(PlacedReject(placed.seq, len(rejects), placed.received_ns, source, JOURNAL, reject, 0))
    counts.setdefault(JOURNAL, SourceCount()).stored += 1
    return rejects


def damage_event(placed: PlacedDamage, rejects: list[PlacedReject], plant: Plant) -> PlacedEvent:
    """Return the event by which a damage is on record."""
    damage = placed.damage
    what = f"{count(damage.lost, 'message')} lost ({damage.numbers})" if damage.lost else "no message lost"
    sources = f"; of sources {', '.join(reject.source for reject in rejects)}" if rejects else ""
    return PlacedEvent(
        seq=placed.seq,
        item=0,
        received_ns=placed.received_ns,
        place=Place(plant.site or NOWHERE, plant.area or NOWHERE, NOWHERE, NOWHERE),
        source=JOURNAL,
        id=f"{KIND}-{placed.seq}",
        kind=KIND,
        time_ns=placed.received_ns,
        gun="",
        spot="",
        program="",
        by=OWN,
        note=f"The journal was damaged: {what}{sources}. {damage.reason}",
        details={"lost": float(damage.lost)},
    )
