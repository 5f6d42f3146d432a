// One subscription: its health over time, its backlog, its attempts, and the actions on
// it.

import { useState } from "preact/hooks";
import { hostOf, useWorld } from "../core/context.ts";
import { clip, count, duration } from "../core/format.ts";
import { useAction, useLoad } from "../core/load.ts";
import { RANGES, bounds, spread } from "../core/ranges.ts";
import { goTo, linkTo } from "../core/route.ts";
import type { Attempt, SentTrial, Subscription, SubscriptionHealth } from "../core/types.ts";
import { Attempts } from "../parts/attempts.tsx";
import { Button, Card, Empty, Facts, Failure, Loading, Notice, Status, StatusCode, Time, ViewHead } from "../parts/basics.tsx";
import { Chart } from "../parts/chart.tsx";
import { Code, Copy, Id } from "../parts/copy.tsx";
import { Confirm, Dialog } from "../parts/dialog.tsx";
import { selectorText } from "../parts/selector.tsx";
import { Tester } from "../parts/tester.tsx";
import { texts } from "../texts.ts";

export function OneSubscription({ id }: { id: string }) {
  const { api, reloadSubscriptions } = useWorld();
  const loaded = useLoad(() => api.subscription(id), [api, id], 10_000);
  const attempts = useLoad(() => api.attempts(id), [api, id], 5000);
  const health = useLoad(() => api.health(id), [api, id], 5000);
  const [asking, setAsking] = useState<"rotate" | "delete" | "disable" | null>(null);
  const [secret, setSecret] = useState<string | null>(null);
  const [trial, setTrial] = useState<SentTrial | null>(null);
  const t = texts.subscription;
  const changed = () => {
    loaded.reload();
    reloadSubscriptions();
  };
  const test = useAction(async () => {
    setTrial(null);
    setTrial(await api.sendTest(id));
    attempts.reload();
  });
  const enable = useAction(async () => {
    await api.enable(id);
    changed();
  });
  if (!loaded.data) {
    if (loaded.error?.status === 404) {
      return (
        <Empty icon="subscriptions" title={t.notFound}>
          <a href={linkTo("subscriptions")}>{texts.views["subscriptions"]}</a>
        </Empty>
      );
    }
    return loaded.error ? <Failure error={loaded.error} retry={loaded.reload} /> : <Loading />;
  }
  const one = loaded.data;
  const isActive = one.status === "active";
  return (
    <>
      <ViewHead title={<>{one.description || hostOf(one.webhook_url)} <Status value={one.status} why={one.status_reason} /></>} about={<Id value={one.workflow_id} />}>
        <Button icon="send" busy={test.running} onClick={() => void test.run()}>
          {t.test}
        </Button>
        <a class="button" href={linkTo("subscriptions", id, { edit: "yes" })}>
          {t.edit}
        </a>
        <Button icon="keys" onClick={() => setAsking("rotate")}>
          {t.rotate}
        </Button>
        {isActive ? (
          <Button icon="pause" onClick={() => setAsking("disable")}>
            {t.disable}
          </Button>
        ) : (
          <Button look="primary" icon="play" busy={enable.running} onClick={() => void enable.run()}>
            {t.enable}
          </Button>
        )}
        <Button look="danger" icon="trash" onClick={() => setAsking("delete")}>
          {t.delete}
        </Button>
      </ViewHead>
      <Failure error={test.error ?? enable.error} />
      {!isActive && <Notice tone="wait">{t.disabledBecause(one.status_reason ?? "")} <a href={linkTo("deadLetters", null, { workflow_id: id })}>{texts.views["deadLetters"]}</a></Notice>}
      {trial && <Trial trial={trial} />}
      <div class="columns">
        <Card title={t.health} class="grow">
          <Health id={id} attempts={attempts.data} health={health.data} />
        </Card>
        <Card title={t.settings} class="side-card">
          <Settings one={one} />
        </Card>
      </div>
      <Card title={t.attempts} pad={false}>
        <Failure error={attempts.error} retry={attempts.reload} />
        {attempts.data?.length === 0 ? <p class="inside muted">{t.noAttempts}</p> : attempts.data ? <Attempts of={one.description || hostOf(one.webhook_url)} attempts={attempts.data.slice(0, 100)} /> : <Loading />}
      </Card>
      <Card title={t.tester}>
        <Tester selector={one.event_selector} saved={id} />
      </Card>
      {asking === "rotate" && (
        <Confirm title={t.rotateTitle} action={t.rotate} danger={false} onClose={() => setAsking(null)} act={async () => setSecret((await api.rotate(id)).secret ?? null)}>
          <p>{t.rotateAbout}</p>
        </Confirm>
      )}
      {asking === "disable" && (
        <Confirm
          title={t.disableTitle}
          action={t.disable}
          onClose={() => setAsking(null)}
          act={async () => {
            await api.change(id, { status: "disabled" });
            changed();
          }}
        >
          <p>{t.disableAbout(count(health.data?.backlog_events ?? 0))}</p>
        </Confirm>
      )}
      {asking === "delete" && (
        <Confirm
          title={t.deleteTitle(one.description || hostOf(one.webhook_url))}
          action={t.delete}
          onClose={() => setAsking(null)}
          act={async () => {
            await api.remove(id);
            reloadSubscriptions();
            goTo(linkTo("subscriptions"));
          }}
        >
          <p>{t.deleteAbout(count(health.data?.backlog_events ?? 0))}</p>
        </Confirm>
      )}
      {secret && <Secret secret={secret} onClose={() => setSecret(null)} />}
    </>
  );
}

