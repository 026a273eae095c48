"""Programs that are run, and what processes cost by the kernel's books (Linux)."""

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
    """Run a program to its end, which must be a success; what it printed."""
    # Into a file, for a server that it leaves behind would hold a pipe open.
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
    """Time that a group of processes has computed so far, children that have ended and were waited for included."""
    ticks = 0
    for stat in PROC.glob("[0-9]*/stat"):
        try:
            # Behind the name: state, parent, group; and from the twelfth on user, system, and both of the children.
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[2]) == group:
            ticks += sum(map(int, fields[11:15]))
    return ticks / os.sysconf("SC_CLK_TCK")


def children(process: int) -> list[int]:
    """The processes that this one has started."""
    return [int(child) for child in (PROC / f"{process}/task/{process}/children").read_text().split()]


def proportional_mib(process: int) -> float:
    """Memory of a process; of a page that several share, its part (PSS)."""
    lines = (PROC / f"{process}/smaps_rollup").read_text().splitlines()
    kib = next(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
    return kib / 1024
