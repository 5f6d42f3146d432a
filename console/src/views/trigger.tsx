// The demo's own program at work: a document goes in, and its way to an e-mail is
// shown step by step.

import { useState } from "preact/hooks";
import { type FormEvent, checkForm } from "../core/compose.ts";
import { curlOf } from "../core/curl.ts";
import { type DemoMail, type Triggered, type WebhookLine, demo } from "../core/demo.ts";
import { clip, plainText } from "../core/format.ts";
import { apiBase } from "../core/http.ts";
import { useAction, useLoad } from "../core/load.ts";
import { linkTo } from "../core/route.ts";
import { type Priority, judgeTicket } from "../core/ticket.ts";
import { Button, Card, Failure, Loading, Status, Table, Time, ViewHead } from "../parts/basics.tsx";
import { Copy } from "../parts/copy.tsx";
import { Segments, TextArea, TextField } from "../parts/fields.tsx";
import { texts } from "../texts.ts";
import { Verdict } from "./ticket.tsx";

const EMPTY: FormEvent = { documentType: "", priority: "normal", description: "", email: "" };
const POLL_MS = 1000;

export function TryIt() {
  const [form, setForm] = useState(EMPTY);
  const [touched, setTouched] = useState<Set<keyof FormEvent>>(new Set());
  const [triggered, setTriggered] = useState<Triggered | null>(null);
  const mails = useLoad(() => demo.inbox(), [], POLL_MS * 2);
  const t = texts.trigger;
  const faults = checkForm(form);
  const set = (name: keyof FormEvent) => (value: string) => {
    setForm((old) => ({ ...old, [name]: value }));
    setTouched((old) => new Set(old).add(name));
  };
  const document = { document_type: form.documentType.trim(), priority: form.priority, description: form.description, customer_email: form.email.trim() };
  const send = useAction(async () => {
    setTouched(new Set(["documentType", "description", "email"]));
    if (Object.keys(faults).length > 0) return;
    setTriggered(null);
    setTriggered(await demo.trigger(document));
  });
  const refused = send.error?.details.field;
  const fault = (name: keyof FormEvent, field: string) =>
    refused === field ? send.error!.message : touched.has(name) && faults[name] ? texts.composer.faults[faults[name]] : null;
  return (
    <>
      <ViewHead title={texts.views["trigger"]} about={t.about} />
      <div class="columns">
        <Card class="grow" title={t.document} actions={<Copy label={texts.curl} text={() => curlOf({ method: "POST", url: `${apiBase}/demo/trigger`, headers: { "Content-Type": "application/json" }, body: JSON.stringify(document), credential: null })} />}>
          <form
            noValidate
            class="stack"
            onSubmit={(event) => {
              event.preventDefault();
              void send.run();
            }}
          >
            <TextField label={texts.composer.documentType} value={form.documentType} onText={set("documentType")} error={fault("documentType", "document_type")} placeholder="invoice" />
            <div>
              <span class="label">{texts.composer.priority}</span>
              <Segments label={texts.composer.priority} value={form.priority} choices={(["low", "normal", "high"] as Priority[]).map((one) => [one, texts.priorities[one]])} onChoice={set("priority")} />
            </div>
            <TextArea label={texts.composer.description} rows={4} value={form.description} onText={set("description")} error={fault("description", "description")} placeholder={t.placeholder} />
            <TextField label={texts.composer.email} type="email" value={form.email} onText={set("email")} error={fault("email", "customer_email")} placeholder="name@example.com" />
            {!refused && <Failure error={send.error} />}
            <div class="actions">
              <Button look="primary" type="submit" icon="send" busy={send.running}>
                {t.send}
              </Button>
              <Button look="quiet" onClick={() => setForm(t.example)}>
                {texts.ticket.useExample}
              </Button>
            </div>
          </form>
        </Card>
        <Card title={t.steps} class="side-card wide">
          {triggered ? (
            <Steps triggered={triggered} mail={mails.data?.mails.find((one) => one.event_id === triggered.event_id) ?? null} />
          ) : form.description.trim() === "" ? (
            <p class="muted">{t.nothing}</p>
          ) : (
            <Verdict verdict={judgeTicket(form.description, form.priority)} priority={form.priority} text={form.description} />
          )}
        </Card>
      </div>
      <Card title={t.inbox} actions={mails.data && <span class="fine">{mails.data.place}</span>} pad={false}>
        <Failure error={mails.error} retry={mails.reload} />
        {!mails.data && !mails.error && <Loading rows={2} />}
        {mails.data && <Inbox mails={mails.data.mails} />}
      </Card>
    </>
  );
}

