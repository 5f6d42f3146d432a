// The overview: events in, deliveries out, failures, times to receipt, and the backlog.

import { useMemo } from "preact/hooks";
import { metricsText, operators, orNull } from "../core/api.ts";
import { nameOf, useWorld } from "../core/context.ts";
import { bytes, count, duration, shortCount } from "../core/format.ts";
import { useLoad } from "../core/load.ts";
import { readSamples, sumOf } from "../core/prometheus.ts";
import { RANGES, type Range, bounds, spread, sumBy } from "../core/ranges.ts";
import { linkTo, setFilters, usePlace } from "../core/route.ts";
import type { ReceiptMs } from "../core/types.ts";
import { Card, Empty, Failure, Loading, Notice, ViewHead } from "../parts/basics.tsx";
import { Chart, ShareList } from "../parts/chart.tsx";
import { Segments } from "../parts/fields.tsx";
import { texts } from "../texts.ts";
import { Figure } from "./subscription.tsx";

const REFRESH_MS = 10_000;
/** The most subscriptions whose backlog is requested. */
const BACKLOGS_MAX = 20;

export function Overview() {
  const { about, api, subscriptions } = useWorld();
  const { filters } = usePlace();
  // Sample traffic has no history.
  const name = filters["range"] ?? (about.demo ? "15m" : "1h");
  const range = RANGES[name] ?? RANGES["1h"]!;
  const usage = useLoad(() => readUsage(api, range), [api, name], REFRESH_MS);
  const backlog = useBacklog();
  const letters = useLoad(() => orNull(api.deadLetterCount({})), [api], REFRESH_MS);
  const t = texts.overview;
  const data = usage.data === "unknown" ? null : usage.data;
  const receipt = data?.all.receipts[0]?.receipt_ms;
  const receiptOf = (id: string) => data?.byEndpoint.receipts.find((one) => one.workflow_id === id)?.receipt_ms;
  const series = useMemo(() => data && spread(data.all.usage, range, data.since, data.until), [data]);
  return (
    <>
      <ViewHead title={texts.views["overview"]}>
        <Segments label={t.range} value={name in RANGES ? name : "1h"} choices={Object.keys(RANGES).map((one) => [one, t.ranges[one]!])} onChoice={(one) => setFilters({ range: one })} />
      </ViewHead>
      <Failure error={usage.error} retry={usage.reload} />
      {!usage.data && !usage.error && <Loading />}
      {usage.data === "unknown" && (
        <>
          <Notice>{texts.usage.unknown}</Notice>
          <section class="figures strip" aria-label={t.figures}>
            <Figure name={t.backlog} value={backlog === null ? "–" : shortCount(backlog)} note={t.backlogNote} />
            <Figure name={texts.views["subscriptions"]!} value={<a href={linkTo("subscriptions")}>{count(subscriptions.length)}</a>} />
          </section>
        </>
      )}
      {data && series && (
        <>
          {series.sums.accepted + series.sums.delivered + series.sums.failed === 0 && <Nothing hasSubscriptions={subscriptions.length > 0} />}
          <section class="figures strip" aria-label={t.figures}>
            <Figure name={t.accepted} value={shortCount(series.sums.accepted)} note={bytes(series.sums.bytes)} />
            <Figure name={t.delivered} value={shortCount(series.sums.delivered)} note={t.deliveredNote} />
            <Figure name={t.failed} value={<a href={linkTo("deadLetters")}>{shortCount(series.sums.failed)}</a>} note={letters.data ? t.letters(letters.data.dead_letters) : undefined} />
            <Figure name={t.unmatched} value={shortCount(series.sums.unmatched)} note={t.share(series.sums.unmatched, series.sums.accepted)} />
            <Figure name={t.receipt} value={receipt ? between(receipt) : "–"} note={receipt ? t.receiptNote : t.noReceipt} />
            <Figure name={t.backlog} value={backlog === null ? "–" : shortCount(backlog)} note={t.backlogNote} />
          </section>
          <div class="columns even">
            <Card title={t.in}>
              <Chart
                kind="bars"
                label={t.chartIn(count(series.sums.accepted), t.ranges[name] ?? "")}
                times={series.times}
                series={[
                  { name: t.matched, tone: "accent", values: series.buckets.map((one) => Math.max(0, (one?.accepted ?? 0) - (one?.unmatched ?? 0))) },
                  { name: t.unmatched, tone: "none", values: series.buckets.map((one) => one?.unmatched ?? 0) },
                ]}
              />
            </Card>
            <Card title={t.out}>
              <Chart
                kind="bars"
                label={t.chartOut(count(series.sums.delivered), count(series.sums.failed), t.ranges[name] ?? "")}
                times={series.times}
                series={[
                  { name: t.delivered, tone: "good", values: series.buckets.map((one) => one?.delivered ?? 0) },
                  { name: t.failed, tone: "bad", values: series.buckets.map((one) => one?.failed ?? 0) },
                ]}
              />
            </Card>
          </div>
          {receipt && (
            <Card title={t.receiptChart}>
              <Chart
                kind="lines"
                label={t.receiptChart}
                format={duration}
                times={series.times}
                series={[
                  { name: t.p50, tone: "accent", values: series.buckets.map((one) => one?.receipt_ms?.p50 ?? null) },
                  { name: t.p99, tone: "wait", values: series.buckets.map((one) => one?.receipt_ms?.p99 ?? null) },
                ]}
              />
            </Card>
          )}
          <div class="columns even">
            <Card title={t.byType}>
              <ShareList
                empty={t.nothing}
                rows={sumBy(data.byType.usage, (one) => one.event_type ?? texts.events.noType)
                  .slice(0, 8)
                  .map(([type, sums]) => ({ name: type, value: sums.accepted, href: linkTo("events", null, { event_type: type }) }))}
              />
            </Card>
            <Card title={t.byEndpoint}>
              <ShareList
                empty={t.nothing}
                rows={sumBy(data.byEndpoint.usage, (one) => one.workflow_id ?? "")
                  .filter(([id]) => id !== "")
                  .slice(0, 8)
                  .map(([id, sums]) => ({ name: nameOf(subscriptions, id), value: sums.delivered, href: linkTo("subscriptions", id), note: endpointNote(receiptOf(id), sums.failed) }))}
              />
            </Card>
          </div>
        </>
      )}
    </>
  );
}

