"""The locks are complete, so installing them never depends on newer releases."""

import json
import re
from collections.abc import Iterator
from functools import partial
from importlib.metadata import distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from app.settings import PROJECT

LOCKS = ["requirements", "requirements-dev"]
PYTHONS = ["3.11", "3.12", "3.13"]
# Files with commands that install something.
PLACES = ["*", ".ci/*", "benchmarks/**/*", "deploy/*", "docs/*"]
INSTALL = re.compile(r"\bpip3?\b[^`|&;]*?\sinstall\b[^`|&;]*?\s(?:-r|--requirement)\b")


def wanted(file: Path) -> Iterator[Requirement]:
    """Return the requirements that a list names, including those of its nested lists."""
    for line in re.sub(r"\\\n", " ", file.read_text()).splitlines():
        text = line.partition("#")[0].partition("--hash")[0].strip()
        if text.startswith("-r"):
            yield from wanted(file.with_name(text.split()[1]))
        elif text and not text.startswith("-"):
            yield Requirement(text)


def applies(requirement: Requirement, python: str, extra: str = "") -> bool:
    here = {"python_version": python, "python_full_version": f"{python}.0", "extra": extra}
    return requirement.marker is None or requirement.marker.evaluate(here)


def needed(requirement: Requirement, python: str) -> list[Requirement]:
    """Return the requirements of a package and its extras, in the version installed here."""
    parts = map(Requirement, distribution(requirement.name).requires or [])
    return [part for part in parts if any(applies(part, python, extra) for extra in ("", *requirement.extras))]


def all_needed(roots: list[Requirement], python: str) -> Iterator[Requirement]:
    """Return all requirements of some requirements, at any depth."""
    seen, left = set(), [root for root in roots if applies(root, python)]
    while left:
        requirement = left.pop()
        if requirement not in seen:
            seen.add(requirement)
            yield requirement
            left += needed(requirement, python)


@pytest.mark.parametrize("lock", LOCKS)
@pytest.mark.parametrize("python", PYTHONS)
def test_a_lock_names_all_requirements_of_its_packages(lock: str, python: str) -> None:
    """Including extras, which the lock omits: `coverage[toml]` is `coverage` and what `toml` requires."""
    lines = [line for line in wanted(PROJECT / f"{lock}.txt") if applies(line, python)]
    pinned = {canonicalize_name(line.name): str(line.specifier).removeprefix("==") for line in lines}

    # Otherwise this would not check the locked versions.
    assert {name: distribution(name).version for name in pinned} == pinned
    assert [
        str(part)
        for part in all_needed([*wanted(PROJECT / f"{lock}.in"), *lines], python)
        if (version := pinned.get(canonicalize_name(part.name))) is None or version not in part.specifier
    ] == []


def installs(file: Path) -> list[str]:
    """Return each command that installs a list of requirements, on one line."""
    try:
        text = file.read_text()
    except UnicodeDecodeError:
        return []
    return INSTALL.findall(" ".join(text.replace("\\\n", " ").split()))


def test_only_locked_packages_are_installed() -> None:
    """An old pip takes `coverage[toml]` for an unpinned package, and looks for its newest release."""
    files = [path for place in PLACES for path in PROJECT.glob(place) if path.is_file()]
    found = {path.relative_to(PROJECT).as_posix(): commands for path in files if (commands := installs(path))}

    assert {"Makefile", "README.md", "deploy/Containerfile"} <= set(found)
    careless = partial(filter, lambda command: not {"--no-deps", "--require-hashes"} <= set(command.split()))
    assert {name: left for name, commands in found.items() if (left := list(careless(commands)))} == {}


def test_locks_of_npm_have_hashes_and_no_addresses() -> None:
    """So each machine installs the same packages, from its own registry."""
    locks = [lock for place in ("benchmarks", "tests") for lock in PROJECT.glob(f"{place}/**/package-lock.json")]

    assert PROJECT / "benchmarks/peers/fastify/package-lock.json" in locks
    for lock in locks:
        packages = {name: each for name, each in json.loads(lock.read_text())["packages"].items() if name}
        assert [name for name, each in packages.items() if "resolved" in each or "integrity" not in each] == []
