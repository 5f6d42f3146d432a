"""Lists the AWS calls that each role may make, and the calls in the code.

The rights are read from terraform/modules/iam/actions.tf, the calls from the
adapters' source. tests/distributed compares the rights with what the processes
really called.
"""
import os, re

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
ROLES = ("ingest", "processor", "provision")
# The resource of each name in the map of actions.tf.
THINGS = {
    "stream": "stream",
    "events_table": "table of events",
    "leases_table": "table of leases",
    "deliveries_queue": "queue of deliveries",
    "dead_letters_queue": "queue of dead letters",
}
# SQS allows and forbids a batch by the name of the single call.
SAME_RIGHT = {
    "sqs:SendMessageBatch": "sqs:SendMessage",
    "sqs:DeleteMessageBatch": "sqs:DeleteMessage",
    "sqs:ChangeMessageVisibilityBatch": "sqs:ChangeMessageVisibility",
}
SDKS = ("kinesis", "dynamodb", "sqs")
# Methods of a client that call nothing.
NO_CALLS = {"build", "clone"}


def right(service, operation):
    return SAME_RIGHT.get(f"{service}:{operation}", f"{service}:{operation}")


def allowed():
    """Rights by role and thing, as actions.tf says; the fan-out's are the processor's."""
    with open(os.path.join(ROOT, "terraform/modules/iam/actions.tf")) as file:
        text = file.read()
    rights = {role: {} for role in ROLES}
    for thing in THINGS:
        body = re.search(rf"^  {thing} = {{\n(.*?)^  }}", text, re.S | re.M)[1]
        for role in ROLES:
            listed = re.search(rf"^    {role} = \[(.*?)\]", body, re.S | re.M)[1]
            rights[role][thing] = set(re.findall(r'"([^"]+)"', listed))
    for name in ("fan_out_stream", "fan_out_consumer"):
        rights["processor"][name] = set(re.findall(r'"([^"]+)"', re.search(rf"^  {name} +=(.*)$", text, re.M)[1]))
    return rights


def called():
    """Rights that the adapters' calls need, by whether the call is in `provision`."""
    found = {"adapters": set(), "provision": set()}
    source = os.path.join(ROOT, "shared/aws/src")
    for folder, _, names in os.walk(source):
        for name in sorted(names):
            path = os.path.relpath(os.path.join(folder, name), source)
            if not name.endswith(".rs") or path.startswith("on_servers"):
                continue
            with open(os.path.join(source, path)) as file:
                text = file.read().split("#[cfg(test)]\nmod tests")[0]
            where = "provision" if path.startswith("provision") else "adapters"
            found[where] |= set(calls_of(text, path))
    return found


def calls_of(text, path):
    sdks = [sdk for sdk in SDKS if f"aws_sdk_{sdk}" in text]
    for field, method in re.findall(r"\b(client|kinesis|dynamodb|sqs)\s*\.\s*([a-z_]+)\(\)", text):
        if method in NO_CALLS or (field == "client" and not sdks):
            continue
        if field == "client" and len(sdks) > 1:
            raise SystemExit(f"{path}: which service's is `client.{method}`? the file uses {sdks}")
        service = sdks[0] if field == "client" else field
        yield right(service, "".join(word.capitalize() for word in method.split("_")))


def table():
    """README's table of rights, in Markdown."""
    rights = allowed()

    def words(actions):
        return f"`{' '.join(sorted(action.partition(':')[2] for action in actions))}`" if actions else "–"

    lines = ["| on | `ingest` | `processor` | the one-off `provision` |", "|---|---|---|---|"]
    for thing, name in THINGS.items():
        lines.append(f"| {name} | " + " | ".join(words(rights[role][thing]) for role in ROLES) + " |")
    fan_out = rights["processor"]["fan_out_stream"] | rights["processor"]["fan_out_consumer"]
    lines.append(f"| fan-out: stream and consumer | – | {words(fan_out)} | – |")
    return "\n".join(lines)


if __name__ == "__main__":
    print(table())
