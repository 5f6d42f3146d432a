// The API's routes. A customer's are below /v1; an operator's below the chosen
// customer.

import { type Ask, ApiFailure, ask, askText } from "./http.ts";
import type { Audience, About } from "./session.ts";
import type * as T from "./types.ts";
import { fieldOf, readJson, sliceOf } from "./json.ts";

export interface EventQuery {
  status?: string;
  event_type?: string;
  source?: string;
  tag?: string;
  since?: string;
  until?: string;
}

export interface DeadLetterFilter {
  workflow_id?: string;
  reason?: string;
  since?: string;
  until?: string;
}

export interface RawEvent {
  event: T.StoredEvent;
  /** The payload's text as it was sent. */
  payload: string;
  /** The whole answer. */
  text: string;
}

/** The requests about one customer. */
export class CustomerApi {
  constructor(readonly root: string) {}

  /** Where events are sent to, for commands that people copy. */
  eventsPath = (): string => `${this.root}/events`;

  /** Whether `status=any` is known; without it, a server leaves out acknowledged events. */
  private knowsAny = true;

  async inbox(
    query: EventQuery & { cursor?: string; limit?: number; order?: string },
    signal?: AbortSignal,
  ): Promise<T.InboxPage> {
    const { status, ...others } = query;
    const asked = status === "any" && !this.knowsAny ? others : query;
    try {
      return await ask<T.InboxPage>(`${this.root}/inbox`, { query: { ...asked }, signal });
    } catch (error) {
      const isUnknown = error instanceof ApiFailure && error.status === 400 && error.details.field === "status";
      if (!isUnknown || status !== "any" || !this.knowsAny) throw error;
      this.knowsAny = false;
      return this.inbox(query, signal);
    }
  }

  async event(id: string): Promise<RawEvent> {
    const text = await askText(`${this.root}/events/${encodeURIComponent(id)}`);
    return rawEvent(text);
  }

  whereItWent = (id: string) =>
    orNull(
      ask<{ subscriptions: T.WhereItWent[] }>(`${this.root}/events/${encodeURIComponent(id)}/deliveries`),
    );

  attemptsOf = (id: string) =>
    orNull(ask<{ attempts: T.EventAttempt[] }>(`${this.root}/events/${encodeURIComponent(id)}/attempts`, { query: { limit: 1000 } }));

  resend = (id: string, workflowId: string | null) =>
    ask<{ deliveries: { workflow_id: string; delivery_id: string }[] }>(
      `${this.root}/events/${encodeURIComponent(id)}/resend`,
      { method: "POST", body: workflowId === null ? {} : { workflow_id: workflowId } },
    );

  acknowledge = (id: string) =>
    ask(`${this.root}/events/${encodeURIComponent(id)}/ack`, { method: "POST" });

  produce = (rawBody: string, headers: Record<string, string>) =>
    askText(`${this.root}/events`, { method: "POST", rawBody, headers });

  async subscriptions(): Promise<T.Subscription[]> {
    const all: T.Subscription[] = [];
    let cursor: string | null = null;
    do {
      const page: { subscriptions: T.Subscription[]; cursor: string | null; has_more: boolean } = await ask(
        `${this.root}/subscriptions`,
        { query: { limit: 1000, cursor } },
      );
      all.push(...page.subscriptions);
      cursor = page.has_more ? page.cursor : null;
    } while (cursor && all.length < 20_000);
    return all;
  }

  subscription = (id: string) => ask<T.Subscription>(`${this.root}/subscriptions/${encodeURIComponent(id)}`);
  create = (body: unknown) => ask<T.Subscription>(`${this.root}/subscriptions`, { method: "POST", body });
  change = (id: string, body: unknown) => this.act<T.Subscription>(id, "", "PATCH", body);
  remove = (id: string) => this.act<void>(id, "", "DELETE");
  enable = (id: string) => this.act<T.Subscription>(id, "/enable", "POST");
  rotate = (id: string) => this.act<T.Subscription>(id, "/rotate-secret", "POST");
  sendTest = (id: string) => this.act<T.SentTrial>(id, "/test", "POST", {});
  judgeSaved = (id: string, last: number) => this.act<T.Judgement>(id, "/test", "POST", { last });

  private act = <R>(id: string, what: string, method: string, body?: unknown) =>
    ask<R>(`${this.root}/subscriptions/${encodeURIComponent(id)}${what}`, {
      method,
      ...(body === undefined ? {} : { body }),
    });

  /** Judges the newest events by a selector that is not stored. */
  judge = (selector: unknown, last: number, signal?: AbortSignal) =>
    ask<T.Judgement>(`${this.root}/subscriptions/judge`, {
      method: "POST",
      body: { event_selector: selector, last },
      signal,
    });

  async eventTypes(): Promise<T.EventType[]> {
    const all: T.EventType[] = [];
    let cursor: string | null = null;
    do {
      const page: { event_types: T.EventType[]; cursor: string | null; has_more: boolean } = await ask(`${this.root}/event-types`, { query: { limit: 1000, cursor } });
      all.push(...page.event_types);
      cursor = page.has_more ? page.cursor : null;
    } while (cursor && all.length < 20_000);
    return all;
  }

