// Making or changing a subscription, with the selector tried on the last events.

import { useEffect, useMemo, useState } from "preact/hooks";
import { useWorld } from "../core/context.ts";
import { useAction, useLoad } from "../core/load.ts";
import { goTo, linkTo, usePlace } from "../core/route.ts";
import type { Selector, Subscription } from "../core/types.ts";
import { Button, Card, Failure, Loading, ViewHead } from "../parts/basics.tsx";
import { Check, Select, TextArea, TextField } from "../parts/fields.tsx";
import { SelectorEditor } from "../parts/selector.tsx";
import { Tester } from "../parts/tester.tsx";
import { texts } from "../texts.ts";
import { Secret } from "./subscription.tsx";

interface Draft {
  selector: Selector;
  url: string;
  description: string;
  ordered: boolean;
  maxEvents: string;
  maxBytes: string;
  maxWaitMs: string;
  maxRetries: string;
  maxDelayS: string;
  clientErrors: string;
  /** Further fields as JSON: headers, signature, rate_limit_per_second, body, transform. */
  more: string;
}

/** Fields that the form has inputs for, or that the server sets. */
const KNOWN = new Set([
  "workflow_id", "customer_id", "status", "status_reason", "event_selector", "webhook_url", "batch", "retry", "ordered",
  "description", "version", "effective_at", "created_at", "updated_at", "secret", "public_key", "headers", "signature",
]);

function draftOf(one: Subscription | null, selector: Selector): Draft {
  const more = one ? Object.fromEntries(Object.entries(one).filter(([name, value]) => !KNOWN.has(name) && value !== null && !(name === "body" && value === "array"))) : {};
  return {
    selector: one?.event_selector ?? selector,
    url: one?.webhook_url ?? "",
    description: one?.description ?? "",
    ordered: one?.ordered ?? false,
    maxEvents: String(one?.batch.max_events ?? 100),
    maxBytes: String(one?.batch.max_bytes ?? 262_144),
    maxWaitMs: String(one?.batch.max_wait_ms ?? 50),
    maxRetries: String(one?.retry.max_retries ?? 5),
    maxDelayS: String(one?.retry.max_delay_s ?? 86_400),
    clientErrors: one?.retry.client_errors ?? "dead_letter",
    more: Object.keys(more).length === 0 ? "" : JSON.stringify(more, null, 2),
  };
}

function bodyOf(draft: Draft): Record<string, unknown> {
  const more = draft.more.trim() === "" ? {} : (JSON.parse(draft.more) as Record<string, unknown>);
  return {
    event_selector: draft.selector,
    webhook_url: draft.url.trim(),
    description: draft.description.trim() || null,
    ordered: draft.ordered,
    batch: { max_events: Number(draft.maxEvents), max_bytes: Number(draft.maxBytes), max_wait_ms: Number(draft.maxWaitMs) },
    retry: { max_retries: Number(draft.maxRetries), max_delay_s: Number(draft.maxDelayS), client_errors: draft.clientErrors },
    ...more,
  };
}

export function SubscriptionForm({ id }: { id?: string }) {
  const { api } = useWorld();
  const loaded = useLoad(() => (id ? api.subscription(id) : Promise.resolve(null)), [api, id]);
  if (id && !loaded.data) return loaded.error ? <Failure error={loaded.error} retry={loaded.reload} /> : <Loading />;
  return <Form one={loaded.data} />;
}

