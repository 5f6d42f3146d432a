// Small parts that every view uses: buttons, statuses, times, notices.

import type { ComponentChildren, JSX } from "preact";
import { useEffect, useState } from "preact/hooks";
import type { ApiFailure } from "../core/http.ts";
import { localTime } from "../core/format.ts";
import { texts } from "../texts.ts";
import { Icon, type IconName } from "./icons.tsx";

type Look = "plain" | "primary" | "danger" | "quiet";

export interface ButtonProps extends Omit<JSX.IntrinsicElements["button"], "icon"> {
  look?: Look;
  icon?: IconName;
  busy?: boolean;
}

export function Button({ look = "plain", icon, busy = false, children, ...rest }: ButtonProps) {
  return (
    <button type="button" {...rest} class={`button ${look} ${rest.class ?? ""}`} aria-busy={busy} disabled={busy || rest.disabled}>
      {busy ? <span class="spinner" aria-hidden="true" /> : icon && <Icon name={icon} />}
      {children && <span>{children}</span>}
    </button>
  );
}

const TONES: Record<string, string> = {
  delivered: "good", sent: "good", signature_good: "good", enforced: "good", active: "good", done: "good", ok: "good", healthy: "good", closed: "good",
  pending: "wait", running: "wait", half_open: "wait", connecting: "wait",
  failed: "bad", refused: "bad", signature_bad: "bad", disabled: "bad", suspended: "bad", revoked: "bad", stopped: "bad", lost: "bad", denied: "bad", open: "bad",
  acknowledged: "calm",
};

/** A status in words, with a dot in its tone. */
export function Status({ value, why }: { value: string; why?: string | undefined }) {
  return (
    <span class={`status ${TONES[value] ?? "none"}`} title={why}>
      {texts.statuses[value] ?? value}
    </span>
  );
}

/** How an attempt ended. */
export function StatusCode({ code, error }: { code: number | null; error?: string | null }) {
  const tone = code === null ? "bad" : code < 300 && !error ? "good" : code === 429 || code >= 500 || code < 400 ? "wait" : "bad";
  return <span class={`status ${tone}`}>{code ?? texts.attempts.noAnswer}</span>;
}

/** A time in one's own zone; UTC when the pointer rests on it. */
export function Time({ value, ago = false }: { value: string | null | undefined; ago?: boolean }) {
  if (!value) return <span class="muted">–</span>;
  const date = new Date(value);
  const utc = `${date.toISOString().replace("T", " ").replace("Z", "")} UTC`;
  return (
    <time dateTime={value} title={utc}>
      {ago ? <Ago date={date} /> : localTime(date)}
    </time>
  );
}

function Ago({ date }: { date: Date }) {
  const [now, setNow] = useState(Date.now());
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), 10_000);
    return () => clearInterval(timer);
  }, []);
  return <>{texts.ago(now - date.getTime())}</>;
}

/** A failure, and what to do about it. */
export function Failure({ error, retry }: { error: ApiFailure | null; retry?: (() => void) | undefined }) {
  if (!error) return null;
  const where = error.details.field ? `${error.details.field}${error.details.pointer ?? ""}: ` : "";
  return (
    <div class="notice bad" role="alert">
      <Icon name="warning" />
      <div>
        <strong>{texts.failure.title(error.status, error.code)}</strong>
        <p>
          {where}
          {error.message}
          {error.retryAfterSeconds ? ` ${texts.failure.retryAfter(error.retryAfterSeconds)}` : ""}
        </p>
        {error.requestId && <p class="fine">{texts.failure.requestId(error.requestId)}</p>}
      </div>
      {retry && <Button onClick={retry}>{texts.retry}</Button>}
    </div>
  );
}

export function Notice({ tone = "calm", children }: { tone?: "calm" | "good" | "wait" | "bad"; children: ComponentChildren }) {
  return (
    <div class={`notice ${tone}`} role="status">
      <Icon name={tone === "good" ? "check" : tone === "calm" ? "info" : "warning"} />
      <div>{children}</div>
    </div>
  );
}

/** An empty list: what that means and what to do. */
export function Empty({ icon, title, children }: { icon: IconName; title: string; children?: ComponentChildren }) {
  return (
    <div class="empty">
      <Icon name={icon} />
      <h2>{title}</h2>
      {children && <div>{children}</div>}
    </div>
  );
}

export function Loading({ rows = 5 }: { rows?: number }) {
  return (
    <div class="loading" role="status" aria-label={texts.loading}>
      {Array.from({ length: rows }, (_, row) => (
        <div class="bone" key={row} />
      ))}
    </div>
  );
}

export function ViewHead({ title, children, about }: { title: ComponentChildren; children?: ComponentChildren; about?: ComponentChildren }) {
  return (
    <header class="view-head">
      <div>
        <h1>{title}</h1>
        {about && <p class="muted">{about}</p>}
      </div>
      {children && <div class="actions">{children}</div>}
    </header>
  );
}

export function Card({ title, actions, children, pad = true, class: more = "" }: { title?: ComponentChildren; actions?: ComponentChildren; children: ComponentChildren; pad?: boolean; class?: string }) {
  return (
    <section class={`card ${more}`}>
      {(title || actions) && (
        <header>
          {title && <h2>{title}</h2>}
          {actions && <div class="actions">{actions}</div>}
        </header>
      )}
      <div class={pad ? "inside" : ""}>{children}</div>
    </section>
  );
}

/** Names and values, one below the other. */
export function Facts({ rows }: { rows: [string, ComponentChildren][] }) {
  return (
    <dl class="facts">
      {rows.map(([name, value]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  );
}

/** A table that scrolls sideways rather than the page. */
export function Table({ head, children, label }: { head: ComponentChildren[]; children: ComponentChildren; label: string }) {
  return (
    <div class="table-frame" tabIndex={0} role="region" aria-label={label}>
      <table>
        <thead>
          <tr>
            {head.map((cell, column) => (
              <th key={column} scope="col">
                {cell === "" ? <span class="offscreen">{texts.actions}</span> : cell}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>{children}</tbody>
      </table>
    </div>
  );
}
