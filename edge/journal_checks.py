"""Check sums by which the journal knows that what it reads is what it wrote: SQLite itself has none on its pages.

CRC-32 as in `zlib`; made of the values as they are kept, so that a row on a wrong page or under a wrong number fails.
"""

from __future__ import annotations

import struct
import zlib

_MESSAGE = struct.Struct("<qqqq")
_SOURCE = struct.Struct("<qqq")
_MARK = struct.Struct("<q")


def message_crc(seq: int, source: int, received_ns: int, items: int, topic: str, body: bytes) -> int:
    """Return the check sum of a message, both of its rows together; `source` is the id of its source."""
    start = zlib.crc32(topic.encode(), zlib.crc32(_MESSAGE.pack(seq, source, received_ns, items)))
    return zlib.crc32(body, start)


def is_whole(
    crc: int | None, seq: int, source: object, received_ns: object, items: object, topic: object, body: object
) -> bool:
    """Tell whether a message read from the file is as it was written; without a `crc` its types must do."""
    if not isinstance(source, int) or not isinstance(received_ns, int) or not isinstance(items, int):
        return False
    if not isinstance(topic, str) or not isinstance(body, bytes):
        return False
    return crc is None or crc == message_crc(seq, source, received_ns, items, topic, body)


def source_crc(key: int, name: str, received: int, last_received_ns: int) -> int:
    """Return the check sum of a source's row."""
    return zlib.crc32(name.encode(), zlib.crc32(_SOURCE.pack(key, received, last_received_ns)))


def mark_crc(trimmed: int) -> int:
    """Return the check sum of the mark up to which messages are trimmed."""
    return zlib.crc32(_MARK.pack(trimmed))
