// The audit log: who changed what, when and from where. A customer sees its own
// part; an operator sees all, or one customer's.

import { useEffect, useState } from "preact/hooks";
import { auditOf } from "../core/api.ts";
import { useWorld } from "../core/context.ts";
import { clip, plainText } from "../core/format.ts";
import { useLoad } from "../core/load.ts";
import { formatPlace, setFilters, usePlace } from "../core/route.ts";
import type { AuditEntry } from "../core/types.ts";
import { Button, Card, Empty, Failure, Loading, Notice, Status, Table, Time, ViewHead } from "../parts/basics.tsx";
import { TimeField } from "../parts/fields.tsx";
import { texts } from "../texts.ts";

export function Audit() {
  const { about, api } = useWorld();
  const { customer, filters } = usePlace();
  const [since, until] = [filters["since"] ?? "", filters["until"] ?? ""];
  const isOperator = about.audience === "operators";
  const path = isOperator ? "/admin/audit" : `${api.root}/audit`;
  const query = { since, until, customer_id: isOperator ? customer : null };
  const first = useLoad(() => auditOf(path, query), [path, since, until, customer]);
  const [more, setMore] = useState<{ entries: AuditEntry[]; cursor: string | null } | null>(null);
  useEffect(() => setMore(null), [first.data]);
  const next = more ? more.cursor : first.data && first.data.has_more ? first.data.cursor : null;
  const entries = [...(first.data?.audit ?? []), ...(more?.entries ?? [])];
  const readMore = async () => {
    const page = await auditOf(path, { ...query, cursor: next });
    if (page) setMore({ entries: [...(more?.entries ?? []), ...page.audit], cursor: page.has_more ? page.cursor : null });
  };
  const t = texts.audit;
  return (
    <>
      <ViewHead title={texts.views["audit"]} about={t.about} />
      <div class="row end">
        <TimeField label={texts.filters.since} value={since} onTime={(value) => setFilters({ since: value })} />
        <TimeField label={texts.filters.until} value={until} onTime={(value) => setFilters({ until: value })} />
      </div>
      <Failure error={first.error} retry={first.reload} />
      {first.loading && !first.data && !first.error && <Loading />}
      {!first.loading && !first.data && !first.error && <Notice>{t.unknown}</Notice>}
      {first.data && entries.length === 0 && next === null && <Empty icon="audit" title={t.none} />}
      {entries.length > 0 && (
        <Card pad={false}>
          <Table label={texts.views["audit"]!} head={[t.when, t.action, t.subject, t.actor, t.changes, t.from]}>
            {entries.map((entry) => (
              <Row key={entry.audit_id} entry={entry} isOperator={isOperator} />
            ))}
          </Table>
        </Card>
      )}
      {next !== null && (
        <div class="actions center">
          <Button onClick={() => void readMore().catch(first.reload)}>{texts.deadLetters.readMore}</Button>
        </div>
      )}
    </>
  );
}

function Row({ entry, isOperator }: { entry: AuditEntry; isOperator: boolean }) {
  const t = texts.audit;
  const subject = Object.entries(entry.subject).filter(([name, value]) => value !== null && name !== "customer_id");
  const workflow = entry.subject["workflow_id"];
  return (
    <tr>
      <td class="nowrap">
        <Time value={entry.at} />
      </td>
      <td>
        {plainText(entry.action)} {entry.outcome !== "done" && <Status value={entry.outcome} why={entry.error ?? undefined} />}
      </td>
      <td class="said">
        {workflow ? (
          <a href={formatPlace({ customer: isOperator ? entry.customer_id : null, view: "subscriptions", id: workflow, filters: {} })}>
            <code>{workflow}</code>
          </a>
        ) : (
          <code>{plainText(subject.map(([, value]) => value).join(" ") || (entry.subject["customer_id"] ?? "–"))}</code>
        )}
      </td>
      <td>
        {t.actors[entry.actor.kind] ?? plainText(entry.actor.kind)} {entry.actor.key_id && <code>{entry.actor.key_id}</code>}
      </td>
      <td class="said">
        {entry.changes.length === 0 && <span class="muted">–</span>}
        {entry.changes.map((change) => (
          <div key={change.field}>
            {plainText(change.field)}: {change.secret ? t.secret : <code>{`${shown(change.before)} → ${shown(change.after)}`}</code>}
          </div>
        ))}
      </td>
      <td class="nowrap">{entry.from?.address ? <code>{plainText(entry.from.address)}</code> : <span class="muted">–</span>}</td>
    </tr>
  );
}

function shown(value: unknown): string {
  return value === null || value === undefined ? "–" : plainText(clip(typeof value === "string" ? value : JSON.stringify(value), 120));
}