export function Secret({ secret, onClose }: { secret: string; onClose: () => void }) {
  const t = texts.subscription;
  return (
    <Dialog title={t.secretTitle} onClose={onClose}>
      <p>{t.secretAbout}</p>
      <Code text={secret} />
      <footer class="actions">
        <Button look="primary" onClick={onClose}>
          {t.secretKept}
        </Button>
      </footer>
    </Dialog>
  );
}

function Trial({ trial }: { trial: SentTrial }) {
  const t = texts.subscription;
  return (
    <Notice tone={trial.delivered ? "good" : "bad"}>
      <strong>{trial.delivered ? t.testTaken : t.testRefused}</strong>{" "}
      <StatusCode code={trial.status_code} error={trial.error} /> {duration(trial.latency_ms)}
      {(trial.error || trial.answer_excerpt) && (
        <p>
          <code class="wrap">{trial.error ?? trial.answer_excerpt}</code>
        </p>
      )}
    </Notice>
  );
}

function Settings({ one }: { one: Subscription }) {
  const t = texts.subscription;
  const retry = t.retryText(one.retry.max_retries, duration(one.retry.max_delay_s * 1000), one.retry.client_errors === "retry");
  return (
    <Facts
      rows={[
        [t.selector, <code class="wrap">{selectorText(one.event_selector)}</code>],
        [t.webhook, <span class="wrap">{one.webhook_url} <Copy text={one.webhook_url} /></span>],
        [t.batch, t.batchText(count(one.batch.max_events), one.batch.max_bytes, one.batch.max_wait_ms)],
        [t.retry, retry],
        [t.order, one.ordered ? t.ordered : t.unordered],
        ...shapeRows(one),
        [t.effective, <Time value={one.effective_at} />],
        [t.created, <Time value={one.created_at} />],
        [t.version, count(one.version)],
      ]}
    />
  );
}

/** The subscription's optional settings, if it has any. */
function shapeRows(one: Subscription): [string, preact.ComponentChildren][] {
  const t = texts.subscription;
  const rows: [string, preact.ComponentChildren][] = [];
  if (one.rate_limit_per_second) rows.push([t.rate, texts.keys.perSecond(one.rate_limit_per_second)]);
  const headers = Object.keys(one.headers ?? {});
  if (headers.length > 0) rows.push([t.headers, <code class="wrap">{headers.join("\n")}</code>]);
  if (one.body === "single") rows.push([t.body, t.single]);
  if (one.transform) rows.push([t.transform, <code class="wrap">{clip(JSON.stringify(one.transform.template), 400)}</code>]);
  if (one.signature && one.signature !== "v1") rows.push([t.signature, `${one.signature} (ed25519)`]);
  if (one.public_key) rows.push([t.publicKey, <span class="wrap"><code>{one.public_key}</code> <Copy text={one.public_key} /></span>]);
  return rows;
}

