// Dead letters: by reason and endpoint; redriven or deleted, some or all that the
// filter matches, with their count before.

import { useEffect, useState } from "preact/hooks";
import type { DeadLetterFilter } from "../core/api.ts";
import { orNull } from "../core/api.ts";
import { nameOf, useWorld } from "../core/context.ts";
import { clip, count, plainText } from "../core/format.ts";
import { useKeys } from "../core/keys.ts";
import { asFailure, useLoad } from "../core/load.ts";
import { linkTo, setFilters, usePlace } from "../core/route.ts";
import type { DeadLetter, DeadLetterCount } from "../core/types.ts";
import { Button, Card, Empty, Failure, Loading, Notice, StatusCode, Table, Time, ViewHead } from "../parts/basics.tsx";
import { ShareList } from "../parts/chart.tsx";
import { Confirm } from "../parts/dialog.tsx";
import { Select, TimeField } from "../parts/fields.tsx";
import { texts } from "../texts.ts";

const REASONS = ["exhausted", "refused", "subscription_disabled", "backlog_full", "poison", "too_expensive", "transform_failed"];
/** The most that one request redrives. */
const REDRIVE_MAX = 10_000;

/** The most that one request names by their ids. */
const IDS_MAX = 100;

function chunks<T>(all: T[], size: number): T[][] {
  return Array.from({ length: Math.ceil(all.length / size) }, (_, nth) => all.slice(nth * size, (nth + 1) * size));
}

type What = "redrive" | "delete";

