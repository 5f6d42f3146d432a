"""The client for asyncio. It needs httpx, which `pip install "sluice-sdk[async]"` installs."""

from __future__ import annotations

import asyncio
import random
import ssl
import time
from typing import Any, AsyncIterator, Mapping, Optional, Sequence, Union, cast

try:
    import httpx
except ImportError as error:  # pragma: no cover
    raise ImportError('sluice.aio needs httpx: pip install "sluice-sdk[async]"') from error

from . import types
from ._http import ANSWER_BYTES_MAX
from ._methods import AsyncAdminMethods, AsyncClientMethods
from ._request import Answer, Prepared, Target, error_of, fresh_key, json_bytes, refusal_of, value_of
from ._retry import Fault, Refusal, RetryPolicy, wait_ms
from .errors import NetworkError, SluiceError


class _AsyncBase:
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
        self._retry = retry or RetryPolicy()
        self._timeout = timeout
        self._target = Target.parse(base_url, key, user_agent, gzip_min_bytes)
        limits = httpx.Timeout(timeout, connect=min(timeout, connect_timeout))
        self._http = httpx.AsyncClient(timeout=limits, verify=ssl_context or True, trust_env=False)

    async def aclose(self) -> None:
        """Closes the client and its connections."""
        await self._http.aclose()

    async def _attempt(self, request: Prepared) -> Answer:
        try:
            return await asyncio.wait_for(self._exchange(request), self._timeout)
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            raise NetworkError("connect", f"cannot connect to {self._target.origin}: {error}") from error
        except (httpx.TimeoutException, asyncio.TimeoutError) as error:
            raise NetworkError("timeout", "the server did not answer in time") from error
        except httpx.TransportError as error:
            raise NetworkError("broken", f"the connection broke: {error!r}") from error

    async def _exchange(self, request: Prepared) -> Answer:
        url = self._target.origin + request.target
        async with self._http.stream(request.method, url, headers=request.headers, content=request.body) as response:
            chunks, total = [], 0
            async for chunk in response.aiter_bytes():
                total += len(chunk)
                if total > ANSWER_BYTES_MAX:
                    raise NetworkError("broken", f"the answer has more than {ANSWER_BYTES_MAX} bytes")
                chunks.append(chunk)
            return Answer(response.status_code, {k.lower(): v for k, v in response.headers.items()}, b"".join(chunks))

    async def _send(self, request: Prepared) -> Any:
        failures = 0
        while True:
            failure: Union[Fault, Refusal]
            error: SluiceError
            try:
                answer = await self._attempt(request)
                if 200 <= answer.status < 300:
                    return value_of(answer)
                api_error = error_of(answer, time.time() * 1000)
                error, failure = api_error, refusal_of(answer, api_error)
            except NetworkError as network_error:
                error, failure = network_error, Fault(network_error.fault)
            failures += 1
            now = time.time() * 1000
            wait = wait_ms(self._retry, request.method, request.keyed, failures, failure, now, random.random())
            if wait is None:
                raise error
            await asyncio.sleep(wait / 1000)

    async def _call(self, method: str, path: str, query: Optional[Mapping[str, Any]] = None, body: Any = None) -> Any:
        encoded = None if body is None else json_bytes(body)
        return await self._send(self._target.prepare(method, path, query, encoded))

    async def _pages(self, path: str, query: Mapping[str, Any], items: str) -> AsyncIterator[Any]:
        cursor = None
        while True:
            page = await self._call("GET", path, {**query, "cursor": cursor})
            for item in page[items]:
                yield item
            cursor = page["cursor"]
            if not page["has_more"] or cursor is None:
                return


class AsyncClient(_AsyncBase, AsyncClientMethods):
    """`sluice.Client` with `async` methods. Use it in one event loop."""

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
        super().__init__(api_key, base_url, timeout, connect_timeout, retry, gzip_min_bytes, user_agent, ssl_context)

    async def __aenter__(self) -> AsyncClient:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def send_event(self, event: types.Event, *, idempotency_key: Optional[str] = None) -> types.Accepted:
        """Sends one event. When this returns, the event is durable."""
        return cast(types.Accepted, await self._produce(json_bytes(event), idempotency_key))

    async def send_events(self, events: Sequence[types.Event], *, idempotency_key: Optional[str] = None) -> types.AcceptedMany:
        """Sends up to 10,000 events. Those that were accepted are durable; each refused one has an `error`."""
        return cast(types.AcceptedMany, await self._produce(json_bytes(list(events)), idempotency_key))

    async def _produce(self, body: bytes, key: Optional[str]) -> Any:
        headers = {"idempotency-key": key or fresh_key()}
        return await self._send(self._target.prepare("POST", "/v1/events", None, body, headers))


class AsyncAdmin(_AsyncBase, AsyncAdminMethods):
    """`sluice.Admin` with `async` methods. Use it in one event loop."""

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
        super().__init__(admin_token, base_url, timeout, connect_timeout, retry, gzip_min_bytes, user_agent, ssl_context)

    async def __aenter__(self) -> AsyncAdmin:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()
