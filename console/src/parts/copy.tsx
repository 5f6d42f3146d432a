// Copies text, and confirms it.

import { useEffect, useState } from "preact/hooks";
import { texts } from "../texts.ts";
import { Button, type ButtonProps } from "./basics.tsx";

async function copyText(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    // Without a secure context there is no clipboard API.
    const area = document.createElement("textarea");
    area.value = text;
    area.setAttribute("readonly", "");
    area.className = "offscreen";
    document.body.append(area);
    area.select();
    const done = document.execCommand("copy");
    area.remove();
    return done;
  }
}

export function Copy({ text, label, ...rest }: { text: string | (() => string); label?: string } & ButtonProps) {
  const [outcome, setOutcome] = useState<"none" | "done" | "failed">("none");
  useEffect(() => {
    if (outcome === "none") return;
    const timer = setTimeout(() => setOutcome("none"), 1600);
    return () => clearTimeout(timer);
  }, [outcome]);
  const act = async () => setOutcome((await copyText(typeof text === "string" ? text : text())) ? "done" : "failed");
  const said = outcome === "done" ? texts.copied : outcome === "failed" ? texts.notCopied : (label ?? "");
  return (
    <Button
      look="quiet"
      icon={outcome === "done" ? "check" : "copy"}
      aria-label={label ? undefined : outcome === "done" ? texts.copied : texts.copy}
      {...rest}
      onClick={act}
    >
      {said || null}
    </Button>
  );
}

/** An id in full, with its copy. */
export function Id({ value }: { value: string }) {
  return (
    <span class="id">
      <code>{value}</code>
      <Copy text={value} aria-label={texts.copyId} />
    </span>
  );
}

/** A command or a body, with its copy. */
export function Code({ text, label }: { text: string; label?: string }) {
  return (
    <div class="code">
      <Copy text={text} label={label ?? texts.copy} />
      <pre tabIndex={0}>{text}</pre>
    </div>
  );
}
