"""gunicorn finds this file by itself; the environment decides (see .env.example)."""

# First, since what is loaded before would wait without letting other requests go on.
from gevent import monkey

monkey.patch_all()

import gc
import json
import os
import secrets
import shutil
import tempfile
import threading

from app.ops.health import warn_unless_ready
from app.ops.metrics import FOLDER
from app.server.sharing import sharing
from app.services import services_of
from app.settings import SettingsError, load_settings, misspelt

try:
    settings = load_settings()
except SettingsError as error:
    raise SystemExit(f"tasks: {error}") from None

wsgi_app = "wsgi:app"
bind = f"[{settings.host}]:{settings.port}" if ":" in settings.host else f"{settings.host}:{settings.port}"
workers = settings.web_concurrency
# One thread waits for many clients and many statements at once.
worker_class = "app.server.worker.Worker"
# Idle connections cost some kilobytes each.
keepalive = 75
# A worker makes room for a new one now and then, not all at once; against leaks that nobody has found.
max_requests = 100_000
max_requests_jitter = 20_000
# How long a worker that stops may take to finish its requests; no request takes longer.
graceful_timeout = 15
# The most there is: a cursor, a search and a user id together are longer than the default.
limit_request_line = 8190
# No header of a request decides about its path or scheme, whoever FORWARDED_ALLOW_IPS believes.
forwarder_headers = ""
secure_scheme_headers = {}
# Loaded once, shared by the workers; nothing is connected before they fork.
preload_app = True
# A heartbeat on a disk would stall with the disk.
worker_tmp_dir = "/dev/shm" if os.path.isdir("/dev/shm") else None
# The service writes its own line for each request.
accesslog = None
# No administration socket under the home folder.
control_socket_disable = True
loglevel = "warning"
# What gunicorn says itself has the form of the service's lines.
logger_class = "app.ops.server_log.ServerLog"


if settings.metrics and FOLDER not in os.environ:
    os.environ[FOLDER] = tempfile.mkdtemp(prefix="tasks-metrics-", dir=worker_tmp_dir)


def pre_fork(server, worker):
    """Give the worker files of its own, in which /metrics is counted."""
    if counts := server.app.wsgi().extensions.get("metrics"):
        others = {other.metrics_slot for other in server.WORKERS.values()}
        worker.metrics_slot = counts.take_slot(others)


def post_worker_init(worker):
    """Fetch what the first token may need; and tell now and then how many connections this worker uses."""
    services_of(worker.wsgi).verifier.start()
    if worker.age == 1:
        threading.Thread(target=warn_unless_ready, args=(worker.wsgi,), daemon=True).start()
    if counts := worker.wsgi.extensions.get("metrics"):
        counts.watch_pool()


def worker_exit(server, _worker):
    """Close the connections: the last one to leave SQLite's file puts all of it into that file."""
    services_of(server.app.wsgi()).engine.dispose()


def child_exit(server, worker):
    """A worker has ended, by itself or not: it takes no connections, and has none."""
    sharing.forget(worker.age)
    if counts := server.app.wsgi().extensions.get("metrics"):
        counts.free_slot(worker.metrics_slot)


def on_exit(_server):
    """The first process ends: nobody asks for what was counted any more."""
    if settings.metrics:
        shutil.rmtree(os.environ[FOLDER], ignore_errors=True)


def when_ready(server):
    """Say where it is, and a first request that works. From here on, workers are forked."""
    # What is loaded by now stays: not to be looked at by each collection, nor copied for its marks.
    gc.collect()
    gc.freeze()
    # A list of tasks makes some hundred objects, which are gone after it: no reason to look for cycles among them.
    gc.set_threshold(10_000)
    for name, meant in misspelt():
        server.log.warning("%s is not a setting, and is ignored: did you mean %s?", name, meant)
    # Where it listens, whoever said so.
    base = str(server.LISTENERS[0])
    print(f"\nTasks API is at {base} (interactive: {base}/docs). Ctrl-C stops it.")
    if settings.local_auth:
        # Nobody has this address yet: the line works at every start.
        body = json.dumps({"email": f"ann-{secrets.token_hex(3)}@example.com", "password": "correct horse battery"})
        print(f"Try:\n  curl {base}/v1/auth/register -H 'Content-Type: application/json' -d '{body}'\n", flush=True)
    else:
        print(f"Try:\n  curl {base}/readyz\n", flush=True)
