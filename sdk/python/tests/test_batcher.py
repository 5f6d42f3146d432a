"""The batcher: it is bounded, reports each event's result, flushes at the end, and survives forks."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import threading
import unittest
from concurrent.futures import wait
from typing import Any, Dict, List

from script import server

from sluice import ApiError, BatcherClosed, BatcherFull, BatcherOptions, Client, EventRejected, EventTooLarge, RetryPolicy

ECHO: List[Dict[str, Any]] = [{"echo": "events", "repeat": True}]


def refused(status: int, code: str, **details: Any) -> Dict[str, Any]:
    error = {"code": code, "message": "because", "request_id": "r", "details": details}
    return {"status": status, "headers": {"retry-after": "0"} if status in (429, 503) else {}, "body": {"error": error}}


def sent(base: str) -> List[List[Any]]:
    """The payloads of each request."""
    return [[event["payload"] for event in json.loads(request["text"])] for request in server().seen(base)]


class Batching(unittest.TestCase):
    def test_events_go_in_order_and_each_has_its_id(self) -> None:
        base = server().script(ECHO)
        with Client("k", base_url=base) as client, client.batcher(BatcherOptions(batch_events_max=40)) as batcher:
            futures = [batcher.send({"payload": n}) for n in range(100)]
            self.assertEqual([future.result(30) for future in futures], [f"id-{n}" for n in range(100)])
        self.assertEqual([n for batch in sent(base) for n in batch], list(range(100)))
        self.assertLessEqual(max(len(batch) for batch in sent(base)), 40)

    def test_a_refused_event_does_not_touch_its_neighbours(self) -> None:
        results = [{"index": 0, "event_id": "a"}, {"index": 1, "error": {"code": "INVALID_EVENT", "message": "bad"}}]
        base = server().script([{"status": 202, "body": {"accepted": 1, "rejected": 1, "events": results}}])
        with Client("k", base_url=base) as client, client.batcher() as batcher:
            good, bad = batcher.send({"payload": 1}), batcher.send({"payload": 2})
            self.assertEqual(good.result(30), "a")
            with self.assertRaises(EventRejected) as caught:
                bad.result(30)
            self.assertEqual(caught.exception.code, "INVALID_EVENT")

    def test_if_all_are_refused_each_is_told_why(self) -> None:
        results = [{"index": n, "error": {"code": f"C{n}", "message": "bad"}} for n in range(2)]
        base = server().script([refused(400, "ALL_REJECTED", accepted=0, rejected=2, events=results)])
        with Client("k", base_url=base) as client, client.batcher() as batcher:
            futures = [batcher.send({"payload": n}) for n in range(2)]
            errors = [future.exception(30) for future in futures]
            self.assertEqual([error.code for error in errors if isinstance(error, EventRejected)], ["C0", "C1"])

    def test_a_batch_that_is_too_large_for_the_server_is_halved(self) -> None:
        too_large = refused(413, "TOO_MANY_EVENTS", limit_events=1)
        base = server().script([too_large, *ECHO])
        with Client("k", base_url=base) as client, client.batcher() as batcher:
            futures = [batcher.send({"payload": n}) for n in range(5)]
            self.assertEqual([future.result(30) for future in futures], [f"id-{n}" for n in range(5)])
        self.assertEqual(sent(base), [[0, 1, 2, 3, 4], [0, 1], [2, 3, 4]])
        keys = [request["headers"]["idempotency-key"] for request in server().seen(base)]
        self.assertEqual(len(set(keys)), 3)

    def test_a_failed_batch_is_repeated_with_the_same_bytes_and_key(self) -> None:
        base = server().script([refused(503, "OVERLOADED"), {"fault": "close"}, *ECHO])
        with Client("k", base_url=base) as client, client.batcher() as batcher:
            self.assertEqual(batcher.send({"payload": 1}).result(30), "id-1")
        seen = server().seen(base)
        self.assertEqual(len({(request["wire"], request["headers"]["idempotency-key"]) for request in seen}), 1)
        self.assertEqual(len(seen), 3)

    def test_a_batch_that_stays_refused_fails_each_event(self) -> None:
        base = server().script([refused(401, "INVALID_API_KEY")])
        with Client("k", base_url=base) as client, client.batcher() as batcher:
            error = batcher.send({"payload": 1}).exception(30)
            self.assertIsInstance(error, ApiError)

    def test_a_full_queue_raises_or_waits(self) -> None:
        base = server().script([{"fault": "stall"}, *ECHO])
        client = Client("k", base_url=base, timeout=1.0, retry=RetryPolicy(base_ms=1))
        raising = client.batcher(BatcherOptions(queue_events_max=2, when_full="raise", linger_ms=0))
        futures = [raising.send({"payload": n}) for n in range(2)]
        with self.assertRaises(BatcherFull):
            raising.send({"payload": 2})
        raising.close()
        self.assertEqual([future.result(0) for future in futures], ["id-0", "id-1"])

        base = server().script([{"fault": "stall"}, *ECHO])
        client = Client("k", base_url=base, timeout=1.0)
        with client.batcher(BatcherOptions(queue_events_max=1, linger_ms=0)) as waiting:
            waiting.send({"payload": 0})
            with self.assertRaises(BatcherFull):
                waiting.send({"payload": 1}, timeout=0.01)
            self.assertEqual(waiting.send({"payload": 2}).result(30), "id-2")

    def test_many_threads_share_it(self) -> None:
        base = server().script(ECHO)
        with Client("k", base_url=base) as client:
            with client.batcher(BatcherOptions(queue_events_max=50, batch_events_max=20)) as batcher:
                futures: List[Any] = []

                def send(first: int) -> None:
                    futures.extend(batcher.send({"payload": n}) for n in range(first, first + 200))

                threads = [threading.Thread(target=send, args=(n * 200,)) for n in range(5)]
                for thread in threads:
                    thread.start()
                for thread in threads:
                    thread.join(60)
        self.assertEqual(sorted(n for batch in sent(base) for n in batch), list(range(1000)))
        self.assertEqual(len({future.result(0) for future in futures}), 1000)

    def test_flush_does_not_wait_for_the_linger(self) -> None:
        base = server().script(ECHO)
        with Client("k", base_url=base) as client, client.batcher(BatcherOptions(linger_ms=600_000)) as batcher:
            future = batcher.send({"payload": 1})
            self.assertTrue(batcher.flush(60))
            self.assertEqual(future.result(0), "id-1")

    def test_what_cannot_be_sent_is_refused_at_once(self) -> None:
        batcher = Client("k").batcher()
        with self.assertRaises(EventTooLarge):
            batcher.send({"payload": "x" * 262144})
        with self.assertRaises(ValueError):
            batcher.send({"payload": float("nan")})
        batcher.close()
        with self.assertRaises(BatcherClosed):
            batcher.send({"payload": 1})

    def test_closing_in_time_fails_what_could_not_be_sent(self) -> None:
        client = Client("k", base_url="http://127.0.0.1:1")
        batcher = client.batcher(BatcherOptions(linger_ms=0, batch_events_max=1))
        futures = [batcher.send({"payload": n}) for n in range(3)]
        batcher.close(timeout=0.05)
        done, not_done = wait(futures, 30)
        self.assertEqual(len(not_done), 0)
        self.assertTrue(all(isinstance(future.exception(), BatcherClosed) for future in done))
        self.assertTrue(batcher.flush(60))

    def test_a_cancelled_event_is_not_sent(self) -> None:
        base = server().script(ECHO)
        with Client("k", base_url=base) as client, client.batcher(BatcherOptions(linger_ms=600_000)) as batcher:
            futures = [batcher.send({"payload": n}) for n in range(3)]
            self.assertTrue(futures[1].cancel())
            batcher.flush()
            self.assertEqual(futures[2].result(0), "id-2")
        self.assertEqual(sent(base), [[0, 2]])

    def test_asyncio_awaits_the_future(self) -> None:
        base = server().script(ECHO)

        async def run(batcher: Any) -> List[str]:
            return list(await asyncio.gather(*(asyncio.wrap_future(batcher.send({"payload": n})) for n in range(3))))

        with Client("k", base_url=base) as client, client.batcher(BatcherOptions(when_full="raise")) as batcher:
            self.assertEqual(asyncio.run(run(batcher)), ["id-0", "id-1", "id-2"])

    def test_absurd_options_are_refused(self) -> None:
        for bad in ({"batch_events_max": 0}, {"when_full": "drop"}, {"batch_bytes_max": 10}, {"queue_bytes_max": 10}, {"linger_ms": -1}):
            options: Any = bad
            with self.subTest(str(bad)), self.assertRaises(ValueError):
                BatcherOptions(**options)


class Ends(unittest.TestCase):
    def run_script(self, base: str, text: str) -> None:
        head = f"from sluice import *\nimport os\nclient = Client('k', base_url={base!r})\n"
        done = subprocess.run([sys.executable, "-W", "ignore::DeprecationWarning", "-c", head + text], capture_output=True, text=True, timeout=120, env=os.environ)
        self.assertEqual((done.returncode, done.stderr), (0, ""))

    def test_the_end_of_the_process_flushes(self) -> None:
        base = server().script(ECHO)
        self.run_script(base, "b = client.batcher(BatcherOptions(linger_ms=600_000))\nb.send({'payload': 1})\n")
        self.assertEqual(sent(base), [[1]])

    @unittest.skipUnless(hasattr(os, "fork"), "no fork here")
    def test_a_fork_neither_loses_nor_repeats_events(self) -> None:
        base = server().script(ECHO)
        text = """
