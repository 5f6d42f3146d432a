// A list that draws only the lines in view.
//
// Browsers cap an element's height (Chromium near 33 million pixels), so beyond
// SPACE_MAX the scroll bar is proportional to the list.

import type { ComponentChildren } from "preact";
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";

const SPACE_MAX = 12_000_000;
/** Lines drawn beyond the view on each side. */
const BEYOND = 8;

export interface VirtualProps {
  length: number;
  rowHeight: number;
  row: (index: number) => ComponentChildren;
  /** The line that has the cursor; it is kept in view. */
  selected: number;
  /** Called with the last line in view. */
  onReach?: (index: number) => void;
  /** Called with whether the list's beginning is in view. */
  onTop?: (atTop: boolean) => void;
  label: string;
  after?: ComponentChildren;
}

export function VirtualList({ length, rowHeight, row, selected, onReach, onTop, label, after }: VirtualProps) {
  const frame = useRef<HTMLDivElement>(null);
  const [seen, setSeen] = useState({ top: 0, height: 600 });
  const full = length * rowHeight;
  const space = Math.min(full, SPACE_MAX);
  const scale = space > seen.height ? (full - seen.height) / (space - seen.height) : 1;
  const offset = seen.top * scale;
  const held = useRef({ scale, offset });
  const first = Math.max(0, Math.floor(offset / rowHeight) - BEYOND);
  const last = Math.min(length, Math.ceil((offset + seen.height) / rowHeight) + BEYOND);

  useLayoutEffect(() => {
    const element = frame.current!;
    let asked = 0;
    const look = () => {
      asked = 0;
      setSeen((old) =>
        old.top === element.scrollTop && old.height === element.clientHeight
          ? old
          : { top: element.scrollTop, height: element.clientHeight },
      );
    };
    const later = () => (asked ||= requestAnimationFrame(look));
    const watcher = new ResizeObserver(later);
    watcher.observe(element);
    element.addEventListener("scroll", later, { passive: true });
    look();
    return () => {
      watcher.disconnect();
      element.removeEventListener("scroll", later);
      cancelAnimationFrame(asked);
    };
  }, []);

  // A list that grows changes the proportion; the lines in view stay where they are.
  useLayoutEffect(() => {
    if (held.current.scale !== scale && scale !== 1) {
      frame.current!.scrollTop = held.current.offset / scale;
      setSeen((old) => ({ ...old, top: frame.current!.scrollTop }));
    }
    held.current = { scale, offset: frame.current!.scrollTop * scale };
  });

  useEffect(() => {
    onReach?.(last);
  }, [last, length]);
  useEffect(() => {
    onTop?.(seen.top < rowHeight);
  }, [seen.top < rowHeight]);

  useEffect(() => {
    const element = frame.current!;
    if (selected < 0 || scale === 0) return;
    const from = selected * rowHeight;
    const at = element.scrollTop * scale;
    if (from < at) element.scrollTop = from / scale;
    else if (from + rowHeight > at + element.clientHeight) {
      element.scrollTop = (from + rowHeight - element.clientHeight) / scale;
    }
  }, [selected]);

  const rows: ComponentChildren[] = [];
  for (let index = first; index < last; index += 1) rows.push(row(index));
  return (
    <div class="virtual" ref={frame} tabIndex={0} role="region" aria-label={label}>
      <div class="virtual-space" style={{ height: `${space}px` }}>
        <div class="virtual-rows" style={{ transform: `translateY(${seen.top - (offset - first * rowHeight)}px)` }}>
          {rows}
        </div>
      </div>
      {after}
    </div>
  );
}
