"""Verifies webhooks (Standard Webhooks 1.0: `v1` is HMAC-SHA256, `v1a` is ed25519)."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import re
import time
from typing import Any, List, Mapping, Optional, Sequence, Tuple, Union

from . import _ed25519
from .errors import WebhookError

#: The most signatures of a header that are checked.
SIGNATURES_MAX = 16


def verify(
    body: Union[bytes, str],
    headers: Mapping[str, str],
    secrets: Union[str, Sequence[str]],
    *,
    tolerance_s: int = 300,
    now_s: Optional[float] = None,
) -> Any:
    """Returns the value of a webhook's body if one of the secrets signed it, else raises `WebhookError`.

    `body` is the body as it came, before any parsing. `secrets` are `whsec_…` (shared) or
    `whpk_…` (the public key of a subscription with `"signature": "v1a"`); give the old and the
    new one while they rotate. A timestamp further than `tolerance_s` from now is refused.
    """
    raw = body.encode("utf-8") if isinstance(body, str) else bytes(body)
    keys = _keys([secrets] if isinstance(secrets, str) else list(secrets))
    found = {name.lower(): value for name, value in headers.items()}
    message_id, timestamp, signatures = (_header(found, f"webhook-{name}") for name in ("id", "timestamp", "signature"))
    if not re.fullmatch(r"[0-9]{1,12}", timestamp):
        raise WebhookError("header", "webhook-timestamp is not a number of seconds")
    if abs((time.time() if now_s is None else now_s) - int(timestamp)) > tolerance_s:
        raise WebhookError("timestamp", f"webhook-timestamp is more than {tolerance_s} s from now")
    signed = f"{message_id}.{timestamp}.".encode("utf-8", "surrogateescape") + raw
    if not any(_signed_by(keys, signature, signed) for signature in signatures.split(" ")[:SIGNATURES_MAX]):
        raise WebhookError("signature", "no signature of the webhook is by one of the secrets")
    try:
        return json.loads(raw)
    except ValueError as error:
        raise WebhookError("body", "the webhook is genuine, but its body is not JSON") from error


def _header(headers: Mapping[str, str], name: str) -> str:
    value = headers.get(name)
    if not value:
        raise WebhookError("header", f"the header {name} is absent")
    return value


def _keys(secrets: Sequence[str]) -> List[Tuple[str, bytes]]:
    """The kind of signature and the key of each secret."""
    keys = []
    for secret in secrets:
        for prefix, kind in (("whsec_", "v1"), ("whpk_", "v1a")):
            if secret.startswith(prefix):
                key = _base64(secret[len(prefix) :])
                if not key or (kind == "v1a" and len(key) != 32):
                    raise WebhookError("secret", f"a secret is not {prefix} and base64" + (" of 32 bytes" if kind == "v1a" else ""))
                keys.append((kind, key))
                break
        else:
            raise WebhookError("secret", "a secret begins with neither whsec_ nor whpk_")
    if not keys:
        raise WebhookError("secret", "there is no secret to verify with")
    return keys


def _signed_by(keys: Sequence[Tuple[str, bytes]], entry: str, signed: bytes) -> bool:
    version, _, text = entry.partition(",")
    signature = _base64(text)
    if signature is None:
        return False
    for kind, key in keys:
        if kind != version:
            continue
        if kind == "v1" and hmac.compare_digest(hmac.new(key, signed, hashlib.sha256).digest(), signature):
            return True
        if kind == "v1a" and _ed25519.verify(key, signed, signature):
            return True
    return False


def _base64(text: str) -> Optional[bytes]:
    try:
        return base64.b64decode(text.encode("ascii") + b"=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError):
        return None
