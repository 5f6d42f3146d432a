"""The burdens that loadtest/neighbour.py runs beside the quiet customer, one scenario a process.

    neighbour_beside.py SCENARIO PUBLIC_URL ADMIN_URL TOKEN

It prepares a customer, prints "ready", and for each line "go SECONDS" on its
standard input keeps the server busy for so long, and prints what it did.
"""

import asyncio
import gzip
import json
import random
import sys
import time
import urllib.error
import urllib.request

CONNECTIONS = 4
EXPENSIVE = "$..[?@..[?@.x == 1]]"


def call(method, url, body=None, key=""):
    data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    request = urllib.request.Request(url, data, headers, method=method)
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, error.read()[:300]


class Site:
    """The server, and a customer of it."""

    def __init__(self, public, admin, token):
        self.public, self.done = public, {}
        made = call("POST", f"{admin}/admin/customers", {"name": "busy", "rate_limit_per_second": 1_000_000}, token)[1]
        keys = f"{admin}/admin/customers/{made['customer_id']}/keys"
        self.key = call("POST", keys, {}, token)[1]["api_key"]
        self.hook = None

    def post(self, path, body):
        return call("POST", f"{self.public}{path}", body, self.key)

    def subscribe(self, path, selector=None, **more):
        wanted = {"event_selector": selector or {"type": "event_type", "value": "*"}, "webhook_url": f"{self.hook}{path}"}
        status, made = self.post("/v1/subscriptions", {**wanted, **more})
        assert status == 201, made
        return made["workflow_id"]

    def send(self, events):
        status, said = self.post("/v1/events", events)
        assert status == 202, said

    def count(self, what, n=1):
        self.done[what] = self.done.get(what, 0) + n

    async def receive(self, answer):
        """Serves webhooks; `answer(path)` is (seconds, status)."""

        async def serve(reader, writer):
            try:
                while True:
                    head = await reader.readuntil(b"\r\n\r\n")
                    await reader.readexactly(length_of(head))
                    seconds, status = answer(head.split(b" ", 2)[1].decode())
                    await asyncio.sleep(seconds)
                    self.count("webhooks")
                    writer.write(b"HTTP/1.1 %d X\r\ncontent-length: 0\r\n\r\n" % status)
                    await writer.drain()
            except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
                writer.close()

        server = await asyncio.start_server(serve, "127.0.0.1", 0, limit=1 << 25)
        self.hook = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"

    async def request(self, connection, method, path, body=b"", headers=""):
        """One request on a kept connection; returns the status and the answer's body."""
        reader, writer = connection
        head = f"{method} {path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {self.key}\r\n{headers}"
        writer.write(f"{head}content-length: {len(body)}\r\n\r\n".encode() + body)
        await writer.drain()
        answer = await reader.readuntil(b"\r\n\r\n")
        return int(answer.split(b" ", 2)[1]), await reader.readexactly(length_of(answer))

    async def connect(self):
        host, port = self.public.removeprefix("http://").split(":")
        return await asyncio.open_connection(host, int(port), limit=1 << 25)

    async def again_and_again(self, until, method, path, body=b"", headers="content-type: application/json\r\n", connections=CONNECTIONS):
        """The same request, one after the other, on each of several connections."""

        async def one():
            connection = None
            while time.monotonic() < until:
                try:
                    connection = connection or await self.connect()
                    sent = body() if callable(body) else body
                    status, said = await self.request(connection, method, path, sent, headers)
                    self.count(str(status))
                    if 400 <= status and status not in (429, 503):
                        self.done.setdefault("said", said[:200].decode())
                    if status in (429, 503):
                        await asyncio.sleep(0.01)
                except (asyncio.IncompleteReadError, ConnectionError):
                    connection = None
                    self.count("connections closed")

        await asyncio.gather(*(one() for _ in range(connections)))


def length_of(head):
    lines = (line.partition(b":") for line in head.lower().split(b"\r\n"))
    return next((int(value) for name, _, value in lines if name == b"content-length"), 0)


def small(n=0, kind="a.b", **payload):
    return {"event_type": kind, "payload": {"n": n, **payload}}


def nested(depth=60, copies=150):
    value = {"x": 20}
    for _ in range(depth):
        value = {"d": value}
    return [value] * copies


async def decoding(site):
    """Bodies that cost much to decode: nested, escaped, compressed to nothing, with one bad event at the end."""
    deep = json.dumps([{"event_type": "a", "payload": nested(60, 20)} for _ in range(500)]).encode()
    escaped = json.dumps([{"event_type": "a", "payload": "\u0001\u00e9" * 2000} for _ in range(300)]).encode()
    bad_last = json.dumps([small(n) for n in range(9_999)] + [7]).encode()
    fields = json.dumps([{"payload": {str(n): n for n in range(2_000)}} for _ in range(200)]).encode()
    zeros = gzip.compress(json.dumps([{"payload": "0" * 200_000} for _ in range(50)]).encode())
    bodies = [body for body in (deep, escaped, bad_last, fields) if len(body) < 10 << 20]

    async def attack(until):
        plain = site.again_and_again(until, "POST", "/v1/events", lambda: random.choice(bodies))
        packed = "content-type: application/json\r\ncontent-encoding: gzip\r\n"
        await asyncio.gather(plain, site.again_and_again(until, "POST", "/v1/events", zeros, packed, 2))

    return attack


