"""Says which webhooks the Python library of Standard Webhooks accepts."""

import base64
import json
import sys

from standardwebhooks import Webhook, WebhookVerificationError

question = json.load(sys.stdin)
judge = Webhook(question["secret"])


def accepts(webhook):
    try:
        judge.verify(base64.b64decode(webhook["body"]), webhook["headers"])
    except WebhookVerificationError:
        return False
    return True


print(json.dumps([accepts(webhook) for webhook in question["webhooks"]]))
