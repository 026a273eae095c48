"""Deadlines for peers that fall silent, which no time-out of TCP ends: a frozen server's kernel still acknowledges."""

import os
import threading
import time
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

LOOK_SECONDS = 0.5

Peer = TypeVar("Peer", bound=Hashable)


class Watchdog(Generic[Peer]):
    """Calls `cut_off` with whomever a thread has been waiting for longer than `deadline` seconds."""

    def __init__(self, name: str, deadline: float, cut_off: Callable[[Peer], None]) -> None:
        self._name = name
        self._deadline = deadline
        self._cut_off = cut_off
        self._waiting: dict[Peer, float] = {}
        self._starting = threading.Lock()
        self._process: int | None = None

    def start(self) -> None:
        """Have a thread that looks, in this process; a fork has none."""
        with self._starting:
            if self._process != os.getpid():
                self._process = os.getpid()
                threading.Thread(target=self._look, name=self._name, daemon=True).start()

    def begin(self, peer: Peer) -> None:
        """A thread waits for this one from now on."""
        self._waiting[peer] = time.monotonic()

    def end(self, peer: Peer) -> None:
        """It waits no more."""
        self._waiting.pop(peer, None)

    def _look(self) -> None:
        while True:
            time.sleep(LOOK_SECONDS)
            for peer, since in list(self._waiting.items()):
                if time.monotonic() - since > self._deadline:
                    self.end(peer)
                    self._cut_off(peer)
