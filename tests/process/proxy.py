"""A proxy that adds a token, in front of a service: for programs that cannot send one."""

import http.client
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

# Of one connection; the proxy's own differ.
OF_CONNECTIONS = ("connection", "keep-alive", "transfer-encoding", "content-length")


@contextmanager
def adding(token: str, port: int) -> Iterator[int]:
    """Give the proxy's port. All other headers stay as they were sent, Host and Origin too."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def relay(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            headers = {**self.headers, "Authorization": f"Bearer {token}", "Connection": "close"}
            with closing(http.client.HTTPConnection("127.0.0.1", port)) as service:
                service.request(self.command, self.path, body, headers)
                answer = service.getresponse()
                found = answer.read()
            self.send_response_only(answer.status)
            for name, value in answer.getheaders():
                if name.lower() not in OF_CONNECTIONS:
                    self.send_header(name, value)
            self.send_header("Content-Length", str(len(found)))
            self.end_headers()
            self.wfile.write(found)

        do_GET = do_POST = do_DELETE = relay  # noqa: N815

        def log_message(self, *_: Any) -> None:
            """Print nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()
