"""Run a state machine of hypothesis against an app."""

import os
from typing import Any

import pytest
from flask import Flask
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import RuleBasedStateMachine, run_state_machine_as_test

from app.tasks import subtasks
from tests.api.support import arrangement


def run_machine(
    machine: type[RuleBasedStateMachine], app: Flask, monkeypatch: pytest.MonkeyPatch, name: str, examples: int
) -> None:
    """Run examples of 40 steps. NAME_EXAMPLES sets how many; shrinking takes minutes, so NAME_SHRINKS asks for it."""
    monkeypatch.setattr(subtasks, "MAX_SUBTASKS", arrangement.MAX_SUBTASKS)
    members: dict[str, Any] = {"app": app}
    run_state_machine_as_test(
        type(machine.__name__, (machine,), members),
        settings=settings(
            max_examples=int(os.environ.get(f"{name}_EXAMPLES", examples)),
            stateful_step_count=40,
            deadline=None,
            database=None,
            phases=[Phase.generate, *([Phase.shrink] if f"{name}_SHRINKS" in os.environ else [])],
            suppress_health_check=list(HealthCheck),
        ),
    )
