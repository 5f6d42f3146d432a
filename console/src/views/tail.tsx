// The live tail: events as they come. While paused, it keeps reading and counts new events.

import { useEffect, useReducer, useRef, useState } from "preact/hooks";
import { useWorld } from "../core/context.ts";
import { count } from "../core/format.ts";
import { useKeys } from "../core/keys.ts";
import { goTo, linkTo, usePlace } from "../core/route.ts";
import { type EventLine, KEPT_MAX, Tail } from "../core/tail.ts";
import { Button, Empty, Failure, ViewHead } from "../parts/basics.tsx";
import { EventFilters, filterOf } from "../parts/eventfilters.tsx";
import { EventRow, ROW_HEIGHT } from "../parts/eventlist.tsx";
import { VirtualList } from "../parts/virtual.tsx";
import { texts } from "../texts.ts";

/** How often the list is drawn at most. */
const DRAW_MS = 150;

export function LiveTail() {
  const { api } = useWorld();
  const { filters } = usePlace();
  const { event_type, source, tag } = filterOf(filters);
  const [, draw] = useReducer((old: number) => old + 1, 0);
  const [paused, setPaused] = useState<{ lines: EventLine[]; received: number } | null>(null);
  const [selected, select] = useState(-1);
  const [away, setAway] = useState(false);
  const tail = useRef<Tail | null>(null);
  const rate = useRate(tail);
  useEffect(() => {
    let timer = 0;
    const changed = () => {
      timer ||= window.setTimeout(() => ((timer = 0), draw(0)), DRAW_MS);
    };
    const filter = { ...(event_type ? { event_type } : {}), ...(source ? { source } : {}), ...(tag ? { tag } : {}) };
    const reading = new Tail(`${api.root}/stream`, filter, changed);
    tail.current = reading;
    setPaused(null);
    // The former tail's count and state are not this one's.
    draw(0);
    return () => {
      reading.stop();
      clearTimeout(timer);
    };
  }, [api, event_type, source, tag]);

  const reading = tail.current;
  const hold = () => reading && setPaused({ lines: reading.lines.slice(), received: reading.received });
  // Scrolling back pauses, so that lines do not move away under the reader.
  useEffect(() => {
    if (away && !paused) hold();
  }, [away]);
  const goOn = () => {
    setPaused(null);
    select(-1);
    setAway(false);
    document.querySelector(".virtual")?.scrollTo(0, 0);
  };
  const lines = (paused?.lines ?? reading?.lines ?? []).slice(-KEPT_MAX);
  const fresh = paused && reading ? reading.received - paused.received : 0;
  const at = (index: number) => lines[lines.length - 1 - index] ?? null;
  const step = (by: number) => {
    if (!paused) hold();
    select((old) => Math.max(0, Math.min(lines.length - 1, old + by)));
  };
  useKeys({
    j: () => step(1),
    k: () => step(-1),
    ArrowDown: () => step(1),
    ArrowUp: () => step(-1),
    p: () => (paused ? goOn() : hold()),
    Enter: () => {
      const line = selected >= 0 ? at(selected) : null;
      if (line) goTo(linkTo("events", line.id));
    },
  });
  const t = texts.tail;
  const state = reading?.state ?? "connecting";
  return (
    <div class="fill">
      <ViewHead title={texts.views["tail"]} about={t.about(count(reading?.received ?? 0), count(rate))}>
        <span class={`live ${paused ? "paused" : state}`} role="status">
          {paused ? t.paused : t.states[state]}
        </span>
        {paused ? (
          <Button look="primary" icon="play" onClick={goOn}>
            {fresh > 0 ? t.fresh(count(fresh)) : t.resume}
          </Button>
        ) : (
          <Button icon="pause" onClick={() => hold()}>
            {t.pause}
          </Button>
        )}
        <Button icon="trash" onClick={() => reading?.clear()}>
          {t.clear}
        </Button>
      </ViewHead>
      <EventFilters withTimes={false} />
      {state === "refused" && <Failure error={reading!.failure} />}
      {state === "waiting" && <Failure error={reading!.failure} />}
      {lines.length === 0 ? (
        state !== "refused" && (
          <Empty icon="tail" title={t.none}>
            <a href={linkTo("composer")}>{t.noneDo}</a>
          </Empty>
        )
      ) : (
        <VirtualList
          label={texts.views["tail"]!}
          length={lines.length}
          rowHeight={ROW_HEIGHT}
          selected={selected}
          onTop={(top) => setAway(!top)}
          row={(index) => <EventRow key={at(index)?.id ?? index} line={at(index)} selected={index === selected} />}
        />
      )}
    </div>
  );
}

/** Events a second, over the last seconds. */
function useRate(tail: { current: Tail | null }): number {
  const [rate, setRate] = useState(0);
  useEffect(() => {
    let last = { at: performance.now(), received: 0, tail: tail.current };
    const timer = setInterval(() => {
      const now = performance.now();
      const received = tail.current?.received ?? 0;
      if (tail.current === last.tail) setRate(Math.round(((received - last.received) * 1000) / (now - last.at)));
      last = { at: now, received, tail: tail.current };
    }, 2000);
    return () => clearInterval(timer);
  }, []);
  return rate;
}
