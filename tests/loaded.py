"""Start programs as forks of a process that has loaded the service's modules: importing them takes most of a start.

The forks are like new processes otherwise: with their own arguments, environment, streams and end. As a program, this
module is the process that forks. It ends when its only client does.
"""

import atexit
import ctypes
import gc
import json
import os
import runpy
import socket
import subprocess
import sys
import threading
from functools import cache
from importlib import import_module
from pathlib import Path
from pkgutil import walk_packages
from typing import Any

PROJECT = Path(__file__).resolve().parent.parent
# Besides those of the service.
MODULES = {"command": ("flask.cli", "flask_migrate", "tests.conftest"), "server": ("gunicorn.app.wsgiapp",)}
PR_SET_CHILD_SUBREAPER = 36

ONE_AT_A_TIME = threading.Lock()


class Loaded(subprocess.Popen):
    """A Python program in the project's folder: a path, or `-m` and a module."""

    def _execute_child(self, args, executable, preexec_fn, close_fds, pass_fds, cwd, env, *others: Any) -> None:
        """Let the other process fork. `others` begins with startupinfo, creationflags, shell and the pipes' ends."""
        pipes, is_new_session = others[3:9], others[14]
        words = [str(word) for word in args]
        assert cwd == PROJECT
        streams = [number if end == -1 else end for number, end in enumerate((pipes[0], pipes[3], pipes[5]))]
        wanted = json.dumps([words, env, is_new_session]).encode()
        with ONE_AT_A_TIME:
            forking = forking_process("server" if "gunicorn" in words[0] else "command")
            socket.send_fds(forking, [wanted], streams)
            self.pid = int(forking.recv(100))
        self._child_created = True
        self._close_pipe_fds(*pipes)


@cache
def forking_process(kind: str) -> socket.socket:
    """Start the process that forks. Its grandchildren become children of this process, which can wait for them."""
    assert ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.loaded", str(theirs.fileno()), kind],
        cwd=PROJECT,
        env={"PATH": os.environ["PATH"]},
        stdin=subprocess.DEVNULL,
        pass_fds=[theirs.fileno()],
    )
    theirs.close()
    atexit.register(lambda: (ours.close(), process.wait()))
    return ours


def serve(connection: socket.socket, kind: str) -> list[str]:
    """Fork for each message, and return the arguments in the fork."""
    fork, wait, receive = os.fork, os.waitpid, socket.recv_fds
    if kind == "server":
        # As gunicorn's configuration does first.
        import_module("gevent.monkey").patch_all()
    for name in ("app", *MODULES[kind]):
        import_module(name)
    for module in walk_packages(import_module("app").__path__, "app."):
        import_module(module.name)
    # Collections should not visit what is loaded: each fork would copy its pages.
    gc.freeze()
    while True:
        message, streams, _, _ = receive(connection, 1_000_000, 3)
        if not message:
            os._exit(0)
        ours, theirs = os.pipe()
        if child := fork():
            wait(child, 0)
            connection.send(os.read(ours, 100))
            for descriptor in (ours, theirs, *streams):
                os.close(descriptor)
        elif grandchild := fork():
            # Without its parent it gets the client as its parent.
            os.write(theirs, str(grandchild).encode())
            os._exit(0)
        else:
            for descriptor in (ours, theirs, connection.detach()):
                os.close(descriptor)
            return begin(streams, *json.loads(message))


def begin(streams: list[int], arguments: list[str], environment: dict[str, str], is_new_session: bool) -> list[str]:
    """Take on what a new process has."""
    if is_new_session:
        os.setsid()
    os.environ.clear()
    os.environ.update(environment)
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
    for stream in streams:
        os.close(stream)
    sys.stdout.reconfigure(line_buffering=os.isatty(1))
    return arguments


if __name__ == "__main__":
    words = serve(socket.socket(fileno=int(sys.argv[1])), sys.argv[2])
    # The interpreter ends as it does for any program.
    if words[1] == "-m":
        sys.argv = words[2:]
        runpy.run_module(words[2], run_name="__main__", alter_sys=True)
    else:
        sys.argv = words
        runpy.run_path(words[0], run_name="__main__")
