"""A chat server whose answers a test decides."""

import json
import socket
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from knowledge_capacity.data.endpoint import Endpoint

Reply = tuple[int, dict[str, str], bytes]


def reply(text: str | None, finish: str = "stop", status: int = 200, **headers: str) -> Reply:
    message = {"role": "assistant", "content": text}
    body = {
        "id": "1",
        "object": "chat.completion",
        "created": 0,
        "model": "a-model",
        "choices": [{"index": 0, "message": message, "finish_reason": finish}],
        "usage": {"prompt_tokens": 100, "completion_tokens": 50, "total_tokens": 150},
    }
    return status, headers, json.dumps(body).encode()


class Server:
    """A chat server whose answers a test decides: `behave` maps (prompt, number of the request) to them."""

    def __init__(self, behave: Callable[[str, int], Reply | None]) -> None:
        self.prompts: list[str] = []
        self.bodies: list[dict[str, Any]] = []
        self.times: list[float] = []
        self.now = self.most = 0
        self.keys: set[str | None] = set()
        lock = threading.Lock()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                with lock:
                    outer.now += 1
                    outer.most = max(outer.most, outer.now)
                    number = len(outer.prompts)
                    body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                    prompt = body["messages"][0]["content"]
                    outer.bodies.append(body)
                    outer.prompts.append(prompt)
                    outer.times.append(time.monotonic())
                    outer.keys.add(self.headers["Authorization"])
                answer = behave(prompt, number)
                with lock:
                    outer.now -= 1
                if answer is None:  # hang up
                    self.close_connection = True
                    self.connection.shutdown(socket.SHUT_RDWR)
                    return
                status, headers, content = answer
                self.send_response(status)
                for name, value in {"Content-Type": "application/json", **headers}.items():
                    self.send_header(name.replace("_", "-"), value)
                if "Content-Length" not in headers:
                    self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *arguments: Any) -> None:
                pass

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._http.serve_forever, daemon=True).start()
        self.settings = Endpoint(
            url=f"http://127.0.0.1:{self._http.server_port}/v1", concurrency=3, retries=3
        )

    def close(self) -> None:
        self._http.shutdown()
        self._http.server_close()
