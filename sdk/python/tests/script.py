"""Starts `vectors/server.py`, scripts its answers, and reads the requests that it received."""

from __future__ import annotations

import atexit
import json
import pathlib
import subprocess
import sys
import urllib.request
from typing import Any, Dict, List

VECTORS = pathlib.Path(__file__).resolve().parents[2] / "vectors"


def vectors(name: str) -> Any:
    return json.loads((VECTORS / f"{name}.json").read_text(encoding="utf-8"))


class ScriptServer:
    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, str(VECTORS / "server.py")], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self._process.stdout is not None
        self.port = int(self._process.stdout.readline().split()[1])
        atexit.register(self.stop)

    def stop(self) -> None:
        self._process.kill()
        self._process.communicate()

    def script(self, answers: List[Dict[str, Any]]) -> str:
        """Scripts these answers; returns the base URL of the requests that get them."""
        body = json.dumps({"answers": answers}).encode()
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}/_script", body, method="POST")
        with urllib.request.urlopen(request) as answer:
            return f"http://127.0.0.1:{self.port}{json.load(answer)['base']}"

    def seen(self, base: str) -> List[Dict[str, Any]]:
        path = base[len(f"http://127.0.0.1:{self.port}") :]
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/_seen{path}") as answer:
            requests: List[Dict[str, Any]] = json.load(answer)["requests"]
            return requests


_server: List[ScriptServer] = []


def server() -> ScriptServer:
    if not _server:
        _server.append(ScriptServer())
    return _server[0]


def is_part(part: Any, whole: Any) -> bool:
    """Whether every field of `part` is in `whole`."""
    if isinstance(part, dict):
        return isinstance(whole, dict) and all(key in whole and is_part(value, whole[key]) for key, value in part.items())
    return bool(part == whole)
