"""Computes what AWS bills for a request: requests, entries and units, by operation and kind of row.

Kinesis: a PUT unit is 25 KB of a record, begun. DynamoDB: a write unit is 1 KB
of an item (a condition that fails costs the same), a read unit 4 KB, half of
it where the read may be stale. SQS: a request is 64 KB of messages, begun.

    python3 -m doctest tests/aws_units.py
"""
import json

PUT_UNIT, WRITE_UNIT, READ_UNIT, QUEUE_REQUEST = 25 * 1024, 1024, 4096, 64 * 1024
# An item that is not in the answer is as large as what was written to it.
UPDATED_MAX = 200_000


def units(size, unit):
    """
    >>> units(0, 1024), units(1024, 1024), units(1025, 1024)
    (1, 1, 2)
    """
    return max(1, -(-size // unit))


def base64_size(text):
    """
    >>> base64_size("YQ=="), base64_size("YWJj")
    (1, 3)
    """
    return len(text) * 3 // 4 - text[-2:].count("=")


def value_size(value):
    """Of an attribute's value, by DynamoDB's rules.

    >>> value_size({"S": "abc"}), value_size({"N": "12345"}), value_size({"B": "YWJj"}), value_size({"NS": ["1", "234"]})
    (3, 4, 3, 5)
    """
    ((kind, of),) = value.items()
    match kind:
        case "S":
            return len(of.encode())
        case "N":
            return (len(of) + 1) // 2 + 1
        case "B":
            return base64_size(of)
        case "SS" | "NS" | "BS":
            return sum(value_size({kind[0]: one}) for one in of)
        case "L":
            return 3 + sum(1 + value_size(one) for one in of)
        case "M":
            return 3 + sum(1 + len(name) + value_size(one) for name, one in of.items())
    return 1


def item_size(item):
    return sum(len(name.encode()) + value_size(value) for name, value in item.items())


class UpdatedItems:
    """How large items are that were added to, as far as their updates tell.

    >>> items, key = UpdatedItems(), {"pk": {"S": "c"}}
    >>> update = lambda number: {"TableName": "t", "Key": key, "UpdateExpression": "ADD #0 :0", "ExpressionAttributeNames": {"#0": "m"}, "ExpressionAttributeValues": {":0": {"NS": [number]}}}
    >>> [item_size(items.after(update(number))) for number in ("1", "1", "22")]
    [6, 6, 6]
    >>> items.keep(update("1")), item_size(items.after(update("22")))
    (None, 8)
    """

    def __init__(self):
        self.items = {}

    @staticmethod
    def key(request):
        return f"{request.get('TableName', '')} {json.dumps(request['Key'], sort_keys=True)}"

    def after(self, request):
        """The item after an update that adds to sets; of another update, what it writes."""
        names, values = request.get("ExpressionAttributeNames", {}), request.get("ExpressionAttributeValues", {})
        item = dict(self.items.get(self.key(request)) or request["Key"])
        for place, value in values.items():
            name = names.get(place.replace(":", "#"), place)
            ((kind, added),) = value.items()
            if kind in ("NS", "SS", "BS"):
                value = {kind: sorted({*item.get(name, {}).get(kind, []), *added})}
            item[name] = value
        return item

    def keep(self, request):
        """The update was made."""
        key = self.key(request)
        item = self.after(request)
        self.items.pop(key, None)
        self.items[key] = item
        if len(self.items) > UPDATED_MAX:
            self.items.pop(next(iter(self.items)))


def row_kind(table, key):
    """A table's rows by the prefixes of their keys.

    >>> row_kind("events", {"pk": {"S": "cus#1"}, "sk": {"S": "b#12"}, "v": {"B": ""}}), row_kind("events", {"pk": {"S": "r#attempts/7"}, "sk": {"S": "00"}})
    ('events b', 'events r#attempts')
    """
    sort, partition = key.get("sk", {}).get("S", ""), key.get("pk", {}).get("S", "")
    if "#" in sort:
        return f"{table} {sort.partition('#')[0]}"
    return f"{table} {partition.partition('/')[0]}".strip()


class Counts:
    """The sums of a route's requests, by operation and resource."""

    def __init__(self):
        self.rows = {}
        self.updated = UpdatedItems()

    def add(self, operation, of, requests, entries, units, size, seconds):
        """`size` is what the units were made from, in bytes."""
        row = self.rows.setdefault(f"{operation} {of}", {"requests": 0, "entries": 0, "units": 0, "bytes": 0, "seconds": 0.0})
        for name, more in (("requests", requests), ("entries", entries), ("units", units), ("bytes", size), ("seconds", seconds)):
            row[name] += more

    def count(self, kind, operation, request, answer, seconds):
        request, answer = json.loads(request or b"{}"), answer or b"{}"
        getattr(self, kind)(operation, request, answer, seconds)

    def kinesis(self, operation, request, answer, seconds):
        """
        >>> c = Counts(); c.count("kinesis", "PutRecords", json.dumps({"StreamName": "s", "Records": [{"Data": "A" * 40000, "PartitionKey": "1"}, {"Data": "YQ==", "PartitionKey": "1"}]}), b"{}", 0.5)
        >>> c.rows["PutRecords s"]
        {'requests': 1, 'entries': 2, 'units': 3, 'bytes': 30003, 'seconds': 0.5}
        """
        stream = request.get("StreamName") or request.get("StreamARN", "").rpartition("/")[2]
        if operation == "PutRecords":
            sizes = [base64_size(one["Data"]) + len(one["PartitionKey"]) for one in request["Records"]]
            # Refused requests are not billed.
            refused = json.loads(answer).get("Records", []) if b"ErrorCode" in answer else []
            sizes = [size for place, size in enumerate(sizes) if not (refused and refused[place].get("ErrorCode"))]
            self.add(operation, stream, 1, len(sizes), sum(units(size, PUT_UNIT) for size in sizes), sum(sizes), seconds)
        else:
            self.add(operation, stream, 1, answer.count(b'"Data"'), 0, len(answer), seconds)

    def dynamodb(self, operation, request, answer, seconds):
        """
        >>> c = Counts(); key = {"pk": {"S": "c#1"}, "sk": {"S": "f#1"}}
        >>> update = {"TableName": "t", "Key": key, "UpdateExpression": "ADD #0 :0", "ExpressionAttributeNames": {"#0": "m"}, "ExpressionAttributeValues": {":0": {"NS": ["1" * 3000]}}}
        >>> for _ in range(2): c.count("dynamodb", "UpdateItem", json.dumps(update), b"{}", 0)
        >>> c.rows["UpdateItem t f"]["units"], c.rows["UpdateItem t f"]["entries"]
        (4, 2)
        >>> c.count("dynamodb", "Scan", json.dumps({"TableName": "l"}), json.dumps({"Items": [{"k": {"S": "a" * 5000}}]}).encode(), 0); c.rows["Scan l"]["units"]
        1.0
        """
        table = request.get("TableName", "")
        if operation == "BatchWriteItem":
            self.batch_write(request, seconds)
        elif operation == "PutItem":
            size = item_size(request["Item"])
            self.add(operation, row_kind(table, request["Item"]), 1, 1, units(size, WRITE_UNIT), size, seconds)
        elif operation in ("UpdateItem", "DeleteItem"):
            self.updated.keep(request)
            size = item_size(self.updated.after(request))
            self.add(operation, row_kind(table, request["Key"]), 1, 1, units(size, WRITE_UNIT), size, seconds)
        elif operation in ("GetItem", "Query", "Scan"):
            found = json.loads(answer)
            items = found.get("Items", [found["Item"]] if "Item" in found else [])
            size = sum(map(item_size, items))
            share = 1 if request.get("ConsistentRead") else 0.5
            of = row_kind(table, request["Key"]) if "Key" in request else row_kind(table, items[0]) if operation == "Query" and items else table
            self.add(operation, of, 1, len(items), units(size, READ_UNIT) * share, size, seconds)
        else:
            self.add(operation, table, 1, 0, 0, 0, seconds)

    def batch_write(self, request, seconds):
        kinds = {}
        for table, writes in request["RequestItems"].items():
            for write in writes:
                item = write["PutRequest"]["Item"] if "PutRequest" in write else write["DeleteRequest"]["Key"]
                kinds.setdefault(row_kind(table, item), []).append(item_size(item))
        for of, sizes in kinds.items():
            self.add("BatchWriteItem", of, 1, len(sizes), sum(units(size, WRITE_UNIT) for size in sizes), sum(sizes), seconds)

    def sqs(self, operation, request, answer, seconds):
        """
        >>> c = Counts(); c.count("sqs", "SendMessageBatch", json.dumps({"QueueUrl": "http://h/1/q", "Entries": [{"MessageBody": "x" * 70000}]}), b"{}", 0)
        >>> c.rows["SendMessageBatch q"]["units"]
        2
        """
        queue = request.get("QueueUrl", "").rpartition("/")[2]
        entries = request.get("Entries", [])
        size = sum(len(entry.get("MessageBody", "").encode()) for entry in entries)
        if operation == "ReceiveMessage":
            entries = json.loads(answer).get("Messages") or []
            size = sum(len(message["Body"].encode()) for message in entries)
        self.add(operation, queue, 1, len(entries), units(size, QUEUE_REQUEST), size, seconds)
