"""wrk, the load generator: as many requests as the server can answer."""

import logging
import re
import shutil
import tempfile
from typing import NamedTuple

from benchmarks.processes import run
from benchmarks.servers import Server, tasks_of, token

MILLISECONDS = {"us": 0.001, "ms": 1.0, "s": 1000.0}


class Load(NamedTuple):
    """A load for wrk: a GET, or a Lua script."""

    user: str
    path: str = ""
    script: str = ""


class Outcome(NamedTuple):
    """The figures of one measurement."""

    requests_per_second: float
    processor_microseconds: float  # per request, of all the server's processes
    slowest_hundredth_ms: float


def check_installed() -> None:
    if shutil.which("wrk") is None:
        raise SystemExit("benchmarks: wrk, the load generator, is not installed (Debian: apt-get install wrk)")


def measure(server: Server, load: Load, seconds: int, connections: int) -> Outcome:
    """Keep this number of connections busy for some seconds."""
    before = server.processor_seconds
    output = _run(server, load, seconds, connections)
    spent = server.processor_seconds - before
    if "Non-2xx" in output:
        raise SystemExit(f"benchmarks: not every response of {server.name} was a success:\n{output}")
    if "Socket errors" in output:
        logging.warning("%s: %s", server.name, _find("Socket errors.*", output)[0])
    return Outcome(
        requests_per_second=float(_find(r"Requests/sec:\s+([\d.]+)", output)[1]),
        processor_microseconds=spent / int(_find(r"(\d+) requests in", output)[1]) * 1e6,
        slowest_hundredth_ms=_milliseconds(_find(r"99%\s+([\d.]+)(us|ms|s)", output)),
    )


def _run(server: Server, load: Load, seconds: int, connections: int) -> str:
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        script.write(load.script)
        script.flush()
        url = f"http://127.0.0.1:{server.port}{tasks_of(load.user)}{load.path}"
        how = ("-t1", f"-c{connections}", f"-d{seconds}s", "--latency", "--timeout", "10s", "-s", script.name)
        return run("wrk", *how, "-H", f"Authorization: Bearer {token(load.user)}", url)


def _find(pattern: str, output: str) -> re.Match[str]:
    found = re.search(pattern, output)
    if found is None:
        raise SystemExit(f"benchmarks: cannot read wrk's output:\n{output}")
    return found


def _milliseconds(found: re.Match[str]) -> float:
    return float(found[1]) * MILLISECONDS[found[2]]
