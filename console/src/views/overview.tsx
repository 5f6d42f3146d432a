// The overview: what came in, what went out, what failed, how fast, and what waits.

import { useMemo } from "preact/hooks";
import { metricsText, operators, orNull } from "../core/api.ts";
import { nameOf, useWorld } from "../core/context.ts";
import { bytes, count, duration, shortCount } from "../core/format.ts";
import { useLoad } from "../core/load.ts";
import { quantileOf, readSamples, sumOf } from "../core/prometheus.ts";
import { RANGES, type Range, bounds, spread, sumBy } from "../core/ranges.ts";
import { linkTo, setFilters, usePlace } from "../core/route.ts";
import { Card, Empty, Failure, Loading, Notice, ViewHead } from "../parts/basics.tsx";
import { Chart, ShareList } from "../parts/chart.tsx";
import { Segments } from "../parts/fields.tsx";
import { texts } from "../texts.ts";
import { Figure } from "./subscription.tsx";

const REFRESH_MS = 10_000;
/** Subscriptions whose backlog is asked for. */
const BACKLOGS_MAX = 20;

export function Overview() {
  const { about, api, subscriptions } = useWorld();
  const { filters } = usePlace();
  // Sample traffic has no history.
  const name = filters["range"] ?? (about.demo ? "15m" : "1h");
  const range = RANGES[name] ?? RANGES["1h"]!;
  const usage = useLoad(() => readUsage(api, range), [api, name], REFRESH_MS);
  const latency = useLatency();
  const backlog = useBacklog();
  const letters = useLoad(() => orNull(api.deadLetterCount({})), [api], REFRESH_MS);
  const t = texts.overview;
  const data = usage.data === "unknown" ? null : usage.data;
  const series = useMemo(() => data && spread(data.all, range, data.since, data.until), [data]);
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
            <Figure name={t.receipt} value={latency ? between(latency.p50, latency.p99) : "–"} note={latency ? latency.note : t.noLatency} />
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
            <Figure name={t.failed} value={<a href={linkTo("deadLetters")}>{shortCount(series.sums.failed)}</a>} note={letters.data ? t.letters(count(letters.data.dead_letters)) : undefined} />
            <Figure name={t.unmatched} value={shortCount(series.sums.unmatched)} note={t.share(series.sums.unmatched, series.sums.accepted)} />
            <Figure name={t.receipt} value={latency ? between(latency.p50, latency.p99) : "–"} note={latency ? latency.note : t.noLatency} />
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
          {data.all.some((one) => one.receipt_ms) && (
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
                rows={sumBy(data.byType, (one) => one.event_type ?? texts.events.noType)
                  .slice(0, 8)
                  .map(([type, sums]) => ({ name: type, value: sums.accepted, href: linkTo("events", null, { event_type: type }) }))}
              />
            </Card>
            <Card title={t.byEndpoint}>
              <ShareList
                empty={t.nothing}
                rows={sumBy(data.byEndpoint, (one) => one.workflow_id ?? "")
                  .filter(([id]) => id !== "")
                  .slice(0, 8)
                  .map(([id, sums]) => ({ name: nameOf(subscriptions, id), value: sums.delivered, href: linkTo("subscriptions", id), ...(sums.failed > 0 ? { note: t.failedNote(shortCount(sums.failed)) } : {}) }))}
              />
            </Card>
          </div>
        </>
      )}
    </>
  );
}

/** Two durations, with their unit once where it is the same. */
function between(low: number, high: number): string {
  return high < 1000 ? `${duration(low).replace(" ms", "")} / ${duration(high)}` : `${duration(low)} / ${duration(high)}`;
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

/** From acceptance to receipt: of the whole server for operators; for a customer,
 *  how long its endpoints took to answer. */
function useLatency(): { p50: number; p99: number; note: string } | null {
  const { about, api, subscriptions } = useWorld();
  const ids = subscriptions.slice(0, 10).map((one) => one.workflow_id);
  const loaded = useLoad(
    async () => {
      if (about.audience === "operators") {
        const samples = readSamples(await metricsText());
        const quantile = (share: number) => quantileOf(samples, "sluice_processor_receipt_seconds", share);
        const [p50, p99] = [quantile(0.5), quantile(0.99)];
        return p50 === null || p99 === null ? null : { p50: p50 * 1000, p99: p99 * 1000, note: texts.overview.latencyServer };
      }
      const attempts = (await Promise.all(ids.map((id) => api.attempts(id, 100)))).flat();
      const sorted = attempts.map((one) => one.latency_ms).sort((a, b) => a - b);
      if (sorted.length === 0) return null;
      const at = (share: number) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))]!;
      return { p50: at(0.5), p99: at(0.99), note: texts.overview.latencyEndpoints };
    },
    [about.audience, api, ids.join()],
    REFRESH_MS,
  );
  return loaded.data;
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
            {texts.subscriptions.new}
          </a>
        )}
      </div>
      <Notice>{t.noneRange}</Notice>
    </Empty>
  );
}
