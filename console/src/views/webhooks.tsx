// The webhooks as they arrived at the demo's receivers, and how each receiver answers.

import { useEffect, useState } from "preact/hooks";
import { useWorld } from "../core/context.ts";
import { ANSWERS, type AnswerMode, type DemoReceiver, type Webhook, type WebhookLine, demo } from "../core/demo.ts";
import { bytes, count, plainText } from "../core/format.ts";
import { useKeys } from "../core/keys.ts";
import { useAction, useLoad } from "../core/load.ts";
import { linkTo, setFilters, usePlace } from "../core/route.ts";
import { Button, Card, Empty, Facts, Failure, Loading, Notice, Status, StatusCode, Time, ViewHead } from "../parts/basics.tsx";
import { Copy, Id } from "../parts/copy.tsx";
import { Segments, Select } from "../parts/fields.tsx";
import { JsonView } from "../parts/json.tsx";
import { texts } from "../texts.ts";

const POLL_MS = 1000;

export function Webhooks() {
  const { filters } = usePlace();
  const id = filters["webhook"] ?? null;
  const [held, setHeld] = useState<WebhookLine[] | null>(null);
  const receivers = useLoad(demo.receivers, [], POLL_MS * 2);
  const chosen = filters["receiver"] ?? "";
  const listed = useLoad(() => demo.webhooks(chosen), [chosen], POLL_MS);
  useEffect(() => setHeld(null), [chosen]);
  const forget = useAction(async () => {
    await demo.forget();
    listed.reload();
  });
  const lines = held ?? listed.data ?? [];
  const hold = () => setHeld(held ? null : lines);
  const open = (line: WebhookLine | undefined) => {
    if (!line) return;
    // Lines must not move away under the reader.
    setHeld(lines);
    setFilters({ webhook: line.id });
  };
  const place = lines.findIndex((line) => line.id === id);
  useKeys({ p: hold, j: () => open(lines[place + 1]), k: () => open(lines[Math.max(0, place - 1)]) });
  const t = texts.webhooks;
  const nameOf = (name: string) => receivers.data?.find((one) => one.name === name)?.title ?? name;
  return (
    <>
      <ViewHead title={texts.views["webhooks"]} about={t.about}>
        <Button icon={held ? "play" : "pause"} look={held ? "primary" : "plain"} onClick={hold}>
          {held ? texts.tail.resume : texts.tail.pause}
        </Button>
        <Button icon="trash" busy={forget.running} onClick={() => void forget.run()}>
          {t.forget}
        </Button>
      </ViewHead>
      <Failure error={receivers.error ?? listed.error ?? forget.error} retry={listed.reload} />
      {!receivers.data && !receivers.error && <Loading rows={2} />}
      {receivers.data && (
        <section class="receivers" aria-label={t.receivers}>
          {receivers.data.map((one) => (
            <Receiver key={one.name} one={one} changed={receivers.reload} />
          ))}
        </section>
      )}
      <div>
        <Segments
          label={t.from}
          value={chosen}
          choices={[["", t.all], ...(receivers.data ?? []).map((one) => [one.name, one.title] as const)]}
          onChoice={(receiver) => setFilters({ receiver, webhook: "" })}
        />
      </div>
      <div class="columns">
        <Card title={t.list} class="hooks" pad={false}>
          {lines.length === 0 ? (
            listed.data && <Empty icon="webhooks" title={t.none}>{t.noneDo}</Empty>
          ) : (
            <ul>
              {lines.map((line) => (
                <li key={line.id}>
                  <a href={linkTo("webhooks", null, { ...filters, webhook: line.id })} aria-current={line.id === id ? "true" : undefined} onClick={() => setHeld(lines)}>
                    <StatusCode code={line.status} />
                    <span class="grow">
                      {nameOf(line.receiver)}
                      <span class="fine">{t.line(line.events ?? 0, bytes(line.bytes), line.attempt ?? 1)}</span>
                    </span>
                    <span class="fine">
                      <Time value={line.time} />
                    </span>
                  </a>
                </li>
              ))}
            </ul>
          )}
        </Card>
        <div class="grow stack">{id === null ? <Card><p class="muted">{t.choose}</p></Card> : <OneWebhook id={id} key={id} nameOf={nameOf} />}</div>
      </div>
    </>
  );
}

function Receiver({ one, changed }: { one: DemoReceiver; changed: () => void }) {
  const { subscriptions, reloadSubscriptions } = useWorld();
  const behave = useAction(async (answer: AnswerMode) => {
    await demo.behave(one.name, answer);
    changed();
  });
  const t = texts.webhooks;
  useEffect(() => {
    // Gone disables the subscription, which the list of subscriptions should show.
    const timer = one.answer === "gone" ? setInterval(reloadSubscriptions, 3000) : undefined;
    return () => clearInterval(timer);
  }, [one.answer]);
  const isDisabled = subscriptions.find((known) => known.workflow_id === one.workflow_id)?.status === "disabled";
  return (
    <div class="receiver" role="group" aria-label={one.title}>
      <div class="row">
        <a class="grow" href={linkTo("subscriptions", one.workflow_id)}>
          {one.title}
        </a>
        {isDisabled && <Status value="disabled" />}
      </div>
      <span class="fine">{t.counts(count(one.taken), count(one.refused))}</span>
      <Select label={t.answers} value={one.answer} choices={ANSWERS.map((answer) => [answer, t.modes[answer]] as const)} onChoice={(answer) => void behave.run(answer as AnswerMode)} />
      <Failure error={behave.error} />
    </div>
  );
}

function OneWebhook({ id, nameOf }: { id: string; nameOf: (name: string) => string }) {
  const [kept, setKept] = useState<Webhook | null>(null);
  const loaded = useLoad(async () => {
    const one = await demo.webhook(id);
    setKept(one);
    return one;
  }, [id]);
  const t = texts.webhooks;
  if (!kept) {
    if (loaded.error?.status === 404) return <Notice tone="wait">{t.gone}</Notice>;
    return loaded.error ? <Failure error={loaded.error} retry={loaded.reload} /> : <Loading />;
  }
  return (
    <>
      <Card title={nameOf(kept.receiver)} actions={<StatusCode code={kept.status} />}>
        {kept.signature === "bad" && <Notice tone="bad">{t.badSignature(kept.signature_fault ?? "")}</Notice>}
        <Facts
          rows={[
            [t.time, <Time value={kept.time} />],
            [t.signature, <Status value={`signature_${kept.signature}`} />],
            [t.attempt, count(kept.attempt ?? 1)],
            [t.events, kept.first_event_id ? <a href={linkTo("events", kept.first_event_id)}>{count(kept.events ?? 1)}</a> : count(kept.events ?? 0)],
            ["webhook-id", kept.webhook_id ? <Id value={plainText(kept.webhook_id)} /> : "–"],
            [t.answered, kept.answer === "" ? "–" : <code class="wrap">{plainText(kept.answer)}</code>],
          ]}
        />
      </Card>
      <Card title={t.body} actions={<span class="fine">{bytes(kept.bytes)}</span>}>
        <JsonView text={kept.body} />
        {kept.body_cut && <p class="hint">{t.cut}</p>}
      </Card>
      <Card title={t.headers} actions={<Copy label={texts.copy} text={kept.headers.map(([name, value]) => `${name}: ${value}`).join("\n")} />}>
        <Facts rows={kept.headers.map(([name, value]) => [plainText(name), <code class="wrap">{plainText(value)}</code>])} />
      </Card>
    </>
  );
}
