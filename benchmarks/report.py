"""Format the figures as Markdown, and write them into docs/performance.md."""

from collections.abc import Iterable

from benchmarks import latency, operations, start
from benchmarks.comparison import OPERATIONS, Outcomes, middle, ratios
from benchmarks.latency import Times
from benchmarks.processes import PROJECT

PAGE = PROJECT / "docs" / "performance.md"

COMPARISON_HEAD = """\
| | | requests/s | processor time per request | slowest 1 % above | requests/s, × | processor time, × |
| --- | --- | --: | --: | --: | --: | --: |"""
EMBEDDED_HEAD = """\
| | PostgreSQL, requests/s | SQLite, requests/s | requests/s, × | processor time, × |
| --- | --: | --: | --: | --: |"""


def comparison_table(outcomes: Outcomes, service: str, peers: list[str]) -> str:
    """Return rows of the service and each peer, with the ratio of the service to the peer."""
    rows = [COMPARISON_HEAD]
    for operation in OPERATIONS:
        ours = outcomes[operation][service]
        for name in (service, *peers):
            theirs = outcomes[operation][name]
            figures, times = middle(theirs), ratios(ours, theirs)
            ratio = ("", "") if name == service else (_times(times[0]), f"{times[1]:.2f}")
            rows.append(_row(operation if name == service else "", name, *_outcome(figures), *ratio))
    return "\n".join(rows)


def embedded_table(outcomes: Outcomes, on_postgresql: str, on_sqlite: str) -> str:
    """Return rows of the service on both databases."""
    rows = [EMBEDDED_HEAD]
    for operation in OPERATIONS:
        postgresql, sqlite = outcomes[operation][on_postgresql], outcomes[operation][on_sqlite]
        times = ratios(sqlite, postgresql)
        per_second = (f"{middle(figures).requests_per_second:,.0f}" for figures in (postgresql, sqlite))
        rows.append(_row(operation, *per_second, _times(times[0]), f"{times[1]:.2f}"))
    return "\n".join(rows)


def latency_table(by_engine: dict[str, latency.Figures]) -> str:
    """Return a table with a column for each engine."""
    figures = by_engine.values()
    hundred = f"{latency.USERS} users, a request per second each: median, with one such user's"
    return "\n".join(
        [
            _row("", "aim", *by_engine),
            _row("---", "---", *("--:" for _ in figures)),
            _row(
                f"one client lists {latency.TASKS:,} tasks: median, 95 % within",
                "200 ms",
                *(_both(each.list_thousand) for each in figures),
            ),
            _row("one client creates a task: median, 95 % within", "500 ms", *(_both(each.create) for each in figures)),
            _row(hundred, "+10 %", *(_compared(each.hundred_users, each.one_user) for each in figures)),
            _row(
                f"{latency.CONNECTIONS:,} connections, a request every {latency.CONNECTIONS_PERIOD:.0f} s each:"
                " median, 95 % within",
                "500 ms",
                *(_both(each.thousand_connections) for each in figures),
            ),
            _row("requests without a successful response", "0", *(str(each.unanswered) for each in figures)),
        ]
    )


def start_table(by_engine: dict[str, start.Figures]) -> str:
    """Return a table with a column for each engine."""
    figures = by_engine.values()
    return "\n".join(
        [
            _row("", *by_engine),
            _row("---", *("--:" for _ in figures)),
            _row("processor time until `/healthz` answers", *(f"{each.start.healthz:.2f} s" for each in figures)),
            _row("until the first list of tasks", *(f"{each.start.first_list:.2f} s" for each in figures)),
            _row("that list, elapsed time", *(f"{each.start.first_list_clock:.2f} s" for each in figures)),
            _row("memory of a worker after its start", *(f"{each.started.worker:.0f} MiB" for each in figures)),
            _row("after load", *(f"{each.loaded.worker:.0f} MiB" for each in figures)),
            _row("memory of the first process, after load", *(f"{each.loaded.main:.0f} MiB" for each in figures)),
        ]
    )


def operations_table(by_engine: dict[str, dict[str, operations.Figures]]) -> str:
    """Return a row for each operation, with columns for each engine."""
    head = [what for engine in by_engine for what in (engine, "processor time", "at best")]
    rows = [_row("", *head), _row("---", *("--:" for _ in head))]
    for name in next(iter(by_engine.values())):
        figures = (figure for engine in by_engine.values() for figure in engine[name])
        rows.append(_row(name, *map(_milliseconds, figures)))
    return "\n".join(rows)


def write(sections: dict[str, str]) -> None:
    """Replace the figures between their markers in the page."""
    text = PAGE.read_text()
    for name, figures in sections.items():
        begin, end = f"<!-- figures: {name} -->", f"<!-- end: {name} -->"
        before, has_begin, rest = text.partition(begin)
        _, has_end, after = rest.partition(end)
        if not (has_begin and has_end):
            raise SystemExit(f"benchmarks: {PAGE.name} has no place for the figures of {name!r}")
        text = f"{before}{begin}\n{figures}\n{end}{after}"
    PAGE.write_text(text)


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def _outcome(figures: Iterable[float]) -> tuple[str, str, str]:
    per_second, processor, slowest = figures
    return f"{per_second:,.0f}", f"{processor:,.0f} µs", f"{slowest:.0f} ms"


def _times(ratio: float) -> str:
    return f"{ratio:.2f} ×"


def _milliseconds(figure: float) -> str:
    if figure >= 1000:
        return f"{figure / 1000:.1f} s"
    return f"{figure:.1f} ms" if figure >= 1 else f"{figure:.2f} ms"


def _both(times: Times) -> str:
    return f"{times.median:.1f}, {times.slowest_twentieth:.1f} ms"


def _compared(many: Times, one: Times) -> str:
    return f"{many.median:.1f}, {one.median:.1f} ms ({many.median / one.median - 1:+.0%})"
