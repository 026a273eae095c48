"""A plugin of pytest that prints the name of each failed test at once."""

import pytest


class FailuresAtOnce:
    """Print the name of each failed test at once; its output comes minutes later, at the end."""

    def __init__(self, terminal: pytest.TerminalReporter) -> None:
        self._terminal = terminal

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            outcome = "FAILED" if report.when == "call" else "ERROR"
            # The line is full of dots.
            self._terminal.write(f"\n{outcome} {report.nodeid}\n", flush=True, red=True)


@pytest.hookimpl(trylast=True)
def pytest_configure(config: pytest.Config) -> None:
    """With several processes, only the one that prints has a terminal: the others report to it."""
    if terminal := config.pluginmanager.get_plugin("terminalreporter"):
        config.pluginmanager.register(FailuresAtOnce(terminal))
