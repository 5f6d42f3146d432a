// The difference of two events' payloads.

import { useMemo } from "preact/hooks";
import { useWorld } from "../core/context.ts";
import { diffJson } from "../core/diff.ts";
import { clip, plainText } from "../core/format.ts";
import { readJson } from "../core/json.ts";
import { useLoad } from "../core/load.ts";
import { linkTo, usePlace } from "../core/route.ts";
import { Card, Empty, Failure, Loading, Table, Time, ViewHead } from "../parts/basics.tsx";
import { texts } from "../texts.ts";

const VALUE_MAX = 500;
const LINES_MAX = 500;

export function Difference() {
  const { api } = useWorld();
  const { filters } = usePlace();
  const [left, right] = [filters["left"] ?? "", filters["right"] ?? ""];
  const both = useLoad(() => Promise.all([api.event(left), api.event(right)]), [api, left, right]);
  const lines = useMemo(() => {
    if (!both.data) return [];
    const [a, b] = both.data.map(({ payload }) => ({ text: payload, node: readJson(payload) }));
    return diffJson(a!, b!, LINES_MAX);
  }, [both.data]);
  const t = texts.difference;
  const value = (text: string | null) => (text === null ? <span class="muted">{t.absent}</span> : <code class="wrap">{plainText(clip(text, VALUE_MAX))}</code>);
  return (
    <>
      <ViewHead title={t.title} about={both.data ? t.found(lines.length, lines.length >= LINES_MAX) : undefined} />
      <Failure error={both.error} retry={both.reload} />
      {!both.data && !both.error && <Loading />}
      {both.data && (
        <Card pad={false}>
          {lines.length === 0 ? (
            <Empty icon="check" title={t.same} />
          ) : (
            <Table
              label={t.title}
              head={[
                t.path,
                ...both.data.map(({ event }) => (
                  <a href={linkTo("events", event.event_id)} key={event.event_id}>
                    {plainText(event.event_type ?? texts.events.noType)} · <Time value={event.timestamp} />
                  </a>
                )),
              ]}
            >
              {lines.map((line) => (
                <tr key={line.path} class={`diff ${line.kind}`}>
                  <td>
                    <span class={`diff-mark ${line.kind}`}>{t.kinds[line.kind]}</span> <code>{plainText(line.path)}</code>
                  </td>
                  <td>{value(line.left)}</td>
                  <td>{value(line.right)}</td>
                </tr>
              ))}
            </Table>
          )}
        </Card>
      )}
    </>
  );
}
