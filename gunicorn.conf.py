"""gunicorn's settings, which it finds by itself. Most values come from the environment (see .env.example)."""

# First, because a module loaded before it would block other requests while it waits.
from gevent import monkey

monkey.patch_all()

import gc
import json
import logging
import os
import resource
import secrets
import shutil
import tempfile
import threading

from app.http.openapi import VERSION
from app.ops.health import warn_unless_ready
from app.ops.logging import TextFormatter, formatter
from app.ops.metrics import FOLDER
from app.server.sharing import sharing
from app.services import services_of
from app.settings import SettingsError, load_settings, misspelt
from app.work import work_of
from app.work.loop import IN_SERVICE

logger = logging.getLogger("tasks.server")

try:
    settings = load_settings()
except SettingsError as error:
    raise SystemExit(f"tasks: {error}") from None

wsgi_app = "wsgi:app"
bind = f"[{settings.host}]:{settings.port}" if ":" in settings.host else f"{settings.host}:{settings.port}"
workers = settings.web_concurrency
# One thread waits for many clients and statements at once.
worker_class = "app.server.worker.Worker"
# Half of them may wait for changes. Idle ones cost some kilobytes each.
worker_connections = 2_000
keepalive = 75
# Replace each worker now and then, staggered, in case something leaks memory.
max_requests = 100_000
max_requests_jitter = 20_000
# How long a stopping worker may take to finish its requests; no request takes longer.
graceful_timeout = 15
# How long it may then take to finish what it is sending.
STOP_WORK_SECONDS = 1
# gunicorn's maximum: a cursor, a search and a user id together are longer than the default.
limit_request_line = 8190
# No header may change a request's path or scheme, whatever FORWARDED_ALLOW_IPS allows.
forwarder_headers = ""
secure_scheme_headers = {}
# Loaded once and shared by the workers; nothing connects before they fork.
preload_app = True
# A heartbeat on a disk would stall with the disk.
worker_tmp_dir = "/dev/shm" if os.path.isdir("/dev/shm") else None
# The service writes its own log line for each request.
accesslog = None
# No administration socket under the home folder.
control_socket_disable = True
loglevel = "warning"
# gunicorn's own lines have the service's format.
logger_class = "app.ops.server_log.ServerLog"


# Each connection needs a descriptor, and many systems allow 1,024 unless a process asks for more.
_, most = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))

if settings.metrics and FOLDER not in os.environ:
    os.environ[FOLDER] = tempfile.mkdtemp(prefix="tasks-metrics-", dir=worker_tmp_dir)


def pre_fork(server, worker):
    """Give the worker files of its own, in which /metrics is counted."""
    if counts := server.app.wsgi().extensions.get("metrics"):
        others = {other.metrics_slot for other in server.WORKERS.values()}
        worker.metrics_slot = counts.take_slot(others)


def post_worker_init(worker):
    """Fetch the keys that the first token may need, and start what runs besides requests."""
    services_of(worker.wsgi).verifier.start()
    if settings.work:
        work_of(worker.wsgi).start(IN_SERVICE, lambda: worker.alive)
    if worker.age == 1:
        threading.Thread(target=warn_unless_ready, args=(worker.wsgi,), daemon=True).start()
    if counts := worker.wsgi.extensions.get("metrics"):
        counts.watch_pool()


def worker_exit(server, _worker):
    """Close the connections: the last process to close SQLite's file merges the -wal into it.

    Before that, finish what is being sent, for a moment: another worker sends again what takes longer.
    """
    work_of(server.app.wsgi()).stop(STOP_WORK_SECONDS)
    services_of(server.app.wsgi()).engine.dispose()


def child_exit(server, worker):
    """Forget the connections of a worker that has ended, also if it crashed."""
    sharing.forget(worker.age)
    if counts := server.app.wsgi().extensions.get("metrics"):
        counts.free_slot(worker.metrics_slot)


def on_reload(_server):
    """Log that SIGHUP replaces the workers; the settings stay."""
    logger.info("reloading: new workers replace the old ones")


def on_exit(_server):
    """Delete the metrics when the first process ends."""
    logger.info("stopped")
    if settings.metrics:
        shutil.rmtree(os.environ[FOLDER], ignore_errors=True)


def when_ready(server):
    """Print the address and a first request that works, just before workers are forked."""
    # Everything loaded by now stays: collections should not visit it, and their marks should not copy its pages.
    gc.collect()
    gc.freeze()
    # A list of tasks makes some hundred objects that soon disappear: searching them for cycles wastes time.
    gc.set_threshold(10_000)
    for name, meant in misspelt():
        server.log.warning("%s is not a setting, and is ignored: did you mean %s?", name, meant)
    # The real address, wherever it was set.
    base = str(server.LISTENERS[0])
    logger.info("version %s serves on %s: %s, workers=%d", VERSION, base, settings.database_url.drivername, workers)
    if not isinstance(formatter(settings), TextFormatter):
        # Programs read these lines.
        return
    print(f"\nTasks API is at {base} (interactive: {base}/docs). Ctrl-C stops it.")
    if settings.local_auth:
        # A random address, so that the request works at every start.
        body = json.dumps({"email": f"ann-{secrets.token_hex(3)}@example.com", "password": "correct horse battery"})
        print(f"Try:\n  curl {base}/v1/auth/register -H 'Content-Type: application/json' -d '{body}'\n", flush=True)
    else:
        print(f"Try:\n  curl {base}/readyz\n", flush=True)
