"""Look up names with a deadline. The system's look-up has none, so it runs in a thread that may be left behind."""

import socket
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from functools import cache, partial

from gevent import monkey
from gevent.threadpool import ThreadPool

# Look-ups of one process at once, with those that were left behind: while sending, and for requests, so that none of
# both is in the other's way.
MAX_WHILE_SENDING, MAX_FOR_REQUESTS = 64, 16

Call = Callable[[], Sequence[str]]

_is_worker = monkey.is_module_patched("socket")
_system: Callable[..., list[tuple[object, ...]]] = monkey.get_original("socket", "getaddrinfo")


class LookUps:
    """Some look-ups at once."""

    def __init__(self, at_once: int) -> None:
        self._room = threading.BoundedSemaphore(at_once)

    def find(self, host: str, port: int, seconds: float) -> Sequence[str]:
        """Return a host's addresses, in the system's order; raise OSError if there are none, or none in time."""
        if not self._room.acquire(timeout=seconds):
            raise TimeoutError
        run = _run_in_worker if _is_worker else _run_in_thread
        return run(partial(_look_up, host, port), self._room.release, seconds)


SENDING, REQUESTS = LookUps(MAX_WHILE_SENDING), LookUps(MAX_FOR_REQUESTS)


def _look_up(host: str, port: int) -> list[str]:
    found: list[tuple[str, ...]] = [each[4] for each in _system(host, port, type=socket.SOCK_STREAM)]  # type: ignore[misc]
    return list(dict.fromkeys(address[0] for address in found))


@cache
def _pool() -> ThreadPool:
    # Not gevent's common pool, where a look-up that takes long would delay others' passwords.
    return ThreadPool(MAX_WHILE_SENDING + MAX_FOR_REQUESTS)


def _run_in_worker(call: Call, done: Callable[[], None], seconds: float) -> Sequence[str]:
    result = _pool().spawn(call)
    result.rawlink(lambda _: done())
    result.wait(seconds)
    if not result.ready():
        raise TimeoutError
    found: Sequence[str] = result.get()
    return found


def _run_in_thread(call: Call, done: Callable[[], None], seconds: float) -> Sequence[str]:
    answer: Future[Sequence[str]] = Future()

    def run() -> None:
        try:
            answer.set_result(call())
        except Exception as error:  # noqa: BLE001 (the waiting caller gets every error)
            answer.set_exception(error)
        finally:
            done()

    threading.Thread(target=run, name="looking up a name", daemon=True).start()
    return answer.result(seconds)
