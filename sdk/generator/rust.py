"""Writes `types.rs` and `methods.rs` of the Rust SDK."""

from . import model

HEADER = "//! {subject}\n//! Written by `sdk/generate` from the OpenAPI documents; do not edit.\n\n"
KEYWORDS = set("as async await break const continue crate dyn else enum extern false fn for if impl in let loop match mod move mut pub ref return self static struct super trait true type unsafe use where while".split())
DERIVES = "#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]\n"


def files(api):
    yield "rust/src/types.rs", types(api)
    yield "rust/src/methods.rs", methods(api)


def ident(name):
    return f"r#{name}" if name in KEYWORDS else name


def name_of(kind, prefix=""):
    tag = kind[0]
    if tag == "list":
        return f"Vec<{name_of(kind[1], prefix)}>"
    if tag == "nullable":
        return f"Option<{name_of(kind[1], prefix)}>"
    if tag == "ref":
        return prefix + kind[1]
    return {"string": "String", "integer": "i64", "number": "f64", "boolean": "bool", "any": f"{'serde_json::' if prefix else ''}Value"}[tag]


def doc(text, indent=""):
    return "".join(f"{indent}/// {line}\n" for line in model.comment(text.replace("<", "\\<").replace("[", "\\["), 96))


def types(api):
    out = [HEADER.format(subject="What the API takes and answers.")]
    out.append("use serde::{Deserialize, Serialize};\nuse serde_json::Value;\nuse std::fmt;\n")
    for definition in api.definitions.values():
        if isinstance(definition, model.Record) and definition.tag:
            continue  # its union holds it
        out.append("\n" + doc(definition.doc or f"`{definition.name}` of the API."))
        if isinstance(definition, model.Enum):
            out.append(enum(definition))
        elif isinstance(definition, model.Union):
            out.append(union(api, definition))
        else:
            out.append(record(api, definition))
    for operation in queries(api):
        out.append(f"\n/// What `{operation.name}` may be asked for.\n")
        out.append("#[derive(Debug, Clone, Default, PartialEq, Serialize)]\n")
        out.append(f"pub struct {query_name(operation)} {{\n{fields(operation.query)}}}\n")
    return "".join(out)


def queries(api):
    return {query_name(operation): operation for operation in api.public + api.admin if operation.query}.values()


def query_name(operation):
    return f"{model.pascal(operation.name)}Query"


def enum(definition):
    out = ["/// It is open: a value that this version does not know is `Other`.\n"]
    out.append("#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]\n#[serde(from = \"String\", into = \"String\")]\n#[non_exhaustive]\n")
    out.append(f"pub enum {definition.name} {{\n")
    for value in definition.values:
        out.append(f"    /// `{value}`\n    {model.pascal(value)},\n")
    out.append("    /// A value that this version does not know.\n    Other(String),\n}\n")
    arms = "".join(f'            Self::{model.pascal(value)} => "{value}",\n' for value in definition.values)
    out.append(f"\nimpl {definition.name} {{\n    /// The value as the API writes it.\n    #[must_use]\n    pub fn as_str(&self) -> &str {{\n        match self {{\n{arms}            Self::Other(value) => value,\n        }}\n    }}\n}}\n")
    arms = "".join(f'            "{value}" => Self::{model.pascal(value)},\n' for value in definition.values)
    out.append(f"\nimpl From<String> for {definition.name} {{\n    fn from(value: String) -> Self {{\n        match &*value {{\n{arms}            _ => Self::Other(value),\n        }}\n    }}\n}}\n")
    out.append(f"\nimpl From<{definition.name}> for String {{\n    fn from(value: {definition.name}) -> Self {{\n        value.as_str().to_owned()\n    }}\n}}\n")
    out.append(f"\nimpl fmt::Display for {definition.name} {{\n    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {{\n        f.write_str(self.as_str())\n    }}\n}}\n")
    return "".join(out)


def union(api, definition):
    tag = f'tag = "{definition.tag}"' if definition.tag else "untagged"
    out = [DERIVES, f"#[serde({tag})]\n#[non_exhaustive]\n", f"pub enum {definition.name} {{\n"]
    for member in definition.members:
        record = api.definitions[member]
        if definition.tag:
            variant = model.pascal(record.tag[1])
            out.append(f"    /// `{record.tag[1]}`\n    #[serde(rename = \"{record.tag[1]}\")]\n    {variant} {{\n")
            for field in record.fields:
                kind = name_of(field.type)
                kind = f"Box<{kind}>" if kind == definition.name else kind
                out.append(doc(field.doc or f"`{field.name}` of the API.", "        "))
                out.append(f"        {ident(field.name)}: {kind},\n")
            out.append("    },\n")
        else:
            out.append(f"    /// See [`{member}`].\n    {member}({member}),\n")
    out.append("    /// A value that this version does not know.\n" + ("    #[serde(untagged)]\n" if definition.tag else "") + "    Other(Value),\n}\n")
    return "".join(out)


