"""Run programs, and read the processor time and memory of processes from the kernel (Linux)."""

import os
import subprocess
import tempfile
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent
PROC = Path("/proc")


def run(
    *command: str | Path,
    env: dict[str, str] | None = None,
    user: str | None = None,
    folder: Path = PROJECT,
    say: str = "",
) -> str:
    """Run a program that must succeed, and return its output."""
    # Into a file, because a server that it leaves running would hold a pipe open.
    with tempfile.TemporaryFile("w+") as output:
        done = subprocess.run(
            command, input=say, stdout=output, stderr=output, text=True, cwd=folder, env=env, user=user, check=False
        )
        output.seek(0)
        printed = output.read()
    if done.returncode:
        raise SystemExit(f"benchmarks: {' '.join(map(str, command))} failed:\n{printed}")
    return printed


def processor_seconds(group: int) -> float:
    """Return the processor time of a group of processes, including children that have ended and were waited for."""
    ticks = 0
    for stat in PROC.glob("[0-9]*/stat"):
        try:
            # After the name: state, parent, group; from the twelfth on: user and system time, both for children too.
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[2]) == group:
            ticks += sum(map(int, fields[11:15]))
    return ticks / os.sysconf("SC_CLK_TCK")


def children(process: int) -> list[int]:
    """Return the processes that this one started."""
    return [int(child) for child in (PROC / f"{process}/task/{process}/children").read_text().split()]


def proportional_mib(process: int) -> float:
    """Return a process's memory, with its share of pages that several processes use (PSS)."""
    lines = (PROC / f"{process}/smaps_rollup").read_text().splitlines()
    kib = next(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
    return kib / 1024
