"""Writes `types.py` and `_methods.py` of the Python SDK."""

import keyword

from . import model

HEADER = '"""{subject}\n\nWritten by sdk/generate from the OpenAPI documents; do not edit.\n"""\n\nfrom __future__ import annotations\n\n'


def files(api):
    yield "python/src/sluice/types.py", types(api)
    yield "python/src/sluice/_methods.py", methods(api)


def name_of(kind, prefix=""):
    tag = kind[0]
    if tag == "list":
        return f"List[{name_of(kind[1], prefix)}]"
    if tag == "nullable":
        return f"Optional[{name_of(kind[1], prefix)}]"
    if tag == "ref":
        return prefix + kind[1]
    return {"string": "str", "integer": "int", "number": "float", "boolean": "bool", "any": "Any"}[tag]


def types(api):
    out = [HEADER.format(subject="What the API takes and answers, as dictionaries.")]
    out.append("from typing import Any, List, Literal, Optional, TypedDict, Union\n\n")
    out.append("# Enumerations are open: a value that this version does not know arrives as it is.\n")
    unions = []
    for definition in api.definitions.values():
        if isinstance(definition, model.Enum):
            values = ", ".join(f'"{value}"' for value in definition.values)
            out.append(f"{definition.name} = Union[Literal[{values}], str]\n")
        elif isinstance(definition, model.Union):
            members = ", ".join(f'"{member}"' for member in definition.members)
            unions.append(f"\n{definition.name} = Union[{members}]\n")
    for definition in api.definitions.values():
        if isinstance(definition, model.Record):
            out.append(record(definition))
    return "".join(out + ["\n"] + unions)


def record(definition):
    # A class cannot have a field whose name is a keyword; its base can, written as a call.
    keywords = [field for field in definition.fields if keyword.iskeyword(field.name)]
    if not all(field.required for field in keywords):
        raise ValueError(f"{definition.name} has an optional field that is a keyword of Python")
    required = [field for field in definition.fields if field.required and field not in keywords]
    optional = [field for field in definition.fields if not field.required]
    doc = definition.doc or f"`{definition.name}` of the API."
    tag = definition.tag and f'    {definition.tag[0]}: Literal["{definition.tag[1]}"]\n'
    out = []
    base = "TypedDict"
    if keywords:
        base = f"_{definition.name}Keywords"
        named = ", ".join(f'"{field.name}": "{name_of(field.type)}"' for field in keywords)
        out.append(f'\n\n{base} = TypedDict("{base}", {{{named}}})\n')
    if optional and (required or tag):
        above, base = base, f"_{definition.name}Required"
        out.append(f"\n\nclass {base}({above}):\n" + (tag or "") + "".join(line(field) for field in required))
        tag = None
    total = ", total=False" if optional else ""
    out.append(f'\n\nclass {definition.name}({base}{total}):\n    """{wrapped(doc)}"""\n\n')
    out.append((tag or "") + "".join(line(field) for field in (optional or required)))
    return "".join(out)


def line(field):
    doc = "".join(f"    # {text}\n" for text in model.comment(field.doc, 90))
    return f"{doc}    {field.name}: {name_of(field.type)}\n"


def wrapped(text, indent="    "):
    lines = model.comment(text, 90)
    return lines[0] if len(lines) == 1 else f"\n{indent}".join(lines) + f"\n{indent}"


def methods(api):
    out = [HEADER.format(subject="One thin method for each operation of the API.")]
    out.append("from typing import Any, AsyncIterator, Iterator, List, Mapping, Optional, cast\n\n")
    out.append("from . import types\nfrom ._request import segment\n")
    for asynchronous in (False, True):
        for kind, operations in (("Client", api.public), ("Admin", api.admin)):
            out.append(class_of(asynchronous, kind, operations))
    return "".join(out)


def class_of(asynchronous, kind, operations):
    name = f"{'Async' if asynchronous else ''}{kind}Methods"
    maybe = "async " if asynchronous else ""
    pages = "AsyncIterator" if asynchronous else "Iterator"
    who = "a customer's key" if kind == "Client" else "the admin token"
    out = [
        f'\n\nclass {name}:\n    """The operations that {who} may call."""\n\n'
        f"    {maybe}def _call(\n        self, method: str, path: str, query: Optional[Mapping[str, Any]] = None, body: Any = None\n"
        "    ) -> Any:\n        raise NotImplementedError\n\n"
        f"    def _pages(self, path: str, query: Mapping[str, Any], items: str) -> {pages}[Any]:\n"
        "        raise NotImplementedError\n"
    ]
    for operation in operations:
        out.append(method(operation, operation.name, operation.query, maybe, None))
        if operation.page:
            plain = [field for field in operation.query if field.name != "cursor"]
            out.append(method(operation, f"iterate_{operation.name.replace('list_', '')}", plain, "", pages))
    return "".join(out)


def method(operation, name, query, maybe, pages):
    arguments = ["self"] + [f"{param}: str" for param in operation.path_params]
    if operation.body:
        kind = name_of(operation.body, "types.")
        arguments.append(f"body: {kind}" if operation.body_required else f"body: Optional[{kind}] = None")
    if query:
        arguments.append("*")
    for field in query:
        kind = name_of(field.type, "types.")
        arguments.append(f"{field.name}: {kind}" if field.required else f"{field.name}: Optional[{kind}] = None")
    answer = name_of(operation.answer, "types.") if operation.answer else "None"
    if pages:
        answer = f"{pages}[{name_of(operation.page.type[1], 'types.')}]"
    head = f"    {maybe}def {name}({', '.join(arguments)}) -> {answer}:\n"
    if len(head) > 110:
        head = f"    {maybe}def {name}(\n" + "".join(f"        {argument},\n" for argument in arguments) + f"    ) -> {answer}:\n"
    path = operation.path
    for param in operation.path_params:
        path = path.replace(f"{{{param}}}", f"{{segment({param})}}")
    path = f'f"{path}"' if operation.path_params else f'"{path}"'
    parts = ", ".join(f'"{field.name}": {field.name}' for field in query)
    doc = f"{operation.doc}: every item of every page." if pages else f"{operation.doc}."
    doc = f'        """{doc}"""\n'
    if pages:
        return f'\n{head}{doc}        return self._pages({path}, {{{parts}}}, "{operation.page.name}")\n'
    call = f'self._call("{operation.method}", {path}'
    if query:
        call += f", {{{parts}}}"
    if operation.body:
        default = "body" if operation.body_required else "{} if body is None else body"
        call += f", body={default}"
    call = ("await " if maybe else "") + call + ")"
    if not operation.answer:
        return f"\n{head}{doc}        {call}\n"
    return f"\n{head}{doc}        return cast({answer!r}, {call})\n".replace(f"cast('{answer}'", f'cast("{answer}"')
