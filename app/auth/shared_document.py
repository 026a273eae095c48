"""A document in memory that processes share, if they are forked from the process that made it."""

import hashlib
import mmap
import struct

_HEAD = struct.Struct("<I32s")


class SharedDocument:
    """Shared memory for one document: a process with a newer one writes it, and new processes read it.

    There is no lock, because a process may be killed while it holds one. A partly written document does not match the
    hash in front of it, and is ignored.
    """

    def __init__(self, most_bytes: int) -> None:
        # Pages that are never written to take no memory.
        self._memory = mmap.mmap(-1, _HEAD.size + most_bytes)

    def write(self, document: bytes) -> None:
        kept = _HEAD.pack(len(document), hashlib.sha256(document).digest()) + document
        self._memory[: len(kept)] = kept

    def read(self) -> bytes | None:
        length, digest = _HEAD.unpack(self._memory[: _HEAD.size])
        document = self._memory[_HEAD.size : _HEAD.size + length]
        return document if hashlib.sha256(document).digest() == digest else None
