// Making or changing a subscription, with the selector tried on the last events.

import { useEffect, useMemo, useState } from "preact/hooks";
import { lineAndColumn } from "../core/compose.ts";
import { useWorld } from "../core/context.ts";
import { clip } from "../core/format.ts";
import { JsonError, readJson } from "../core/json.ts";
import { useAction, useLoad } from "../core/load.ts";
import { goTo, linkTo, usePlace } from "../core/route.ts";
import type { Selector, Subscription, TransformMade } from "../core/types.ts";
import { Button, Card, Failure, Loading, Notice, ViewHead } from "../parts/basics.tsx";
import { Check, Select, TextArea, TextField } from "../parts/fields.tsx";
import { JsonView } from "../parts/json.tsx";
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
  rate: string;
  body: string;
  signature: string;
  /** One on a line: Name: value. */
  headers: string;
  /** The template as JSON, or nothing. */
  transform: string;
}

function draftOf(one: Subscription | null, selector: Selector): Draft {
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
    rate: one?.rate_limit_per_second ? String(one.rate_limit_per_second) : "",
    body: one?.body ?? "array",
    signature: one?.signature ?? "v1",
    headers: Object.entries(one?.headers ?? {}).map(([name, value]) => `${name}: ${value}`).join("\n"),
    transform: one?.transform ? JSON.stringify(one.transform.template, null, 2) : "",
  };
}

/** Only the fields that differ from the defaults, so that a server without these settings accepts the request too. */
function bodyOf(draft: Draft, one: Subscription | null): Record<string, unknown> {
  const { names } = readHeaders(draft.headers);
  const single = draft.body === "single";
  const shape: Record<string, unknown> = {};
  if (draft.rate !== "" || one?.rate_limit_per_second) shape["rate_limit_per_second"] = draft.rate === "" ? null : Number(draft.rate);
  if (single || one?.body === "single") shape["body"] = draft.body;
  if (Object.keys(names).length > 0 || Object.keys(one?.headers ?? {}).length > 0) shape["headers"] = names;
  if (draft.transform.trim() !== "" || one?.transform) shape["transform"] = draft.transform.trim() === "" ? null : { template: JSON.parse(draft.transform) as unknown };
  if (!one && draft.signature !== "v1") shape["signature"] = draft.signature;
  return {
    event_selector: draft.selector,
    webhook_url: draft.url.trim(),
    description: draft.description.trim() || null,
    ordered: draft.ordered,
    batch: { max_events: single ? 1 : Number(draft.maxEvents), max_bytes: Number(draft.maxBytes), max_wait_ms: Number(draft.maxWaitMs) },
    retry: { max_retries: Number(draft.maxRetries), max_delay_s: Number(draft.maxDelayS), client_errors: draft.clientErrors },
    ...shape,
  };
}

/** The headers by their names, and the first line that is not a header. */
function readHeaders(text: string): { names: Record<string, string>; wrong: string | null } {
  const names: Record<string, string> = {};
  for (const line of text.split("\n").filter((one) => one.trim() !== "")) {
    const colon = line.indexOf(":");
    if (colon < 1) return { names, wrong: line };
    names[line.slice(0, colon).trim()] = line.slice(colon + 1).trim();
  }
  return { names, wrong: null };
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
  const transformFault = useMemo(() => {
    if (draft.transform.trim() === "") return null;
    try {
      readJson(draft.transform);
      return null;
    } catch (error) {
      if (!(error instanceof JsonError)) throw error;
      return texts.composer.bodyFault(error.fault, [], ...lineAndColumn(draft.transform, error.at));
    }
  }, [draft.transform]);
  const headerFault = readHeaders(draft.headers).wrong;
  const save = useAction(async () => {
    const body = bodyOf(draft, one);
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
  const ready = draft.url.trim() !== "" && !transformFault && !headerFault && numbersAreFine && /^\d*$/.test(draft.rate);
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
          </Card>
          <Card title={t.shape}>
            <div class="grid">
              <TextField label={t.rate} inputMode="numeric" value={draft.rate} onText={set("rate")} hint={t.rateHint} error={/^\d*$/.test(draft.rate) ? wrong("rate_limit_per_second") : t.notANumber} />
              <Select label={t.body} value={draft.body} choices={(["array", "single"] as const).map((one) => [one, t.bodies[one]])} onChoice={set("body")} />
              {!one && <Select label={t.signature} value={draft.signature} choices={(["v1", "v1a"] as const).map((one) => [one, t.signatures[one]])} onChoice={set("signature")} />}
            </div>
            <div class="stack">
              <TextArea label={t.headers} class="mono" rows={2} value={draft.headers} onText={set("headers")} error={headerFault ? t.noHeader(clip(headerFault, 60)) : wrong("headers")} hint={t.headersHint} placeholder="X-Team: billing" />
              <TextArea label={t.transform} class="mono" rows={4} value={draft.transform} onText={set("transform")} error={transformFault ?? wrong("transform.template")} hint={t.transformHint} />
              {one && draft.transform.trim() !== "" && !transformFault && <TransformTrial id={one.workflow_id} template={draft.transform} body={draft.body} />}
            </div>
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

/** The template's result for the newest event, before the template is saved. */
function TransformTrial({ id, template, body }: { id: string; template: string; body: string }) {
  const { api } = useWorld();
  const [made, setMade] = useState<TransformMade | null>(null);
  const t = texts.subscriptionForm;
  useEffect(() => setMade(null), [template, body]);
  const { run, running, error } = useAction(async () => {
    const newest = (await api.inbox({ status: "any", order: "desc", limit: 1 })).events[0];
    setMade(await api.tryTransform(id, { template: JSON.parse(template) as unknown, body, ...(newest ? { event_id: newest.event_id } : {}) }));
  });
  return (
    <>
      <Button icon="play" busy={running} onClick={() => void run()}>
        {t.transformTry}
      </Button>
      <Failure error={error} />
      {made && !made.ok && <Notice tone="bad">{`${made.error?.pointer ?? ""} ${made.error?.message ?? ""}`}</Notice>}
      {made?.ok && (
        <>
          <p class="fine">{t.transformMade}</p>
          <JsonView text={JSON.stringify(made.body)} />
        </>
      )}
    </>
  );
}
