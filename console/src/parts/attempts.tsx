// Attempts to deliver: time, answer, duration.

import { useState } from "preact/hooks";
import { clip, count, duration, plainText } from "../core/format.ts";
import type { Attempt } from "../core/types.ts";
import { texts } from "../texts.ts";
import { Button, StatusCode, Table, Time } from "./basics.tsx";
import { Copy } from "./copy.tsx";

export function Attempts({ attempts, of, curl }: { attempts: Attempt[]; of: string; curl?: ((attempt: Attempt) => string) | undefined }) {
  const t = texts.attempts;
  return (
    <Table label={t.title(of)} head={[t.when, t.answer, t.latency, t.number, t.events, t.said, ""]}>
      {attempts.map((attempt) => (
        <Row key={`${attempt.delivery_id}${attempt.attempt}${attempt.timestamp}`} attempt={attempt} curl={curl} />
      ))}
    </Table>
  );
}

function Row({ attempt, curl }: { attempt: Attempt; curl: ((attempt: Attempt) => string) | undefined }) {
  const [open, setOpen] = useState(false);
  const said = attempt.error ?? attempt.answer_excerpt ?? "";
  const text = plainText(said);
  return (
    <tr>
      <td class="nowrap">
        <Time value={attempt.timestamp} />
      </td>
      <td>
        <StatusCode code={attempt.status_code} error={attempt.error} />
      </td>
      <td class="nowrap number">{duration(attempt.latency_ms)}</td>
      <td class="number">{attempt.attempt}</td>
      <td class="number">{count(attempt.event_count)}</td>
      <td class="said">
        {text === "" ? (
          <span class="muted">{texts.attempts.nothing}</span>
        ) : (
          <code class={open ? "wrap" : ""}>{open ? text : clip(text, 80)}</code>
        )}
        {text.length > 80 && (
          <Button look="quiet" onClick={() => setOpen(!open)}>
            {open ? texts.json.less : texts.attempts.more}
          </Button>
        )}
      </td>
      <td class="nowrap">
        <Copy text={attempt.delivery_id} title={`webhook-id ${attempt.delivery_id}`} aria-label={texts.attempts.copyDelivery} />
        {curl && <Copy text={() => curl(attempt)} label={texts.curl} />}
      </td>
    </tr>
  );
}