function Form({ one }: { one: Subscription | null }) {
  const { api, reloadSubscriptions } = useWorld();
  const { filters } = usePlace();
  const [start] = useState<Selector>(() =>
    filters["expression"] ? { type: "jsonpath", expression: filters["expression"] } : { type: "event_type", value: filters["type"] ?? "" },
  );
  const [draft, setDraft] = useState(() => draftOf(one, start));
  const [made, setMade] = useState<Subscription | null>(null);
  const [types, setTypes] = useState<string[]>([]);
  const t = texts.subscriptionForm;
  useEffect(() => {
    void api.inbox({ status: "any", order: "desc", limit: 200 }).then(
      (page) => setTypes([...new Set(page.events.flatMap((event) => event.event_type ?? []))].sort()),
      () => undefined,
    );
  }, [api]);
  const moreFault = useMemo(() => {
    if (draft.more.trim() === "") return null;
    try {
      const value: unknown = JSON.parse(draft.more);
      return typeof value === "object" && value !== null && !Array.isArray(value) ? null : t.moreObject;
    } catch (error) {
      return error instanceof Error ? error.message : String(error);
    }
  }, [draft.more]);
  const save = useAction(async () => {
    const body = bodyOf(draft);
    if (one) {
      await api.change(one.workflow_id, body);
      reloadSubscriptions();
      goTo(linkTo("subscriptions", one.workflow_id));
    } else {
      const created = await api.create(body);
      reloadSubscriptions();
      if (created.secret) setMade(created);
      else goTo(linkTo("subscriptions", created.workflow_id));
    }
  });
  const set = <K extends keyof Draft>(name: K) => (value: Draft[K]) => setDraft((old) => ({ ...old, [name]: value }));
  const refusedField = save.error?.details.field;
  const wrong = (field: string) => (refusedField === field ? save.error!.message : null);
  const number = (name: "maxEvents" | "maxBytes" | "maxWaitMs" | "maxRetries" | "maxDelayS", field: string, hint: string) => (
    <TextField label={t.labels[name]} inputMode="numeric" value={draft[name]} onText={set(name)} hint={hint} error={/^\d+$/.test(draft[name]) ? wrong(field) : t.notANumber} />
  );
  const numbersAreFine = [draft.maxEvents, draft.maxBytes, draft.maxWaitMs, draft.maxRetries, draft.maxDelayS].every((text) => /^\d+$/.test(text));
  const ready = draft.url.trim() !== "" && !moreFault && numbersAreFine;
  return (
    <>
      <ViewHead title={one ? t.change : t.new} about={t.about} />
      <form
        noValidate
        class="columns"
        onSubmit={(event) => {
          event.preventDefault();
          void save.run();
        }}
      >
        <div class="grow stack">
          <Card title={t.what}>
            <SelectorEditor value={draft.selector} onChange={set("selector")} types={types} />
            {refusedField === "event_selector" && <Failure error={save.error} />}
          </Card>
          <Card title={t.where}>
            <div class="stack">
              <TextField label={t.url} type="url" class="mono" placeholder="https://example.com/hooks" value={draft.url} onText={set("url")} error={wrong("webhook_url")} />
              <TextField label={t.description} value={draft.description} onText={set("description")} error={wrong("description")} hint={t.descriptionHint} />
            </div>
          </Card>
          <Card title={t.how}>
            <div class="grid">
              {number("maxEvents", "batch.max_events", t.hints.maxEvents)}
              {number("maxBytes", "batch.max_bytes", t.hints.maxBytes)}
              {number("maxWaitMs", "batch.max_wait_ms", t.hints.maxWaitMs)}
              {number("maxRetries", "retry.max_retries", t.hints.maxRetries)}
              {number("maxDelayS", "retry.max_delay_s", t.hints.maxDelayS)}
              <Select label={t.labels.clientErrors} value={draft.clientErrors} choices={[["dead_letter", t.clientDead], ["retry", t.clientRetry]]} onChoice={set("clientErrors")} />
            </div>
            <Check label={t.ordered} hint={t.orderedHint} checked={draft.ordered} onCheck={set("ordered")} />
            <details open={draft.more !== ""}>
              <summary>{t.more}</summary>
              <TextArea label={t.moreLabel} class="mono" rows={6} value={draft.more} onText={set("more")} error={moreFault} hint={t.moreHint} />
            </details>
          </Card>
          {refusedField !== "event_selector" && <Failure error={save.error} />}
          <div class="actions sticky">
            <a class="button" href={one ? linkTo("subscriptions", one.workflow_id) : linkTo("subscriptions")}>
              {texts.cancel}
            </a>
            <Button look="primary" type="submit" busy={save.running} disabled={!ready}>
              {one ? t.save : t.create}
            </Button>
          </div>
        </div>
        <Card title={t.tester} class="side-card wide">
          <Tester selector={draft.selector} />
        </Card>
      </form>
      {made && (
        <Secret
          secret={made.secret ?? ""}
          onClose={() => goTo(linkTo("subscriptions", made.workflow_id))}
        />
      )}
    </>
  );
}