/** Two durations; the unit is written once if both have the same. */
function between({ p50, p99 }: ReceiptMs): string {
  // A line ends between the two, not before a unit.
  const whole = (ms: number) => duration(ms).replace(" ", "\u00a0");
  return p99 < 1000 ? `${duration(p50).replace(" ms", "")} / ${whole(p99)}` : `${whole(p50)} / ${whole(p99)}`;
}

function endpointNote(receipt: ReceiptMs | null | undefined, failed: number): string {
  const t = texts.overview;
  return [...(receipt ? [t.receiptOf(duration(receipt.p50), duration(receipt.p99))] : []), ...(failed > 0 ? [t.failedNote(shortCount(failed))] : [])].join("; ");
}

type Api = ReturnType<typeof useWorld>["api"];

async function readUsage(api: Api, range: Range) {
  const { since, until } = bounds(range, Date.now());
  const query = { since, until, granularity: range.granularity };
  const [all, byType, byEndpoint] = await Promise.all([
    api.usage(query),
    api.usage({ ...query, group_by: "event_type" }),
    api.usage({ ...query, group_by: "workflow_id" }),
  ]);
  return all && byType && byEndpoint ? { since, until, all, byType, byEndpoint } : "unknown";
}

/** Events that wait for an endpoint. */
function useBacklog(): number | null {
  const { about, api, subscriptions } = useWorld();
  const ids = subscriptions.slice(0, BACKLOGS_MAX).map((one) => one.workflow_id);
  const loaded = useLoad(
    async () => {
      const all = await Promise.all(ids.map((id) => api.health(id)));
      if (all.every((one) => one?.backlog_events === undefined)) return about.audience === "operators" ? queueOfServer() : null;
      return all.reduce((sum, one) => sum + (one?.backlog_events ?? 0), 0);
    },
    [api, ids.join()],
    REFRESH_MS,
  );
  return loaded.data;
}

async function queueOfServer(): Promise<number | null> {
  const system = await operators.system();
  if (system?.queue) return system.queue.events;
  return sumOf(readSamples(await metricsText()), "sluice_processor_queue_events");
}

function Nothing({ hasSubscriptions }: { hasSubscriptions: boolean }) {
  const t = texts.overview;
  return (
    <Empty icon="overview" title={t.none}>
      <p>{t.noneDo}</p>
      <div class="actions center">
        <a class="button primary" href={linkTo("composer")}>
          {texts.views["composer"]}
        </a>
        {!hasSubscriptions && (
          <a class="button" href={linkTo("subscriptions", "new")}>
            {texts.subscriptions.make}
          </a>
        )}
      </div>
      <Notice>{t.noneRange}</Notice>
    </Empty>
  );
}
