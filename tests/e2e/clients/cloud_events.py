"""Sends CloudEvents with the Python SDK, in both of its modes; prints the answers."""

import json
import sys
import urllib.request

from cloudevents.core.bindings.http import to_binary_event, to_structured_event
from cloudevents.core.v1.event import CloudEvent

url, key = sys.argv[1], sys.argv[2]


def send(mode, event):
    message = mode(event)
    headers = {**message.headers, "authorization": f"Bearer {key}"}
    request = urllib.request.Request(url, data=message.body, headers=headers, method="POST")
    with urllib.request.urlopen(request) as answer:
        print(json.dumps({"status": answer.status, **json.load(answer)}))


for name, mode in (("binary", to_binary_event), ("structured", to_structured_event)):
    attributes = {
        "id": f"python-{name}",
        "type": "order.created",
        "source": "/shop/python",
        "specversion": "1.0",
        "subject": "Grüße",
        "datacontenttype": "application/json",
        "tenant": "t1",
    }
    send(mode, CloudEvent(attributes, {"via": f"python-{name}", "text": "ü"}))
