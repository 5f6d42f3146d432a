"""Sends requests over kept connections of `http.client`. Threads may share a transport."""

from __future__ import annotations

import encodings.idna  # noqa: F401  `socket` would import it at the first connect; test_batcher.py tells why sending must not import
import http.client
import select
import socket
import ssl
import threading
import time
from typing import Any, List, Optional

from . import _fork
from ._request import Answer, Prepared, Target
from .errors import NetworkError

#: An answer with a longer body is refused.
ANSWER_BYTES_MAX = 64 << 20
_IDLE_MAX = 8
_CHUNK = 64 << 10


class Transport:
    """A pool of connections to one server."""

    def __init__(self, target: Target, timeout: float, connect_timeout: float, ssl_context: Optional[ssl.SSLContext]) -> None:
        self._target = target
        self._timeout = timeout
        self._connect_timeout = connect_timeout
        self._ssl = ssl_context or (ssl.create_default_context() if target.secure else None)
        self._lock = threading.Lock()
        self._idle: List[http.client.HTTPConnection] = []
        _fork.register(self)

    def send(self, request: Prepared) -> Answer:
        """One attempt; the transport's `timeout` limits the whole attempt."""
        deadline = time.monotonic() + self._timeout
        connection = self._take()
        keep = False
        try:
            response = _exchange(connection, request, deadline)
            body = _read(connection, response, deadline)
            keep = not response.will_close
            headers = {name.lower(): value for name, value in response.getheaders()}
            return Answer(response.status, headers, body)
        except (OSError, http.client.HTTPException) as error:
            raise _fault(error) from error
        finally:
            self._give_back(connection, keep)

    def open(self, request: Prepared, idle_timeout: float) -> OpenAnswer:
        """One attempt whose answer is read in pieces; `idle_timeout` limits each read."""
        connection = self._take()
        try:
            response = _exchange(connection, request, time.monotonic() + self._timeout)
            if connection.sock is not None:
                connection.sock.settimeout(idle_timeout)
            return OpenAnswer(connection, response)
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            raise _fault(error) from error

    def close(self) -> None:
        with self._lock:
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()

    def _after_fork_in_child(self) -> None:
        # The connections belong to the parent; dropping them here closes only the child's copies.
        self._lock = threading.Lock()
        self._idle = []

    def _take(self) -> http.client.HTTPConnection:
        while True:
            with self._lock:
                connection = self._idle.pop() if self._idle else None
            if connection is None:
                return self._connect()
            if _usable(connection):
                return connection
            connection.close()

    def _connect(self) -> http.client.HTTPConnection:
        target = self._target
        timeout = min(self._connect_timeout, self._timeout)
        connection: http.client.HTTPConnection
        if target.secure:
            connection = http.client.HTTPSConnection(target.host, target.port, timeout=timeout, context=self._ssl)
        else:
            connection = http.client.HTTPConnection(target.host, target.port, timeout=timeout)
        try:
            connection.connect()
            connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except OSError as error:
            connection.close()
            raise NetworkError("connect", f"cannot connect to {target.origin}: {error}") from error
        return connection

    def _give_back(self, connection: http.client.HTTPConnection, keep: bool) -> None:
        with self._lock:
            if keep and len(self._idle) < _IDLE_MAX:
                self._idle.append(connection)
                return
        connection.close()


class OpenAnswer:
    """An answer whose body is still coming."""

    def __init__(self, connection: http.client.HTTPConnection, response: http.client.HTTPResponse) -> None:
        self._connection = connection
        self._response = response
        self.status = response.status
        self.headers = {name.lower(): value for name, value in response.getheaders()}

    def read_some(self) -> bytes:
        """The next bytes; empty at the end."""
        try:
            return self._response.read1(_CHUNK)
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise _fault(error) from error

    def close(self) -> None:
        self._connection.close()


def _usable(connection: http.client.HTTPConnection) -> bool:
    """Whether an idle connection is still open: if it can be read from, the server has closed it."""
    try:
        return connection.sock is not None and not select.select([connection.sock], [], [], 0)[0]
    except (OSError, ValueError):
        return False


def _exchange(connection: http.client.HTTPConnection, request: Prepared, deadline: float) -> http.client.HTTPResponse:
    _arm(connection, deadline)
    connection.request(request.method, request.target, request.body, request.headers)
    _arm(connection, deadline)
    return connection.getresponse()


def _arm(connection: Any, deadline: float) -> None:
    left = deadline - time.monotonic()
    if left <= 0:
        raise socket.timeout("the time limit of the request has passed")
    if connection.sock is not None:
        connection.sock.settimeout(left)


def _read(connection: http.client.HTTPConnection, response: http.client.HTTPResponse, deadline: float) -> bytes:
    chunks, total = [], 0
    while True:
        _arm(connection, deadline)
        chunk = response.read1(_CHUNK)
        if not chunk:
            break
        total += len(chunk)
        if total > ANSWER_BYTES_MAX:
            raise http.client.HTTPException(f"the answer has more than {ANSWER_BYTES_MAX} bytes")
        chunks.append(chunk)
    # `read1` returns nothing both at the end and where the connection broke.
    if response.length:
        raise http.client.IncompleteRead(b"".join(chunks), response.length)
    response.close()  # otherwise the connection counts the answer as unread and cannot be used again
    return b"".join(chunks)


def _fault(error: BaseException) -> NetworkError:
    if isinstance(error, NetworkError):
        return error
    if isinstance(error, (socket.timeout, TimeoutError)):
        return NetworkError("timeout", "the server did not answer in time")
    return NetworkError("broken", f"the connection broke: {error!r}")
