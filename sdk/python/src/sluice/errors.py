"""The exceptions of the SDK. `SluiceError` is the base of all others."""

from __future__ import annotations

from typing import Any, Optional


class SluiceError(Exception):
    """The base of every exception of this package."""


class ApiError(SluiceError):
    """The server refused the request, or could not do it after all retries."""

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        details: Any = None,
        request_id: Optional[str] = None,
        retry_after_ms: Optional[float] = None,
    ) -> None:
        super().__init__(f"{status} {code}: {message} (request {request_id})")
        self.status = status
        #: Stable: programs may rely on it. `UNKNOWN` if the answer was not in the API's shape.
        self.code = code
        self.message = message
        #: Details for programs: `field`, `pointer`, a limit, `outcome`.
        self.details = details
        self.request_id = request_id
        self.retry_after_ms = retry_after_ms

    @property
    def outcome_unknown(self) -> bool:
        """Whether the events may have been accepted all the same."""
        return isinstance(self.details, dict) and self.details.get("outcome") == "unknown"


class NetworkError(SluiceError):
    """No complete answer came, after all retries.

    `fault` is `connect` (the request was certainly not sent), `timeout` or `broken`.
    """

    def __init__(self, fault: str, message: str) -> None:
        super().__init__(message)
        self.fault = fault

    @property
    def outcome_unknown(self) -> bool:
        """Whether the server may have done the request although it reported no success."""
        return self.fault != "connect"


class EventRejected(SluiceError):
    """The server refused one event; its neighbours are not affected."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message


class EventTooLarge(SluiceError):
    """An event has more bytes than the batcher may send."""


class BatcherFull(SluiceError):
    """The batcher's queue has no room, or none became free in time."""


class BatcherClosed(SluiceError):
    """The batcher was closed before the event was sent."""


class WebhookError(SluiceError):
    """A webhook must not be trusted.

    `reason` is `header` (absent or malformed), `timestamp` (too old or too new), `signature`
    (no signature is by one of the secrets), `secret` (a secret is malformed or there is none)
    or `body` (the signature is right, but the body is not JSON).
    """

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason
