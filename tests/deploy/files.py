"""Read the files of deploy/."""

import re
import shlex
from collections.abc import Iterator
from typing import Any, NamedTuple

import yaml  # type: ignore[import-untyped]

from app.settings import PROJECT, variables

DEPLOY = PROJECT / "deploy"
COMPOSE: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
README = (DEPLOY / "README.md").read_text()
# All variables that the service reads.
SETTINGS = set(variables())


class Instruction(NamedTuple):
    """An instruction of a Containerfile, such as COPY, and its text."""

    name: str
    text: str

    @property
    def words(self) -> list[str]:
        return shlex.split(self.text)


def instructions(containerfile: str) -> list[Instruction]:
    """Return a Containerfile's instructions, without comments."""
    lines = [line for line in (DEPLOY / containerfile).read_text().splitlines() if not line.lstrip().startswith("#")]
    joined = re.sub(r"\\\n\s*", " ", "\n".join(lines))
    return [Instruction(*line.split(maxsplit=1)) for line in joined.splitlines() if line]


def of_kind(containerfile: str, name: str) -> list[Instruction]:
    return [instruction for instruction in instructions(containerfile) if instruction.name == name]


def unit(name: str = "tasks.service") -> Iterator[tuple[str, str]]:
    """Return a systemd unit's directives in order; some occur twice."""
    for line in (DEPLOY / name).read_text().splitlines():
        if match := re.match(r"(\w+)=(.*)", line):
            yield match[1], match[2]


def blocks(language: str, heading: str) -> list[str]:
    """Return the code blocks under one heading of the README."""
    section = README.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    found = re.findall(rf"^```{language}\n(.*?)^```", section, re.MULTILINE | re.DOTALL)
    assert found, f"nothing in {language} under {heading}"
    return found
