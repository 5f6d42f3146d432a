#!/usr/bin/env python3
"""Measures the server on this machine and prints the README's table.

    cargo build --release --workspace --bins && loadtest/speed.py [--seconds 4] [--rounds 3] [--server PATH]

Generator, receiver and server share the machine, so only ratios of one run can
be compared with those of another. Each ingest row alternates, round by round,
between three servers: a bare hyper server that answers 202 (`sluice-loadtest
baseline`), the limit of a durable server (`baseline --durable`), and Sluice; the
median of each is taken. With `--server` another build of `sluice` takes turns
with this one, and its figures stand beside.
"""

import argparse
import http.client
import json
import os
import shutil
import signal
import statistics
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

    def __init__(self, folder, customers, binary=BIN / "sluice"):
        self.data = Path(tempfile.mkdtemp(dir=folder))
        self.process = started(
            [binary, "up", "--data-dir", self.data / "data", "--listen", f"127.0.0.1:{PUBLIC}",
             "--admin-listen", f"127.0.0.1:{ADMIN}", "--admin-token", TOKEN, "--allow-private-webhooks"],
            "ready")
        admin = http.client.HTTPConnection("127.0.0.1", ADMIN)
        self.keys = []
        for nth in range(customers):
            customer = call(admin, "POST", "/admin/customers",
                            {"name": f"customer {nth}", "rate_limit_per_second": 10_000_000})
            # A build of 2026-11-21 or before names them `id` and `key`.
            customer_id = customer.get("customer_id") or customer["id"]
            made = call(admin, "POST", f"/admin/customers/{customer_id}/keys", {})
            self.keys.append(made.get("api_key") or made["key"])
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

    def switches(self):
        """Context switches of all threads so far."""
        counted = 0
        for status in Path(f"/proc/{self.process.pid}/task").glob("*/status"):
            for line in status.read_text().splitlines():
                if "ctxt_switches" in line:
                    counted += int(line.split()[1])
        return counted

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


def baseline(seconds, folder, arguments, durable):
    """A baseline's figure for the same requests."""
    options = ["--durable", "--data-dir", folder] if durable else []
    process = started([BIN / "sluice-loadtest", "baseline", "--listen", f"127.0.0.1:{BARE}", *options], "ready")
    result = run(["--url", f"http://127.0.0.1:{BARE}", "--key", "none"], seconds, arguments)
    process.send_signal(signal.SIGTERM)
    process.wait()
    return result["events_per_s"]


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


def median(results, figure):
    return statistics.median(figure(result) for result in results)


def ingest(given, folder, customers):
    for batch, connections, unit, target in [(1, 64, "requests", "0.80 of bare"), (100, 16, "events", "0.90 of the limit"),
                                             (1000, 16, "events", "0.90 of the limit")]:
        arguments = ["--connections", connections, "--batch", batch]
        bare, limit, ours, other = [], [], [], []
        for _ in range(given.rounds):
            bare.append(baseline(given.seconds, folder, arguments, durable=False))
            limit.append(baseline(given.seconds, folder, arguments, durable=True))
            for binary, results in [(BIN / "sluice", ours), (given.server, other)]:
                if binary:
                    server = Server(folder, customers, binary)
                    results.append(to_server(server, given.seconds, *arguments))
                    server.end()
        figure = median(ours, lambda result: result["events_per_s"])
        row(f"{batch} a request, {connections} connections, {customers} customer(s)",
            f"{thousands(figure)} {unit}/s", target, figure / statistics.median(bare), figure / statistics.median(limit),
            f"p99 {ms(median(ours, lambda result: result['latency_us']['p99']))}, "
            f"{median(ours, lambda result: result['watched']['cores']):.2f} cores"
            + beside(ours, other, lambda result: result["events_per_s"], lambda result: result["watched"]["cores"]))


def beside(ours, other, rate, cores):
    """How the other build did, and at what cost: events a second of one core."""
    if not other:
        return ""
    there = median(other, rate)
    cost = [median(results, lambda result: rate(result) / cores(result)) for results in (ours, other)]
    return (f"; the other build {thousands(there)}, this is {median(ours, rate) / there:.2f} of it, "
            f"{cost[0] / cost[1]:.2f} for each second of a core")