def optional(field):
    """The type of a field that may be absent."""
    kind = name_of(field.type)
    return kind if field.required or kind.startswith("Option<") else f"Option<{kind}>"


def fields(all_fields):
    out = []
    for field in all_fields:
        out.append(doc(field.doc or f"`{field.name}` of the API.", "    "))
        if not field.required:
            out.append('    #[serde(default, skip_serializing_if = "Option::is_none")]\n')
        elif field.type[0] == "nullable":
            out.append("    #[serde(default)]\n")
        out.append(f"    pub {ident(field.name)}: {optional(field)},\n")
    return "".join(out)


def record(api, definition):
    required = [field for field in definition.fields if field.required]
    derives = DERIVES if required else DERIVES.replace("Clone,", "Clone, Default,")
    out = [derives, f"pub struct {definition.name} {{\n{fields(definition.fields)}}}\n"]
    if required and definition.name in taken(api):
        arguments = ", ".join(f"{ident(field.name)}: {into(field)[0]}" for field in required)
        values = "".join(
            f"            {ident(field.name)}{into(field)[1]},\n" if field.required else f"            {ident(field.name)}: None,\n"
            for field in definition.fields
        )
        out.append(f"\nimpl {definition.name} {{\n    /// With what is required; the rest is absent.\n    pub fn new({arguments}) -> Self {{\n        Self {{\n{values}        }}\n    }}\n}}\n")
    return "".join(out)


def into(field):
    if field.type == model.STRING:
        return "impl Into<String>", f": {ident(field.name)}.into()"
    return name_of(field.type), ""


def taken(api):
    """The records that requests hold."""
    names, todo = set(), [("ref", "Event")] + [operation.body for operation in api.public + api.admin if operation.body]
    while todo:
        kind = todo.pop()
        while kind[0] in ("nullable", "list"):
            kind = kind[1]
        if kind[0] != "ref" or kind[1] in names:
            continue
        names.add(kind[1])
        definition = api.definitions[kind[1]]
        if isinstance(definition, model.Record):
            todo += [field.type for field in definition.fields]
        elif isinstance(definition, model.Union):
            todo += [("ref", member) for member in definition.members]
    return names


def methods(api):
    out = [HEADER.format(subject="One thin method for each operation of the API.")]
    out.append("use crate::error::SdkError;\nuse crate::pages::Pages;\nuse crate::request::segment;\nuse crate::{Admin, Client, types};\nuse http::Method;\n")
    for kind, operations in (("Client", api.public), ("Admin", api.admin)):
        out.append(f"\nimpl {kind} {{\n")
        blocks = []
        for operation in operations:
            blocks.append(method(operation))
            if operation.page:
                blocks.append(iterator(operation))
        out.append("\n".join(blocks) + "}\n")
    return "".join(out)


def path_of(operation):
    path = operation.path
    for param in operation.path_params:
        path = path.replace(f"{{{param}}}", "{}")
    segments = ", ".join(f"segment({param})" for param in operation.path_params)
    return f'&format!("{path}", {segments})' if segments else f'"{path}"'


def method(operation):
    arguments = ["&self"] + [f"{param}: &str" for param in operation.path_params]
    arguments += [f"body: &{name_of(operation.body, 'types::')}"] if operation.body else []
    arguments += [f"query: &types::{query_name(operation)}"] if operation.query else []
    answer = name_of(operation.answer, "types::") if operation.answer else "()"
    query, body = "Some(query)" if operation.query else "None::<&()>", "Some(body)" if operation.body else "None::<&()>"
    call = f"self.core.{'call' if operation.answer else 'call_empty'}(Method::{operation.method}, {path_of(operation)}, {query}, {body}).await"
    return (
        f"{doc(operation.doc + '.', '    ')}    ///\n    /// # Errors\n    /// As [`SdkError`] tells.\n"
        f"    pub async fn {operation.name}({', '.join(arguments)}) -> Result<{answer}, SdkError> {{\n        {call}\n    }}\n"
    )


def iterator(operation):
    arguments = ["&self"] + [f"{param}: &str" for param in operation.path_params] + [f"query: &types::{query_name(operation)}"]
    item = name_of(operation.page.type[1], "types::")
    name = f"iterate_{operation.name.replace('list_', '')}"
    return (
        f"{doc(operation.doc + ': every item of every page.', '    ')}    #[must_use]\n"
        f"    pub fn {name}({', '.join(arguments)}) -> Pages<{item}> {{\n"
        f'        Pages::new(self.core.clone(), {path_of(operation)}, query, "{operation.page.name}")\n    }}\n'
    )
