"""Framing: one payload is one item or a list of items, in JSON or in MessagePack.

JSON if the first byte (after ASCII white space) is `{` or `[`, else MessagePack; neither byte, nor white space, can
begin a MessagePack map or list. Items are found by skipping over them, without decoding. The collector counts items
by `count_items` and the decoders take them from `split`: both rest on one function, so they agree.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import msgspec

from edge.sources.nesting import MAX_DEPTH, json_is_deep
from edge.sources.rejects import RefusedError, count, shorten

MAX_ITEMS = 10_000
"""Items of one list. Without a bound, 4 MiB of `[0,0,…]` would be two million rejects."""
MAX_FRAMED_BYTES = 16 * 2**20
"""A larger payload is not searched for items: at worst each second byte begins one, at some 60 bytes of memory."""

DECODE_ERRORS = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
"""What msgspec raises on bytes that it cannot read (RecursionError: nested too deeply)."""

OBJECT_OR_LIST = "a JSON object or a list of objects, or the same in MessagePack"

_JSON_ITEMS = msgspec.json.Decoder(list[msgspec.Raw])
_MSGPACK_ITEMS = msgspec.msgpack.Decoder(list[msgspec.Raw])


@dataclass(frozen=True, slots=True)
class Frame:
    """A payload split into its items."""

    json: bool
    """Whether the items are JSON; else they are MessagePack."""
    items: list[bytes | msgspec.Raw]
    """At least one, each undecoded."""

    def decode(self, item: int) -> Any:
        """Decode one item to plain data, whatever is in it. Raises one of `DECODE_ERRORS`."""
        raw = self.items[item]
        return msgspec.json.decode(raw) if self.json else msgspec.msgpack.decode(raw)


def split(payload: bytes) -> Frame:
    """Split a payload into its items; what is no list is one item.

    Raises `RefusedError` for a payload that is empty, an empty list, neither an object nor a list, a list that is
    broken as such or longer than `MAX_ITEMS`, nested too deeply, or larger than `MAX_FRAMED_BYTES`.
    """
    if not payload:
        raise RefusedError("$", "an empty payload", OBJECT_OR_LIST)
    if len(payload) > MAX_FRAMED_BYTES:
        raise RefusedError("$", f"{len(payload)} bytes", f"at most {MAX_FRAMED_BYTES} bytes")
    first = payload[0]
    if first in b" \t\r\n":
        first = (payload.lstrip(b" \t\r\n") or b" ")[0]
    if first == 0x7B:  # {
        if json_is_deep(payload):
            raise too_deep()
        return Frame(True, [payload])
    if first == 0x5B:  # [
        items = _list(_JSON_ITEMS, payload, "JSON")
        if any(json_is_deep(bytes(memoryview(item))) for item in items):
            raise too_deep()
        return Frame(True, items)
    if 0x80 <= first <= 0x8F or first in {0xDE, 0xDF}:
        return Frame(False, [payload])
    if 0x90 <= first <= 0x9F or first in {0xDC, 0xDD}:
        return Frame(False, _list(_MSGPACK_ITEMS, payload, "MessagePack"))
    raise RefusedError("$", show_bytes(payload), OBJECT_OR_LIST)


def count_items(payload: bytes) -> int:
    """Return by how many a payload counts in the account: its items, or 1 when it cannot be split. Never raises."""
    try:
        return len(split(payload).items)
    except RefusedError:
        return 1


def show_bytes(payload: bytes | msgspec.Raw) -> str:
    """Return the beginning of a payload for people: as text if it is text, else in hexadecimal."""
    head = bytes(memoryview(payload)[:120])
    for cut in range(min(4, len(head))):  # the 120th byte may lie inside a character
        try:
            text = head[: len(head) - cut].decode()
        except UnicodeDecodeError:
            continue
        if text.isprintable():
            return shorten(f"the text {text!r}")
    return shorten(f"{count(memoryview(payload).nbytes, 'byte')} {head[:30].hex(' ')}")


def too_deep() -> RefusedError:
    """Return the refusal of what is nested too deeply."""
    return RefusedError("$", "nested too deeply", f"at most {MAX_DEPTH} levels of lists and objects")


def _list(
    decoder: msgspec.json.Decoder[list[msgspec.Raw]] | msgspec.msgpack.Decoder[list[msgspec.Raw]],
    payload: bytes,
    form: str,
) -> list[bytes | msgspec.Raw]:
    try:
        items = decoder.decode(payload)
    except RecursionError:
        raise too_deep() from None
    except DECODE_ERRORS as error:
        came = shorten(f"broken {form} ({error}): {show_bytes(payload)}")
        raise RefusedError("$", came, f"well-formed {form}") from None
    if not items:
        raise RefusedError("$", "an empty list", "at least one item")
    if len(items) > MAX_ITEMS:
        raise RefusedError("$", f"a list of {len(items)} items", f"at most {MAX_ITEMS} items")
    return [*items]
