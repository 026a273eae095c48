"""Measure, print the tables, and write them into docs/performance.md with --write."""

import argparse
import logging
import signal
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from benchmarks import latency, machine, operations, report, start, wrk
from benchmarks.comparison import Contender, compare
from benchmarks.postgres import Cluster, throwaway_cluster
from benchmarks.processes import PROJECT
from benchmarks.servers import NODE, Program, has_node_peer, peers, prepare, service

SERVICE, EMBEDDED = "the service", "the service on SQLite"


class Run(NamedTuple):
    """The options, the PostgreSQL cluster and the folder of one run."""

    options: argparse.Namespace
    cluster: Cluster
    folder: Path

    @property
    def service(self) -> Program:
        return service(self.options.venv)

    def on_postgresql(self, program: Program, name: str) -> str:
        return prepare(program, self.cluster.create_database(name))

    def on_sqlite(self, name: str) -> str:
        return prepare(self.service, f"sqlite:///{self.folder / name}.db")


def measure_comparison(run: Run) -> dict[str, str]:
    """Measure everything at full load: two tables."""
    contenders = [Contender(SERVICE, run.service, run.on_postgresql(run.service, "service"))]
    contenders += [
        Contender(peer.name, peer, run.on_postgresql(peer, f"peer_{number}")) for number, peer in enumerate(peers())
    ]
    embedded = Contender(EMBEDDED, run.service, run.on_sqlite("service"))
    outcomes = compare([*contenders, embedded], run.options.rounds, run.options.seconds)
    return {
        "comparison": report.comparison_table(outcomes, SERVICE, [peer.name for peer in contenders[1:]]),
        "embedded": report.embedded_table(outcomes, SERVICE, EMBEDDED),
    }


def measure_latency(run: Run) -> dict[str, str]:
    by_engine = {
        "PostgreSQL": latency.measure(run.service, run.on_postgresql(run.service, "latency"), run.options.rounds),
        "SQLite": latency.measure(run.service, run.on_sqlite("latency"), run.options.rounds),
    }
    return {"latency": report.latency_table(by_engine)}


def measure_start(run: Run) -> dict[str, str]:
    rounds, seconds = run.options.rounds, run.options.seconds
    by_engine = {
        "PostgreSQL": start.measure(run.service, run.on_postgresql(run.service, "start"), rounds, seconds),
        "SQLite": start.measure(run.service, run.on_sqlite("start"), rounds, seconds),
    }
    return {"start": report.start_table(by_engine)}


def measure_operations(run: Run) -> dict[str, str]:
    rounds = run.options.rounds
    by_engine = {
        "PostgreSQL": operations.measure(run.service, run.on_postgresql(run.service, "operations"), rounds),
        "SQLite": operations.measure(run.service, run.on_sqlite("operations"), rounds),
    }
    return {"operations": report.operations_table(by_engine)}


PARTS: dict[str, Callable[[Run], dict[str, str]]] = {
    "comparison": measure_comparison,
    "latency": measure_latency,
    "start": measure_start,
    "operations": measure_operations,
}


def main() -> None:
    options = read_options()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    # SystemExit stops what was started.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("benchmarks: stopped"))
    wrk.check_installed()
    sections = {}
    with throwaway_cluster() as cluster, tempfile.TemporaryDirectory(prefix="tasks-bench-") as folder:
        run = Run(options, cluster, Path(folder))
        for part in options.only:
            for name, table in PARTS[part](run).items():
                sections[name] = f"{table}\n\n{provenance(run, with_peers=name == 'comparison')}"
                print(f"\n{sections[name]}\n")
    if options.write:
        report.write(sections)


def read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--rounds", type=int, default=9, help="default: %(default)s; fewer than 5 are not reliable")
    parser.add_argument("--seconds", type=int, default=3, help="seconds of each load; default: %(default)s")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS), help="measure only these parts")
    parser.add_argument("--write", action="store_true", help="also write the tables into docs/performance.md")
    parser.add_argument(
        "--venv", type=Path, default=PROJECT / ".venv", help="where the service is installed; default: .venv"
    )
    options = parser.parse_args()
    options.venv = options.venv.absolute()
    return options


def provenance(run: Run, *, with_peers: bool) -> str:
    """Return when and on what the figures were measured."""
    rounds, seconds = run.options.rounds, run.options.seconds
    on = f"PostgreSQL {run.cluster.version}, Python {machine.python(run.options.venv)}"
    lines = [
        f"{machine.today()}, {rounds} rounds, loads of {seconds} s; {machine.processor()}; {on}.",
        f"The service: {machine.packages(run.options.venv, machine.SERVICE_PACKAGES)}.",
    ]
    if with_peers:
        versions = machine.packages(Path(sys.prefix), machine.PEERS_PACKAGES)
        in_node = f", {machine.node_packages(NODE)}" if has_node_peer() else ""
        lines.append(f"The peers: {versions}{in_node}.")
    return "  \n".join(lines)


if __name__ == "__main__":
    main()
