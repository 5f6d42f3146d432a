// One event: its payload, where it went, each attempt, and sending it again.

import { useState } from "preact/hooks";
import { useWorld, nameOf } from "../core/context.ts";
import { apiBase } from "../core/http.ts";
import { count, plainText } from "../core/format.ts";
import { curlOf } from "../core/curl.ts";
import { useKeys } from "../core/keys.ts";
import { useLoad } from "../core/load.ts";
import { linkTo } from "../core/route.ts";
import type { Attempt, EventAttempt, StoredEvent, WhereItWent } from "../core/types.ts";
import { Button, Card, Empty, Facts, Failure, Loading, Notice, Status, Time, ViewHead } from "../parts/basics.tsx";
import { Attempts } from "../parts/attempts.tsx";
import { Copy, Id } from "../parts/copy.tsx";
import { Confirm } from "../parts/dialog.tsx";
import { Select } from "../parts/fields.tsx";
import { JsonView } from "../parts/json.tsx";
import { texts } from "../texts.ts";

export function OneEvent({ id }: { id: string }) {
  const { api, about, subscriptions } = useWorld();
  const loaded = useLoad(() => api.event(id), [api, id]);
  const went = useLoad(() => Promise.all([api.whereItWent(id), api.attemptsOf(id)]), [api, id], 5000);
  const [resending, setResending] = useState(false);
  const [resent, setResent] = useState<number | null>(null);
  const t = texts.event;
  useKeys({ s: () => loaded.data && setResending(true), Escape: () => history.back() });
  if (!loaded.data) {
    if (loaded.error?.status === 404) {
      return (
        <Empty icon="events" title={t.notFound}>
          <p>{t.notFoundDo}</p>
          <a href={linkTo("events")}>{texts.views["events"]}</a>
        </Empty>
      );
    }
    return loaded.error ? <Failure error={loaded.error} retry={loaded.reload} /> : <Loading />;
  }
  const { event, payload } = loaded.data;
  const credential = about.audience === "operators" ? "SLUICE_ADMIN_TOKEN" : "SLUICE_API_KEY";
  const getCurl = curlOf({ method: "GET", url: `${apiBase}${api.root}/events/${id}`, headers: {}, body: null, credential });
  return (
    <>
      <ViewHead
        title={<>{plainText(event.event_type ?? texts.events.noType)} {event.status && <Status value={event.status} />}</>}
        about={<Id value={event.event_id} />}
      >
        <Copy text={getCurl} label={texts.curl} />
        <a class="button" href={linkTo("composer", null, { from: id })}>
          {t.edit}
        </a>
        {event.status !== "acknowledged" && (
          <Button icon="check" onClick={() => void api.acknowledge(id).then(loaded.reload, loaded.reload)}>
            {t.acknowledge}
          </Button>
        )}
        <Button look="primary" icon="send" onClick={() => setResending(true)}>
          {t.resend}
        </Button>
      </ViewHead>
      {resent !== null && <Notice tone={resent === 0 ? "wait" : "good"}>{t.resent(resent)}</Notice>}
      <div class="columns">
        <Card title={t.payload} class="grow">
          <JsonView
            text={payload}
            onPath={(path) => {
              location.hash = linkTo("subscriptions", "new", { expression: path, type: event.event_type ?? "" });
            }}
          />
        </Card>
        <Card title={t.envelope} class="side-card">
          <EventFacts event={event} bytes={payload.length} />
        </Card>
      </div>
      <Card title={t.went} pad={false}>
        <Failure error={went.error} retry={went.reload} />
        <Went event={event} went={went.data?.[0]?.subscriptions ?? null} attempts={went.data?.[1]?.attempts ?? []} payload={payload} isLoading={went.data === null && went.loading} />
      </Card>
      {resending && (
        <Resend
          id={id}
          choices={[["", t.everyMatching], ...subscriptions.filter((one) => one.status === "active").map((one) => [one.workflow_id, nameOf(subscriptions, one.workflow_id)] as const)]}
          onSent={(deliveries) => {
            setResent(deliveries);
            loaded.reload();
            went.reload();
          }}
          onClose={() => setResending(false)}
        />
      )}
    </>
  );
}

