#!/usr/bin/env python3
"""Measures the server on this machine and prints the README's table.

    cargo build --release && loadtest/speed.py [--seconds 5] [--data-dir DIR]

Generator, receiver and server share the machine. Each row runs beside a bare
hyper server that answers 202 (`sluice-loadtest baseline`), so that rows of
different runs can be compared by their ratio.
"""

import argparse
import http.client
import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BIN = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "release"
TOKEN = "speed-speed-speed"
PUBLIC, ADMIN, SINK, BARE = 18480, 18481, 18482, 18483


def call(connection, method, path, body=None, key=TOKEN):
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    connection.request(method, path, None if body is None else json.dumps(body), headers)
    answer = connection.getresponse()
    text = answer.read()
    if answer.status >= 300:
        raise SystemExit(f"{method} {path}: {answer.status} {text.decode()}")
    return json.loads(text) if text else None


def started(arguments, ready):
    """A process whose standard output has said that it is ready."""
    process = subprocess.Popen([str(a) for a in arguments], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    for line in process.stdout:
        if line.decode().startswith(ready):
            return process
    raise SystemExit(f"{arguments[0]} did not start")


class Server:
    """A fresh server with some customers."""

    def __init__(self, folder, customers):
        self.data = Path(tempfile.mkdtemp(dir=folder))
        self.process = started(
            [BIN / "sluice", "up", "--data-dir", self.data / "data", "--listen", f"127.0.0.1:{PUBLIC}",
             "--admin-listen", f"127.0.0.1:{ADMIN}", "--admin-token", TOKEN, "--allow-private-webhooks"],
            "ready")
        admin = http.client.HTTPConnection("127.0.0.1", ADMIN)
        self.keys = []
        for nth in range(customers):
            customer = call(admin, "POST", "/admin/customers",
                            {"name": f"customer {nth}", "rate_limit_per_second": 10_000_000})
            self.keys.append(call(admin, "POST", f"/admin/customers/{customer['customer_id']}/keys", {})["api_key"])
        self.keys_file = self.data / "keys"
        self.keys_file.write_text("\n".join(self.keys) + "\n")

    def subscribe(self, key, event_type, url):
        public = http.client.HTTPConnection("127.0.0.1", PUBLIC)
        types = event_type if isinstance(event_type, list) else [event_type]
        for value in types:
            made = call(public, "POST", "/v1/subscriptions", {
                "event_selector": {"type": "event_type", "value": value}, "webhook_url": url,
                "batch": {"max_events": 1000, "max_wait_ms": 10}}, key)
        wait = made["effective_at"]
        time.sleep(1.5)
        return wait

    def memory_mb(self):
        for line in Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS"):
                return int(line.split()[1]) / 1024
        return 0

    def end(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait()
        shutil.rmtree(self.data)


class Sink:
    """A receiver that counts."""

    def __init__(self):
        self.process = started([BIN / "sluice-loadtest", "receive", "--listen", f"127.0.0.1:{SINK}", "--json"], "ready")
        self.url = f"http://127.0.0.1:{SINK}/"

    def wait_for(self, events):
        sink = http.client.HTTPConnection("127.0.0.1", SINK)
        deadline = time.monotonic() + 60
        while call(sink, "GET", "/stats")["events"] < events and time.monotonic() < deadline:
            time.sleep(0.2)

    def end(self):
        self.process.send_signal(signal.SIGTERM)
        result = json.loads(self.process.stdout.read())
        self.process.wait()
        return result


def run(options, seconds, arguments):
    """One measurement of the generator."""
    out = subprocess.run(
        [str(a) for a in [BIN / "sluice-loadtest", "run", "--json", "--duration", f"{seconds}s", "--warmup", "1s",
                          *options, *arguments]], stdout=subprocess.PIPE, check=True)
    return json.loads(out.stdout)


def to_server(server, seconds, *arguments):
    return run(["--url", f"http://127.0.0.1:{PUBLIC}", "--keys-file", server.keys_file, "--watch-pid",
                server.process.pid], seconds, arguments)


def bare(seconds, *arguments):
    """The bare server's figure for the same requests."""
    process = started([BIN / "sluice-loadtest", "baseline", "--listen", f"127.0.0.1:{BARE}"], "ready")
    result = run(["--url", f"http://127.0.0.1:{BARE}", "--key", "none"], seconds, arguments)
    process.send_signal(signal.SIGTERM)
    process.wait()
    return result


def sync_ms(folder):
    """The median of `fdatasync` after 4 KiB written over existing bytes."""
    path = Path(folder) / "sync"
    with open(path, "wb", buffering=0) as file:
        file.write(bytes(1 << 22))
        os.fsync(file.fileno())
        times = []
        for nth in range(200):
            file.seek(nth * 4096)
            file.write(os.urandom(4096))
            start = time.perf_counter()
            os.fdatasync(file.fileno())
            times.append(time.perf_counter() - start)
    path.unlink()
    return sorted(times)[len(times) // 2] * 1000


def thousands(number):
    return f"{number:,.0f}"


def ms(us):
    return f"{us / 1000:.1f} ms"


def ingest(folder, seconds, customers):
    for batch, connections, unit, target in [(1, 64, "requests", "0.70 of bare"), (100, 16, "events", "1,500,000"),
                                             (1000, 16, "events", "2,500,000")]:
        arguments = ["--connections", connections, "--batch", batch]
        reference = bare(seconds, *arguments)["events_per_s"]
        server = Server(folder, customers)
        result = to_server(server, seconds, *arguments)
        server.end()
        row(f"{batch} a request, {connections} connections, {customers} customer(s)",
            f"{thousands(result['events_per_s'])} {unit}/s", target, result["events_per_s"] / reference,
            f"p99 {ms(result['latency_us']['p99'])}, {result['watched']['cores']:.2f} cores")


def end_to_end(folder, seconds, customers):
    reference = bare(seconds, "--connections", 16, "--batch", 1000)["events_per_s"]
    server, sink = Server(folder, customers), Sink()
    for key in server.keys:
        subscribe_quickly(server, key, sink.url)
    time.sleep(1.5)
    sent = to_server(server, seconds, "--connections", 16, "--batch", 1000)
    sink.wait_for(sent["whole_run"]["events_accepted"])
    received = sink.end()
    server.end()
    complete(sent, received)
    row(f"end to end, 1000 a request, {customers} customer(s)", f"{thousands(received['events_per_s'])} events/s",
        "1,000,000", received["events_per_s"] / reference,
        f"{received['deliveries']} deliveries, {sent['watched']['cores']:.2f} cores")


def subscribe_quickly(server, key, url):
    public = http.client.HTTPConnection("127.0.0.1", PUBLIC)
    call(public, "POST", "/v1/subscriptions", {
        "event_selector": {"type": "event_type", "value": "*"}, "webhook_url": url,
        "batch": {"max_events": 1000, "max_wait_ms": 10}}, key)


def complete(sent, received):
    lost = sent["whole_run"]["events_accepted"] - received["events"] + received["duplicates_same_delivery"]
    if lost > 0 or received["corrupted"]:
        raise SystemExit(f"{lost} events did not arrive, {received['corrupted']} are corrupted")


def steady(folder, seconds, customers):
    server, sink = Server(folder, customers), Sink()
    at_rest = server.memory_mb()
    for key in server.keys:
        subscribe_quickly(server, key, sink.url)
    time.sleep(1.5)
    sent = to_server(server, seconds, "--connections", 16, "--batch", 100, "--rate", 100_000)
    sink.wait_for(sent["whole_run"]["events_accepted"])
    received = sink.end()
    server.end()
    complete(sent, received)
    name = f"100,000 events/s, open loop, batches of 100, {customers} customer(s)"
    row(f"{name}: to 202", f"p99 {ms(sent['latency_us']['p99'])}", "5 ms", None,
        f"p50 {ms(sent['latency_us']['p50'])}")
    row(f"{name}: to receipt", f"p99 {ms(received['latency_us']['p99'])}", "100 ms", None,
        f"p50 {ms(received['latency_us']['p50'])}")
    row(f"{name}: the server", f"{sent['watched']['cores']:.2f} cores, "
        f"{sent['watched']['memory_bytes_max'] / 1e6:.0f} MB", "0.3 cores, 200 MB", None, f"{at_rest:.0f} MB at rest")


def many_subscriptions(folder, seconds):
    rates = []
    for others in [0, 9_999]:
        server, sink = Server(folder, 1), Sink()
        kinds = [f"other.type-{nth}" for nth in range(others)]
        if kinds:
            server.subscribe(server.keys[0], kinds, sink.url)
        subscribe_quickly(server, server.keys[0], sink.url)
        time.sleep(1.5)
        sent = to_server(server, seconds, "--connections", 16, "--batch", 1000)
        sink.wait_for(sent["whole_run"]["events_accepted"])
        received = sink.end()
        server.end()
        complete(sent, received)
        rates.append(received["events_per_s"])
    row("10,000 subscriptions on distinct types, one matching", f"{thousands(rates[1])} events/s end to end",
        "90 % of one's", None, f"{100 * rates[1] / rates[0]:.0f} % of {thousands(rates[0])} with one")


def row(name, figure, target, ratio, more):
    ratio = "" if ratio is None else f"{ratio:.2f}"
    print(f"| {name} | {figure} | {target} | {ratio} | {more} |", flush=True)


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--seconds", type=int, default=5, help="measured seconds a row")
    options.add_argument("--data-dir", default=None, help="where the server keeps its data")
    options.add_argument("--only", default="ingest,end,steady,many", help="which rows")
    given = options.parse_args()
    folder = tempfile.mkdtemp(prefix="sluice-speed-", dir=given.data_dir or Path.cwd())
    only = given.only.split(",")
    try:
        print(f"fdatasync of 4 KiB: {sync_ms(folder):.2f} ms; {os.cpu_count()} cores; {time.strftime('%Y-%m-%d')}\n")
        print("| measure | figure | target | of bare hyper | |\n|---|---|---|---|---|")
        for customers in [1, 1000]:
            if "ingest" in only:
                ingest(folder, given.seconds, customers)
            if "end" in only:
                end_to_end(folder, given.seconds, customers)
            if "steady" in only:
                steady(folder, given.seconds, customers)
        if "many" in only:
            many_subscriptions(folder, given.seconds)
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
