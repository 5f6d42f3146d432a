// The editor of a selector: by event type, by a field, by a JSONPath, or a combination
// of these; or as JSON, for selectors that the form cannot express.

import { useState } from "preact/hooks";
import type { Selector } from "../core/types.ts";
import { texts } from "../texts.ts";
import { Button } from "./basics.tsx";
import { Segments, Select, TextArea, TextField } from "./fields.tsx";

const OPERATORS = [
  "equals", "not_equals", "greater_than", "greater_or_equal", "less_than", "less_or_equal", "contains",
  "starts_with", "ends_with", "in", "not_in", "exists", "not_exists", "matches",
] as const;

const KINDS = ["event_type", "custom", "jsonpath", "all", "any", "not"] as const;

export function emptySelector(kind: string): Selector {
  switch (kind) {
    case "jsonpath":
      return { type: "jsonpath", expression: "" };
    case "custom":
      return { type: "custom", function: { field: "", operator: "equals", value: "" } };
    case "all":
    case "any":
      return { type: kind, of: [emptySelector("event_type")] };
    case "not":
      return { type: "not", of: emptySelector("event_type") };
    default:
      return { type: "event_type", value: "" };
  }
}

interface EditorProps {
  value: Selector;
  onChange: (value: Selector) => void;
  /** Event types that the customer sends, as suggestions. */
  types: string[];
}

export function SelectorEditor({ value, onChange, types }: EditorProps) {
  const [asJson, setAsJson] = useState(false);
  const [text, setText] = useState("");
  const [wrong, setWrong] = useState<string | null>(null);
  const t = texts.selector;
  return (
    <div class="selector">
      <Segments
        label={t.form}
        value={asJson ? "json" : "form"}
        choices={[["form", t.asForm], ["json", t.asJson]]}
        onChoice={(choice) => {
          setText(JSON.stringify(value, null, 2));
          setWrong(null);
          setAsJson(choice === "json");
        }}
      />
      {asJson ? (
        <TextArea
          label={t.json}
          rows={8}
          class="mono"
          value={text}
          error={wrong}
          onText={(next) => {
            setText(next);
            try {
              const parsed: unknown = JSON.parse(next);
              if (typeof parsed !== "object" || parsed === null || !("type" in parsed)) throw new Error(t.needsType);
              setWrong(null);
              onChange(parsed as Selector);
            } catch (error) {
              setWrong(error instanceof Error ? error.message : String(error));
            }
          }}
        />
      ) : (
        <Part value={value} onChange={onChange} types={types} depth={0} />
      )}
      <datalist id="event-types">
        {types.map((type) => (
          <option key={type} value={type} />
        ))}
      </datalist>
    </div>
  );
}

function Part({ value, onChange, types, depth, onRemove }: EditorProps & { depth: number; onRemove?: (() => void) | undefined }) {
  const t = texts.selector;
  return (
    <div class={`selector-part depth-${Math.min(depth, 3)}`}>
      <div class="row end">
        <Select
          label={t.kind}
          value={value.type}
          choices={KINDS.map((kind) => [kind, t.kinds[kind]])}
          onChoice={(kind) => onChange(emptySelector(kind))}
        />
        <Fields value={value} onChange={onChange} types={types} depth={depth} />
        {onRemove && <Button look="quiet" icon="trash" aria-label={t.remove} onClick={onRemove} />}
      </div>
      <Group value={value} onChange={onChange} types={types} depth={depth} />
    </div>
  );
}

