// A JSON reader that keeps the text. JSON.parse would round numbers past 2^53
// and drop doubled keys; the console shows what was sent.

export type JsonKind = "object" | "array" | "string" | "number" | "literal";

export interface JsonNode {
  kind: JsonKind;
  /** Where the value begins and ends in the text. */
  start: number;
  end: number;
  /** The key, in an object. */
  key?: string;
  /** The fields or the elements. */
  children?: JsonNode[];
}

const DEPTH_MAX = 512;

export type JsonFault = "more" | "nested" | "early" | "key" | "colon" | "comma" | "string_end" | "control" | "value";

/** Why a text is not JSON, and where. */
export class JsonError extends Error {
  constructor(
    readonly fault: JsonFault,
    readonly at: number,
  ) {
    super(fault);
  }
}

/** Reads one JSON value (RFC 8259). */
export function readJson(text: string): JsonNode {
  const reader = new Reader(text);
  const node = reader.value(0);
  reader.space();
  if (reader.at < text.length) throw reader.fault("more");
  return node;
}

/** The field of an object; the last one if it is doubled. */
export function fieldOf(node: JsonNode | undefined, key: string): JsonNode | undefined {
  return node?.children?.findLast((child) => child.key === key);
}

export function sliceOf(text: string, node: JsonNode): string {
  return text.slice(node.start, node.end);
}

class Reader {
  at = 0;
  constructor(private readonly text: string) {}

  fault(what: JsonFault): JsonError {
    return new JsonError(what, this.at);
  }

  space(): void {
    for (;;) {
      const code = this.text.charCodeAt(this.at);
      if (code !== 32 && code !== 9 && code !== 10 && code !== 13) return;
      this.at += 1;
    }
  }

  value(depth: number): JsonNode {
    if (depth > DEPTH_MAX) throw this.fault("nested");
    this.space();
    const start = this.at;
    switch (this.text[this.at]) {
      case "{":
        return this.list("object", "}", depth);
      case "[":
        return this.list("array", "]", depth);
      case '"':
        this.string();
        return { kind: "string", start, end: this.at };
      case undefined:
        throw this.fault("early");
      default:
        return this.word(start);
    }
  }

  private list(kind: "object" | "array", close: string, depth: number): JsonNode {
    const start = this.at;
    const children: JsonNode[] = [];
    this.at += 1;
    this.space();
    if (this.text[this.at] === close) {
      this.at += 1;
      return { kind, start, end: this.at, children };
    }
    for (;;) {
      this.space();
      let key: string | undefined;
      if (kind === "object") {
        if (this.text[this.at] !== '"') throw this.fault("key");
        const from = this.at;
        this.string();
        key = JSON.parse(this.text.slice(from, this.at)) as string;
        this.space();
        if (this.text[this.at] !== ":") throw this.fault("colon");
        this.at += 1;
      }
      const child = this.value(depth + 1);
      if (key !== undefined) child.key = key;
      children.push(child);
      this.space();
      const next = this.text[this.at];
      if (next === undefined) throw this.fault("early");
      this.at += 1;
      if (next === close) return { kind, start, end: this.at, children };
      if (next !== ",") {
        this.at -= 1;
        throw this.fault("comma");
      }
    }
  }

  private string(): void {
    this.at += 1;
    for (;;) {
      const code = this.text.charCodeAt(this.at);
      if (Number.isNaN(code)) throw this.fault("string_end");
      if (code < 32) throw this.fault("control");
      this.at += code === 92 ? 2 : 1;
      if (code === 34) return;
    }
  }

  private word(start: number): JsonNode {
    const match = /(?:-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null)/y;
    match.lastIndex = start;
    const found = match.exec(this.text)?.[0];
    if (!found) throw this.fault("value");
    this.at = start + found.length;
    const isNumber = found[0] === "-" || (found[0]! >= "0" && found[0]! <= "9");
    return { kind: isNumber ? "number" : "literal", start, end: this.at };
  }
}

/** The text with two spaces of indentation; numbers and strings stay as they are. */
export function prettyJson(text: string, node: JsonNode, indent = ""): string {
  const { children } = node;
  if (!children || children.length === 0) return sliceOf(text, node);
  const inner = `${indent}  `;
  const lines = children.map((child) => {
    const key = node.kind === "object" ? `${JSON.stringify(child.key)}: ` : "";
    return inner + key + prettyJson(text, child, inner);
  });
  const [open, close] = node.kind === "object" ? ["{", "}"] : ["[", "]"];
  return `${open}\n${lines.join(",\n")}\n${indent}${close}`;
}

/** A step of a JSONPath (RFC 9535): `.name`, `['odd name']` or `[3]`. */
export function pathStep(key: string | number): string {
  if (typeof key === "number") return `[${key}]`;
  if (/^[A-Za-z_][A-Za-z0-9_]*$/.test(key)) return `.${key}`;
  return `['${JSON.stringify(key).slice(1, -1).replace(/\\"/g, '"').replace(/'/g, "\\'")}']`;
}
