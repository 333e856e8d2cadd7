"""A web server on this machine for one test: it serves one folder, misbehaves on request, stops."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


@dataclass
class Server:
    """What the server is to do, and what it was asked."""

    files: dict[str, bytes] = field(default_factory=dict)
    ranges: bool = True  # answers Range with 206
    wrong_range: bool = False  # answers 206 from another place
    headers: dict[str, str] = field(default_factory=dict)  # of its answers, besides
    part_always: bool = False  # answers 206 to everything
    cut_after: list[int] = field(default_factory=list)  # bytes after which each answer breaks off
    errors: list[int] = field(default_factory=list)  # status codes of the first answers
    redirects: dict[str, str] = field(default_factory=dict)
    etag: str | None = None  # of every file; If-Range is obeyed
    retry_after: str | None = None  # with the status codes above
    silent: bool = False  # does not say how long its files are
    conditions: list[str | None] = field(default_factory=list)  # If-Range
    requests: list[tuple[str, str | None]] = field(default_factory=list)  # path, Range
    url: str = ""


@contextmanager
def serving(server: Server) -> Iterator[Server]:
    """Run until the block ends."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            wanted = self.headers.get("Range")
            server.requests.append((self.path, wanted))
            server.conditions.append(self.headers.get("If-Range"))
            if server.errors:
                self.send_response(server.errors.pop(0))
                if server.retry_after is not None:
                    self.send_header("Retry-After", server.retry_after)
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            if self.path in server.redirects:
                self.send_response(302)
                self.send_header("Location", server.redirects[self.path])
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            data = server.files.get(self.path)
            if data is None:
                self.send_error(404)
                return
            if server.conditions[-1] not in (None, server.etag):
                wanted = None
            first = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted else 0
            if server.ranges and wanted:
                if first >= len(data):
                    self.send_error(416)
                    return
                first = 0 if server.wrong_range else first
                self.send_response(206)
                self.send_header("Content-Range", f"bytes {first}-{len(data) - 1}/{len(data)}")
                data = data[first:]
            else:
                self.send_response(206 if server.part_always else 200)
            for name, value in server.headers.items():
                self.send_header(name, value)
            if not server.silent:
                self.send_header("Content-Length", str(len(data)))
            if server.etag is not None:
                self.send_header("ETag", server.etag)
            self.end_headers()
            self.wfile.write(data[: server.cut_after.pop(0)] if server.cut_after else data)

        def log_message(self, *args: object) -> None:
            pass

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.url = f"http://127.0.0.1:{http.server_port}"
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        http.shutdown()
        http.server_close()
        thread.join()


def free_port_url(path: Path) -> str:
    """An address that nobody answers."""
    http = ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler)
    url = f"http://127.0.0.1:{http.server_port}/{path.name}"
    http.server_close()
    return url
