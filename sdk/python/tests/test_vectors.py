"""The vectors that every SDK passes."""

from __future__ import annotations

import asyncio
import base64
import inspect
import json
import unittest
from typing import Any, Dict, List, Optional

from script import is_part, server, vectors

from sluice import Admin, ApiError, BatcherOptions, Client, NetworkError, RetryPolicy, WebhookError, verify
from sluice import _ed25519
from sluice._cut import cut, fits
from sluice._retry import Fault, Refusal, wait_ms

try:
    from sluice.aio import AsyncClient
except ImportError:
    AsyncClient = None  # type: ignore[assignment, misc]

RETRIES, REQUESTS, LIMITS, SIGNATURES = (vectors(name) for name in ("retries", "requests", "limits", "signatures"))


def call_of(client: Any, case: Dict[str, Any]) -> Any:
    arguments = list(case.get("path", [])) + ([case["body"]] if "body" in case else [])
    options = dict(case.get("query", {}))
    if "key" in case:
        options["idempotency_key"] = case["key"]
    return getattr(client, case["op"])(*arguments, **options)


class Signatures(unittest.TestCase):
    def test_each_webhook_is_judged_as_the_vector_says(self) -> None:
        for case in SIGNATURES["cases"]:
            with self.subTest(case["name"]):
                body = base64.b64decode(case["body"])
                error: Optional[str] = None
                try:
                    value = verify(body, case["headers"], case["secrets"], now_s=case["now_s"])
                    self.assertEqual(value, case.get("value"))
                except WebhookError as caught:
                    error = caught.reason
                self.assertEqual(error, case.get("error"))

    def test_ed25519_is_rfc_8032(self) -> None:
        for case in SIGNATURES["ed25519"]:
            key, message, signature = (bytes.fromhex(case[name]) for name in ("public_key", "message", "signature"))
            self.assertTrue(_ed25519.verify(key, message, signature))
            self.assertFalse(_ed25519.verify(key, message + b"x", signature))
            for index in range(0, 64, 7):
                changed = bytearray(signature)
                changed[index] ^= 1
                self.assertFalse(_ed25519.verify(key, message, bytes(changed)))

    def test_points_that_are_not_canonical_are_refused(self) -> None:
        case = SIGNATURES["ed25519"][0]
        signature = bytes.fromhex(case["signature"])
        for bad in (b"\xff" * 32, (_ed25519.P + 1).to_bytes(32, "little"), b"\x02" + b"\0" * 31, b"\x01" + b"\0" * 30 + b"\x80"):
            self.assertFalse(_ed25519.verify(bad, b"", signature))
            self.assertFalse(_ed25519.verify(bytes.fromhex(case["public_key"]), b"", bad + signature[32:]))


class Retries(unittest.TestCase):
    def test_each_failure_is_repeated_as_the_vector_says(self) -> None:
        policy = RetryPolicy(**RETRIES["policy"])
        for case in RETRIES["decisions"]:
            with self.subTest(case["name"]):
                outcome = case["outcome"]
                failure: Any = Fault(outcome["fault"]) if "fault" in outcome else Refusal(
                    outcome["status"], outcome.get("code", ""), outcome.get("retry_after"), outcome.get("outcome") == "unknown"
                )
                waits = [
                    wait_ms(policy, case["method"], case["keyed"], case["failures"], failure, case["now_ms"], random)
                    for random in (0.0, 1.0)
                ]
                self.assertEqual(waits, case["wait_ms"] or [None, None])

    def check(self, case: Dict[str, Any], base: str, result: Any, error: Optional[Exception]) -> None:
        requests = server().seen(base)
        self.assertEqual(len(requests), case["requests"])
        self.assertEqual(len({request["wire"] for request in requests}), 1, "every attempt sends the same bytes")
        keys = {request["headers"].get("idempotency-key") for request in requests}
        self.assertEqual(len(keys), 1)
        self.assertEqual(None not in keys, case.get("keyed", True))
        if "result" in case:
            self.assertIsNone(error)
            self.assertTrue(is_part(case["result"], result), result)
        elif "fault" in case:
            self.assertIsInstance(error, NetworkError)
            self.assertEqual(getattr(error, "fault"), case["fault"])
        else:
            self.assertIsInstance(error, ApiError)
            for name, value in case["error"].items():
                self.assertEqual(getattr(error, name), value)

    def options(self) -> Dict[str, Any]:
        options = dict(RETRIES["sequence_options"])
        timeout = options.pop("timeout_ms") / 1000
        return {"timeout": timeout, "retry": RetryPolicy(**options)}

    def test_sequences_of_answers(self) -> None:
        for case in RETRIES["sequences"]:
            with self.subTest(case["name"]):
                base, result, error = server().script(case["answers"]), None, None
                with Client("sk_test_1", base_url=base, **self.options()) as client:
                    try:
                        result = call_of(client, case)
                    except (ApiError, NetworkError) as caught:
                        error = caught
                self.check(case, base, result, error)

    @unittest.skipIf(AsyncClient is None, "httpx is not installed")
    def test_sequences_of_answers_with_asyncio(self) -> None:
        async def run(case: Dict[str, Any]) -> None:
            base, result, error = server().script(case["answers"]), None, None
            async with AsyncClient("sk_test_1", base_url=base, **self.options()) as client:
                try:
                    result = await call_of(client, case)
                except (ApiError, NetworkError) as caught:
                    error = caught
            self.check(case, base, result, error)

        for case in RETRIES["sequences"]:
            with self.subTest(case["name"]):
                asyncio.run(run(case))

    def test_a_server_that_is_not_there_is_a_connect_fault(self) -> None:
        client = Client("k", base_url="http://127.0.0.1:1", retry=RetryPolicy(max_retries=1, base_ms=1))
        with self.assertRaises(NetworkError) as caught:
            client.send_event({"payload": 1})
        self.assertEqual((caught.exception.fault, caught.exception.outcome_unknown), ("connect", False))


