#!/usr/bin/env python3
"""A server with scripted answers, for the tests of every SDK. Standard library only.

    sdk/vectors/server.py             prints `listening PORT`, then serves until its input ends

`POST /_script {"answers": [...]}` answers `{"base": "/s/1"}`. Requests below that base get the
answers in order. If the last answer has a field `repeat`, all later requests get it too.
`GET /_seen/s/1` lists the requests: `method`, `target` (without the base), `headers` (names in
lower case), `wire` (the body as it came, in base64), `text` (the body after gzip) and `coding`.

An answer is {"status": 200, "headers": {...}, "body": any JSON}, or one of these:

    {"fault": "close"}    the connection is closed without an answer
    {"fault": "cut"}      the answer breaks off inside its body
    {"fault": "stall"}    no answer
    {"stream": [texts]}   the texts are sent as the body of a stream, then the connection is closed
    {"echo": "events"}    202 with an id for each event of the body; the id of payload 1 is "id-1"
"""

import base64
import gzip
import json
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

STALL_S = 20
scripts, lock = {}, threading.Lock()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, *_):
        pass

    def handle_any(self):
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        if self.headers.get("transfer-encoding", "") == "chunked":
            body = self.read_chunks()
        if self.path == "/_script":
            with lock:
                base = f"/s/{len(scripts) + 1}"
                scripts[base] = {"answers": json.loads(body)["answers"], "seen": []}
            return self.reply(200, {}, {"base": base})
        if self.path.startswith("/_seen"):
            return self.reply(200, {}, {"requests": scripts[self.path[len("/_seen") :]]["seen"]})
        self.scripted(body)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = handle_any

    def read_chunks(self):
        body = b""
        while size := int(self.rfile.readline().split(b";")[0], 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return body

    def scripted(self, body):
        base = "/".join(self.path.split("/")[:3])
        coding = self.headers.get("content-encoding", "")
        plain = gzip.decompress(body) if coding == "gzip" else body
        seen = {
            "method": self.command,
            "target": self.path[len(base) :],
            "headers": {name.lower(): value for name, value in self.headers.items()},
            "wire": base64.b64encode(body).decode(),
            "text": plain.decode("utf-8", "replace"),
            "coding": coding,
        }
        with lock:
            script = scripts[base]
            index = len(script["seen"])
            script["seen"].append(seen)
            answers = script["answers"]
            over = {"status": 500, "body": {"error": {"code": "SCRIPT_OVER", "message": "no more answers", "request_id": "-"}}}
            answer = answers[index] if index < len(answers) else over
            if "repeat" in answers[-1] and index >= len(answers):
                answer = answers[-1]
        self.answer(answer, plain)

    def answer(self, answer, plain):
        fault = answer.get("fault")
        if fault == "stall":
            threading.Event().wait(STALL_S)
        if fault == "cut":
            self.send_response(200)
            self.send_header("content-length", "100")
            self.end_headers()
            self.wfile.write(b'{"cut":')
        if fault:
            self.close_connection = True
            return
        if "stream" in answer:
            self.send_response(200)
            self.send_header("content-type", "text/event-stream")
            self.send_header("connection", "close")
            self.end_headers()
            for text in answer["stream"]:
                self.wfile.write(text.encode())
                self.wfile.flush()
            self.close_connection = True
            return
        if answer.get("echo") == "events":
            events = json.loads(plain)
            results = [{"index": index, "event_id": f"id-{event['payload']}"} for index, event in enumerate(events)]
            return self.reply(202, {}, {"accepted": len(events), "rejected": 0, "events": results})
        self.reply(answer["status"], answer.get("headers", {}), answer.get("body"))

    def reply(self, status, headers, value):
        body = b"" if value is None else value.encode() if isinstance(value, str) else json.dumps(value).encode()
        self.send_response(status)
        for name, text in {"content-type": "application/json", **headers}.items():
            self.send_header(name, text)
        if status != 204:
            self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


if __name__ == "__main__":
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(f"listening {server.server_address[1]}", flush=True)
    sys.stdin.read()  # returns when the process that started this server has ended