/** Attempts by when they were, and the latencies among them. */
function Health({ id, attempts, health }: { id: string; attempts: Attempt[] | null; health: SubscriptionHealth | null }) {
  const t = texts.subscription;
  if (!attempts) return <Loading rows={3} />;
  const taken = attempts.filter((one) => !one.error && one.status_code !== null && one.status_code < 300);
  const latencies = attempts.map((one) => one.latency_ms).sort((a, b) => a - b);
  const quantile = (share: number) => latencies[Math.min(latencies.length - 1, Math.floor(latencies.length * share))];
  return (
    <div class="stack">
      <div class="figures">
        <Figure name={t.taken} value={attempts.length === 0 ? "–" : `${Math.round((taken.length / attempts.length) * 100)} %`} note={t.ofLast(attempts.length)} />
        <Figure name={t.p50} value={latencies.length ? duration(quantile(0.5)!) : "–"} />
        <Figure name={t.p99} value={latencies.length ? duration(quantile(0.99)!) : "–"} />
        {health && <Figure name={t.backlog} value={count(health.backlog_events)} note={health.backlog_events === 0 ? t.nothingWaits : t.eventsWait} />}
        {health?.breaker && <Figure name={t.breaker} value={<Status value={health.breaker} />} note={health.breaker_until ? <>{t.breakerUntil} <Time value={health.breaker_until} /></> : t.breakers[health.breaker]} />}
      </div>
      <Outcomes id={id} />
      {attempts.length > 1 && <AttemptChart attempts={attempts} />}
    </div>
  );
}

/** The outcomes of its events over the last hour, if the server keeps usage. */
function Outcomes({ id }: { id: string }) {
  const { api } = useWorld();
  const range = RANGES["1h"]!;
  const usage = useLoad(async () => {
    const { since, until } = bounds(range, Date.now());
    const all = await api.usage({ since, until, granularity: range.granularity, group_by: "workflow_id" });
    return all && spread(all.usage.filter((bucket) => bucket.workflow_id === id), range, since, until);
  }, [api, id], 10_000);
  if (!usage.data || usage.data.sums.delivered + usage.data.sums.failed === 0) return null;
  const t = texts.overview;
  const { times, buckets, sums } = usage.data;
  return (
    <Chart
      kind="bars"
      label={t.chartOut(count(sums.delivered), count(sums.failed), t.ranges["1h"]!)}
      times={times}
      height={140}
      series={[
        { name: t.delivered, tone: "good", values: buckets.map((one) => one?.delivered ?? 0) },
        { name: t.failed, tone: "bad", values: buckets.map((one) => one?.failed ?? 0) },
      ]}
    />
  );
}

export function Figure({ name, value, note }: { name: string; value: preact.ComponentChildren; note?: preact.ComponentChildren }) {
  return (
    <div class="figure">
      <span class="figure-name">{name}</span>
      <span class="figure-value">{value}</span>
      {note && <span class="figure-note">{note}</span>}
    </div>
  );
}

const BINS = 40;

function AttemptChart({ attempts }: { attempts: Attempt[] }) {
  const at = attempts.map((one) => Date.parse(one.timestamp));
  const [first, last] = [Math.min(...at), Math.max(...at)];
  const width = Math.max((last - first) / BINS, 1000);
  const bins = Math.min(BINS, Math.floor((last - first) / width) + 1);
  const [good, bad] = [new Array<number>(bins).fill(0), new Array<number>(bins).fill(0)];
  attempts.forEach((one, index) => {
    const bin = Math.min(bins - 1, Math.floor((at[index]! - first) / width));
    const into = !one.error && one.status_code !== null && one.status_code < 300 ? good : bad;
    into[bin] = (into[bin] ?? 0) + 1;
  });
  const times = good.map((_, index) => new Date(first + index * width));
  const t = texts.subscription;
  return <Chart kind="bars" label={t.chart} times={times} height={140} series={[{ name: t.takenOnes, tone: "good", values: good }, { name: t.failedOnes, tone: "bad", values: bad }]} />;
}
