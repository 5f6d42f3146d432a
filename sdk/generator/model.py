"""A model of the API: the parts of the OpenAPI documents that the writers need.

A type is one of these tuples:

    ("string",) ("integer",) ("number",) ("boolean",) ("any",)
    ("list", type) ("nullable", type) ("ref", name of a definition)

A definition is an open enumeration, a record or a union of records.
"""

import re
from dataclasses import dataclass, field

STRING, ANY = ("string",), ("any",)

# Operations that each SDK implements by hand, or does not offer.
BY_HAND = {
    "produce": "send_event, send_events and the batcher",
    "stream": "stream",
    "metrics": "for Prometheus",
    "openapi": "for tools",
    "ack_event_delete": "another name of ack_event",
    "test_customer": "development only",
    "test_subscription": "development only",
}
# Schemas that only those operations use.
UNUSED = {"CloudEvent", "EventsBody", "AcceptedBody", "Error", "TestCustomer", "TestSubscription"}
# Schemas that the hand-written parts use.
USED_BY_HAND = ["Event", "Accepted", "AcceptedMany", "EventResult", "StoredEvent"]


@dataclass
class Enum:
    name: str
    values: list
    doc: str = ""


@dataclass
class Field:
    name: str
    type: tuple
    required: bool
    doc: str = ""


@dataclass
class Record:
    name: str
    fields: list
    doc: str = ""
    tag: tuple = None  # (field, value) in a tagged union


@dataclass
class Union:
    name: str
    members: list  # names of records
    tag: str = None  # the field whose constant tells the members apart
    doc: str = ""


@dataclass
class Operation:
    name: str
    method: str
    path: str  # with {parameter}
    doc: str
    path_params: list = field(default_factory=list)
    query: list = field(default_factory=list)  # of Field
    body: tuple = None
    body_required: bool = True
    answer: tuple = None
    page: Field = None  # the list that a page holds


def words(name):
    """The words of a name in any case, in lower case."""
    return [word.lower() for word in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z0-9]+|[A-Z]+", name)]


def pascal(name):
    return "".join(word.capitalize() for word in words(name))


def camel(name):
    return re.sub(r"^.", lambda first: first.group().lower(), pascal(name))


def snake(name):
    return "_".join(words(name))


def singular(name):
    return name[:-1] if name.endswith("s") else name


def is_alias(thing):
    return (thing.get("description") or "").startswith("Another name of")


