"""The image is pinned, small, without secrets, and sufficient for the service."""

import os
import re
import shutil
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from app.settings import PROJECT
from tests.conftest import OWN_SECRET
from tests.deploy.files import DEPLOY, SETTINGS, instructions, of_kind
from tests.process.conftest import BIN, Service, Start, free_port

CONTAINERFILES = sorted(path.name for path in DEPLOY.glob("*Containerfile"))
# Files of the checkout that must not be in an image.
SECRET_OR_LARGE = [".git", ".venv", ".env", "instance", "deploy", "tests", ".hypothesis", "benchmarks"]


@pytest.fixture(params=CONTAINERFILES)
def containerfile(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def copied(containerfile: str) -> list[str]:
    """Return the files copied from the checkout, not from another stage."""
    words = [copy.words for copy in of_kind(containerfile, "COPY")]
    return [source for line in words if not line[0].startswith("--from") for source in line[:-1]]


def ignored(containerfile: str) -> list[str]:
    lines = (DEPLOY / f"{containerfile}.dockerignore").read_text().splitlines()
    return [line for line in lines if not line.startswith("#")]


def test_every_base_is_pinned_by_version(containerfile: str) -> None:
    """By a registry and a tag with a number, unless it is another stage."""
    bases = [line.words[0] for line in of_kind(containerfile, "FROM")]

    assert bases
    assert [base for base in bases if not re.fullmatch(r"docker\.io/library/\w+:\d[\w.-]*", base)] == []


def test_the_process_does_not_run_as_root(containerfile: str) -> None:
    """A number, so that runtimes need not read the image. No later instruction changes it."""
    users = [line.text for line in of_kind(containerfile, "USER")]

    assert re.fullmatch(r"[1-9]\d{4}:[1-9]\d{4}", users[-1])
    assert [line.name for line in instructions(containerfile)[-1:]] == ["CMD"]


def test_the_build_downloads_and_unpacks_nothing_itself(containerfile: str) -> None:
    """ADD accepts URLs and archives; a download in RUN would be neither pinned nor checked."""
    assert of_kind(containerfile, "ADD") == []
    assert [
        run.text for run in of_kind(containerfile, "RUN") if re.search(r"\b(curl|wget)\b|https?://", run.text)
    ] == []


def test_no_layer_has_a_secret(containerfile: str) -> None:
    """ENV and ARG can be read from the image."""
    said = " ".join(line.text for line in instructions(containerfile) if line.name in ("ENV", "ARG"))

    assert re.findall(r"\w*(?:SECRET|PASSWORD|TOKEN|DATABASE_URL)\w*", said) == []


def test_the_build_context_has_only_the_named_files(containerfile: str) -> None:
    """All others are ignored. The named ones exist and are copied."""
    rules = ignored(containerfile)
    folder = PROJECT if containerfile == "Containerfile" else DEPLOY
    let_in = {rule[1:] for rule in rules if rule.startswith("!")}

    assert rules[0] == "*"
    assert let_in == set(copied(containerfile))
    assert [path for path in let_in if not (folder / path).exists()] == []
    assert let_in.isdisjoint(SECRET_OR_LARGE)


def test_the_locked_requirements_are_checked_by_hash() -> None:
    """pip leaves no cache in a layer."""
    installs = [run.text for run in of_kind("Containerfile", "RUN") if " install " in run.text and "pip" in run.text]

    assert len(installs) == 1
    assert {"--no-deps", "--require-hashes", "--no-cache-dir", "/requirements.txt"} <= set(installs[0].split())


def test_the_image_starts_only_gunicorn() -> None:
    """It never migrates."""
    assert [line.text for line in of_kind("Containerfile", "CMD")] == ['["gunicorn", "wsgi:app"]']
    assert of_kind("Containerfile", "ENTRYPOINT") == []


def test_the_image_sets_only_known_variables() -> None:
    """Of the service, Python and the shell."""
    names = {word.partition("=")[0] for line in of_kind("Containerfile", "ENV") for word in line.words}

    assert names - SETTINGS == {"PATH", "PYTHONUNBUFFERED", "PYTHONDONTWRITEBYTECODE"}


@pytest.fixture
def unpacked(tmp_path: Path) -> Path:
    """A folder with only the image's files of the project."""
    folder = tmp_path / "image"
    folder.mkdir()
    for name in set(copied("Containerfile")) - {"requirements.txt"}:
        source = PROJECT / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, folder)
    return folder


def serve_from(folder: Path, start: Start) -> Service:
    """Migrate and start it like README.md."""
    environment = {"PATH": os.environ["PATH"], "AUTH_SECRET": OWN_SECRET}
    (folder / "instance").mkdir()
    subprocess.run([BIN / "flask", "db", "upgrade"], cwd=folder, env=environment, check=True, capture_output=True)
    return start(folder=folder, AUTH_SECRET=OWN_SECRET)


def test_the_images_files_are_sufficient(unpacked: Path, start: Start) -> None:
    """For all that the service does."""
    service = serve_from(unpacked, start)

    assert service.call("GET", "/v1/tasks", service.register()).body["items"] == []
    assert service.call("GET", "/openapi.json").status == 200
    assert (unpacked / "instance" / "tasks.db").is_file()


def check_health(port: int) -> int:
    """Run the image's health check, and return its exit status."""
    (line,) = of_kind("Containerfile", "HEALTHCHECK")
    _, _, command = line.text.partition(" CMD ")
    program, *arguments = re.findall(r'"([^"]+)"', command)
    environment = {"PATH": os.environ["PATH"], "PORT": str(port), "http_proxy": "http://127.0.0.1:9"}
    return subprocess.run(
        [BIN / program, *arguments], env=environment, check=False, timeout=60, stderr=subprocess.DEVNULL
    ).returncode


def test_the_health_check_detects_a_stopped_service(unpacked: Path, start: Start) -> None:
    """It needs only the image's Python, and ignores proxies of the environment."""
    service = serve_from(unpacked, start)

    assert check_health(service.port) == 0
    assert check_health(free_port()) != 0


def test_the_health_check_needs_status_200() -> None:
    """Another HTTP server on the port is not enough: this one answers 501."""
    with HTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as other:
        answering = threading.Thread(target=other.handle_request)
        answering.start()
        assert check_health(other.server_port) != 0
        answering.join()


def test_hadolint_finds_nothing(containerfile: str) -> None:
    """Where it is installed. DL3008: Debian's packages have no version, so that builds get security fixes."""
    hadolint = shutil.which("hadolint")
    if hadolint is None:
        pytest.skip("there is no hadolint")
    done = subprocess.run(
        [hadolint, "--ignore", "DL3008", DEPLOY / containerfile], capture_output=True, text=True, check=False
    )

    assert (done.returncode, done.stdout) == (0, "")
