"""A bounded queue that sends single events in batches, and reports the result of each.

One thread sends one batch at a time, so events keep their order. A batch is
repeated with the same bytes and the same `Idempotency-Key` until it is accepted,
refused, or out of retries.
"""

from __future__ import annotations

import atexit
import collections
import threading
import time
import weakref
from concurrent.futures import Future
from itertools import islice
from typing import Any, Callable, Deque, List, Optional, Tuple

from . import _fork, types
from ._cut import BatcherOptions, cut, fits
from ._request import fresh_key, json_bytes
from ._retry import RetryPolicy
from .errors import ApiError, BatcherClosed, BatcherFull, EventRejected, EventTooLarge, SluiceError

__all__ = ["Batcher", "BatcherOptions"]

Entry = Tuple[bytes, "Future[str]"]
Produce = Callable[[bytes, Optional[str], RetryPolicy, Callable[[float], object]], Any]


class Batcher:
    """A batcher, made by `Client.batcher()`. Threads may share it; use it as a context manager, or `close` it.

    A forked child starts with an empty queue and a thread of its own: only the parent sends the
    events that the parent queued, and resolves their futures.
    """

    def __init__(self, produce: Produce, options: BatcherOptions) -> None:
        self._produce = produce
        self._options = options
        self._policy = RetryPolicy(max_retries=options.max_retries)
        self._start_empty()
        _fork.register(self)
        atexit.register(_close_at_exit, weakref.ref(self), options.exit_timeout)

    def _start_empty(self) -> None:
        self._changed = threading.Condition()
        self._queue: Deque[Entry] = collections.deque()
        self._events = 0  # waiting or being sent
        self._bytes = 0
        self._waiting_bytes = 0
        self._flushing = 0
        self._closing = False
        self._stop = threading.Event()
        self._thread: Optional[threading.Thread] = None

    def send(self, event: types.Event, *, timeout: Optional[float] = None) -> Future[str]:
        """Queues an event. The future's result is the event's id, once the event is durable.

        When the queue is full, `send` waits for room (at most `timeout` seconds), or raises
        `BatcherFull`. The future fails with `EventRejected`, `ApiError`, `NetworkError` or
        `BatcherClosed`. Cancelling the future before its batch is sent takes the event out of the
        batch. The future's callbacks run in the batcher's thread, so they must not wait for room.
        To await the future, use `asyncio.wrap_future` and `when_full="raise"`, because waiting for
        room would block the event loop.
        """
        body = json_bytes(event)
        if len(body) > self._options.event_bytes_max:
            raise EventTooLarge(f"the event has {len(body)} bytes, and event_bytes_max is {self._options.event_bytes_max}")
        future: Future[str] = Future()
        deadline = None if timeout is None else time.monotonic() + timeout
        with self._changed:
            while True:
                if self._closing:
                    raise BatcherClosed("the batcher is closed")
                if fits(self._options, self._events, self._bytes, len(body)):
                    break
                self._wait_for_room(deadline)
            self._queue.append((body, future))
            self._events += 1
            self._bytes += len(body)
            self._waiting_bytes += len(body)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="sluice-batcher", daemon=True)
                self._thread.start()
            # The thread is woken by the first event of a batch and by the last, not by each.
            if len(self._queue) == 1 or self._batch_is_full():
                self._changed.notify_all()
        return future

    def flush(self, timeout: Optional[float] = None) -> bool:
        """Sends the queued events without lingering; returns whether all of them have a result."""
        with self._changed:
            self._flushing += 1
            self._changed.notify_all()
            try:
                return self._changed.wait_for(lambda: self._events == 0, timeout)
            finally:
                self._flushing -= 1

    def close(self, timeout: Optional[float] = 30.0) -> None:
        """Accepts no more events and flushes; events without a result after `timeout` seconds fail with `BatcherClosed`."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
            thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join(timeout)
        self._stop.set()
        with self._changed:
            abandoned = list(self._queue)
            self._queue.clear()
            self._events -= len(abandoned)
            self._bytes -= self._waiting_bytes
            self._waiting_bytes = 0
            self._changed.notify_all()
        self._settle(abandoned, error=BatcherClosed("the batcher was closed before the event was sent"))

    def __enter__(self) -> Batcher:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _wait_for_room(self, deadline: Optional[float]) -> None:
        left = None if deadline is None else deadline - time.monotonic()
        if self._options.when_full == "raise" or (left is not None and left <= 0):
            raise BatcherFull(
                f"the queue has {self._events} events of {self._options.queue_events_max} "
                f"and {self._bytes} bytes of {self._options.queue_bytes_max}"
            )
        self._changed.wait(left)

    # The thread

    def _run(self) -> None:
        while True:
            batch = self._next_batch()
            if not batch:
                return
            self._deliver([entry for entry in batch if entry[1].set_running_or_notify_cancel()])
            with self._changed:
                self._events -= len(batch)
                self._bytes -= sum(len(body) for body, _ in batch)
                self._changed.notify_all()

    def _next_batch(self) -> List[Entry]:
        """The next batch, once it is full, has lingered, or is flushed; empty at the end."""
        options = self._options
        with self._changed:
            while not self._queue:
                if self._closing:
                    return []
                self._changed.wait()
            deadline = time.monotonic() + options.linger_ms / 1000
            while self._queue and not (self._batch_is_full() or self._flushing or self._closing):
                left = deadline - time.monotonic()
                if left <= 0:
                    break
                self._changed.wait(left)
            count = cut((len(body) for body, _ in self._queue), options.batch_events_max, options.batch_bytes_max)
            batch = list(islice(self._queue, count))
            for body, _ in batch:
                self._queue.popleft()
                self._waiting_bytes -= len(body)
            return batch

    def _batch_is_full(self) -> bool:
        """Whether waiting longer cannot make the next batch larger."""
        options, waiting = self._options, len(self._queue)
        return (
            waiting >= options.batch_events_max
            or self._waiting_bytes + waiting + 1 >= options.batch_bytes_max
            or not fits(options, self._events, self._bytes, 1)
        )

    def _deliver(self, batch: List[Entry]) -> None:
        if not batch:
            return
        body = b"[" + b",".join(body for body, _ in batch) + b"]"
        try:
            answer = self._produce(body, fresh_key(), self._policy, self._sleep)
            self._settle(batch, results=answer["events"])
        except ApiError as error:
            if error.code == "ALL_REJECTED" and isinstance(error.details, dict) and "events" in error.details:
                self._settle(batch, results=error.details["events"])
            elif error.status == 413 and len(batch) > 1:
                # The server's limit is lower than this batch; none of its events was accepted.
                middle = len(batch) // 2
                self._deliver(batch[:middle])
                self._deliver(batch[middle:])
            else:
                self._settle(batch, error=error)
        except SluiceError as error:
            self._settle(batch, error=error)
        except Exception as error:  # a fault of this package must not leave futures unresolved
            self._settle(batch, error=SluiceError(f"the batch could not be sent: {error!r}"))

    def _sleep(self, seconds: float) -> None:
        if self._stop.wait(seconds):
            raise BatcherClosed("the batcher was closed while the batch was being retried; the event may have been accepted")

    def _settle(self, batch: List[Entry], results: Any = (), error: Optional[SluiceError] = None) -> None:
        """Resolves each event's future."""
        by_index = {result.get("index"): result for result in results}
        for index, (_, future) in enumerate(batch):
            result = by_index.get(index, {})
            failure = error
            if failure is None and "error" in result:
                failure = EventRejected(result["error"]["code"], result["error"]["message"])
            elif failure is None and not isinstance(result.get("event_id"), str):
                failure = SluiceError("the answer has no result for the event")
            if future.cancelled():
                continue
            if failure is None:
                future.set_result(result["event_id"])
            else:
                future.set_exception(failure)

    # Forks

    def _before_fork(self) -> None:
        self._changed.acquire()

    def _after_fork_in_parent(self) -> None:
        self._changed.release()

    def _after_fork_in_child(self) -> None:
        closing = self._closing
        self._start_empty()
        self._closing = closing


def _close_at_exit(batcher: weakref.ref[Batcher], timeout: float) -> None:
    alive = batcher()
    if alive is not None:
        alive.close(timeout)
