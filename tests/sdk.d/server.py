"""The real binary on one machine, for the tests of the SDKs: started, killed, started again."""

import json
import os
import pathlib
import select
import signal
import subprocess
import time
import urllib.request

from free_port import free_port

ROOT = pathlib.Path(__file__).resolve().parents[2]


class Sluice:
    """`sluice up` on a data directory of its own, with a customer and a key."""

    def __init__(self, binary: str, directory: str) -> None:
        self.binary, self.directory = binary, directory
        self.ports = free_port(), free_port()
        self.url, self.admin_url = (f"http://127.0.0.1:{port}" for port in self.ports)
        self.process = None
        self.start()
        self.token = (pathlib.Path(directory) / "data" / "admin-token").read_text().strip()
        self.customer = self.admin("/admin/customers", {"name": "SDK", "rate_limit_per_second": 1_000_000})["customer_id"]
        self.key = self.admin(f"/admin/customers/{self.customer}/keys", {})["api_key"]

    def start(self) -> None:
        public, admin = (f"127.0.0.1:{port}" for port in self.ports)
        command = [self.binary, "up", "--data-dir", f"{self.directory}/data", "--listen", public]
        command += ["--admin-listen", admin, "--allow-private-webhooks", "--log-filter", "error"]
        log = open(f"{self.directory}/log", "ab")
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log)
        if not select.select([self.process.stdout], [], [], 120)[0] or not self.process.stdout.readline().startswith(b"ready"):
            raise SystemExit(f"{self.binary} up did not start; see {self.directory}/log")

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self) -> None:
        if self.process.poll() is None:
            self.process.terminate()
            self.process.wait(60)

    def admin(self, path, body):
        return request(self.admin_url + path, body, self.token)

    def subscribe(self, url, **more):
        """A subscription to `soak` and order events; returns once events count."""
        selector = {"type": "event_type", "value": "*"}
        made = request(self.url + "/v1/subscriptions", {"event_selector": selector, "webhook_url": url, **more}, self.key)
        time.sleep(1.1)  # `effective_at` is at most a second on
        return made

    def environment(self):
        return {**os.environ, "SLUICE_URL": self.url, "SLUICE_API_KEY": self.key}


def request(url, body, key):
    headers = {"authorization": f"Bearer {key}", "content-type": "application/json"}
    with urllib.request.urlopen(urllib.request.Request(url, json.dumps(body).encode(), headers), timeout=60) as answer:
        return json.load(answer)