  private typePath = (name: string) => `${this.root}/event-types/${encodeURIComponent(name)}`;
  eventType = (name: string) => ask<T.EventType>(this.typePath(name));
  putEventType = (name: string, body: unknown) => ask<T.EventType>(this.typePath(name), { method: "PUT", body });
  deleteEventType = (name: string) => ask(this.typePath(name), { method: "DELETE" });
  tryEventType = (name: string, rawBody: string) =>
    ask<T.EventTypeResult>(`${this.typePath(name)}/test`, { method: "POST", rawBody, headers: { "Content-Type": "application/json" } });

  tryTransform = (id: string, trial: object) => this.act<T.TransformMade>(id, "/transform/test", "POST", trial);

  attempts = (id: string, limit = 100) =>
    ask<{ deliveries: T.Attempt[] }>(`${this.root}/subscriptions/${encodeURIComponent(id)}/deliveries`, {
      query: { limit },
    }).then((answer) => answer.deliveries);

  health = (id: string) =>
    orNull(ask<T.SubscriptionHealth>(`${this.root}/subscriptions/${encodeURIComponent(id)}/health`));

  deadLetters = (filter: DeadLetterFilter, cursor: string | null, limit = 100) =>
    ask<T.DeadLetterPage>(`${this.root}/dead-letters`, { query: { ...filter, cursor, limit } });

  deadLetterCount = (filter: DeadLetterFilter) =>
    ask<T.DeadLetterCount>(`${this.root}/dead-letters/summary`, { query: { ...filter } });

  redrive = (body: unknown) =>
    ask<{ redriven: number; events: number; skipped: number; has_more: boolean }>(
      `${this.root}/dead-letters/redrive`,
      { method: "POST", body },
    );

  deleteDeadLetters = (filter: DeadLetterFilter) =>
    ask<{ deleted: number; has_more: boolean }>(`${this.root}/dead-letters`, {
      method: "DELETE",
      query: { ...filter },
    });

  deleteDeadLetter = (id: string) =>
    ask<{ deleted: number }>(`${this.root}/dead-letters/${encodeURIComponent(id)}`, { method: "DELETE" });

  replays = () =>
    ask<{ replays: T.Replay[] }>(`${this.root}/replay`, { query: { limit: 1000 } }).then((page) =>
      page.replays.reverse(),
    );

  dryRun = (body: object) =>
    ask<T.DryRun>(`${this.root}/replay`, { method: "POST", body: { ...body, dry_run: true } });
  replay = (body: object) => ask<T.Replay>(`${this.root}/replay`, { method: "POST", body });
  cancelReplay = (id: string) =>
    ask<T.Replay>(`${this.root}/replay/${encodeURIComponent(id)}`, { method: "DELETE" });

  usage = (query: { since: string; until: string; granularity: string; group_by?: string }) =>
    orNull(ask<T.Usage>(`${this.root}/usage`, { query }));
}

/** The requests that only operators make. */
export const operators = {
  async customers(): Promise<T.Customer[]> {
    const all: T.Customer[] = [];
    let cursor: string | null = null;
    do {
      const page: { customers: T.Customer[]; cursor: string | null; has_more: boolean } = await ask(
        "/admin/customers",
        { query: { limit: 1000, cursor } },
      );
      all.push(...page.customers);
      cursor = page.has_more ? page.cursor : null;
    } while (cursor && all.length < 20_000);
    return all;
  },
  createCustomer: (body: unknown) => ask<T.Customer>("/admin/customers", { method: "POST", body }),
  changeCustomer: (id: string, body: unknown) =>
    ask<T.Customer>(`/admin/customers/${id}`, { method: "PATCH", body }),
  keys: (id: string) => ask<{ keys: T.ApiKey[] }>(`/admin/customers/${id}/keys`).then((answer) => answer.keys),
  createKey: (id: string, body: unknown) =>
    ask<T.ApiKey>(`/admin/customers/${id}/keys`, { method: "POST", body }),
  revokeKey: (id: string, key: string) =>
    ask<unknown>(`/admin/customers/${id}/keys/${key}`, { method: "DELETE" }),
  system: () => orNull(ask<T.System>("/admin/system")),
};

/** A page of the audit log, the newest first; null if the server keeps none. */
export const auditOf = (path: string, query: Record<string, string | null>) =>
  orNull(ask<{ audit: T.AuditEntry[]; cursor: string | null; has_more: boolean }>(path, { query: { ...query, limit: 100 } }));

export const metricsText = (): Promise<string> => askText("/metrics");

export const about = (): Promise<About> => ask<About>("/console/about.json");

export const whoAmI = (): Promise<T.Me | null> => orNull(ask<T.Me>("/v1/me"));

/** Checks that the server accepts the credential, before it is kept. */
export async function tryCredential(audience: Audience, credential: string): Promise<void> {
  const options: Ask = { credential, query: { limit: 1 } };
  await ask(audience === "operators" ? "/admin/customers" : "/v1/subscriptions", options);
}

export function rawEvent(text: string): RawEvent {
  const payload = fieldOf(readJson(text), "payload");
  return {
    event: JSON.parse(text) as T.StoredEvent,
    payload: payload ? sliceOf(text, payload) : "null",
    text,
  };
}

/** Null if this server does not have the route. */
export async function orNull<R>(answer: Promise<R>): Promise<R | null> {
  try {
    return await answer;
  } catch (error) {
    if (error instanceof ApiFailure && (error.status === 404 || error.status === 405)) return null;
    throw error;
  }
}
