#!/usr/bin/env python3
"""Measures a quiet customer's latencies, alone and beside a customer that is a burden.

    cargo build --release && loadtest/neighbour.py [--binary PATH] [--seconds 20] [--expensive-rate 73]
    loadtest/neighbour.py --scenario decoding|signing|inbox|replays|streams|redrives|tests|slow|templates|all [--rounds 3]

Without a scenario the burden is a customer with ten subscriptions on
`$..[?@..[?@.x == n]]` that sends events of about 24 KB. The scenarios are in
neighbour_beside.py; each has a server of its own and alternates between rounds
alone and rounds beside, of so many seconds each. Server, senders and receiver
share the machine: compare the lines of one run.
"""

import argparse
import asyncio
import json
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

from neighbour_beside import SCENARIOS

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))
from free_port import free_port  # noqa: E402

BINARY = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "release/sluice"
TOKEN = "neighbour-neighbour"
QUIET_RATE = 50
CONNECTIONS = 8
IN_FLIGHT_MAX = 200


def call(url, body=None, key=TOKEN):
    data = None if body is None else json.dumps(body).encode()
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    with urllib.request.urlopen(urllib.request.Request(url, data, headers), timeout=20) as answer:
        return json.load(answer)


def length_of(head, name=b"content-length"):
    lines = (line.partition(b":") for line in head.lower().split(b"\r\n"))
    return next(int(value) for key, _, value in lines if key == name)


class Receiver:
    """Answers every webhook with 200 and notes when the quiet customer's events came."""

    def __init__(self):
        self.came, self.expensive = {}, 0

    async def serve(self, reader, writer):
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                now = time.perf_counter()
                body = await reader.readexactly(length_of(head))
                if head.startswith(b"POST /quiet"):
                    for event in json.loads(body):
                        self.came.setdefault(event["payload"]["n"], now)
                else:
                    self.expensive += length_of(head, b"sluice-event-count")
                writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            writer.close()


class Sender:
    """A customer's connections to the server."""

    def __init__(self, port, key):
        self.port, self.key, self.accepted, self.took = port, key, {}, {}
        self.free = asyncio.Queue()
        for _ in range(CONNECTIONS):
            self.free.put_nowait(None)

    async def send(self, n, body):
        connection = await self.free.get()
        try:
            reader, writer = connection = connection or await asyncio.open_connection("127.0.0.1", self.port)
            head = f"POST /v1/events HTTP/1.1\r\nhost: sluice\r\nauthorization: Bearer {self.key}\r\n"
            head += f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
            began = time.perf_counter()
            writer.write(head.encode() + body)
            answer = await reader.readuntil(b"\r\n\r\n")
            await reader.readexactly(length_of(answer))
            if answer.split(b" ", 2)[1] == b"202":
                self.accepted[n] = time.perf_counter()
                self.took[n] = self.accepted[n] - began
        finally:
            self.free.put_nowait(connection)


async def paced(rate, seconds, first, send):
    """Sends at a fixed rate, whatever the answers take; returns the number after the last."""
    start, tasks = time.perf_counter(), set()
    count = int(rate * seconds)
    for n in range(first, first + count):
        await asyncio.sleep(start + (n - first) / rate - time.perf_counter())
        tasks.add(asyncio.create_task(send(n)))
        if len(tasks) >= IN_FLIGHT_MAX:
            _, tasks = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    if tasks:
        await asyncio.wait(tasks, timeout=5)
    return first + count


def subscribe(admin, public, hook):
    """Makes both customers and their subscriptions; returns their keys."""
    keys = {}
    for name in ("quiet", "expensive"):
        customer = call(f"{admin}/admin/customers", {"name": name, "rate_limit_per_second": 100_000})
        key = call(f"{admin}/admin/customers/{customer.get('customer_id') or customer['id']}/keys", {})
        keys[name] = key.get("api_key") or key["key"]
    everything = {"type": "event_type", "value": "*"}
    quiet = {"event_selector": everything, "webhook_url": f"{hook}/quiet", "batch": {"max_wait_ms": 5}}
    call(f"{public}/v1/subscriptions", quiet, keys["quiet"])
    for n in range(1, 11):
        selector = {"type": "jsonpath", "expression": f"$..[?@..[?@.x == {n}]]"}
        expensive = {"event_selector": selector, "webhook_url": f"{hook}/expensive"}
        call(f"{public}/v1/subscriptions", expensive, keys["expensive"])
    return keys


def expensive_event():
    items = [{"x": 20, "name": f"n{i:04}", "tags": ["a", "b"], "deep": {"y": [i, {"z": i}]}} for i in range(300)]
    return json.dumps({"event_type": "big", "payload": {"items": items}}).encode()