export function DeadLetters() {
  const { api, subscriptions } = useWorld();
  const { filters } = usePlace();
  const filter: DeadLetterFilter = Object.fromEntries(
    (["workflow_id", "reason", "since", "until"] as const).filter((name) => filters[name]).map((name) => [name, filters[name]!]),
  );
  const key = JSON.stringify(filter);
  const counted = useLoad(() => orNull(api.deadLetterCount(filter)), [api, key], 15_000);
  const [letters, setLetters] = useState<DeadLetter[]>([]);
  const [cursor, setCursor] = useState<string | null>(null);
  const first = useLoad(() => api.deadLetters(filter, null), [api, key]);
  const [marked, mark] = useState<Set<string>>(new Set());
  const [asking, setAsking] = useState<{ what: What; ids: string[] | null } | null>(null);
  const [done, setDone] = useState<string | null>(null);
  const [moreError, setMoreError] = useState<unknown>(null);
  useEffect(() => {
    if (!first.data) return;
    setLetters(first.data.dead_letters);
    setCursor(first.data.has_more ? first.data.cursor : null);
    mark(new Set());
  }, [first.data]);
  useEffect(() => setDone(null), [key]);
  const readMore = async () => {
    try {
      const page = await api.deadLetters(filter, cursor);
      setLetters((old) => [...old, ...page.dead_letters]);
      setCursor(page.has_more ? page.cursor : null);
      setMoreError(null);
    } catch (error) {
      setMoreError(error);
    }
  };
  const reload = () => {
    first.reload();
    counted.reload();
  };
  const [selected, select] = useState(-1);
  useKeys({
    j: () => select((old) => Math.min(letters.length - 1, old + 1)),
    k: () => select((old) => Math.max(0, old - 1)),
    x: () => letters[selected] && toggle(letters[selected].dead_letter_id),
  });
  const toggle = (id: string) =>
    mark((old) => {
      const next = new Set(old);
      if (!next.delete(id)) next.add(id);
      return next;
    });
  const t = texts.deadLetters;
  const isFiltered = key !== "{}";
  const total = counted.data?.dead_letters ?? null;
  return (
    <>
      <ViewHead title={texts.views["deadLetters"]} about={counted.data ? t.about(counted.data.dead_letters, counted.data.events, counted.data.complete) : undefined}>
        {marked.size > 0 ? (
          <>
            <Button look="danger" icon="trash" onClick={() => setAsking({ what: "delete", ids: [...marked] })}>
              {t.deleteSome(count(marked.size))}
            </Button>
            <Button look="primary" icon="replays" onClick={() => setAsking({ what: "redrive", ids: [...marked] })}>
              {t.redriveSome(count(marked.size))}
            </Button>
          </>
        ) : (
          letters.length > 0 && (
            <>
              <Button look="danger" icon="trash" disabled={!isFiltered} title={isFiltered ? undefined : t.deleteNeedsFilter} onClick={() => setAsking({ what: "delete", ids: null })}>
                {t.deleteAll(total === null ? null : count(total))}
              </Button>
              <Button look="primary" icon="replays" onClick={() => setAsking({ what: "redrive", ids: null })}>
                {t.redriveAll(total === null ? null : count(total))}
              </Button>
            </>
          )
        )}
      </ViewHead>
      {done && <Notice tone="good">{done}</Notice>}
      <div class="filters row">
        <Select label={t.endpoint} value={filters["workflow_id"] ?? ""} choices={[["", t.anyEndpoint], ...subscriptions.slice(0, 1000).map((one) => [one.workflow_id, nameOf(subscriptions, one.workflow_id)] as const)]} onChoice={(workflow_id) => setFilters({ workflow_id })} />
        <Select label={t.reason} value={filters["reason"] ?? ""} choices={[["", t.anyReason], ...REASONS.map((reason) => [reason, texts.reasons[reason]!] as const)]} onChoice={(reason) => setFilters({ reason })} />
        <TimeField label={texts.filters.since} value={filters["since"] ?? ""} onTime={(since) => setFilters({ since })} />
        <TimeField label={texts.filters.until} value={filters["until"] ?? ""} onTime={(until) => setFilters({ until })} />
      </div>
      <Failure error={first.error} retry={first.reload} />
      {counted.data && counted.data.dead_letters > 0 && <Sums counted={counted.data} />}
      {!first.data && !first.error && <Loading />}
      {first.data && letters.length === 0 && (
        <Empty icon="check" title={isFiltered ? t.noneMatch : t.none}>
          <p>{isFiltered ? t.noneMatchDo : t.noneAbout}</p>
        </Empty>
      )}
      {letters.length > 0 && (
        <Card pad={false}>
          <Table
            label={texts.views["deadLetters"]!}
            head={[
              <input
                type="checkbox"
                aria-label={t.markAll}
                checked={marked.size === letters.length}
                onChange={(event) => mark(new Set(event.currentTarget.checked ? letters.map((one) => one.dead_letter_id) : []))}
              />,
              t.when, t.reason, t.endpoint, t.events, t.attempts, t.last,
            ]}
          >
            {letters.map((letter, index) => (
              <Row key={letter.dead_letter_id} letter={letter} marked={marked.has(letter.dead_letter_id)} selected={index === selected} onMark={() => toggle(letter.dead_letter_id)} />
            ))}
          </Table>
        </Card>
      )}
      <Failure error={moreError ? asFailure(moreError) : null} />
      {cursor && (
        <div class="actions center">
          <Button onClick={() => void readMore()}>{t.readMore}</Button>
        </div>
      )}
      {asking && (
        <AskFirst
          {...asking}
          filter={filter}
          letters={letters}
          counted={counted.data}
          onDone={(text) => {
            setDone(text);
            reload();
          }}
          onClose={() => setAsking(null)}
        />
      )}
    </>
  );
}

function Sums({ counted }: { counted: DeadLetterCount }) {
  const { subscriptions } = useWorld();
  const t = texts.deadLetters;
  return (
    <div class="columns even">
      <Card title={t.byReason}>
        <ShareList empty="" rows={counted.by_reason.map((one) => ({ name: texts.reasons[one.reason] ?? one.reason, value: one.dead_letters, note: t.eventsNote(one.events), href: linkTo("deadLetters", null, { reason: one.reason }) }))} />
      </Card>
      <Card title={t.byEndpoint}>
        <ShareList empty="" rows={counted.by_workflow.slice(0, 6).map((one) => ({ name: nameOf(subscriptions, one.workflow_id), value: one.dead_letters, note: t.eventsNote(one.events), href: linkTo("deadLetters", null, { workflow_id: one.workflow_id }) }))} />
      </Card>
    </div>
  );
}

