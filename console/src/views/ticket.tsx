// Ticket analysis: whether a ticket triggers an event, and why; then it is sent.

import { useState } from "preact/hooks";
import { useWorld } from "../core/context.ts";
import { plainText } from "../core/format.ts";
import { useAction } from "../core/load.ts";
import { type Priority, TRIGGER_WORDS, type TicketVerdict, judgeTicket } from "../core/ticket.ts";
import { Button, Card, Failure, Notice, ViewHead } from "../parts/basics.tsx";
import { Segments, TextArea, TextField } from "../parts/fields.tsx";
import { texts } from "../texts.ts";
import { type Sent, SentNotice, readSent } from "./composer.tsx";

export function Ticket() {
  const { api } = useWorld();
  const [text, setText] = useState("");
  const [type, setType] = useState("support.ticket");
  const [priority, setPriority] = useState<Priority>("normal");
  const [sent, setSent] = useState<Sent | null>(null);
  const verdict = judgeTicket(text, priority);
  const words = [...new Set(verdict.hits.map((hit) => hit.word))];
  const t = texts.ticket;
  const { run, running, error } = useAction(async () => {
    setSent(null);
    const event = {
      event_type: type.trim(),
      source: "console",
      tags: ["ticket"],
      metadata: { priority },
      payload: { text, priority, triggers: verdict.triggers, matched_words: words },
    };
    setSent(readSent(await api.produce(JSON.stringify(event), { "Content-Type": "application/json" })));
  });
  const isEmpty = text.trim() === "";
  return (
    <>
      <ViewHead title={texts.views["ticket"]} about={t.about} />
      <div class="columns">
        <Card class="grow">
          <div class="stack">
            <TextArea label={t.text} rows={10} value={text} onText={setText} placeholder={t.placeholder} />
            <div>
              <span class="label" id="ticket-priority">
                {texts.composer.priority}
              </span>
              <Segments label={texts.composer.priority} value={priority} choices={(["low", "normal", "high"] as Priority[]).map((one) => [one, texts.priorities[one]])} onChoice={(one) => setPriority(one as Priority)} />
            </div>
            <Button look="quiet" onClick={() => setText(t.example)}>
              {t.useExample}
            </Button>
          </div>
        </Card>
        <Card title={t.verdict} class="side-card wide">
          <div class="stack" aria-live="polite">
            {isEmpty ? (
              <p class="muted">{t.nothing}</p>
            ) : (
              <Verdict verdict={verdict} priority={priority} text={text} />
            )}
            <TextField class="mono" label={t.eventType} value={type} onText={setType} error={type.trim() === "" ? texts.composer.faults.missing : null} />
            {!isEmpty && !verdict.triggers && <Notice>{t.sendAnyway}</Notice>}
            <Failure error={error} />
            {sent && <SentNotice sent={sent} />}
            <Button look="primary" icon="send" busy={running} disabled={isEmpty || type.trim() === ""} onClick={() => void run()}>
              {texts.composer.send}
            </Button>
          </div>
        </Card>
      </div>
    </>
  );
}

export function Verdict({ verdict, priority, text }: { verdict: TicketVerdict; priority: Priority; text: string }) {
  const t = texts.ticket;
  const words = [...new Set(verdict.hits.map((hit) => hit.word))];
  return (
    <>
      <p class={`verdict ${verdict.triggers ? "good" : "none"}`}>{verdict.triggers ? t.triggers : t.doesNot}</p>
      <ul class="reasons">
        <li class={verdict.priorityIsHigh ? "yes" : "no"}>{t.becausePriority(texts.priorities[priority], verdict.priorityIsHigh)}</li>
        <li class={words.length > 0 ? "yes" : "no"}>{words.length > 0 ? t.becauseWords(words) : t.noWords(TRIGGER_WORDS)}</li>
      </ul>
      <p class="ticket-text">
        <Marked text={text} hits={verdict.hits} />
      </p>
    </>
  );
}

function Marked({ text, hits }: { text: string; hits: { start: number; end: number }[] }) {
  const parts = [];
  let from = 0;
  for (const hit of hits) {
    parts.push(plainText(text.slice(from, hit.start)), <mark key={hit.start}>{text.slice(hit.start, hit.end)}</mark>);
    from = hit.end;
  }
  return (
    <>
      {parts}
      {plainText(text.slice(from))}
    </>
  );
}
