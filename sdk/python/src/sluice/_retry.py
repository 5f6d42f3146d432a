"""Decides whether a failed attempt is repeated, and after how long. Pure."""

from __future__ import annotations

import calendar
import re
from dataclasses import dataclass
from email.utils import parsedate
from typing import Optional, Union


@dataclass(frozen=True)
class RetryPolicy:
    """How often and how fast a failed request is repeated."""

    #: Attempts after the first.
    max_retries: int = 5
    #: The longest wait after the first failure; it doubles with each.
    base_ms: float = 500
    #: The longest wait of all, unless the server asks for more.
    cap_ms: float = 10_000
    #: If `Retry-After` asks for more than this, the request fails at once.
    retry_after_max_ms: float = 60_000

    def __post_init__(self) -> None:
        for name in ("max_retries", "base_ms", "cap_ms", "retry_after_max_ms"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} must not be negative")


@dataclass(frozen=True)
class Fault:
    """No complete answer: `connect` (certainly not sent), `timeout` or `broken`."""

    kind: str


@dataclass(frozen=True)
class Refusal:
    """An answer that is no success."""

    status: int
    code: str = ""
    retry_after: Optional[str] = None
    outcome_unknown: bool = False


def wait_ms(
    policy: RetryPolicy,
    method: str,
    keyed: bool,
    failures: int,
    failure: Union[Fault, Refusal],
    now_ms: float,
    random: float,
) -> Optional[float]:
    """Returns how long to wait before the next attempt, or None to give up.

    `failures` counts the failed attempts, this one included; `random` is in [0, 1).
    """
    after = retry_after_ms(failure.retry_after, now_ms) if isinstance(failure, Refusal) else None
    if failures > policy.max_retries or not repeatable(method, keyed, failure, after is not None):
        return None
    if after is not None:
        return None if after > policy.retry_after_max_ms else after + random * policy.base_ms
    longest = min(policy.cap_ms, policy.base_ms * 2.0 ** min(failures - 1, 60))
    return longest * (0.5 + 0.5 * random)


def repeatable(method: str, keyed: bool, failure: Union[Fault, Refusal], has_retry_after: bool) -> bool:
    """Whether a repeat can help and is safe."""
    safe = keyed or method in ("GET", "HEAD", "PUT", "PATCH", "DELETE")
    if isinstance(failure, Fault):
        return safe or failure.kind == "connect"
    if failure.status in (429, 503):
        return safe or not failure.outcome_unknown
    if failure.status in (408, 502, 504):
        return safe
    if failure.status == 500:
        return safe and failure.outcome_unknown
    if failure.status == 409:
        # The first attempt is still being worked on.
        return keyed and failure.code == "IDEMPOTENCY_IN_FLIGHT"
    # The event may be too young to be in the store.
    return failure.status == 404 and method == "GET" and has_retry_after


def retry_after_ms(text: Optional[str], now_ms: float) -> Optional[float]:
    """`Retry-After` (RFC 9110, 10.2.3): seconds, or a date."""
    if text is None:
        return None
    if re.fullmatch(r"[0-9]{1,9}", text):
        return int(text) * 1000.0
    if not re.fullmatch(r"[A-Z][a-z]{2}, [0-9]{2} [A-Z][a-z]{2} [0-9]{4} [0-9]{2}:[0-9]{2}:[0-9]{2} GMT", text):
        return None
    parts = parsedate(text)
    return None if parts is None else max(0.0, calendar.timegm(parts) * 1000.0 - now_ms)