function Row({ letter, marked, selected, onMark }: { letter: DeadLetter; marked: boolean; selected: boolean; onMark: () => void }) {
  const { subscriptions } = useWorld();
  const t = texts.deadLetters;
  const firstEvent = letter.event_ids?.[0] ?? letter.event_range?.first;
  return (
    <tr class={selected ? "selected" : ""}>
      <td>
        <input type="checkbox" aria-label={t.mark} checked={marked} onChange={onMark} />
      </td>
      <td class="nowrap">
        <Time value={letter.created_at} />
      </td>
      <td>{texts.reasons[letter.reason] ?? letter.reason}</td>
      <td>
        <a href={linkTo("subscriptions", letter.workflow_id)}>{nameOf(subscriptions, letter.workflow_id)}</a>
      </td>
      <td class="number">{firstEvent ? <a href={linkTo("events", firstEvent)}>{count(letter.event_count)}</a> : count(letter.event_count)}</td>
      <td class="number">{count(letter.attempts)}</td>
      <td class="said">
        {letter.last_status !== null && <StatusCode code={letter.last_status} />} {letter.last_error && <code title={letter.last_error}>{plainText(clip(letter.last_error, 80))}</code>}
      </td>
    </tr>
  );
}

interface AskFirstProps {
  what: What;
  ids: string[] | null;
  filter: DeadLetterFilter;
  letters: DeadLetter[];
  counted: DeadLetterCount | null;
  onDone: (text: string) => void;
  onClose: () => void;
}

/** Counts again before it asks, so that the number is the one of this moment. */
function AskFirst({ what, ids, filter, letters, counted, onDone, onClose }: AskFirstProps) {
  const { api } = useWorld();
  const fresh = useLoad(() => (ids ? Promise.resolve(null) : orNull(api.deadLetterCount(filter))), []);
  const chosen = ids ? letters.filter((one) => ids.includes(one.dead_letter_id)) : null;
  const now = fresh.data ?? counted;
  const [letterCount, eventCount] = chosen
    ? [chosen.length, chosen.reduce((sum, one) => sum + one.event_count, 0)]
    : [now?.dead_letters ?? null, now?.events ?? 0];
  const t = texts.deadLetters;
  const isRedrive = what === "redrive";
  const act = async () => {
    if (isRedrive) {
      const done = { redriven: 0, events: 0, skipped: 0, has_more: false };
      for (const body of ids ? chunks(ids, IDS_MAX).map((some) => ({ dead_letter_ids: some })) : [{ ...filter, limit: REDRIVE_MAX }]) {
        const answer = await api.redrive(body);
        done.redriven += answer.redriven;
        done.events += answer.events;
        done.skipped += answer.skipped;
        done.has_more ||= answer.has_more;
      }
      onDone(t.redriven(done.redriven, done.events, done.skipped, done.has_more));
    } else if (ids) {
      let deleted = 0;
      for (const id of ids) deleted += (await api.deleteDeadLetter(id)).deleted;
      onDone(t.deleted(deleted, false));
    } else {
      const answer = await api.deleteDeadLetters(filter);
      onDone(t.deleted(answer.deleted, answer.has_more));
    }
  };
  const named = letterCount === null ? null : count(letterCount);
  return (
    <Confirm title={isRedrive ? t.redriveTitle(named) : t.deleteTitle(named)} action={isRedrive ? t.redriveSome(named ?? t.all) : t.deleteSome(named ?? t.all)} danger={!isRedrive} ready={ids !== null || !fresh.loading} act={act} onClose={onClose}>
      <p>{isRedrive ? t.redriveAbout(count(eventCount)) : t.deleteAbout(count(eventCount))}</p>
      {!ids && isRedrive && (letterCount ?? 0) > REDRIVE_MAX && <p class="muted">{t.atATime(count(REDRIVE_MAX))}</p>}
    </Confirm>
  );
}