function EventFacts({ event, bytes }: { event: StoredEvent; bytes: number }) {
  const t = texts.event;
  const metadata = Object.entries(event.metadata ?? {});
  return (
    <Facts
      rows={[
        [t.accepted, <Time value={event.timestamp} />],
        [t.source, plainText(event.source ?? "–")],
        [t.tags, event.tags?.length ? event.tags.map((tag) => <span class="tag" key={tag}>{plainText(tag)}</span>) : "–"],
        [t.attempts, count(event.delivery_attempts ?? 0)],
        [t.lastAttempt, <Time value={event.last_delivery_timestamp} />],
        [t.acknowledged, <Time value={event.acknowledged_at} />],
        [t.size, t.characters(count(bytes))],
        ...metadata.map(([key, value]) => [`metadata.${key}`, <code>{plainText(typeof value === "string" ? value : JSON.stringify(value))}</code>] as [string, preact.ComponentChildren]),
      ]}
    />
  );
}

interface WentProps {
  event: StoredEvent;
  went: WhereItWent[] | null;
  attempts: EventAttempt[];
  payload: string;
  isLoading: boolean;
}

function Went({ event, went, attempts, payload, isLoading }: WentProps) {
  const { subscriptions } = useWorld();
  const t = texts.event;
  if (isLoading) return <Loading rows={2} />;
  if (went === null) return <p class="inside muted">{t.wentUnknown(event.delivery_attempts ?? 0)}</p>;
  if (went.length === 0) {
    return (
      <div class="inside">
        <p>{event.status === "pending" ? t.notMatchedYet : t.unmatched}</p>
        <a href={linkTo("subscriptions", "new", { type: event.event_type ?? "" })}>{t.unmatchedDo}</a>
      </div>
    );
  }
  return (
    <ul class="went">
      {went.map((one) => {
        const subscription = subscriptions.find((known) => known.workflow_id === one.workflow_id);
        const name = nameOf(subscriptions, one.workflow_id);
        const kept = attempts.filter((attempt) => attempt.workflow_id === one.workflow_id);
        return (
          <li key={one.workflow_id}>
            <div class="row inside">
              <Status value={one.state} />
              <a class="grow" href={linkTo("subscriptions", one.workflow_id)}>
                {name}
              </a>
              <span class="muted">{subscription?.webhook_url}</span>
              {kept.length < one.attempts ? (
                <span class="muted" title={t.keptAbout}>
                  {t.kept(kept.length, one.attempts)}
                </span>
              ) : (
                <span class="muted">{t.attemptsOf(kept.length)}</span>
              )}
            </div>
            {kept.length > 0 && <Attempts of={name} attempts={kept} curl={subscription && ((attempt) => webhookCurl(subscription.webhook_url, subscription.workflow_id, attempt, event, payload))} />}
          </li>
        );
      })}
    </ul>
  );
}

/** The webhook as a command: the event's part of it, without the signature, which needs the secret. */
function webhookCurl(url: string, workflowId: string, attempt: Attempt, event: StoredEvent, payload: string): string {
  const { status: _s, delivery_attempts: _d, last_delivery_timestamp: _l, acknowledged_at: _a, payload: _p, timestamp, ...head } = event;
  const open = JSON.stringify(head).slice(0, -1);
  return curlOf({
    method: "POST",
    url,
    headers: {
      "Content-Type": "application/json",
      "webhook-id": attempt.delivery_id,
      "sluice-subscription-id": workflowId,
      "sluice-attempt": String(attempt.attempt),
      "sluice-event-count": "1",
    },
    body: `[${open},"payload":${payload},"timestamp":${JSON.stringify(timestamp)}}]`,
    credential: null,
  });
}

function Resend({ id, choices, onSent, onClose }: { id: string; choices: (readonly [string, string])[]; onSent: (deliveries: number) => void; onClose: () => void }) {
  const { api } = useWorld();
  const [to, setTo] = useState("");
  const t = texts.event;
  return (
    <Confirm
      title={t.resendTitle}
      action={t.resend}
      danger={false}
      onClose={onClose}
      act={async () => {
        const answer = await api.resend(id, to === "" ? null : to);
        onSent(answer.deliveries.length);
      }}
    >
      <p>{t.resendAbout}</p>
      <Select label={t.resendTo} value={to} choices={choices} onChoice={setTo} />
    </Confirm>
  );
}
