"""Writes `types.rb` and `methods.rb` of the Ruby SDK."""

from . import model

HEADER = "# frozen_string_literal: true\n\n# {subject}\n# Written by sdk/generate from the OpenAPI documents; do not edit.\n\n"


# Words of the language that parameters may be named after.
KEYWORDS = {"begin", "end", "until", "while", "if", "in", "next", "redo", "retry", "then", "when"}


def files(api):
    yield "ruby/lib/sluice/types.rb", types(api)
    yield "ruby/lib/sluice/methods.rb", methods(api)


def wraps(api, kind):
    """The record type that a value is read as, if any."""
    while kind[0] in ("nullable", "list"):
        kind = kind[1]
    return kind[1] if kind[0] == "ref" and isinstance(api.definitions[kind[1]], model.Record) else None


def types(api):
    out = [HEADER.format(subject="What the API answers and takes.")]
    out.append('require_relative "record"\n\nmodule Sluice\n  # Records read like objects, `event.status`, and like hashes, `event["status"]`. Enumerations are\n')
    out.append("  # open: a value that this version does not know arrives as it is; the constants are those it knows.\n  module Types\n")
    blocks = []
    for definition in api.definitions.values():
        if isinstance(definition, model.Enum):
            values = " ".join(definition.values)
            constant = "_".join(word.upper() for word in model.words(definition.name))
            blocks.append(f"    {constant} = %w[{values}].freeze\n")
        elif isinstance(definition, model.Record):
            lines = "".join(field(api, one) for one in definition.fields)
            doc = "".join(f"    # {line}\n" for line in model.comment(definition.doc, 90))
            body = f"\n{lines}    end\n" if lines else "; end\n"
            blocks.append(f"{doc}    class {definition.name} < Record{body}")
    out.append("\n".join(blocks) + "  end\nend\n")
    return "".join(out)


def field(api, one):
    doc = "".join(f"      # {line}\n" for line in model.comment(one.doc, 90))
    record = wraps(api, one.type)
    return f"{doc}      field :{one.name}" + (f', "{record}"\n' if record else "\n")


def methods(api):
    out = [HEADER.format(subject="One thin method for each operation of the API.")]
    out.append('require_relative "types"\n\nmodule Sluice\n')
    blocks = []
    for kind, operations, who in (
        ("Client", api.public, "a customer's key"),
        ("Admin", api.admin, "the admin token"),
    ):
        lines = []
        for operation in operations:
            lines.append(method(api, operation))
            if operation.page:
                lines.append(iterator(api, operation))
        blocks.append(f"  # The operations that {who} may call.\n  module {kind}Methods\n" + "\n".join(lines) + "  end\n")
    return "".join(out) + "\n".join(blocks) + "end\n"


def path_of(operation):
    path = operation.path
    for param in operation.path_params:
        path = path.replace(f"{{{param}}}", f"#{{segment({param})}}")
    return f'"{path}"'


def query_of(fields):
    return "{ " + ", ".join(f"{one.name}: {value_of(one.name)}" for one in fields) + " }"


def value_of(name):
    """A parameter's value. A parameter that is named like a keyword of Ruby cannot be read by its name."""
    return f"binding.local_variable_get(:{name})" if name in KEYWORDS else name


def signature(name, arguments):
    return f"    def {name}({', '.join(arguments)})\n" if arguments else f"    def {name}\n"


def method(api, operation):
    arguments = list(operation.path_params)
    if operation.body:
        arguments.append("body" if operation.body_required else "body = {}")
    arguments += [f"{one.name}:" if one.required else f"{one.name}: nil" for one in operation.query]
    call = f'call("{operation.method}", {path_of(operation)}'
    call += f", query: {query_of(operation.query)}" if operation.query else ""
    call += ", body: body" if operation.body else ""
    call += ")"
    record = wraps(api, operation.answer) if operation.answer else None
    if not operation.answer:
        call = f"{call}\n      nil"
    elif record:
        call = f"Types::{record}.wrap({call})"
    return f"    # {operation.doc}.\n{signature(operation.name, arguments)}      {call}\n    end\n"


def iterator(api, operation):
    plain = [one for one in operation.query if one.name != "cursor"]
    arguments = list(operation.path_params) + [f"{one.name}: nil" for one in plain] + ["&block"]
    name = f"iterate_{operation.name.replace('list_', '')}"
    record = wraps(api, operation.page.type)
    item = f"Types::{record}" if record else "nil"
    return (
        f"    # {operation.doc}: every item of every page, given to the block or as an Enumerator.\n{signature(name, arguments)}"
        f'      pages({path_of(operation)}, {query_of(plain)}, "{operation.page.name}", {item}, &block)\n    end\n'
    )
