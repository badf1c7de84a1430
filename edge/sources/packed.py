"""Reading MessagePack items by type, whatever unknown keys hold."""

from __future__ import annotations

from typing import Generic, TypeVar

import msgspec

from edge.sources.envelope import DECODE_ERRORS, too_deep
from edge.sources.nesting import msgpack_is_deep

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
        """Return the item. Raises one of `DECODE_ERRORS`, or `RefusedError` when it is nested too deeply."""
        try:
            return self._exact.decode(raw)
        except DECODE_ERRORS:
            if msgpack_is_deep(raw):
                raise too_deep() from None
        return self._any.decode(raw)
