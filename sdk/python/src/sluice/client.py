"""The client: sends requests, retries failed ones, reads answers."""

from __future__ import annotations

import random
import ssl
import time
from typing import Any, Callable, Iterator, Mapping, Optional, Sequence, cast

from . import types
from ._http import Transport
from ._methods import AdminMethods, ClientMethods
from ._request import Prepared, Target, error_of, fresh_key, json_bytes, refusal_of, value_of
from ._retry import Fault, RetryPolicy, wait_ms
from .batcher import Batcher, BatcherOptions
from .errors import NetworkError, SluiceError
from .stream import EventStream

Sleep = Callable[[float], object]


class _Core:
    """The part that the clients of both listeners share."""

    def __init__(
        self,
        key: str,
        base_url: str,
        timeout: float,
        connect_timeout: float,
        retry: Optional[RetryPolicy],
        gzip_min_bytes: int,
        user_agent: Optional[str],
        ssl_context: Optional[ssl.SSLContext],
    ) -> None:
        if timeout <= 0 or connect_timeout <= 0:
            raise ValueError("timeout and connect_timeout must be more than 0 seconds")
        self.retry = retry or RetryPolicy()
        self.target = Target.parse(base_url, key, user_agent, gzip_min_bytes)
        self.transport = Transport(self.target, timeout, connect_timeout, ssl_context)

    def send(self, request: Prepared, policy: RetryPolicy, sleep: Sleep = time.sleep) -> Any:
        """Sends the same bytes until an answer counts, or the policy gives up."""
        failures = 0
        while True:
            failure: Any
            error: SluiceError
            try:
                answer = self.transport.send(request)
                if 200 <= answer.status < 300:
                    return value_of(answer)
                now = time.time() * 1000
                api_error = error_of(answer, now)
                error, failure = api_error, refusal_of(answer, api_error)
            except NetworkError as network_error:
                now = time.time() * 1000
                error, failure = network_error, Fault(network_error.fault)
            failures += 1
            wait = wait_ms(policy, request.method, request.keyed, failures, failure, now, random.random())
            if wait is None:
                raise error
            sleep(wait / 1000)

    def call(self, method: str, path: str, query: Optional[Mapping[str, Any]] = None, body: Any = None) -> Any:
        encoded = None if body is None else json_bytes(body)
        return self.send(self.target.prepare(method, path, query, encoded), self.retry)

    def pages(self, path: str, query: Mapping[str, Any], items: str) -> Iterator[Any]:
        cursor = None
        while True:
            page = self.call("GET", path, {**query, "cursor": cursor})
            yield from page[items]
            cursor = page["cursor"]
            if not page["has_more"] or cursor is None:
                return

    def produce(self, body: bytes, key: Optional[str], policy: Optional[RetryPolicy] = None, sleep: Sleep = time.sleep) -> Any:
        headers = {"idempotency-key": key or fresh_key()}
        return self.send(self.target.prepare("POST", "/v1/events", None, body, headers), policy or self.retry, sleep)


class _Base:
    _core: _Core

    def _call(self, method: str, path: str, query: Optional[Mapping[str, Any]] = None, body: Any = None) -> Any:
        return self._core.call(method, path, query, body)

    def _pages(self, path: str, query: Mapping[str, Any], items: str) -> Iterator[Any]:
        return self._core.pages(path, query, items)

    def close(self) -> None:
        """Closes kept connections. The client can still be used."""
        self._core.transport.close()


class Client(_Base, ClientMethods):
    """A customer's client. Threads may share it.

    `timeout` is the time limit of a whole attempt, in seconds. Failed requests that may be repeated
    are retried as `retry` says. Requests that send events always carry an `Idempotency-Key`, so the
    events are accepted once. (The server's README lists the exceptions on a server that uses Redis.)
    """

    def __init__(
        self,
        api_key: str,
        *,
        base_url: str = "http://127.0.0.1:8080",
        timeout: float = 30.0,
        connect_timeout: float = 5.0,
        retry: Optional[RetryPolicy] = None,
        gzip_min_bytes: int = 1024,
        user_agent: Optional[str] = None,
        ssl_context: Optional[ssl.SSLContext] = None,
    ) -> None:
        self._core = _Core(api_key, base_url, timeout, connect_timeout, retry, gzip_min_bytes, user_agent, ssl_context)

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def send_event(self, event: types.Event, *, idempotency_key: Optional[str] = None) -> types.Accepted:
        """Sends one event. When this returns, the event is durable."""
        return cast(types.Accepted, self._core.produce(json_bytes(event), idempotency_key))

    def send_events(self, events: Sequence[types.Event], *, idempotency_key: Optional[str] = None) -> types.AcceptedMany:
        """Sends up to 10,000 events. Those that were accepted are durable; each refused one has an `error`."""
        return cast(types.AcceptedMany, self._core.produce(json_bytes(list(events)), idempotency_key))

    def batcher(self, options: Optional[BatcherOptions] = None) -> Batcher:
        """A queue that sends single events in batches."""
        return Batcher(self._core.produce, options or BatcherOptions())

    def stream(
        self,
        *,
        event_type: Optional[str] = None,
        source: Optional[str] = None,
        tag: Optional[str] = None,
        start_time: Optional[str] = None,
        last_event_id: Optional[str] = None,
        max_retries: int = 20,
        idle_timeout: float = 60.0,
    ) -> EventStream:
        """Events as they are accepted, without end; a broken stream resumes where it was.

        The stream fails after more than `max_retries` failures in a row. To resume in another
        process, keep the stream's `last_event_id` and give it here.
        """
        query = {"event_type": event_type, "source": source, "tag": tag, "start_time": start_time}
        return EventStream(self._core, query, last_event_id, max_retries, idle_timeout)


class Admin(_Base, AdminMethods):
    """An operator's client, for the admin listener."""

    def __init__(
        self,
        admin_token: str,
        *,
        base_url: str = "http://127.0.0.1:8081",
        timeout: float = 30.0,
        connect_timeout: float = 5.0,
        retry: Optional[RetryPolicy] = None,
        gzip_min_bytes: int = 1024,
        user_agent: Optional[str] = None,
        ssl_context: Optional[ssl.SSLContext] = None,
    ) -> None:
        self._core = _Core(admin_token, base_url, timeout, connect_timeout, retry, gzip_min_bytes, user_agent, ssl_context)

    def __enter__(self) -> Admin:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
