"""What tests of servers need: a server, and no long pauses."""

from collections.abc import Callable, Iterator

import pytest
from helpers.chat_server import Reply, Server


@pytest.fixture
def serve() -> Iterator[Callable[..., Server]]:
    servers = []

    def start(behave: Callable[[str, int], Reply | None]) -> Server:
        servers.append(Server(behave))
        return servers[-1]

    yield start
    for server in servers:
        server.close()


@pytest.fixture
def no_long_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those between tries are too long for a test."""
    monkeypatch.setattr("knowledge_capacity.data.server.FIRST_PAUSE", 0.01)
    monkeypatch.setattr("knowledge_capacity.data.server.LONGEST_PAUSE", 0.02)
