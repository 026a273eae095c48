"""Note when personal tokens were last used, without a statement of the request."""

import logging
import threading
import time

from flask import Flask

from app.auth.identity import Identity
from app.auth.personal_tokens import note_use

logger = logging.getLogger("tasks.personal_uses")

# A token's use is written so often by each process. So what is shown is at most this old, or twice as old if one
# attempt failed.
WRITE_SECONDS = 240
# More tokens than this in use at once are all written again.
REMEMBERED_USES = 10_000


class PersonalUses:
    """The uses that this process has written, and those that it still has to write."""

    def __init__(self, app: Flask) -> None:
        self._app = app
        # By the token's hash, the time of the last write by time.monotonic().
        self._written: dict[str, float] = {}
        self._waiting: list[str] = []
        self._is_writing = False
        self._adding = threading.Lock()

    def note(self, identity: Identity) -> None:
        """Note that this token was used now."""
        token_hash, now = identity.token_hash, time.monotonic()
        assert token_hash is not None
        if self._is_recent(token_hash, now):
            return
        with self._adding:
            if self._is_recent(token_hash, now):
                # Another request came first.
                return
            if len(self._written) >= REMEMBERED_USES:
                self._written.clear()
            self._written[token_hash] = now
            self._waiting.append(token_hash)
            if not self._is_writing:
                threading.Thread(target=self._write, name="writing uses", daemon=True).start()
                self._is_writing = True

    def _is_recent(self, token_hash: str, now: float) -> bool:
        return now - self._written.get(token_hash, float("-inf")) < WRITE_SECONDS

    def _write(self) -> None:
        """Write until none is waiting. A use that cannot be written is left out: the token's next use follows."""
        while hashes := self._take():
            try:
                with self._app.app_context():
                    for token_hash in hashes:
                        note_use(token_hash)
            except Exception as error:  # noqa: BLE001 (the next use must find that nobody is writing)
                logger.warning("writing uses of personal tokens failed: %s", error)

    def _take(self) -> list[str]:
        with self._adding:
            hashes, self._waiting = self._waiting, []
            self._is_writing = bool(hashes)
            return hashes
