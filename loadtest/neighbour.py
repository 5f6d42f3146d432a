#!/usr/bin/env python3
"""Measures a quiet customer's latency from 202 to receipt, alone and beside a customer with expensive selectors.

    cargo build --release && loadtest/neighbour.py [--binary PATH] [--seconds 20] [--expensive-rate 73]

The expensive customer has ten subscriptions on `$..[?@..[?@.x == n]]` and sends
events of about 24 KB. Server, senders and receiver share the machine: compare
the two lines of one run.
"""

import argparse
import asyncio
import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
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


def free_port():
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        return held.getsockname()[1]


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
        self.port, self.key, self.accepted = port, key, {}
        self.free = asyncio.Queue()
        for _ in range(CONNECTIONS):
            self.free.put_nowait(None)

    async def send(self, n, body):
        connection = await self.free.get()
        try:
            reader, writer = connection = connection or await asyncio.open_connection("127.0.0.1", self.port)
            head = f"POST /v1/events HTTP/1.1\r\nhost: sluice\r\nauthorization: Bearer {self.key}\r\n"
            head += f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
            writer.write(head.encode() + body)
            answer = await reader.readuntil(b"\r\n\r\n")
            await reader.readexactly(length_of(answer))
            if answer.split(b" ", 2)[1] == b"202":
                self.accepted[n] = time.perf_counter()
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
    command = [binary, "up", "--data-dir", folder, "--listen", f"127.0.0.1:{public}"]
    command += ["--admin-listen", f"127.0.0.1:{admin}", "--admin-token", TOKEN, "--allow-private-webhooks"]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
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
    arguments = parser.parse_args()
    folder = tempfile.mkdtemp(prefix="sluice-neighbour-")
    try:
        asyncio.run(measure(arguments.binary, arguments.seconds, arguments.expensive_rate, folder))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
