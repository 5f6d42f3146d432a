// Events: every filter is in the URL, and the list has no end.

import { useEffect, useMemo, useReducer, useRef, useState } from "preact/hooks";
import { useWorld } from "../core/context.ts";
import { count } from "../core/format.ts";
import { useKeys } from "../core/keys.ts";
import { asFailure } from "../core/load.ts";
import { EventPages, PAGE_EVENTS } from "../core/pages.ts";
import { goTo, linkTo, usePlace } from "../core/route.ts";
import { Button, Empty, Failure, Loading, ViewHead } from "../parts/basics.tsx";
import { EventRow, ROW_HEIGHT } from "../parts/eventlist.tsx";
import { EventFilters, filterOf } from "../parts/eventfilters.tsx";
import { VirtualList } from "../parts/virtual.tsx";
import { texts } from "../texts.ts";

export function Events() {
  const { api } = useWorld();
  const { filters } = usePlace();
  const [turn, draw] = useReducer((old: number) => old + 1, 0);
  const [generation, again] = useReducer((old: number) => old + 1, 0);
  const [selected, select] = useState(-1);
  const [marked, mark] = useState<string[]>([]);
  const filter = filterOf(filters);
  const order = filters["order"] === "asc" ? "asc" : "desc";
  const key = JSON.stringify([filter, order, api.root, generation]);
  const pages = useMemo(
    () =>
      new EventPages(
        (cursor, signal) => api.inbox({ status: "any", ...filter, order, limit: PAGE_EVENTS, ...(cursor ? { cursor } : {}) }, signal),
        () => draw(0),
      ),
    [key],
  );
  const list = useRef(pages);
  list.current = pages;
  useEffect(() => {
    select(-1);
    void pages.extend();
    return () => pages.stop();
  }, [pages]);
  useEffect(() => {
    const reload = () => again(0);
    addEventListener("sluice:reload", reload);
    return () => removeEventListener("sluice:reload", reload);
  }, []);
  const step = (by: number) => select((old) => Math.max(0, Math.min(pages.length - 1, old + by)));
  const current = () => (selected < 0 ? null : pages.line(selected));
  const toggle = (id: string, on: boolean) => mark((old) => (on ? [...old.filter((one) => one !== id), id].slice(-2) : old.filter((one) => one !== id)));
  useKeys({
    j: () => step(1),
    k: () => step(-1),
    ArrowDown: () => step(1),
    ArrowUp: () => step(-1),
    g: () => select(0),
    Enter: () => {
      const line = current();
      if (line) goTo(linkTo("events", line.id));
    },
    x: () => {
      const line = current();
      if (line) toggle(line.id, !marked.includes(line.id));
    },
  });
  const t = texts.events;
  const isEmpty = pages.length === 0 && !pages.hasMore;
  const isFiltered = Object.keys(filter).length > 0;
  return (
    <div class="fill" data-turn={turn}>
      <ViewHead title={texts.views["events"]} about={pages.length > 0 ? t.loaded(count(pages.length), pages.hasMore) : undefined}>
        {marked.length === 2 && (
          <a class="button primary" href={linkTo("events", "difference", { left: marked[0]!, right: marked[1]! })}>
            {t.compare}
          </a>
        )}
        {marked.length === 1 && <span class="muted">{t.markAnother}</span>}
        <Button icon="refresh" onClick={() => again(0)}>
          {texts.refresh}
        </Button>
      </ViewHead>
      <EventFilters withStatus />
      <Failure error={pages.failure ? asFailure(pages.failure) : null} retry={() => pages.retry()} />
      {isEmpty && !pages.failure ? (
        <Empty icon="events" title={isFiltered ? t.noneMatch : t.none}>
          {isFiltered ? t.noneMatchDo : <a href={linkTo("composer")}>{t.noneDo}</a>}
        </Empty>
      ) : pages.length === 0 ? (
        !pages.failure && <Loading rows={10} />
      ) : (
        <VirtualList
          label={texts.views["events"]!}
          length={pages.length}
          rowHeight={ROW_HEIGHT}
          selected={selected}
          onReach={(index) => list.current.want(index)}
          row={(index) => {
            const line = pages.line(index);
            return (
              <EventRow
                key={index}
                line={line}
                selected={index === selected}
                marked={line ? marked.includes(line.id) : false}
                onMark={(on) => line && toggle(line.id, on)}
              />
            );
          }}
          after={<p class="list-end muted">{pages.hasMore ? (pages.loading ? texts.loading : "") : t.end}</p>}
        />
      )}
    </div>
  );
}