def report(name, pid, quiet, receiver, since):
    accepted = {n: at for n, at in quiet.accepted.items() if n >= since}
    latencies = sorted(receiver.came[n] - at for n, at in accepted.items() if n in receiver.came)
    resident = next(line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmRSS"))
    at = lambda share: latencies[min(len(latencies) - 1, int(len(latencies) * share))] * 1000 if latencies else float("nan")
    print(
        f"{name}: {len(latencies)} received, {len(accepted) - len(latencies)} not; "
        f"p50 {at(0.5):.1f} ms, p90 {at(0.9):.1f}, p99 {at(0.99):.1f}, max {at(1):.1f}; "
        f"resident {int(resident.split()[1]) // 1024} MB",
        flush=True,
    )


async def measure(binary, seconds, expensive_rate, folder):
    receiver = Receiver()
    public, admin, hook = free_port(), free_port(), free_port()
    await asyncio.start_server(receiver.serve, "127.0.0.1", hook, limit=1 << 22)
    server = start(binary, folder, public, admin)
    try:
        await asyncio.to_thread(server.stdout.readline)
        urls = (f"http://127.0.0.1:{port}" for port in (admin, public, hook))
        keys = await asyncio.to_thread(subscribe, *urls)
        await asyncio.sleep(1.5)
        quiet, expensive = Sender(public, keys["quiet"]), Sender(public, keys["expensive"])
        big = expensive_event()
        small = lambda n: quiet.send(n, json.dumps({"event_type": "a.b", "payload": {"n": n}}).encode())
        since = await paced(QUIET_RATE, seconds, 0, small)
        await asyncio.sleep(1)
        report("alone", server.pid, quiet, receiver, 0)
        await asyncio.gather(
            paced(QUIET_RATE, seconds, since, small),
            paced(expensive_rate, seconds, 0, lambda n: expensive.send(n, big)),
        )
        await asyncio.sleep(3)
        report(f"beside {len(expensive.accepted)} events of {len(big)} bytes", server.pid, quiet, receiver, since)
        with urllib.request.urlopen(f"http://127.0.0.1:{public}/metrics") as metrics:
            waiting = [line for line in metrics.read().decode().splitlines() if "_waiting" in line and line[0] != "#"]
        print("\n".join(waiting))
    finally:
        stop(server)


def percentile(values, share):
    """In milliseconds; of nothing it is no figure."""
    values = sorted(values)
    return values[min(len(values) - 1, int(len(values) * share))] * 1000 if values else float("nan")


class Figures:
    """The quiet customer's figures of one round."""

    def __init__(self, quiet, receiver, first, end):
        accepted = [n for n in range(first, end) if n in quiet.accepted]
        self.sent, self.taken = end - first, len(accepted)
        self.received = [receiver.came[n] - quiet.accepted[n] for n in accepted if n in receiver.came]
        self.answered = [quiet.took[n] for n in accepted]

    def values(self):
        return [percentile(values, share) for values in (self.answered, self.received) for share in (0.5, 0.99)]

    def __str__(self):
        lost = f"{self.sent - self.taken} not answered 202, {self.taken - len(self.received)} not received"
        answer, answer_99, receipt, receipt_99 = self.values()
        return f"202 p50 {answer:.1f} p99 {answer_99:.1f} ms, receipt p50 {receipt:.1f} p99 {receipt_99:.1f} ms; {lost}"


async def measure_scenario(scenario, binary, seconds, rounds, folder):
    receiver = Receiver()
    public, admin, hook = free_port(), free_port(), free_port()
    await asyncio.start_server(receiver.serve, "127.0.0.1", hook, limit=1 << 22)
    server = start(binary, folder, public, admin)
    beside, child = {False: [], True: []}, None
    try:
        await asyncio.to_thread(server.stdout.readline)
        urls = [f"http://127.0.0.1:{port}" for port in (admin, public, hook)]
        keys = await asyncio.to_thread(subscribe, *urls)
        command = [sys.executable, Path(__file__).with_name("neighbour_beside.py"), scenario, urls[1], urls[0], TOKEN]
        child = await asyncio.create_subprocess_exec(*command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert await child.stdout.readline() == b"ready\n", "the scenario was not prepared"
        await asyncio.sleep(3)
        quiet, first = Sender(public, keys["quiet"]), 0
        small = lambda n: quiet.send(n, json.dumps({"event_type": "a.b", "payload": {"n": n}}).encode())
        first = await paced(QUIET_RATE, 2, first, small)
        for _ in range(rounds):
            for busy in (False, True):
                if busy:
                    child.stdin.write(f"go {seconds}\n".encode())
                end = await paced(QUIET_RATE, seconds, first, small)
                done = (await child.stdout.readline()).decode().strip() if busy else ""
                await asyncio.sleep(2)
                figures = Figures(quiet, receiver, first, end)
                beside[busy].append(figures)
                print(f"{scenario} {'beside' if busy else 'alone '}: {figures} {done}", flush=True)
                first = end
        resident = next(line for line in Path(f"/proc/{server.pid}/status").read_text().splitlines() if line.startswith("VmRSS"))
        alone, busy = ([statistics.median(values) for values in zip(*(f.values() for f in beside[b]))] for b in (False, True))
        cells = [f"{a:.1f} → {b:.1f}" for a, b in zip(alone, busy)]
        lost = sum(f.sent - len(f.received) for f in beside[True])
        print(f"| {scenario} | {' | '.join(cells)} | {lost} | {int(resident.split()[1]) // 1024} MB |", flush=True)
    finally:
        if child:
            child.kill()
        stop(server)


def start(binary, folder, public, admin):
    command = [binary, "up", "--data-dir", folder, "--listen", f"127.0.0.1:{public}"]
    command += ["--admin-listen", f"127.0.0.1:{admin}", "--admin-token", TOKEN, "--allow-private-webhooks"]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)


def stop(server):
    server.send_signal(signal.SIGTERM)
    try:
        server.wait(15)
    except subprocess.TimeoutExpired:
        server.kill()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", default=BINARY)
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--expensive-rate", type=float, default=73)
    parser.add_argument("--scenario", choices=["selectors", "all", *SCENARIOS], default="selectors")
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    for scenario in SCENARIOS if arguments.scenario == "all" else [arguments.scenario]:
        folder = tempfile.mkdtemp(prefix="sluice-neighbour-")
        try:
            if scenario == "selectors":
                asyncio.run(measure(arguments.binary, arguments.seconds, arguments.expensive_rate, folder))
            else:
                asyncio.run(measure_scenario(scenario, arguments.binary, arguments.seconds, arguments.rounds, folder))
        finally:
            shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