async def signing(site):
    """Webhooks as large as a subscription may ask for."""
    for n in range(4):
        site.subscribe(f"/{n}", batch={"max_events": 1000, "max_bytes": 8 << 20, "max_wait_ms": 1000})
    body = json.dumps([small(n, text="x" * 200_000) for n in range(40)]).encode()

    async def attack(until):
        await site.again_and_again(until, "POST", "/v1/events", body, connections=2)

    return attack


def history(site, events):
    """Sends events with content for an expensive selector."""
    for first in range(0, events, 2_000):
        site.send([small(n, items=[{"x": 20, "y": [n]}] * 8) for n in range(first, first + 2_000)])


async def inbox(site):
    """Scans of the inbox whose filters match nothing."""
    history(site, 200_000)

    async def attack(until):
        await site.again_and_again(until, "GET", "/v1/inbox?event_type=no.such&limit=1000", connections=8)

    return attack


async def replays(site):
    """Replays of all history, and dry runs, with an expensive selector."""
    wanted = site.subscribe("/", {"type": "jsonpath", "expression": EXPENSIVE})
    every = site.subscribe("/all")
    history(site, 60_000)

    async def attack(until):
        dry = json.dumps({"workflow_id": wanted, "dry_run": True}).encode()
        real = json.dumps({"workflow_id": every}).encode()
        await asyncio.gather(
            site.again_and_again(until, "POST", "/v1/replay", dry),
            site.again_and_again(until, "POST", "/v1/replay", real, connections=1),
        )

    return attack


async def streams(site):
    """As many streams as a customer may have, most of which are never read, beside a busy sender."""

    async def attack(until):
        opened = []
        for _ in range(100):
            reader, writer = await site.connect()
            writer.write(f"GET /v1/stream HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {site.key}\r\n\r\n".encode())
            opened.append((reader, writer))
        for reader, _ in opened[:20]:
            asyncio.create_task(read_all(reader))
        body = json.dumps([small(n) for n in range(500)]).encode()
        await site.again_and_again(until, "POST", "/v1/events", body, connections=2)
        [writer.close() for _, writer in opened]

    async def read_all(reader):
        try:
            while await reader.read(1 << 16):
                site.count("reads of streams")
        except ConnectionError:
            pass

    return attack


async def redrives(site):
    """Dead letters that are driven again and become dead letters again."""
    wanted = site.subscribe("/refuses", batch={"max_events": 5, "max_wait_ms": 1})
    history(site, 20_000)

    async def attack(until):
        body = json.dumps({"workflow_id": wanted, "limit": 1000}).encode()
        await site.again_and_again(until, "POST", "/v1/dead-letters/redrive", body)

    return attack


async def tests(site):
    """Tests of an expensive selector on the last events."""
    wanted = site.subscribe("/", {"type": "jsonpath", "expression": EXPENSIVE})
    history(site, 10_000)

    async def attack(until):
        body = json.dumps({"last": 100}).encode()
        await site.again_and_again(until, "POST", f"/v1/subscriptions/{wanted}/test", body, connections=8)

    return attack


def sends_ten_every(site, seconds):
    """Sends one request of ten small events after each pause."""
    body = json.dumps([small(n) for n in range(10)]).encode()

    async def attack(until):
        while time.monotonic() < until:
            connection = await site.connect()
            status, _ = await site.request(connection, "POST", "/v1/events", body, "content-type: application/json\r\n")
            connection[1].close()
            site.count(str(status))
            await asyncio.sleep(seconds)

    return attack


async def slow(site):
    """Endpoints that answer after 29 seconds, on each of fifty subscriptions."""
    for n in range(50):
        site.subscribe(f"/slow/{n}", batch={"max_events": 10, "max_wait_ms": 5})
    return sends_ten_every(site, 0.02)


async def templates(site):
    """A thousand subscriptions, each with a template that works as long as a template may."""
    busy = "{% for a in range(40) %}{% for b in range(40) %}{{ a ~ b }}{% endfor %}{% endfor %}"
    for n in range(1000):
        site.subscribe(f"/{n}", transform={"template": {"text": busy}}, batch={"max_events": 10, "max_wait_ms": 5})
    return sends_ten_every(site, 0.2)


SCENARIOS = {attack.__name__: attack for attack in (decoding, signing, inbox, replays, streams, redrives, tests, slow, templates)}


def answer(path):
    if path.startswith("/slow"):
        return 29, 200
    return 0, 400 if path.startswith("/refuses") else 200


async def main(scenario, public, admin, token):
    site = Site(public, admin, token)
    await site.receive(answer)
    attack = await SCENARIOS[scenario](site)
    loop = asyncio.get_running_loop()
    print("ready", flush=True)
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        site.done.clear()
        await attack(time.monotonic() + float(line.split()[1]))
        print(json.dumps(site.done), flush=True)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
