// One line of a list of events.

import { useMemo } from "preact/hooks";
import { clip, plainText } from "../core/format.ts";
import { linkTo } from "../core/route.ts";
import type { EventLine } from "../core/tail.ts";
import { Status, Time } from "./basics.tsx";
import { texts } from "../texts.ts";

export const ROW_HEIGHT = 44;

interface RowProps {
  line: EventLine | null;
  selected: boolean;
  marked?: boolean | undefined;
  onMark?: ((marked: boolean) => void) | undefined;
}

export function EventRow({ line, selected, marked, onMark }: RowProps) {
  // The same element again tells Preact that nothing of the row has changed.
  return useMemo(() => row({ line, selected, marked, onMark }), [line, selected, marked]);
}

function row({ line, selected, marked, onMark }: RowProps) {
  if (!line) return <div class="event-row"><span class="bone" /></div>;
  const href = linkTo("events", line.id);
  return (
    <div class={`event-row ${selected ? "selected" : ""}`}>
      {onMark && (
        <input type="checkbox" checked={marked ?? false} aria-label={texts.events.mark(line.id)} onChange={(event) => onMark(event.currentTarget.checked)} />
      )}
      <a href={href} class="event-link" aria-current={selected ? "true" : undefined}>
        <span class="event-time">
          <Time value={line.time} />
        </span>
        {line.status !== "" && <Status value={line.status} />}
        <span class="event-type">{plainText(line.type) || texts.events.noType}</span>
        <span class="event-source">{plainText(clip(line.source, 60))}</span>
        <code class="event-preview">{plainText(line.preview)}</code>
      </a>
    </div>
  );
}
