// Keyboard shortcuts: one listener for the page; a view's shortcuts go before the page's.

import { useEffect, useRef } from "preact/hooks";

export type KeyMap = Record<string, () => void>;

const layers: { current: KeyMap }[] = [];

function isTyping(target: EventTarget | null): boolean {
  return target instanceof HTMLElement && (target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName));
}

addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
  if (isTyping(event.target)) {
    if (event.key === "Escape") (event.target as HTMLElement).blur();
    return;
  }
  if (document.querySelector("dialog[open]")) return;
  // Buttons and links keep their own meaning of Enter.
  if (event.key === "Enter" && event.target instanceof HTMLElement && event.target.closest("a,button,summary")) return;
  for (const layer of [...layers].reverse()) {
    const act = layer.current[event.key];
    if (act) {
      event.preventDefault();
      return act();
    }
  }
});

/** Gives keys a meaning while the component is shown. */
export function useKeys(map: KeyMap): void {
  const layer = useRef(map);
  layer.current = map;
  useEffect(() => {
    layers.push(layer);
    return () => void layers.splice(layers.indexOf(layer), 1);
  }, []);
}
