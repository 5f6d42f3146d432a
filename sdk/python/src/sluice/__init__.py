"""Sluice: send events, read them, and verify the webhooks that carry them.

    from sluice import Client, verify
"""

from . import types
from ._retry import RetryPolicy
from ._version import VERSION as __version__
from .batcher import Batcher, BatcherOptions
from .client import Admin, Client
from .errors import (
    ApiError,
    BatcherClosed,
    BatcherFull,
    EventRejected,
    EventTooLarge,
    NetworkError,
    SluiceError,
    WebhookError,
)
from .stream import EventStream
from .webhook import verify

__all__ = [
    "Admin",
    "ApiError",
    "Batcher",
    "BatcherClosed",
    "BatcherFull",
    "BatcherOptions",
    "Client",
    "EventRejected",
    "EventStream",
    "EventTooLarge",
    "NetworkError",
    "RetryPolicy",
    "SluiceError",
    "WebhookError",
    "__version__",
    "types",
    "verify",
]