type StepState = "done" | "waiting" | "failed" | "off";

function Step({ state, title, children }: { state: StepState; title: string; children?: preact.ComponentChildren }) {
  return (
    <li class={state}>
      <strong>
        {title}
        <span class="offscreen"> ({texts.trigger.states[state]})</span>
      </strong>
      {children}
    </li>
  );
}

function Steps({ triggered, mail }: { triggered: Triggered; mail: DemoMail | null }) {
  const t = texts.trigger;
  const id = triggered.event_id;
  const webhooks = useLoad(() => (id ? demo.webhooks("mail") : Promise.resolve([])), [id], POLL_MS);
  const own: WebhookLine[] = (webhooks.data ?? []).filter((one) => one.first_event_id === id);
  const last = own[0];
  if (!triggered.triggered) {
    return (
      <ol class="steps" aria-live="polite">
        <Step state="off" title={t.judged}>
          <p>{triggered.message}</p>
        </Step>
      </ol>
    );
  }
  const isTaken = last?.status === 200;
  return (
    <ol class="steps" aria-live="polite">
      <Step state="done" title={t.judged}>
        <p>{triggered.message}</p>
      </Step>
      <Step state="done" title={t.accepted}>
        <p>
          {t.onDisk} <a href={linkTo("events", id!)}>{plainText(triggered.event_type ?? "")}</a>
        </p>
      </Step>
      <Step state={isTaken ? "done" : last ? "failed" : "waiting"} title={t.delivered}>
        {last && (
          <p>
            <a href={linkTo("webhooks", null, { receiver: "mail", webhook: last.id })}>{t.attempt(last.attempt ?? 1, last.status)}</a> {t.signature[last.signature]}
          </p>
        )}
      </Step>
      <Step state={mail?.state === "sent" ? "done" : mail?.state === "failed" || mail?.state === "refused" ? "failed" : "waiting"} title={t.mailed}>
        {mail && (
          <>
            <p>{mail.state === "sent" ? t.sentTo(mail.to) : plainText(mail.note)}</p>
            <pre class="raw" tabIndex={0}>
              {plainText(`${mail.subject}\n\n${mail.text}`)}
            </pre>
          </>
        )}
      </Step>
    </ol>
  );
}

function Inbox({ mails }: { mails: DemoMail[] }) {
  const t = texts.trigger;
  const [open, setOpen] = useState<string | null>(null);
  if (mails.length === 0) return <p class="inside muted">{t.noMails}</p>;
  return (
    <Table label={t.inbox} head={[t.when, t.state, t.to, t.subject, t.event]}>
      {mails.map((mail) => (
        <tr key={mail.event_id}>
          <td class="nowrap">
            <Time value={mail.time} />
          </td>
          <td>
            <Status value={mail.state} why={mail.note} />
          </td>
          <td>{plainText(mail.to) || <span class="muted">–</span>}</td>
          <td class="said">
            {mail.subject === "" ? (
              <span class="muted">{plainText(mail.note)}</span>
            ) : (
              <>
                {plainText(mail.subject)}{" "}
                <Button look="quiet" aria-expanded={open === mail.event_id} onClick={() => setOpen(open === mail.event_id ? null : mail.event_id)}>
                  {open === mail.event_id ? texts.json.less : texts.attempts.more}
                </Button>
                {open === mail.event_id && <pre class="raw" tabIndex={0}>{plainText(`${mail.text}\n${mail.note}`)}</pre>}
              </>
            )}
          </td>
          <td>
            <a href={linkTo("events", mail.event_id)}>{plainText(clip(mail.event_type, 40)) || texts.events.noType}</a>
          </td>
        </tr>
      ))}
    </Table>
  );
}
