"""A re-rank service on this machine that answers in any known format, and fails as it is told to: for tests."""

from __future__ import annotations

import gzip
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread
from types import TracebackType
from typing import Any

from robustrank.rankers.services.formats import Format, at, named

Scorer = Callable[[str, Sequence[str]], Sequence[float]]


@dataclass(frozen=True, kw_only=True)
class Reply:
    """What the service sends in place of scores.

    Args:
        status: Of the answer.
        headers: Further ones.
        body: Of the answer; JSON unless it is bytes.
        delay: Seconds before the first byte.
        drip: Seconds between single bytes.
        cut: The connection ends after this share of the body.
    """

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Any = field(default_factory=lambda: {"error": "told to fail"})
    delay: float = 0.0
    drip: float = 0.0
    cut: float = 1.0


Plan = Callable[[int, Mapping[str, Any]], Reply | None]
"""Number of the call (from 1) and its body, to what is sent in place of scores; ``None`` sends scores."""


class FakeService:
    """A service on a free port of this machine, as a context manager.

    Args:
        format: Its format.
        scorer: Query and texts to scores.
        plan: Which calls fail, and how.
        latency: Seconds before each answer.
        order: Number of results to the order in which they come; by default falling scores, as services answer.
    """

    def __init__(
        self, format: str | Format, scorer: Scorer, plan: Plan = lambda number, body: None, *, latency: float = 0.0,
        order: Callable[[Sequence[float]], Sequence[int]] | None = None,
    ) -> None:  # fmt: skip
        self.format = named(format) if isinstance(format, str) else format
        self.calls: list[Mapping[str, Any]] = []
        """The bodies asked, in the order in which they came."""
        self.keys: list[str] = []
        """The headers ``Authorization``."""
        lock = Lock()
        service = self

        def falling(scores: Sequence[float]) -> Sequence[int]:
            return sorted(range(len(scores)), key=lambda i: -scores[i])

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                with lock:
                    service.calls.append(body)
                    service.keys.append(self.headers.get("Authorization", ""))
                    number = len(service.calls)
                time.sleep(latency)
                reply = plan(number, body)
                if reply is None:
                    texts = body[service.format.documents]
                    scores = list(scorer(at(body, service.format.query), texts))
                    reply = Reply(body=service.format.answer(scores, (order or falling)(scores)))
                self._send(reply)

            def _send(self, reply: Reply) -> None:
                content = reply.body if isinstance(reply.body, bytes) else json.dumps(reply.body).encode()
                if reply.headers.get("Content-Encoding") == "gzip":
                    content = gzip.compress(content)
                time.sleep(reply.delay)
                self.send_response(reply.status)
                for name, value in {"Content-Type": "application/json", **reply.headers}.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                try:
                    if reply.drip:
                        for place in range(len(content)):
                            self.wfile.write(content[place : place + 1])
                            self.wfile.flush()
                            time.sleep(reply.drip)
                    else:
                        self.wfile.write(content[: round(len(content) * reply.cut)])
                except OSError:  # the client gave up
                    self.close_connection = True
                if reply.cut < 1:
                    self.close_connection = True

            def log_message(self, format: str, *args: Any) -> None:
                """Nothing is logged."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> FakeService:
        Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
