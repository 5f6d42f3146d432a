"""Checks that the reference library of Standard Webhooks judges the vectors as this package does. It knows `v1` only."""

from __future__ import annotations

import base64
import datetime
from unittest import mock

import standardwebhooks.webhooks as reference
from script import vectors

compared = 0
for case in vectors("signatures")["cases"]:
    if not case.get("reference"):
        continue
    now = datetime.datetime.fromtimestamp(case["now_s"], tz=datetime.timezone.utc)
    with mock.patch.object(reference, "datetime") as clock:
        clock.now.return_value = now
        clock.fromtimestamp = datetime.datetime.fromtimestamp
        try:
            value = reference.Webhook(case["secrets"][0]).verify(base64.b64decode(case["body"]), case["headers"])
            assert "error" not in case and value == case["value"], case["name"]
        except reference.WebhookVerificationError:
            assert "error" in case, case["name"]
    compared += 1
assert compared > 10
print(f"{compared} webhooks compared")