class Api:
    """Both documents: they share the definitions; the operations of customers and of operators are apart."""

    def __init__(self, public, admin):
        self.schemas = {**admin["components"]["schemas"], **public["components"]["schemas"]}
        self.definitions = {}
        for name in USED_BY_HAND:
            if name in self.schemas:
                self.named(name)
        self.public = self.operations(public, "/")
        self.admin = self.operations(admin, "/admin/")
        self.definitions = dict(sorted(self.definitions.items()))

    # Operations

    def operations(self, document, prefix):
        found = []
        for path, methods in document["paths"].items():
            for method, described in methods.items():
                name = described.get("operationId")
                if name and name not in BY_HAND and path.startswith(prefix):
                    found.append(self.operation(name, method.upper(), path, described))
        return found

    def operation(self, name, method, path, described):
        operation = Operation(snake(name), method, path, described.get("summary", name))
        segments = path.split("/")
        for index, segment in enumerate(segments):
            if not segment.startswith("{"):
                continue
            param = segment[1:-1]
            if param == "id":
                param = f"{singular(snake(segments[index - 1]))}_id"
                segments[index] = f"{{{param}}}"
            operation.path_params.append(param)
        operation.path = "/".join(segments)
        for parameter in described.get("parameters", []):
            if parameter.get("in") == "query" and not is_alias(parameter):
                kind = self.type_of(parameter.get("schema", {}), pascal(name) + pascal(parameter["name"]))
                doc = parameter.get("description", "")
                operation.query.append(Field(parameter["name"], kind, parameter.get("required", False), doc))
        body = described.get("requestBody")
        if body and "application/json" in body["content"]:
            schema = body["content"]["application/json"].get("schema", {})
            operation.body = self.type_of(schema, f"{pascal(name)}Body")
            operation.body_required = body.get("required", False)
        operation.answer = self.answer(name, described["responses"])
        operation.page = self.page(operation)
        return operation

    def answer(self, name, responses):
        kinds = []
        for status, response in responses.items():
            content = response.get("content", {}).get("application/json") if status.startswith("2") else None
            if content:
                kind = self.type_of(content.get("schema", {}), f"{pascal(name)}Answer")
                if kind not in kinds:
                    kinds.append(kind)
        if len(kinds) > 1:
            return self.union(f"{pascal(name)}Answer", [self.definitions[kind[1]] for kind in kinds])
        return kinds[0] if kinds else None

    def page(self, operation):
        """The list that a page of answers holds; None if the operation has no cursor or no single list."""
        record = self.definitions.get(operation.answer[1]) if operation.answer and operation.answer[0] == "ref" else None
        if not isinstance(record, Record) or not any(one.name == "cursor" for one in operation.query):
            return None
        if not {"cursor", "has_more"} <= {one.name for one in record.fields}:
            return None
        lists = [one for one in record.fields if one.type[0] == "list"]
        return lists[0] if len(lists) == 1 else None

    # Types

    def named(self, name):
        """The type that a `$ref` stands for; makes its definition at the first call."""
        if name not in self.definitions:
            schema = self.schemas[name]
            if name in UNUSED:
                return ANY
            self.definitions[name] = None  # for recursion
            kind = self.type_of(schema, name)
            if kind != ("ref", name):
                del self.definitions[name]
                return kind
        return ("ref", name)

    def type_of(self, schema, hint):
        """The type of a schema; if the type needs a definition of its own, `hint` is its name."""
        if schema is True or not schema:
            return ANY
        if "$ref" in schema:
            return self.named(schema["$ref"].rsplit("/", 1)[1])
        if len(schema.get("allOf", [])) == 1:
            return self.type_of(schema["allOf"][0], hint)
        kinds = schema.get("type")
        if isinstance(kinds, list):
            rest = [kind for kind in kinds if kind != "null"]
            inner = self.type_of({**schema, "type": rest[0]}, hint) if len(rest) == 1 else ANY
            return nullable(inner) if len(rest) < len(kinds) else inner
        if "const" in schema:
            return {str: STRING, bool: ("boolean",), int: ("integer",)}.get(type(schema["const"]), ANY)
        if "enum" in schema and all(isinstance(value, str) for value in schema["enum"]):
            return self.enum(schema, hint)
        if "properties" in schema:
            return self.record(hint, schema)
        options = schema.get("oneOf") or schema.get("anyOf")
        if options and kinds is None:
            return self.choice(options, schema, hint)
        if kinds == "array":
            return ("list", self.type_of(schema.get("items", {}), singular(hint)))
        return (kinds,) if kinds in ("string", "integer", "number", "boolean") else ANY

    def enum(self, schema, hint):
        suffix = words(hint)[-1]
        for known in self.definitions.values():
            if isinstance(known, Enum) and known.values == schema["enum"] and words(known.name)[-1] == suffix:
                return ("ref", known.name)
        self.definitions[hint] = Enum(hint, schema["enum"], schema.get("description", ""))
        return ("ref", hint)

    def record(self, name, schema, tag=None):
        fields = []
        for key, value in schema["properties"].items():
            if tag and key == tag[0] or isinstance(value, dict) and is_aliased(value):
                continue
            doc = value.get("description", "") if isinstance(value, dict) else ""
            fields.append(Field(key, self.type_of(value, name + pascal(key)), key in schema.get("required", []), doc))
        known = self.definitions.get(name)
        if known is not None and known.fields != fields:
            raise ValueError(f"two schemas would be called {name}")
        self.definitions[name] = Record(name, fields, schema.get("description", ""), tag)
        return ("ref", name)

    def choice(self, options, schema, hint):
        rest = [option for option in options if option.get("type") != "null"]
        if len(rest) < len(options):
            return nullable(self.choice(rest, schema, hint) if len(rest) > 1 else self.type_of(rest[0], hint))
        if all("properties" in option for option in rest):
            tag = next((key for key, value in rest[0]["properties"].items() if is_tag(value)), None)
            if tag and all(is_tag(option["properties"].get(tag, {})) for option in rest):
                names = []
                for option in rest:
                    value = option["properties"][tag]["const"]
                    names.append(f"{hint}{pascal(value)}")
                    self.record(names[-1], option, (tag, value))
                self.definitions[hint] = Union(hint, names, tag, schema.get("description", ""))
                return ("ref", hint)
            return self.record(hint, merged(rest, schema))
        kinds = [self.type_of(option, f"{hint}{index}") for index, option in enumerate(rest)]
        if all(kind == kinds[0] for kind in kinds):
            return kinds[0]
        records = [self.definitions.get(kind[1]) if kind[0] == "ref" else None for kind in kinds]
        if all(isinstance(record, Record) for record in records):
            return self.union(hint, records, schema.get("description", ""))
        return ANY

    def union(self, name, records, doc=""):
        self.definitions[name] = Union(name, [record.name for record in records], None, doc)
        return ("ref", name)


def nullable(kind):
    return kind if kind[0] in ("nullable", "any") else ("nullable", kind)


def is_tag(schema):
    """Whether a property can tell the members of a union apart."""
    return isinstance(schema, dict) and isinstance(schema.get("const"), str)


def is_aliased(schema):
    """Whether a property is another name of its neighbour; the description may be inside `anyOf`."""
    return is_alias(schema) or any(is_alias(option) for option in schema.get("anyOf", []) if isinstance(option, dict))


def merged(options, schema):
    """One record that can hold each of several: a field is required if all of them require it."""
    properties, required = {}, None
    for option in options:
        for key, value in option["properties"].items():
            known = properties.setdefault(key, value)
            if known != value and "enum" in known and "enum" in value:
                properties[key] = {**known, "enum": known["enum"] + [v for v in value["enum"] if v not in known["enum"]]}
            elif known != value and isinstance(known.get("const", known.get("enum", [""])[0]), bool):
                properties[key] = {"type": "boolean"}
            elif known != value:
                properties[key] = {}
        names = set(option.get("required", []))
        required = names if required is None else required & names
    return {"properties": properties, "required": sorted(required), "description": schema.get("description", "")}


def comment(text, width=96):
    """A description as lines."""
    lines, line = [], ""
    for word in " ".join(text.split()).split(" "):
        if line and len(line) + 1 + len(word) > width:
            lines.append(line)
            line = word
        else:
            line = f"{line} {word}".strip()
    return lines + [line] if line else lines
