"""An HTTP client that says what it is told, and one that says it byte by byte."""

import http.client
import json
import socket
from typing import Any

from tests.support.broker_process import BrokerProcess
from tests.support.socket_peer import SocketPeer

PATIENCE_SECONDS = 20.0


class Answer:
    """A response, read to its end."""

    def __init__(self, response: http.client.HTTPResponse) -> None:
        self.status = response.status
        self.headers = response.headers
        self.body = response.read()

    @property
    def broker(self) -> dict[str, Any]:
        """Its BrokerProperties."""
        return json.loads(self.headers["BrokerProperties"])

    @property
    def problem(self) -> dict[str, Any]:
        assert self.headers["content-type"] == "application/problem+json", self.body
        document = json.loads(self.body)
        assert document["status"] == self.status
        return document

    @property
    def place(self) -> str:
        """The path of its Location."""
        return "/" + self.headers["Location"].split("/", 3)[3]


class HttpPeer:
    """Each request on a connection of its own."""

    def __init__(self, process: BrokerProcess) -> None:
        self.process = process

    def ask(
        self, method: str, path: str, body: bytes | str | None = None, **headers: str
    ) -> Answer:
        """Headers by their names, with `_` for `-`."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.ask_with(method, path, body, named)

    def ask_with(
        self, method: str, path: str, body: bytes | str | None, headers: dict[str, str]
    ) -> Answer:
        port = self.process.http_port
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_SECONDS)
        try:
            connection.request(method, path, body, headers)
            return Answer(connection.getresponse())
        finally:
            connection.close()

    def send(self, entity: str, body: bytes | str = b"job", **headers: str) -> None:
        answer = self.ask("POST", f"/{entity}/messages", body, **headers)
        assert answer.status == 201, answer.body

    def lock(self, entity: str, timeout: int = 0) -> Answer:
        answer = self.ask("POST", f"/{entity}/messages/head?timeout={timeout}")
        assert answer.status in (201, 204), answer.body
        return answer

    def take(self, entity: str, timeout: int = 0) -> Answer:
        answer = self.ask("DELETE", f"/{entity}/messages/head?timeout={timeout}")
        assert answer.status in (200, 204), answer.body
        return answer

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.process.http_port), PATIENCE_SECONDS)

    def raw(self, sent: bytes) -> bytes:
        """All that comes back until the broker ends the connection."""
        with SocketPeer(self.connect()) as peer:
            peer.socket.sendall(sent)
            return peer.read_to_end()
