// Dialogs: the browser's own element, which keeps the focus inside and closes on Escape.

import type { ComponentChildren } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { useAction } from "../core/load.ts";
import { texts } from "../texts.ts";
import { Button, Failure } from "./basics.tsx";

export function Dialog({ title, onClose, children, wide = false }: { title: string; onClose: () => void; children: ComponentChildren; wide?: boolean }) {
  const element = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    const dialog = element.current!;
    const before = document.activeElement;
    dialog.showModal();
    return () => {
      dialog.close();
      if (before instanceof HTMLElement) before.focus();
    };
  }, []);
  return (
    <dialog
      ref={element}
      class={wide ? "wide" : ""}
      aria-label={title}
      onCancel={(event) => (event.preventDefault(), onClose())}
      onMouseDown={(event) => event.target === element.current && onClose()}
    >
      <div class="dialog-inside">
        <header>
          <h2>{title}</h2>
          <Button look="quiet" icon="cross" aria-label={texts.close} onClick={onClose} />
        </header>
        {children}
      </div>
    </dialog>
  );
}

/** Asks before an action that cannot be undone; the button names the action and the count. */
export function Confirm({ title, action, danger = true, act, onClose, children, ready = true }: { title: string; action: string; danger?: boolean; act: () => Promise<void>; onClose: () => void; children: ComponentChildren; ready?: boolean }) {
  const { run, running, error } = useAction(async () => {
    await act();
    onClose();
  });
  return (
    <Dialog title={title} onClose={onClose}>
      <div class="stack">{children}</div>
      <Failure error={error} />
      <footer class="actions">
        <Button onClick={onClose}>{texts.cancel}</Button>
        <Button look={danger ? "danger" : "primary"} busy={running} disabled={!ready} onClick={() => void run()}>
          {action}
        </Button>
      </footer>
    </Dialog>
  );
}