def end_to_end(given, folder, customers):
    def once(binary):
        server, sink = Server(folder, customers, binary), Sink()
        for key in server.keys:
            subscribe_quickly(server, key, sink.url)
        time.sleep(1.5)
        sent = to_server(server, given.seconds, "--connections", 16, "--batch", 1000)
        sink.wait_for(sent["whole_run"]["events_accepted"])
        received = sink.end()
        server.end()
        complete(sent, received)
        return sent, received

    def rate(result):
        return result[1]["events_per_s"]

    def cores(result):
        return result[0]["watched"]["cores"]

    bare, ours, other = [], [], []
    for _ in range(given.rounds):
        bare.append(baseline(given.seconds, folder, ["--connections", 16, "--batch", 1000], durable=False))
        ours.append(once(BIN / "sluice"))
        if given.server:
            other.append(once(given.server))
    figure = median(ours, rate)
    row(f"end to end, 1000 a request, {customers} customer(s)", f"{thousands(figure)} events/s", "1,300,000",
        figure / statistics.median(bare), None,
        f"{median(ours, lambda result: result[1]['deliveries']):.0f} deliveries, "
        f"{median(ours, cores):.2f} cores" + beside(ours, other, rate, cores))


def subscribe_quickly(server, key, url, **more):
    public = http.client.HTTPConnection("127.0.0.1", PUBLIC)
    call(public, "POST", "/v1/subscriptions", {
        "event_selector": {"type": "event_type", "value": "*"}, "webhook_url": url,
        "batch": {"max_events": 1000, "max_wait_ms": 10}, **more}, key)


def complete(sent, received):
    lost = sent["whole_run"]["events_accepted"] - received["events"] + received["duplicates_same_delivery"]
    if lost > 0 or received["corrupted"]:
        raise SystemExit(f"{lost} events did not arrive, {received['corrupted']} are corrupted")


def steady(given, folder, customers):
    def once(binary):
        server, sink = Server(folder, customers, binary), Sink()
        at_rest = server.memory_mb()
        for key in server.keys:
            subscribe_quickly(server, key, sink.url)
        time.sleep(1.5)
        switches = server.switches()
        sent = to_server(server, given.seconds, "--connections", 16, "--batch", 100, "--rate", 100_000)
        sink.wait_for(sent["whole_run"]["events_accepted"])
        switches = server.switches() - switches
        received = sink.end()
        server.end()
        complete(sent, received)
        return {"p50": sent["latency_us"]["p50"], "p99": sent["latency_us"]["p99"],
                "receipt_p50": received["latency_us"]["p50"], "receipt_p99": received["latency_us"]["p99"],
                "cores": sent["watched"]["cores"], "memory": sent["watched"]["memory_bytes_max"] / 1e6,
                "switches": switches / sent["whole_run"]["events_accepted"], "at_rest": at_rest}

    ours, other = [], []
    for _ in range(given.rounds):
        ours.append(once(BIN / "sluice"))
        if given.server:
            other.append(once(given.server))

    def of(results, name):
        return median(results, lambda result: result[name])

    name = f"100,000 events/s, open loop, batches of 100, {customers} customer(s)"
    row(f"{name}: to 202", f"p99 {ms(of(ours, 'p99'))}", "3 ms", None, None, f"p50 {ms(of(ours, 'p50'))}"
        + (f"; the other build p99 {ms(of(other, 'p99'))}" if other else ""))
    row(f"{name}: to receipt", f"p99 {ms(of(ours, 'receipt_p99'))}", "30 ms", None, None,
        f"p50 {ms(of(ours, 'receipt_p50'))}" + (f"; the other build p99 {ms(of(other, 'receipt_p99'))}" if other else ""))
    row(f"{name}: the server", f"{of(ours, 'cores'):.2f} cores, {of(ours, 'memory'):.0f} MB", "0.3 cores, 100 MB", None, None,
        f"{of(ours, 'at_rest'):.0f} MB at rest, {of(ours, 'switches'):.3f} context switches an event"
        + (f"; the other build {of(other, 'cores'):.2f} cores, {of(other, 'memory'):.0f} MB, "
           f"{of(other, 'switches'):.3f} switches" if other else ""))


TEMPLATE = {"event_id": "{{ event_id }}", "event_type": "{{ event_type }}", "payload": "{{ payload }}",
            "text": "{{ payload.user }} bought {{ payload.item|upper }} for {{ payload.amount }}"}
