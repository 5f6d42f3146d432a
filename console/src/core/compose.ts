// The events that the composer sends, and their checks.

import { JsonError, type JsonFault, readJson } from "./json.ts";
import type { Priority } from "./ticket.ts";

export interface FormEvent {
  documentType: string;
  priority: Priority;
  description: string;
  email: string;
}

export type FormFault = "missing" | "too_long" | "not_an_address" | "odd_type";

const DESCRIPTION_MAX = 10_000;

/** The fault of each field; an empty object if there is none. */
export function checkForm(form: FormEvent): Partial<Record<keyof FormEvent, FormFault>> {
  const faults: Partial<Record<keyof FormEvent, FormFault>> = {};
  if (form.documentType.trim() === "") faults.documentType = "missing";
  else if (!/^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*$/.test(form.documentType.trim())) faults.documentType = "odd_type";
  if (form.description.trim() === "") faults.description = "missing";
  else if (form.description.length > DESCRIPTION_MAX) faults.description = "too_long";
  if (form.email.trim() === "") faults.email = "missing";
  else if (!isAddress(form.email.trim())) faults.email = "not_an_address";
  return faults;
}

/** The rule of HTML's `type=email`, with a dot in the domain. */
function isAddress(text: string): boolean {
  return text.length <= 254 && /^[\w.!#$%&'*+/=?^`{|}~-]+@[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)+$/i.test(text);
}

export function formBody(form: FormEvent): string {
  const event = {
    event_type: `document.${form.documentType.trim()}`,
    source: "console",
    metadata: { priority: form.priority },
    payload: {
      document_type: form.documentType.trim(),
      priority: form.priority,
      description: form.description,
      customer_email: form.email.trim(),
    },
  };
  return JSON.stringify(event, null, 2);
}

export type BodyForm = "form" | "json" | "cloudevent" | "batch";

export const CONTENT_TYPES: Record<BodyForm, string> = {
  form: "application/json",
  json: "application/json",
  cloudevent: "application/cloudevents+json",
  batch: "application/json",
};

export interface BodyFault {
  fault: JsonFault | "no_array" | "no_payload" | "lacks";
  /** The fields that are missing. */
  missing: string[];
  at: number;
}

/** The fault of a body; null if it may be sent. The server checks the rest. */
export function checkBody(kind: BodyForm, text: string): BodyFault | null {
  try {
    const node = readJson(text);
    const has = (name: string) => node.children?.some((child) => child.key === name) ?? false;
    if (kind === "batch" && node.kind !== "array" && !has("events")) return { fault: "no_array", missing: [], at: 0 };
    if (kind === "json" && (node.kind !== "object" || !has("payload"))) return { fault: "no_payload", missing: [], at: 0 };
    if (kind === "cloudevent") {
      const missing = ["specversion", "id", "source", "type"].filter((name) => !has(name));
      if (missing.length > 0) return { fault: "lacks", missing, at: 0 };
    }
    return null;
  } catch (error) {
    if (error instanceof JsonError) return { fault: error.fault, missing: [], at: error.at };
    throw error;
  }
}

export function lineAndColumn(text: string, at: number): [number, number] {
  const before = text.slice(0, at).split("\n");
  return [before.length, before.at(-1)!.length + 1];
}

export const EXAMPLES: Record<Exclude<BodyForm, "form">, string> = {
  json: JSON.stringify({ event_type: "order.created", source: "console", tags: ["demo"], payload: { order: 1, items: [{ sku: "A-1", qty: 3 }] } }, null, 2),
  cloudevent: JSON.stringify({ specversion: "1.0", id: "example-1", source: "/console", type: "order.created", datacontenttype: "application/json", data: { order: 1 } }, null, 2),
  batch: JSON.stringify([{ event_type: "order.created", payload: { order: 1 } }, { event_type: "order.paid", payload: { order: 1 } }], null, 2),
};