batcher = client.batcher(BatcherOptions(linger_ms=600_000))
first = batcher.send({"payload": 1})
child = os.fork()
if child == 0:
    second = batcher.send({"payload": 2})
    batcher.flush(60)
    assert second.result(0) == "id-2"
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
batcher.send({"payload": 3})
batcher.flush(60)
assert first.result(0) == "id-1"
"""
        self.run_script(base, text)
        self.assertEqual(sent(base), [[2], [1, 3]])

    def test_sending_imports_nothing(self) -> None:
        # If a thread imports a module at the moment of a fork, the module's lock stays locked in the child for ever.
        base = server().script(ECHO)
        text = """
import sys
imported = set(sys.modules)
with client, client.batcher() as batcher:
    batcher.send({"payload": 1}).result(30)
    client.send_events([{"payload": 2}, {"payload": 3}])
assert imported == set(sys.modules), set(sys.modules) - imported
"""
        self.run_script(base, text)

    @unittest.skipUnless(hasattr(os, "fork"), "no fork here")
    def test_forks_while_threads_send(self) -> None:
        base = server().script(ECHO)
        text = """
import threading
batcher = client.batcher(BatcherOptions(linger_ms=1, batch_events_max=7))
def send(first):
    for n in range(first, first + 300):
        batcher.send({"payload": n})
threads = [threading.Thread(target=send, args=(n * 300,)) for n in range(3)]
for thread in threads: thread.start()
for n in range(10):
    child = os.fork()
    if child == 0:
        batcher.send({"payload": 10_000 + n}).result(60)
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
for thread in threads: thread.join()
batcher.close()
"""
        self.run_script(base, text)
        wanted = list(range(900)) + [10_000 + n for n in range(10)]
        self.assertEqual(sorted(n for batch in sent(base) for n in batch), wanted)


if __name__ == "__main__":
    unittest.main()
