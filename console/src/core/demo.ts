// The routes of `sluice demo`, which its console has beside the API's.

import { ApiFailure, ask } from "./http.ts";
import type { Priority } from "./ticket.ts";

export const ANSWERS = ["take", "sometimes", "error", "busy", "slow", "hang", "part", "refuse", "gone"] as const;
export type AnswerMode = (typeof ANSWERS)[number];

export interface DemoReceiver {
  name: string;
  title: string;
  workflow_id: string;
  answer: AnswerMode;
  taken: number;
  refused: number;
  /** Only for the sample traffic. */
  events: number | null;
  kept: number;
  let_go: number;
}

/** A webhook as a list shows it. */
export interface WebhookLine {
  id: string;
  receiver: string;
  time: string;
  path: string;
  /** Null if it was not answered. */
  status: number | null;
  signature: "good" | "bad" | "not_checked";
  signature_fault: string | null;
  webhook_id: string | null;
  attempt: number | null;
  events: number | null;
  bytes: number;
  first_event_id: string | null;
}

/** A webhook, whole. */
export interface Webhook extends WebhookLine {
  headers: [name: string, value: string][];
  body: string;
  body_cut: boolean;
  answer: string;
}

export type MailState = "sent" | "failed" | "refused" | "not_needed";

export interface DemoMail {
  event_id: string;
  event_type: string;
  state: MailState;
  time: string;
  to: string;
  subject: string;
  text: string;
  note: string;
  attempts: number;
}

export interface DocumentForm {
  document_type: string;
  priority: Priority;
  description: string;
  customer_email: string;
}

export interface Triggered {
  triggered: boolean;
  message: string;
  event_id?: string;
  event_type?: string;
}

export const demo = {
  receivers: () => ask<{ receivers: DemoReceiver[] }>("/demo/receivers").then((answer) => answer.receivers),
  behave: (name: string, answer: AnswerMode) => ask<DemoReceiver>(`/demo/receivers/${name}`, { method: "PUT", body: { answer } }),
  webhooks: (receiver: string, limit = 100) =>
    ask<{ requests: WebhookLine[] }>("/demo/requests", { query: { receiver, limit } }).then((answer) => answer.requests),
  webhook: (id: string) => ask<Webhook>(`/demo/requests/${encodeURIComponent(id)}`),
  forget: () => ask("/demo/requests", { method: "DELETE" }),
  trigger: (form: DocumentForm) => ask<Triggered>("/demo/trigger", { method: "POST", body: form }),
  inbox: (limit = 50) => ask<{ mails: DemoMail[]; place: string }>("/demo/inbox", { query: { limit } }),
};

/** The code in an address that the terminal printed; it is taken out of the address at once. */
export function takeCode(): string | null {
  const code = /^#\/sign-in\/([\w-]+)$/.exec(location.hash)?.[1];
  if (code === undefined) return null;
  history.replaceState(null, "", "#/");
  return code;
}

/** The key for the code; null if the code belongs to another run of the demo. */
export async function keyFor(code: string): Promise<string | null> {
  try {
    return (await ask<{ api_key: string }>("/demo/session", { method: "POST", body: { code } })).api_key;
  } catch (error) {
    if (error instanceof ApiFailure && [403, 404].includes(error.status)) return null;
    throw error;
  }
}
