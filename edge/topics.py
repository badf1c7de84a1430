"""The names on the wire: ISA-95 topics in and out, and VDA 5050's own.

In:  `lineside/v1/<site>/<area>/<line>/<cell>/<weld|event>` and `uagv/v2/...`, `vda5050/v3/...`
Out: `lineside/v1/<site>/<area>/<line>/<cell>/<verdict|status>`; what concerns no cell uses `_` for what it has not.
The simulator's labels travel under `lineside-truth/v1/...`, which no collector subscribes to.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

ROOT = "lineside/v1"
TRUTH_ROOT = "lineside-truth/v1"
OUT_STREAMS = frozenset({"verdict", "status"})
SUBSCRIPTIONS = (f"{ROOT}/#", "uagv/v2/+/+/#", "vda5050/v3/+/+/#")
"""Everything under our root is received, so that a topic of the wrong shape is seen and rejected, not ignored."""

JOURNAL = "(journal)"
"""Topic, and source, of what the journal itself has to say; no broker can deliver it, for nobody subscribes to it."""
UNROUTED = "(unrouted)"
"""The source under which messages on topics of the wrong shape are counted."""
CROWDED = "(too many sources)"
"""The source under which messages of new sources are counted once there are as many as are taken."""
MAX_LEVEL = 128
"""Characters of one level of a topic."""
ROUTES = 4096
"""Topics whose route is remembered: a plant's are few, and each message has one."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where in the plant something happens, by ISA-95 names."""

    site: str
    area: str
    line: str
    cell: str

    def topic(self, stream: str) -> str:
        """Return the topic of one stream at this place."""
        return f"{ROOT}/{self.site}/{self.area}/{self.line}/{self.cell}/{stream}"


@dataclass(frozen=True, slots=True)
class Route:
    """What a topic says about its messages."""

    source: str
    """Whose account the messages count in, e.g. `weld/FR1-C03` is written `site/area/line/cell/weld`."""
    format: str
    """The key of the decoder in `edge.sources`: `weld`, `event` or `vda5050`."""
    place: Place | None
    """The cell, for `lineside/v1` topics."""
    parts: tuple[str, ...]
    """The topic, split."""


class TopicError(ValueError):
    """A topic has the wrong shape; the message says what came and what was expected."""


def is_own_output(topic: str) -> bool:
    """Tell whether we published this ourselves: verdicts and status are not input."""
    return topic.startswith(ROOT + "/") and topic.rsplit("/", 1)[-1] in OUT_STREAMS


@lru_cache(maxsize=ROUTES)
def route(topic: str) -> Route:
    """Read a topic.

    Raises `TopicError` when the topic is none that a source of ours uses.
    """
    parts = tuple(topic.split("/"))
    if any(ord(sign) < 0x20 or 0x7F <= ord(sign) < 0xA0 for sign in topic):
        raise TopicError(f"topic {topic!r} holds control characters; expected names that can be printed")
    longest = max(map(len, parts))
    if longest > MAX_LEVEL:
        shape = f"levels of at most {MAX_LEVEL} characters"
        raise TopicError(f"topic {topic[:MAX_LEVEL]!r}… has a level of {longest} characters; expected {shape}")
    if topic.startswith(ROOT + "/"):
        expected = f"{ROOT}/<site>/<area>/<line>/<cell>/<weld|event>"
        if len(parts) != 7 or not all(parts):
            raise TopicError(f"topic {topic!r} has {len(parts)} levels; expected 7: {expected}")
        if parts[6] not in {"weld", "event"}:
            raise TopicError(f"topic {topic!r} ends in {parts[6]!r}; expected {expected}")
        return Route("/".join(parts[2:]), parts[6], Place(*parts[2:6]), parts)
    if parts[:2] in {("uagv", "v2"), ("vda5050", "v3")}:
        if len(parts) != 5 or not all(parts):
            expected = f"{'/'.join(parts[:2])}/<manufacturer>/<serial>/<topic>"
            raise TopicError(f"topic {topic!r} has {len(parts)} levels; expected 5: {expected}")
        return Route(f"agv/{parts[2]}/{parts[3]}", "vda5050", None, parts)
    raise TopicError(f"topic {topic!r} is not under {ROOT}, uagv/v2 or vda5050/v3")


def source_of(topic: str) -> str:
    """Return under which source messages on a topic count. Never raises."""
    if topic == JOURNAL:
        return JOURNAL
    try:
        return route(topic).source
    except TopicError:
        return UNROUTED
