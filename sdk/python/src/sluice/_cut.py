"""Decides which queued events make the next batch, and which still fit the queue. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Iterable


@dataclass(frozen=True)
class BatcherOptions:
    """The limits of a batcher. Bytes are those of the events' JSON."""

    #: The most events of a request.
    batch_events_max: int = 1000
    #: The most bytes of a request, with brackets and commas, before gzip.
    batch_bytes_max: int = 1 << 20
    #: The most bytes of an event; the server's default limit.
    event_bytes_max: int = 256 << 10
    #: The most events that wait or are being sent.
    queue_events_max: int = 10_000
    #: The most bytes that wait or are being sent.
    queue_bytes_max: int = 16 << 20
    #: How long the first event of a batch waits for others.
    linger_ms: float = 20
    #: What a full queue does: "wait" for room, or "raise" BatcherFull.
    when_full: str = "wait"
    #: Attempts of a batch after the first; with the waits between them, about two and a half minutes.
    max_retries: int = 20
    #: How long the end of the process waits for queued events, in seconds.
    exit_timeout: float = 30.0

    def __post_init__(self) -> None:
        if self.when_full not in ("wait", "raise"):
            raise ValueError('when_full must be "wait" or "raise"')
        for name in ("batch_events_max", "event_bytes_max", "queue_events_max", "queue_bytes_max"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1")
        if self.batch_events_max > 10_000:
            raise ValueError("batch_events_max must be at most 10000")
        if self.batch_bytes_max < self.event_bytes_max + 2:
            raise ValueError("batch_bytes_max must be at least event_bytes_max and 2 brackets")
        if self.queue_bytes_max < self.event_bytes_max:
            raise ValueError("queue_bytes_max must be at least event_bytes_max")
        if self.linger_ms < 0 or self.max_retries < 0 or self.exit_timeout < 0:
            raise ValueError("linger_ms, max_retries and exit_timeout must not be negative")


def cut(sizes: Iterable[int], events_max: int, bytes_max: int) -> int:
    """How many of the first events make a batch: at least one, and more while they fit."""
    count, total = 0, 2
    for size in sizes:
        total += size + (1 if count else 0)
        if count and (count == events_max or total > bytes_max):
            break
        count += 1
    return count


def fits(options: BatcherOptions, queued_events: int, queued_bytes: int, size: int) -> bool:
    """Whether one more event fits the queue."""
    return queued_events < options.queue_events_max and queued_bytes + size <= options.queue_bytes_max
