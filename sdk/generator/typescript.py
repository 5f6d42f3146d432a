"""Writes `types.ts` and `methods.ts` of the TypeScript SDK."""

from . import model

HEADER = "// {subject}\n// Written by sdk/generate from the OpenAPI documents; do not edit.\n\n"


def files(api):
    yield "typescript/src/types.ts", types(api)
    yield "typescript/src/methods.ts", methods(api)


def name_of(kind, prefix=""):
    tag = kind[0]
    if tag == "list":
        inner = name_of(kind[1], prefix)
        return f"({inner})[]" if " " in inner else f"{inner}[]"
    if tag == "nullable":
        return f"{name_of(kind[1], prefix)} | null"
    if tag == "ref":
        return prefix + kind[1]
    return {"integer": "number", "any": "unknown"}.get(tag, tag)


def doc(text, indent=""):
    lines = model.comment(text, 96)
    if not lines:
        return ""
    if len(lines) == 1:
        return f"{indent}/** {lines[0]} */\n"
    return f"{indent}/**\n" + "".join(f"{indent} * {line}\n" for line in lines) + f"{indent} */\n"


def types(api):
    out = [HEADER.format(subject="What the API takes and answers.")]
    out.append("/** A string that may be one this version does not know: enumerations are open. */\nexport type Unknown = string & {};\n")
    for definition in api.definitions.values():
        out.append("\n" + doc(definition.doc or f"`{definition.name}` of the API."))
        if isinstance(definition, model.Enum):
            values = " | ".join(f'"{value}"' for value in definition.values)
            out.append(f"export type {definition.name} = {values} | Unknown;\n")
        elif isinstance(definition, model.Union):
            out.append(f"export type {definition.name} = {' | '.join(definition.members)};\n")
        else:
            out.append(f"export interface {definition.name} {{\n")
            if definition.tag:
                out.append(f'  {definition.tag[0]}: "{definition.tag[1]}";\n')
            out.append(fields(definition.fields) + "}\n")
    for operation in queries(api):
        out.append(f"\n{doc(f'What `{model.camel(operation.name)}` may be asked for.')}")
        out.append(f"export interface {query_name(operation)} {{\n{fields(operation.query)}}}\n")
    return "".join(out)


def queries(api):
    seen = {}
    for operation in api.public + api.admin:
        if operation.query:
            known = seen.setdefault(query_name(operation), operation)
            if known.query != operation.query:
                raise ValueError(f"two operations called {operation.name} have other queries")
    return seen.values()


def query_name(operation):
    return f"{model.pascal(operation.name)}Query"


def fields(all_fields):
    out = []
    for field in all_fields:
        out.append(doc(field.doc, "  "))
        out.append(f"  {field.name}{'' if field.required else '?'}: {name_of(field.type)};\n")
    return "".join(out)


def methods(api):
    out = [HEADER.format(subject="One thin method for each operation of the API.")]
    out.append('import type { CallRequest } from "./request.js";\nimport { segment } from "./request.js";\n')
    out.append('import type * as types from "./types.js";\n')
    for kind, operations, who in (
        ("Client", api.public, "a customer's key"),
        ("Admin", api.admin, "the admin token"),
    ):
        out.append(f"\n{doc(f'The operations that {who} may call.')}export abstract class {kind}Methods {{\n")
        out.append("  protected abstract call<T>(request: CallRequest): Promise<T>;\n")
        out.append("  protected abstract pages<T>(path: string, query: object, items: string): AsyncGenerator<T, void, undefined>;\n")
        for operation in operations:
            out.append(method(operation))
            if operation.page:
                out.append(iterator(operation))
        out.append("}\n")
    return "".join(out)


def path_of(operation):
    path = operation.path
    for param in operation.path_params:
        path = path.replace(f"{{{param}}}", f"${{segment({model.camel(param)})}}")
    return f"`{path}`" if operation.path_params else f'"{path}"'


def method(operation):
    arguments = [f"{model.camel(param)}: string" for param in operation.path_params]
    if operation.body:
        arguments.append(f"body: {name_of(operation.body, 'types.')}" + ("" if operation.body_required else " = {}"))
    if operation.query:
        needed = any(field.required for field in operation.query)
        arguments.append(f"query: types.{query_name(operation)}" + ("" if needed else " = {}"))
    answer = name_of(operation.answer, "types.") if operation.answer else "void"
    parts = [f'method: "{operation.method}"', f"path: {path_of(operation)}"]
    parts += ["query"] if operation.query else []
    parts += ["body"] if operation.body else []
    return (
        f"\n{doc(operation.doc + '.', '  ')}  {model.camel(operation.name)}({', '.join(arguments)}): Promise<{answer}> {{\n"
        f"    return this.call({{ {', '.join(parts)} }});\n  }}\n"
    )


def iterator(operation):
    arguments = [f"{model.camel(param)}: string" for param in operation.path_params]
    arguments.append(f'query: Omit<types.{query_name(operation)}, "cursor"> = {{}}')
    name = model.camel(f"iterate_{operation.name.replace('list_', '')}")
    item = name_of(operation.page.type[1], "types.")
    return (
        f"\n{doc(operation.doc + ': every item of every page.', '  ')}"
        f"  {name}({', '.join(arguments)}): AsyncGenerator<{item}, void, undefined> {{\n"
        f'    return this.pages({path_of(operation)}, query, "{operation.page.name}");\n  }}\n'
    )
