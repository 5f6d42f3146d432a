// The selector tester: for each of the last events, whether the selector matches, and
// why not.

import { useEffect, useState } from "preact/hooks";
import { useWorld } from "../core/context.ts";
import type { ApiFailure } from "../core/http.ts";
import { isAborted } from "../core/http.ts";
import { plainText } from "../core/format.ts";
import { asFailure } from "../core/load.ts";
import { linkTo } from "../core/route.ts";
import type { Judgement, Selector } from "../core/types.ts";
import { texts } from "../texts.ts";
import { Failure, Loading, Notice } from "./basics.tsx";
import { Segments } from "./fields.tsx";
import { Icon } from "./icons.tsx";

/** Waits until typing pauses. */
const PAUSE_MS = 400;
const BUSY_PAUSE_MS = 500;
const TRIES_MAX = 10;

/** Whether nothing was filled in yet. */
function isUnfinished(selector: Selector | null): boolean {
  return selector?.type === "event_type" && selector["value"] === "";
}

export function Tester({ selector, saved }: { selector: Selector | null; saved?: string }) {
  const { api } = useWorld();
  const [last, setLast] = useState("20");
  const [show, setShow] = useState("all");
  const [state, setState] = useState<{ judgement: Judgement | null; error: ApiFailure | null; busy: boolean }>({ judgement: null, error: null, busy: true });
  const text = JSON.stringify(selector);
  const isBlank = !saved && isUnfinished(selector);
  useEffect(() => {
    if (isBlank) return setState({ judgement: null, error: null, busy: false });
    const controller = new AbortController();
    setState((old) => ({ ...old, busy: true }));
    let tries = 0;
    const judge = async () => {
      try {
        const judgement = saved ? await api.judgeSaved(saved, Number(last)) : await api.judge(selector, Number(last), controller.signal);
        if (!controller.signal.aborted) setState({ judgement, error: null, busy: false });
      } catch (error) {
        if (controller.signal.aborted || isAborted(error)) return;
        const failure = asFailure(error);
        // A customer has one trial at a time: another tab's, or the one before this.
        if (failure.status === 503 && tries < TRIES_MAX) {
          tries += 1;
          timer = setTimeout(judge, BUSY_PAUSE_MS);
        } else setState({ judgement: null, error: failure, busy: false });
      }
    };
    let timer = setTimeout(judge, saved ? 0 : PAUSE_MS);
    return () => {
      controller.abort();
      clearTimeout(timer);
    };
  }, [text, saved, last, api]);
  const { judgement, error, busy } = state;
  const t = texts.tester;
  const events = (judgement?.events ?? []).filter((event) => show === "all" || event.matches === (show === "yes"));
  return (
    <div class="stack tester" aria-busy={busy}>
      <div class="row">
        <Segments label={t.howMany} value={last} choices={["20", "50", "100"].map((n) => [n, t.last(n)])} onChoice={setLast} />
        <Segments label={t.which} value={show} choices={[["all", t.all], ["yes", t.matching], ["no", t.others]]} onChoice={setShow} />
      </div>
      {error && (error.status === 404 || error.status === 405 ? <Notice>{t.notHere}</Notice> : <Failure error={error} />)}
      {isBlank && <p class="muted">{t.blank}</p>}
      {!isBlank && !judgement && !error && <Loading rows={4} />}
      {judgement && (
        <>
          <p role="status" class="tester-sum">
            <strong>{t.sum(judgement.matching, judgement.looked_at)}</strong> {!judgement.complete && t.incomplete}
          </p>
          {judgement.looked_at === 0 && <p class="muted">{t.noEvents} <a href={linkTo("composer")}>{texts.views["composer"]}</a></p>}
          <ul class="judged">
            {events.map((event) => (
              <li key={event.event_id} class={event.matches ? "yes" : "no"}>
                <Icon name={event.matches ? "check" : "cross"} />
                <span class="offscreen">{event.matches ? t.matching : t.others}</span>
                <a href={linkTo("events", event.event_id)}>{plainText(event.event_type ?? texts.events.noType)}</a>
                <span class="reason">{plainText(event.reason)}</span>
                {event.pointer && <code class="muted">{event.pointer}</code>}
              </li>
            ))}
          </ul>
        </>
      )}
    </div>
  );
}
