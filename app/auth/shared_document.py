"""A document that processes share which were forked from one that made the place for it."""

import hashlib
import mmap
import struct

_HEAD = struct.Struct("<I32s")


class SharedDocument:
    """Memory for one document: whoever has a better one writes it, and who is new reads it.

    No lock is held, since a process may be killed while it holds one. A document that is just being written, or was
    half written, is not the one whose hash stands before it, and counts as none.
    """

    def __init__(self, most_bytes: int) -> None:
        # Pages that nobody writes to take no memory.
        self._memory = mmap.mmap(-1, _HEAD.size + most_bytes)

    def write(self, document: bytes) -> None:
        kept = _HEAD.pack(len(document), hashlib.sha256(document).digest()) + document
        self._memory[: len(kept)] = kept

    def read(self) -> bytes | None:
        length, digest = _HEAD.unpack(self._memory[: _HEAD.size])
        document = self._memory[_HEAD.size : _HEAD.size + length]
        return document if hashlib.sha256(document).digest() == digest else None
