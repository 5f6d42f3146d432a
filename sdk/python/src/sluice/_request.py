"""Turns a call into the exact bytes of a request, and an answer into a value. Pure."""

from __future__ import annotations

import gzip
import json
import uuid
from dataclasses import dataclass, field
from typing import Any, Dict, Mapping, Optional
from urllib.parse import quote, urlencode, urlsplit

from ._retry import Refusal, retry_after_ms
from ._version import VERSION
from .errors import ApiError


@dataclass(frozen=True)
class Prepared:
    """A request. Every attempt sends these same bytes."""

    method: str
    target: str
    headers: Dict[str, str]
    body: Optional[bytes] = None

    @property
    def keyed(self) -> bool:
        return "idempotency-key" in self.headers


@dataclass(frozen=True)
class Answer:
    """An answer; the names of its headers are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False, default=b"")


@dataclass(frozen=True)
class Target:
    """The target and the credential of requests."""

    secure: bool
    host: str
    port: int
    prefix: str
    headers: Dict[str, str]
    gzip_min_bytes: int

    @staticmethod
    def parse(base_url: str, key: str, user_agent: Optional[str], gzip_min_bytes: int) -> Target:
        parts = urlsplit(base_url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
            raise ValueError(f"base_url must be http://host or https://host, with a path at most, not {base_url!r}")
        if not key or not key.isascii() or not key.isprintable():
            raise ValueError("the key must be printable ASCII")
        secure = parts.scheme == "https"
        headers = {
            "authorization": f"Bearer {key}",
            "user-agent": user_agent or f"sluice-python/{VERSION}",
            "accept": "application/json",
        }
        port = parts.port or (443 if secure else 80)
        return Target(secure, parts.hostname, port, parts.path.rstrip("/"), headers, gzip_min_bytes)

    @property
    def origin(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'https' if self.secure else 'http'}://{host}:{self.port}"

    def prepare(
        self,
        method: str,
        path: str,
        query: Optional[Mapping[str, Any]] = None,
        body: Optional[bytes] = None,
        headers: Optional[Mapping[str, str]] = None,
    ) -> Prepared:
        """The request of a call; `body` is JSON text."""
        pairs = [(name, query_text(value)) for name, value in (query or {}).items() if value is not None]
        all_headers = {**self.headers, **(headers or {})}
        if body is not None:
            all_headers["content-type"] = "application/json"
            if len(body) >= self.gzip_min_bytes:
                all_headers["content-encoding"] = "gzip"
                body = gzip.compress(body, 6, mtime=0)
        target = self.prefix + path + ("?" + urlencode(pairs, quote_via=quote) if pairs else "")
        return Prepared(method, target, all_headers, body)


def segment(text: str) -> str:
    """A path segment: an id with a slash in it stays one segment."""
    if not text or text in (".", ".."):
        raise ValueError("an id must not be empty, `.` or `..`")
    return quote(text, safe="")


def query_text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def json_bytes(value: Any) -> bytes:
    """JSON text in UTF-8; a value that JSON cannot express (NaN, lone surrogates) raises ValueError."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode("utf-8")


def fresh_key() -> str:
    """A unique Idempotency-Key."""
    return str(uuid.uuid4())


def value_of(answer: Answer) -> Any:
    """The value of a successful answer."""
    if not answer.body:
        return None
    try:
        return json.loads(answer.body)
    except ValueError as error:
        raise ApiError(answer.status, "UNKNOWN", "the answer is not JSON") from error


def error_of(answer: Answer, now_ms: float) -> ApiError:
    """The exception of an answer that is no success."""
    fields: Any = None
    try:
        fields = json.loads(answer.body)["error"]
    except (ValueError, KeyError, TypeError):
        pass
    if not isinstance(fields, dict):
        excerpt = answer.body[:200].decode("utf-8", "replace")
        fields = {"code": "UNKNOWN", "message": excerpt or "the answer has no body"}
    return ApiError(
        answer.status,
        str(fields.get("code", "UNKNOWN")),
        str(fields.get("message", "")),
        fields.get("details"),
        fields.get("request_id") or answer.headers.get("x-request-id"),
        retry_after_ms(answer.headers.get("retry-after"), now_ms),
    )


def refusal_of(answer: Answer, error: ApiError) -> Refusal:
    return Refusal(answer.status, error.code, answer.headers.get("retry-after"), error.outcome_unknown)
