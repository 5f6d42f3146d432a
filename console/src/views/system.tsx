// The system: roles, shards, lag, dependencies, version. Figures that a server's API
// does not have are read from its metrics.

import { metricsText, operators, orNull } from "../core/api.ts";
import { useWorld } from "../core/context.ts";
import { count, duration } from "../core/format.ts";
import { ApiFailure, ask } from "../core/http.ts";
import { useLoad } from "../core/load.ts";
import { readSamples, type Sample, sumOf } from "../core/prometheus.ts";
import type { System } from "../core/types.ts";
import { Card, Facts, Failure, Loading, Notice, Status, Table, Time, ViewHead } from "../parts/basics.tsx";
import { texts } from "../texts.ts";
import { Figure } from "./subscription.tsx";

interface Ready {
  isReady: boolean;
  reason: string;
  lost: [name: string, reason: string][];
}

export function SystemView() {
  const { about } = useWorld();
  const isOperator = about.audience === "operators";
  const ready = useLoad(readReady, [], 5000);
  const system = useLoad(() => (isOperator ? operators.system() : Promise.resolve(null)), [isOperator], 5000);
  const metrics = useLoad(() => orNull(metricsText()), [], 5000);
  const samples = metrics.data ? readSamples(metrics.data) : [];
  const t = texts.system;
  const shards = joinShards(shardsOf(samples), system.data?.shards ?? []);
  const known = dependenciesOf(samples, ready.data);
  const dependencies = known.length > 0 ? known : (system.data?.dependencies ?? []);
  return (
    <>
      <ViewHead title={texts.views["system"]} about={t.about} />
      <Failure error={ready.error ?? metrics.error} retry={ready.reload} />
      {ready.data && !ready.data.isReady && <Notice tone="bad">{t.notReady(ready.data.reason)}</Notice>}
      {!ready.data && !ready.error && <Loading />}
      <section class="figures strip">
        <Figure name={t.state} value={<Status value={ready.data?.isReady ? "ok" : ready.data ? "lost" : "pending"} />} note={about.environment} />
        <Figure name={t.version} value={about.version} note={system.data?.engine} />
        <Figure name={t.roles} value={system.data?.roles?.join(", ") ?? rolesOf(samples).join(", ")} note={system.data?.started_at ? <>{t.since} <Time value={system.data.started_at} ago /></> : undefined} />
        <Figure name={t.lag} value={duration(Math.max(0, ...shards.map((one) => one.lag_ms ?? 0)))} note={t.lagNote} />
        <Figure name={t.queue} value={count(system.data?.queue?.events ?? sumOf(samples, "sluice_processor_queue_events") ?? 0)} note={t.queueNote(count(system.data?.queue?.deliveries ?? sumOf(samples, "sluice_processor_queue_deliveries") ?? 0))} />
        <Figure name={t.streams} value={count(system.data?.streams_open ?? sumOf(samples, "sluice_http_open_streams") ?? 0)} note={t.connections(count(sumOf(samples, "sluice_http_open_connections") ?? 0))} />
      </section>
      <div class="columns">
        <Card title={t.shards} class="grow" pad={false}>
          {shards.length === 0 ? (
            <p class="inside muted">{t.noShards}</p>
          ) : (
            <Table label={t.shards} head={[t.shard, t.owner, t.lag, t.waiting, t.unsettled, t.checkpoint]}>
              {shards.map((one) => (
                <tr key={one.shard}>
                  <td>
                    <code>{one.shard}</code>
                  </td>
                  <td>{one.owner ?? <span class="muted">–</span>}</td>
                  <td class="number nowrap">{one.lag_ms === undefined ? "–" : duration(one.lag_ms)}</td>
                  <td class="number">{one.lag_events === undefined ? "–" : count(Math.round(one.lag_events))}</td>
                  <td class="number">{one.unsettled_events === undefined ? "–" : count(one.unsettled_events)}</td>
                  <td class="number nowrap">{one.checkpoint_age_ms === undefined ? "–" : duration(one.checkpoint_age_ms)}</td>
                </tr>
              ))}
            </Table>
          )}
        </Card>
        <Card title={t.dependencies} class="side-card">
          {dependencies.length === 0 ? (
            <p class="muted">{t.noDependencies}</p>
          ) : (
            <Facts rows={dependencies.map((one) => [one.name, <><Status value={one.state} /> {one.reason && <span class="muted">{one.reason}</span>}</>])} />
          )}
        </Card>
      </div>
    </>
  );
}

async function readReady(): Promise<Ready> {
  interface Answer {
    lost?: string[];
    reasons?: Record<string, string>;
  }
  const lostOf = (answer: Answer) => (answer.lost ?? []).map((name): [string, string] => [name, answer.reasons?.[name] ?? ""]);
  try {
    return { isReady: true, reason: "", lost: lostOf(await ask<Answer>("/readyz")) };
  } catch (error) {
    if (!(error instanceof ApiFailure) || error.status !== 503) throw error;
    return { isReady: false, reason: error.message, lost: lostOf(error.details as Answer) };
  }
}

function shardsOf(samples: Sample[]): System["shards"] {
  const names = new Set(samples.filter((one) => one.name === "sluice_processor_lag_seconds").map((one) => one.labels["shard"] ?? ""));
  const of = (name: string, shard: string) => sumOf(samples, name, { shard }) ?? undefined;
  return [...names].map((shard) => {
    const row: System["shards"][number] = { shard };
    const [lag, events, unsettled, age] = ["lag_seconds", "lag_events", "unsettled_events", "checkpoint_age_seconds"].map((name) => of(`sluice_processor_${name}`, shard));
    if (lag !== undefined) row.lag_ms = lag * 1000;
    if (events !== undefined) row.lag_events = events;
    if (unsettled !== undefined) row.unsettled_events = unsettled;
    if (age !== undefined) row.checkpoint_age_ms = age * 1000;
    return row;
  });
}

/** Joins the shards of the API and of the metrics; the API's figures win. */
function joinShards(measured: System["shards"], told: System["shards"]): System["shards"] {
  const known = new Map(measured.map((one) => [one.shard, one]));
  for (const one of told) known.set(one.shard, { ...known.get(one.shard), ...one });
  return [...known.values()];
}

function dependenciesOf(samples: Sample[], ready: Ready | null): System["dependencies"] {
  const reasons = new Map(ready?.lost ?? []);
  return samples
    .filter((one) => one.name === "sluice_dependency_lost")
    .map((one) => {
      const name = one.labels["dependency"] ?? "";
      const denied = sumOf(samples, "sluice_dependency_denied", { dependency: name }) === 1;
      return { name, state: denied ? "denied" : one.value === 1 ? "lost" : "ok", reason: reasons.get(name) ?? null };
    });
}

function rolesOf(samples: Sample[]): string[] {
  const has = (prefix: string) => samples.some((one) => one.name.startsWith(prefix));
  return [...(has("sluice_ingest_") ? ["ingest"] : []), ...(has("sluice_processor_") ? ["processor"] : [])];
}
