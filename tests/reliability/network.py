"""A network between the service and its database that a test can take away."""

import contextlib
import socket
import threading
import time

CHECK_INTERVAL_SECONDS = 0.02


class Network:
    """Forwards connections to a port until it is cut: then nothing arrives, and no error is sent."""

    def __init__(self, to_port: int) -> None:
        self.to_port = to_port
        self._there = threading.Event()
        self._there.set()
        self._ended = False
        self._fillers: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self._listener.settimeout(CHECK_INTERVAL_SECONDS)
        self.port = self._listener.getsockname()[1]
        self._thread = self._spawn(self._accept)

    def cut(self) -> None:
        """Stop forwarding. With a full queue, the kernel drops the first packet of each new connection."""
        self._there.clear()
        time.sleep(2 * CHECK_INTERVAL_SECONDS)
        self._listener.listen(0)
        for _ in range(4):
            filler = socket.socket()
            filler.setblocking(False)
            filler.connect_ex(("127.0.0.1", self.port))
            self._fillers.append(filler)

    def fix(self) -> None:
        """Deliver held data late, as after a short partition."""
        while self._fillers:
            self._fillers.pop().close()
        self._listener.listen(64)
        self._there.set()

    def end(self) -> None:
        self._ended = True
        self._there.set()
        self._thread.join()
        self._listener.close()

    @staticmethod
    def _spawn(work: object, *arguments: object) -> threading.Thread:
        thread = threading.Thread(target=work, args=arguments, daemon=True)
        thread.start()
        return thread

    def _accept(self) -> None:
        while not self._ended:
            self._there.wait()
            with contextlib.suppress(OSError):
                client, _ = self._listener.accept()
                client.settimeout(None)
                try:
                    database = socket.create_connection(("127.0.0.1", self.to_port))
                except OSError:
                    client.close()
                    continue
                left = threading.Semaphore(2)
                self._spawn(self._forward, client, database, left)
                self._spawn(self._forward, database, client, left)

    def _forward(self, source: socket.socket, target: socket.socket, left: threading.Semaphore) -> None:
        """Forward until one side ends. The second of the two forwarders closes the connection."""
        with contextlib.suppress(OSError):
            while received := source.recv(65_536):
                self._there.wait()
                target.sendall(received)
        self._there.wait()
        with contextlib.suppress(OSError):
            target.shutdown(socket.SHUT_RDWR)
        left.acquire()
        if not left.acquire(blocking=False):
            source.close()
            target.close()
        else:
            left.release()
