"""Reads a stream with PyPI's `sseclient-py` and prints each payload; says where it left off."""

import json
import sys
import urllib.request

import sseclient

url, key, last_id, count = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])
headers = {"authorization": f"Bearer {key}", "accept": "text/event-stream"}
if last_id:
    headers["last-event-id"] = last_id
with urllib.request.urlopen(urllib.request.Request(url, headers=headers)) as answer:
    print("open", flush=True)
    lines = iter(answer.readline, b"")
    for event in sseclient.SSEClient(lines).events():
        if event.data:
            print(json.dumps(json.loads(event.data)["payload"]), flush=True)
            count -= 1
        if count == 0:
            print(json.dumps({"last_id": event.id}), flush=True)
            break
