// The composer: an event from a form, as JSON, as a CloudEvent or many at once;
// with the command that sends the same.

import { useEffect, useState } from "preact/hooks";
import { type BodyForm, CONTENT_TYPES, EXAMPLES, type FormEvent, checkBody, checkForm, formBody, lineAndColumn } from "../core/compose.ts";
import { useWorld } from "../core/context.ts";
import { curlOf } from "../core/curl.ts";
import { apiBase } from "../core/http.ts";
import { useAction } from "../core/load.ts";
import { linkTo, setFilters, usePlace } from "../core/route.ts";
import type { Priority } from "../core/ticket.ts";
import { Button, Card, Failure, Notice, ViewHead } from "../parts/basics.tsx";
import { Code } from "../parts/copy.tsx";
import { Segments, Select, TextArea, TextField } from "../parts/fields.tsx";
import { texts } from "../texts.ts";

const EMPTY: FormEvent = { documentType: "", priority: "normal", description: "", email: "" };
const FORMS: BodyForm[] = ["form", "json", "cloudevent", "batch"];

export function Composer() {
  const { api, about } = useWorld();
  const { filters } = usePlace();
  const kind = FORMS.find((form) => form === filters["as"]) ?? (filters["from"] ? "json" : "form");
  const [form, setForm] = useState(EMPTY);
  const [touched, setTouched] = useState<Set<keyof FormEvent>>(new Set());
  const [bodies, setBodies] = useState(EXAMPLES);
  const [sent, setSent] = useState<Sent | null>(null);
  const t = texts.composer;

  const from = filters["from"];
  useEffect(() => {
    if (!from) return;
    void api.event(from).then(({ event, payload }) => {
      const { event_type, source, tags } = event;
      const head = JSON.stringify({ event_type, source, tags }, null, 2).slice(0, -2);
      const text = `${head}${head === "" || head === "{" ? "" : ","}\n  "payload": ${payload}\n}`;
      setBodies((old) => ({ ...old, json: head === "" ? `{\n  "payload": ${payload}\n}` : text }));
    }, () => undefined);
  }, [from, api]);

  const faults = checkForm(form);
  const body = kind === "form" ? formBody(form) : bodies[kind];
  const bodyFault = kind === "form" ? null : checkBody(kind, body);
  const mayBeSent = kind === "form" ? Object.keys(faults).length === 0 : bodyFault === null;
  const headers = { "Content-Type": CONTENT_TYPES[kind] };
  const { run, running, error } = useAction(async () => {
    setTouched(new Set(["documentType", "description", "email"]));
    if (!mayBeSent) return;
    setSent(null);
    setSent(readSent(await api.produce(body, headers)));
  });
  const set = (name: keyof FormEvent) => (value: string) => {
    setForm((old) => ({ ...old, [name]: value }));
    setTouched((old) => new Set(old).add(name));
  };
  const fault = (name: keyof FormEvent) => (touched.has(name) && faults[name] ? t.faults[faults[name]] : null);
  return (
    <>
      <ViewHead title={texts.views["composer"]} about={t.about} />
      <div class="columns">
        <Card class="grow">
          <form
            noValidate
            class="stack"
            onSubmit={(event) => {
              event.preventDefault();
              void run();
            }}
          >
            <Segments label={t.as} value={kind} choices={FORMS.map((one) => [one, t.forms[one]])} onChoice={(as) => (setSent(null), setFilters({ as, from: "" }))} />
            {kind === "form" ? (
              <>
                <TextField label={t.documentType} hint={t.documentTypeHint} value={form.documentType} onText={set("documentType")} error={fault("documentType")} list="document-types" placeholder="invoice" />
                <datalist id="document-types">
                  {["invoice", "contract", "complaint", "support_ticket", "report"].map((type) => (
                    <option key={type} value={type} />
                  ))}
                </datalist>
                <Select label={t.priority} value={form.priority} choices={(["low", "normal", "high"] as Priority[]).map((one) => [one, texts.priorities[one]])} onChoice={set("priority")} />
                <TextArea label={t.description} rows={5} value={form.description} onText={set("description")} error={fault("description")} />
                <TextField label={t.email} type="email" value={form.email} onText={set("email")} error={fault("email")} placeholder="name@example.com" />
              </>
            ) : (
              <TextArea
                label={t.body[kind]}
                class="mono"
                rows={16}
                value={body}
                onText={(text) => setBodies((old) => ({ ...old, [kind]: text }))}
                error={bodyFault ? t.bodyFault(bodyFault.fault, bodyFault.missing, ...lineAndColumn(body, bodyFault.at)) : null}
                hint={t.bodyHints[kind]}
              />
            )}
            <Failure error={error} />
            {sent && <SentNotice sent={sent} />}
            <div class="actions">
              <Button look="primary" type="submit" icon="send" busy={running} disabled={kind !== "form" && !mayBeSent}>
                {t.send}
              </Button>
            </div>
          </form>
        </Card>
        <Card title={t.command} class="side-card wide">
          <Code
            text={curlOf({
              method: "POST",
              url: `${apiBase}${api.eventsPath()}`,
              headers,
              body,
              credential: about.audience === "operators" ? "SLUICE_ADMIN_TOKEN" : "SLUICE_API_KEY",
            })}
          />
          <p class="fine">{t.commandHint}</p>
        </Card>
      </div>
    </>
  );
}

export interface Sent {
  ids: string[];
  refused: { index: number; message: string }[];
}

/** The answer of one event or of many. */
export function readSent(text: string): Sent {
  const answer = JSON.parse(text) as { event_id?: string; events?: { index: number; event_id?: string; error?: { message: string } }[] };
  if (answer.event_id) return { ids: [answer.event_id], refused: [] };
  const events = answer.events ?? [];
  return {
    ids: events.flatMap((one) => one.event_id ?? []),
    refused: events.flatMap((one) => (one.error ? [{ index: one.index, message: one.error.message }] : [])),
  };
}

export function SentNotice({ sent }: { sent: Sent }) {
  const t = texts.composer;
  return (
    <Notice tone={sent.refused.length > 0 ? "wait" : "good"}>
      <strong>{t.sent(sent.ids.length, sent.refused.length)}</strong>
      <ul class="plain-list">
        {sent.ids.slice(0, 10).map((id) => (
          <li key={id}>
            <a href={linkTo("events", id)}>
              <code>{id}</code>
            </a>
          </li>
        ))}
        {sent.refused.slice(0, 10).map((one) => (
          <li key={one.index}>{t.refused(one.index, one.message)}</li>
        ))}
      </ul>
    </Notice>
  );
}