class Requests(unittest.TestCase):
    def check(self, case: Dict[str, Any], base: str, result: Any) -> None:
        (request,) = server().seen(base)
        expect = case["expect"]
        self.assertEqual((request["method"], request["target"]), (expect["method"], expect["target"]))
        self.assertTrue(is_part(expect.get("headers", {}), request["headers"]), request["headers"])
        for name in expect.get("absent", []):
            self.assertNotIn(name, request["headers"])
        if "json" in expect:
            self.assertEqual(json.loads(request["text"]), expect["json"])
        if expect.get("fresh_key"):
            self.assertRegex(request["headers"]["idempotency-key"], "^[0-9a-f-]{36}$")
        if "result" in case:
            self.assertTrue(is_part(case["result"], result), result)

    def test_each_call_makes_its_request(self) -> None:
        for case in REQUESTS["requests"]:
            with self.subTest(case["name"]):
                base = server().script(case["answers"])
                with Client("sk_test_1", base_url=base + "/") as client:
                    self.check(case, base, call_of(client, case))

    @unittest.skipIf(AsyncClient is None, "httpx is not installed")
    def test_each_call_makes_its_request_with_asyncio(self) -> None:
        async def run(case: Dict[str, Any]) -> None:
            base = server().script(case["answers"])
            async with AsyncClient("sk_test_1", base_url=base) as client:
                self.check(case, base, await call_of(client, case))

        for case in REQUESTS["requests"]:
            with self.subTest(case["name"]):
                asyncio.run(run(case))

    def test_pages_are_one_iterator(self) -> None:
        for case in REQUESTS["pages"]:
            base = server().script(case["answers"])
            with Client("sk_test_1", base_url=base) as client:
                self.assertEqual([item["event_id"] for item in call_of(client, case)], case["items"])
            self.assertEqual([request["target"] for request in server().seen(base)], case["targets"])

    @unittest.skipIf(AsyncClient is None, "httpx is not installed")
    def test_pages_are_one_iterator_with_asyncio(self) -> None:
        async def run(case: Dict[str, Any], base: str) -> List[str]:
            async with AsyncClient("sk_test_1", base_url=base) as client:
                return [item["event_id"] async for item in call_of(client, case)]

        for case in REQUESTS["pages"]:
            base = server().script(case["answers"])
            self.assertEqual(asyncio.run(run(case, base)), case["items"])
            self.assertEqual([request["target"] for request in server().seen(base)], case["targets"])

    def test_streams_go_on_where_they_broke(self) -> None:
        for case in REQUESTS["streams"]:
            with self.subTest(case["name"]):
                base = server().script(case["answers"])
                items: List[str] = []
                with Client("sk_test_1", base_url=base, retry=RetryPolicy(base_ms=1, cap_ms=2)) as client:
                    with client.stream(last_event_id=case.get("last_event_id"), **case["query"]) as stream:
                        try:
                            while len(items) < len(case["items"]) or "error" in case:
                                items.append(next(stream)["event_id"])
                        except ApiError as error:
                            self.assertTrue(is_part(case["error"], {"status": error.status, "code": error.code}))
                        if "ends_at" in case:
                            self.assertEqual(stream.last_event_id, case["ends_at"])
                self.assertEqual(items, case["items"])
                seen = server().seen(base)
                self.assertEqual([request["headers"].get("last-event-id") for request in seen], case["last_event_ids"])
                self.assertEqual({request["target"].split("&start_time")[0] for request in seen}, {case["targets"]})


class Limits(unittest.TestCase):
    def test_the_defaults(self) -> None:
        wanted = LIMITS["defaults"]
        options = BatcherOptions()
        for name, value in wanted["batcher"].items():
            self.assertEqual(getattr(options, name), value, name)
        for name in ("max_retries", "base_ms", "cap_ms", "retry_after_max_ms"):
            self.assertEqual(getattr(RetryPolicy(), name), wanted[name], name)
        for kind in (Client, Admin):
            given = inspect.signature(kind).parameters
            self.assertEqual(given["timeout"].default * 1000, wanted["timeout_ms"])
            self.assertEqual(given["connect_timeout"].default * 1000, wanted["connect_timeout_ms"])
            self.assertEqual(given["gzip_min_bytes"].default, wanted["gzip_min_bytes"])
        self.assertEqual(inspect.signature(verify).parameters["tolerance_s"].default, wanted["tolerance_s"])

    def test_batches_are_cut_as_the_vector_says(self) -> None:
        for case in LIMITS["cuts"]:
            rest, batches = case["sizes"], []
            while rest:
                count = cut(rest, case["events_max"], case["bytes_max"])
                batches.append(count)
                rest = rest[count:]
            self.assertEqual(batches, case["batches"], case["name"])

    def test_a_queue_is_full_when_the_vector_says(self) -> None:
        for case in LIMITS["queue"]:
            options = BatcherOptions(
                queue_events_max=case["queue_events_max"], queue_bytes_max=case["queue_bytes_max"], event_bytes_max=1, batch_bytes_max=3
            )
            events, total, full = 0, 0, []
            for size in case["sizes"]:
                room = fits(options, events, total, size)
                full.append(not room)
                if room:
                    events, total = events + 1, total + size
            self.assertEqual(full, case["full"], case["name"])


if __name__ == "__main__":
    unittest.main()
