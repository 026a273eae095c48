"""Documents that are the same for every reader: compressed once, and sent again only if they have changed.

Nothing else is compressed. The length of a compressed response tells an attacker who can put text into it what else it
holds (BREACH), such as a user's tasks or a token.
"""

import hashlib
import threading
import zlib

from flask import Response, request

from app.http.responses import PlainResponse, empty_response
from app.turns import give_way

# One takes about 2 ms to compress.
PIECE_BYTES = 16 * 1024
# zlib's name for gzip (RFC 1952) with the largest window.
GZIP = 31

_packing = threading.Lock()


class Document:
    """The bytes of a document, as they are and compressed."""

    def __init__(self, body: bytes, content_type: str) -> None:
        self._body = body
        self._packed: bytes | None = None
        self._content_type = content_type
        self._tag = hashlib.sha256(body).hexdigest()[:20]

    def response(self) -> Response:
        """Return the document as this request's client can read it, or 304 if the client has it already."""
        is_packed = request.accept_encodings.quality("gzip") > 0
        # The tag is one of bytes, so each coding has its own (RFC 9110, section 8.8.3.3).
        tag = f"{self._tag}-gzip" if is_packed else self._tag
        if request.if_none_match.contains_weak(tag):
            response = empty_response(304)
        elif is_packed:
            response = PlainResponse(self._pack(), content_type=self._content_type)
            response.headers["Content-Encoding"] = "gzip"
        else:
            response = PlainResponse(self._body, content_type=self._content_type)
        response.headers["ETag"] = f'"{tag}"'
        response.headers["Vary"] = "Accept-Encoding"
        return response

    def _pack(self) -> bytes:
        with _packing:
            if self._packed is None:
                self._packed = _gzip(self._body)
            return self._packed


def _gzip(body: bytes) -> bytes:
    packer, packed = zlib.compressobj(wbits=GZIP), []
    for start in range(0, len(body), PIECE_BYTES):
        packed.append(packer.compress(body[start : start + PIECE_BYTES]))
        give_way()
    return b"".join((*packed, packer.flush()))