SCHEMA = {"type": "object", "required": ["mark", "user", "amount"], "properties": {
    "mark": {"type": "string"}, "user": {"type": "string", "pattern": "^u-"}, "amount": {"type": "number"},
    "item": {"type": "string", "maxLength": 200}, "note": {"type": "string"}}}


def declare(key, event_type, enforce):
    public = http.client.HTTPConnection("127.0.0.1", PUBLIC)
    call(public, "PUT", f"/v1/event-types/{event_type}", {"schema": SCHEMA, "enforce": enforce}, key)


def schemas(given, folder):
    """Ingest with event types declared, in turns with none."""
    kinds = {"none": [], "another type": [("no.such", True)], "not enforced": [(given.event_type, False)],
             "enforced": [(given.event_type, True)]}
    rates = {name: [] for name in kinds}
    for _ in range(given.rounds):
        for name, types in kinds.items():
            server = Server(folder, 1)
            for event_type, enforce in types:
                declare(server.keys[0], event_type, enforce)
            time.sleep(0.5)
            result = to_server(server, given.seconds, "--connections", 16, "--batch", 100)
            rates[name].append(result["events_per_s"])
            server.end()
    none = statistics.median(rates["none"])
    for name in list(kinds)[1:]:
        figure = statistics.median(rates[name])
        row(f"100 a request, a schema declared: {name}", f"{thousands(figure)} events/s", "", None, None,
            f"{100 * figure / none:.0f} % of {thousands(none)} without")


def templates(given, folder):
    """End to end at a rate, with a template and without: what an event costs the server."""
    shapes = {"without": {}, "with a template": {"transform": {"template": TEMPLATE}}}
    costs = {name: [] for name in shapes}
    for _ in range(given.rounds):
        for name, more in shapes.items():
            server, sink = Server(folder, 1), Sink()
            subscribe_quickly(server, server.keys[0], sink.url, **more)
            time.sleep(1.5)
            sent = to_server(server, given.seconds, "--connections", 16, "--batch", 100, "--rate", 20_000)
            time.sleep(2)
            received = sink.end()
            server.end()
            # To the receiver an event that a template rewrote is a corrupted one.
            missing = sent["whole_run"]["events_accepted"] - received["events"] - received["corrupted"]
            if missing > 0:
                raise SystemExit(f"{missing} events did not arrive")
            costs[name].append(1e6 * sent["watched"]["cores"] / 20_000)
    for name, results in costs.items():
        row(f"20,000 events/s to receipt, {name}", f"{statistics.median(results):.1f} µs an event", "", None, None, "")


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
        "90 % of one's", None, None, f"{100 * rates[1] / rates[0]:.0f} % of {thousands(rates[0])} with one")


def row(name, figure, target, of_bare, of_limit, more):
    ratios = ["" if ratio is None else f"{ratio:.2f}" for ratio in (of_bare, of_limit)]
    print(f"| {name} | {figure} | {target} | {ratios[0]} | {ratios[1]} | {more} |", flush=True)


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--seconds", type=int, default=4, help="measured seconds a round")
    options.add_argument("--rounds", type=int, default=3, help="alternating rounds a row, of which the median is shown")
    options.add_argument("--server", type=Path, default=None, help="another build of sluice to take turns with")
    options.add_argument("--customers", default="1,1000", help="how many customers send")
    options.add_argument("--data-dir", default=None, help="where the servers keep their data")
    options.add_argument("--only", default="ingest,end,steady,many", help="which rows; also: schemas, templates")
    options.add_argument("--event-type", default="demo.event", help="the type of the generator's events")
    given = options.parse_args()
    folder = tempfile.mkdtemp(prefix="sluice-speed-", dir=given.data_dir or Path.cwd())
    only = given.only.split(",")
    try:
        print(f"fdatasync of 4 KiB: {sync_ms(folder):.2f} ms; {os.cpu_count()} cores; {time.strftime('%Y-%m-%d %H:%M')}\n")
        print("| measure | figure | target | of bare hyper | of the limit | |\n|---|---|---|---|---|---|")
        for customers in map(int, given.customers.split(",")):
            if "ingest" in only:
                ingest(given, folder, customers)
            if "end" in only:
                end_to_end(given, folder, customers)
            if "steady" in only:
                steady(given, folder, customers)
        if "schemas" in only:
            schemas(given, folder)
        if "templates" in only:
            templates(given, folder)
        if "many" in only:
            many_subscriptions(folder, given.seconds)
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