function Fields({ value, onChange }: EditorProps & { depth: number }) {
  const t = texts.selector;
  if (value.type === "event_type") {
    return <TextField class="mono" label={t.eventType} list="event-types" placeholder="order.*" value={String(value["value"] ?? "")} onText={(text) => onChange({ ...value, value: text })} />;
  }
  if (value.type === "jsonpath") {
    return <TextField class="mono" label={t.expression} placeholder="$.items[?@.qty > 2]" value={String(value["expression"] ?? "")} onText={(text) => onChange({ ...value, expression: text })} />;
  }
  if (value.type !== "custom") return null;
  const rule = (value["function"] ?? {}) as { field?: string; operator?: string; value?: unknown };
  const set = (change: object) => onChange({ ...value, function: { ...rule, ...change } });
  const operator = rule.operator ?? "equals";
  const needsNone = operator === "exists" || operator === "not_exists";
  return (
    <>
      <TextField class="mono" label={t.field} placeholder="customer.country" value={rule.field ?? ""} onText={(field) => set({ field })} />
      <Select
        label={t.operator}
        value={operator}
        choices={OPERATORS.map((name) => [name, t.operators[name]])}
        onChoice={(next) => {
          const { value: old, ...rest } = rule;
          const without = next === "exists" || next === "not_exists";
          onChange({ ...value, function: without ? { ...rest, operator: next } : { ...rest, operator: next, value: old ?? "" } });
        }}
      />
      {!needsNone && <ValueField value={rule.value} operator={operator} onValue={(value) => set({ value })} />}
    </>
  );
}

/** Keeps the text as it is typed: `1.0` may become `1.05`. */
function ValueField({ value, operator, onValue }: { value: unknown; operator: string; onValue: (value: unknown) => void }) {
  const [text, setText] = useState(() => valueText(value));
  const t = texts.selector;
  const typed = (next: string) => {
    setText(next);
    onValue(readValue(next, operator));
  };
  return <TextField class="mono" label={t.value} hint={t.valueHint} value={text} onText={typed} />;
}

function Group({ value, onChange, types, depth }: EditorProps & { depth: number }) {
  const t = texts.selector;
  if (value.type === "not") {
    return <Part value={(value["of"] as Selector) ?? emptySelector("event_type")} onChange={(of) => onChange({ ...value, of })} types={types} depth={depth + 1} />;
  }
  if (value.type !== "all" && value.type !== "any") return null;
  const parts = (value["of"] as Selector[]) ?? [];
  const set = (next: Selector[]) => onChange({ ...value, of: next });
  return (
    <div class="stack">
      {parts.map((part, index) => (
        <Part
          key={index}
          value={part}
          types={types}
          depth={depth + 1}
          onChange={(next) => set(parts.map((old, at) => (at === index ? next : old)))}
          onRemove={parts.length > 1 ? () => set(parts.filter((_, at) => at !== index)) : undefined}
        />
      ))}
      <div>
        <Button icon="plus" onClick={() => set([...parts, emptySelector("custom")])}>
          {t.add}
        </Button>
      </div>
    </div>
  );
}

function valueText(value: unknown): string {
  if (typeof value === "string") return value;
  return value === undefined ? "" : JSON.stringify(value);
}

/** Numbers, true, false, null and lists are read as JSON; everything else is text. */
export function readValue(text: string, operator: string): unknown {
  if (["contains", "starts_with", "ends_with", "matches"].includes(operator)) return text;
  if (/^\s*["[\d-]/.test(text) || ["true", "false", "null"].includes(text.trim())) {
    try {
      return JSON.parse(text) as unknown;
    } catch {
      // Half typed, or text that looks like a number.
    }
  }
  if (operator === "in" || operator === "not_in") return text.split(",").map((part) => readValue(part.trim(), "equals"));
  return text;
}

/** A selector in one line. */
export function selectorText(selector: Selector | null): string {
  if (!selector) return "–";
  const list = (joiner: string) => ((selector["of"] as Selector[]) ?? []).map((part) => selectorText(part)).join(joiner);
  switch (selector.type) {
    case "event_type":
      return String(selector["value"]);
    case "jsonpath":
      return String(selector["expression"]);
    case "custom": {
      const rule = selector["function"] as { field: string; operator: keyof typeof texts.selector.operators; value?: unknown };
      return `${rule.field} ${texts.selector.operators[rule.operator] ?? rule.operator} ${rule.value === undefined ? "" : JSON.stringify(rule.value)}`.trim();
    }
    case "all":
      return `(${list(` ${texts.selector.and} `)})`;
    case "any":
      return `(${list(` ${texts.selector.or} `)})`;
    case "not":
      return `${texts.selector.not} ${selectorText(selector["of"] as Selector)}`;
    default:
      return JSON.stringify(selector);
  }
}
