// Usage: events accepted and delivered in a range, by type or by subscription.

import { nameOf, useWorld } from "../core/context.ts";
import { bytes, count } from "../core/format.ts";
import { useLoad } from "../core/load.ts";
import { RANGES, addSums, bounds, noSums, spread, sumBy } from "../core/ranges.ts";
import { linkTo, setFilters, usePlace } from "../core/route.ts";
import { Button, Card, Failure, Loading, Notice, Table, ViewHead } from "../parts/basics.tsx";
import { Chart } from "../parts/chart.tsx";
import { Segments } from "../parts/fields.tsx";
import { texts } from "../texts.ts";

export function Usage() {
  const { api, subscriptions } = useWorld();
  const { filters } = usePlace();
  const name = filters["range"] ?? "24h";
  const range = RANGES[name] ?? RANGES["24h"]!;
  const by = filters["by"] === "workflow_id" ? "workflow_id" : "event_type";
  const t = texts.usage;
  const loaded = useLoad(
    async () => {
      const { since, until } = bounds(range, Date.now());
      const query = { since, until, granularity: range.granularity };
      const [all, grouped] = await Promise.all([api.usage(query), api.usage({ ...query, group_by: by })]);
      return all && grouped ? { since, until, all, grouped } : "unknown";
    },
    [api, name, by],
    30_000,
  );
  const data = loaded.data === "unknown" ? null : loaded.data;
  const series = data && spread(data.all.usage, range, data.since, data.until);
  const rows = data ? sumBy(data.grouped.usage, (one) => (by === "event_type" ? one.event_type : one.workflow_id) ?? "") : [];
  const label = (key: string) => (key === "" ? t.nobody : by === "event_type" ? key : nameOf(subscriptions, key));
  const href = (key: string) => (by === "event_type" ? linkTo("events", null, { event_type: key }) : linkTo("subscriptions", key));
  return (
    <>
      <ViewHead title={texts.views["usage"]} about={t.about}>
        <Segments label={texts.overview.range} value={name} choices={Object.keys(RANGES).map((one) => [one, texts.overview.ranges[one]!])} onChoice={(one) => setFilters({ range: one })} />
        {data && (
          <Button icon="copy" onClick={() => saveCsv(rows.map(([key, sums]) => [label(key), sums.accepted, sums.delivered, sums.failed, sums.unmatched, sums.bytes]))}>
            {t.csv}
          </Button>
        )}
      </ViewHead>
      <Failure error={loaded.error} retry={loaded.reload} />
      {loaded.data === "unknown" && <Notice>{t.unknown}</Notice>}
      {!loaded.data && !loaded.error && <Loading />}
      {series && (
        <Card title={t.volume}>
          <Chart kind="bars" label={t.volume} format={bytes} times={series.times} series={[{ name: t.bytes, tone: "accent", values: series.buckets.map((one) => one?.bytes ?? 0) }]} />
        </Card>
      )}
      {data && (
        <Card title={t.table} pad={false} actions={<Segments label={t.by} value={by} choices={[["event_type", t.byType], ["workflow_id", t.bySubscription]]} onChoice={(one) => setFilters({ by: one })} />}>
          <Table label={t.table} head={[t.name, texts.overview.accepted, texts.overview.delivered, texts.overview.failed, texts.overview.unmatched, t.bytes]}>
            {rows.map(([key, sums]) => (
              <tr key={key}>
                <td>{key === "" ? label(key) : <a href={href(key)}>{label(key)}</a>}</td>
                <Numbers sums={sums} by={by} />
              </tr>
            ))}
            <tr class="total">
              <td>{t.total}</td>
              <Numbers sums={data.all.usage.reduce(addSums, noSums())} by="none" />
            </tr>
          </Table>
        </Card>
      )}
    </>
  );
}

/** The figures of a group: types are counted at acceptance, subscriptions at delivery. */
function Numbers({ sums, by }: { sums: ReturnType<typeof noSums>; by: "event_type" | "workflow_id" | "none" }) {
  const accepted = by !== "workflow_id";
  const ended = by !== "event_type";
  const cells: [boolean, string][] = [
    [accepted, count(sums.accepted)],
    [ended, count(sums.delivered)],
    [ended, count(sums.failed)],
    [accepted, count(sums.unmatched)],
    [accepted, bytes(sums.bytes)],
  ];
  return (
    <>
      {cells.map(([known, text], column) => (
        <td class="number nowrap" key={column}>
          {known ? text : <span class="muted">–</span>}
        </td>
      ))}
    </>
  );
}

function saveCsv(rows: (string | number)[][]): void {
  const head = ["name", "accepted", "delivered", "failed", "unmatched", "bytes"];
  // A cell that a spreadsheet would take for a formula is kept as text.
  const cell = (value: string | number) => `"${String(value).replace(/^[=+\-@]/, "'$&").replaceAll('"', '""')}"`;
  const text = [head, ...rows].map((row) => row.map(cell).join(",")).join("\r\n");
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type: "text/csv" }));
  link.download = "sluice-usage.csv";
  link.click();
  URL.revokeObjectURL(link.href);
}
