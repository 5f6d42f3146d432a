"""The event stream (`GET /v1/stream`): reads it, and resumes where it broke."""

from __future__ import annotations

import json
import random
import time
from collections import deque
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, Deque, Dict, Iterator, Mapping, Optional, cast

from . import types
from ._request import Answer, error_of, refusal_of
from ._retry import Fault, Refusal, RetryPolicy, wait_ms
from ._sse import Message, Parser
from .errors import NetworkError, SluiceError

if TYPE_CHECKING:
    from ._http import OpenAnswer
    from .client import _Core


class EventStream:
    """An iterator of events. `close` ends it."""

    def __init__(
        self, core: _Core, query: Mapping[str, Optional[str]], last_event_id: Optional[str], max_retries: int, idle_timeout: float
    ) -> None:
        self._core = core
        self._query: Dict[str, Optional[str]] = dict(query)
        self._policy = RetryPolicy(max_retries=max_retries, base_ms=core.retry.base_ms, cap_ms=core.retry.cap_ms)
        self._idle_timeout = idle_timeout
        self._failures = 0
        self._answer: Optional[OpenAnswer] = None
        self._parser = Parser()
        self._whole: Deque[Message] = deque()
        self._closed = False
        #: The position of the stream: give it to a later stream to resume there.
        self.last_event_id = last_event_id

    def __iter__(self) -> Iterator[types.StoredEvent]:
        return self

    def __next__(self) -> types.StoredEvent:
        while not self._closed:
            while self._whole:
                message = self._whole.popleft()
                if message.id:
                    self.last_event_id = message.id
                if message.data is not None:
                    return cast(types.StoredEvent, json.loads(message.data))
            self._read()
        raise StopIteration

    def close(self) -> None:
        """Ends the stream."""
        self._closed = True
        self._disconnect()

    def __enter__(self) -> EventStream:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _read(self) -> None:
        try:
            if self._answer is None:
                self._answer = self._connect()
            chunk = self._answer.read_some()
            if not chunk:
                raise NetworkError("broken", "the stream ended")
            self._whole.extend(self._parser.feed(chunk))
            self._failures = 0
        except NetworkError as error:
            self._failed(error, Fault(error.fault))

    def _connect(self) -> OpenAnswer:
        headers = {"accept": "text/event-stream"}
        if self.last_event_id:
            headers["last-event-id"] = self.last_event_id
        request = self._core.target.prepare("GET", "/v1/stream", self._query, None, headers)
        while True:
            answer = self._core.transport.open(request, self._idle_timeout)
            if answer.status == 200:
                self._parser = Parser()
                self._remember_start(answer)
                return answer
            refused = Answer(answer.status, answer.headers, answer.read_some())
            answer.close()
            error = error_of(refused, time.time() * 1000)
            self._failed(error, refusal_of(refused, error))

    def _remember_start(self, answer: OpenAnswer) -> None:
        """A stream that breaks before its first id begins again at this time, by the server's clock."""
        if self.last_event_id or self._query.get("start_time"):
            return
        date = answer.headers.get("date")
        if date is not None:
            self._query["start_time"] = parsedate_to_datetime(date).strftime("%Y-%m-%dT%H:%M:%SZ")

    def _failed(self, error: SluiceError, failure: Any) -> None:
        self._disconnect()
        self._failures += 1
        assert isinstance(failure, (Fault, Refusal))
        wait = wait_ms(self._policy, "GET", False, self._failures, failure, time.time() * 1000, random.random())
        if wait is None:
            self._closed = True
            raise error
        if not self._closed:
            time.sleep(wait / 1000)

    def _disconnect(self) -> None:
        answer, self._answer = self._answer, None
        if answer is not None:
            answer.close()
