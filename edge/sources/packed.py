"""Reading MessagePack items by type, whatever unknown keys hold."""

from __future__ import annotations

from typing import Generic, TypeVar

import msgspec

from edge.sources.envelope import DECODE_ERRORS, too_deep
from edge.sources.nesting import msgpack_is_deep
from edge.sources.rejects import RefusedError

MAX_LOOSE_BYTES = 512 * 1024
"""Of an item with keys that are not known: to search 4 MiB of the smallest lists, all in one, would take seconds."""
Item = TypeVar("Item", bound=msgspec.Struct)


class PackedDecoder(Generic[Item]):
    """Decodes items of one type.

    Only what stands under an unknown key can be nested deeper than a type says. So an item without such keys is read at
    once, and only one that has them is searched for its depth.
    """

    def __init__(self, item: type[Item]) -> None:
        exact = type(item.__name__, (item,), {"__module__": item.__module__}, forbid_unknown_fields=True)
        self._exact: msgspec.msgpack.Decoder[Item] = msgspec.msgpack.Decoder(exact)
        self._any = msgspec.msgpack.Decoder(item)

    def decode(self, raw: bytes | msgspec.Raw) -> Item:
        """Return the item. Raises one of `DECODE_ERRORS`, or `RefusedError`: nested too deeply, or too large."""
        try:
            return self._exact.decode(raw)
        except DECODE_ERRORS:
            size = memoryview(raw).nbytes
            if size > MAX_LOOSE_BYTES:
                expected = f"at most {MAX_LOOSE_BYTES} bytes, or what the schema names and nothing else"
                raise RefusedError("$", f"{size} bytes with keys or values that are not known", expected) from None
            if msgpack_is_deep(raw):
                raise too_deep() from None
        return self._any.decode(raw)
