// Replays: history delivered again, counted before it is started.

import { useState } from "preact/hooks";
import { nameOf, useWorld } from "../core/context.ts";
import { count } from "../core/format.ts";
import { useAction, useLoad } from "../core/load.ts";
import { usePlace } from "../core/route.ts";
import type { DryRun, Replay } from "../core/types.ts";
import { Button, Card, Empty, Failure, Loading, Notice, Status, Table, Time, ViewHead } from "../parts/basics.tsx";
import { Confirm } from "../parts/dialog.tsx";
import { Select, TextField, TimeField } from "../parts/fields.tsx";
import { texts } from "../texts.ts";

export function Replays() {
  const { api, subscriptions } = useWorld();
  const replays = useLoad(() => api.replays(), [api], 2000);
  const [cancelling, setCancelling] = useState<Replay | null>(null);
  const t = texts.replays;
  return (
    <>
      <ViewHead title={texts.views["replays"]} about={t.about} />
      <Card title={t.new}>
        <NewReplay onStarted={replays.reload} />
      </Card>
      <Failure error={replays.error} retry={replays.reload} />
      {!replays.data && !replays.error && <Loading />}
      {replays.data?.length === 0 && <Empty icon="replays" title={t.none} />}
      {replays.data && replays.data.length > 0 && (
        <Card title={t.list} pad={false}>
          <Table label={t.list} head={[texts.filters.status, t.to, t.range, t.progress, t.started, ""]}>
            {replays.data.map((one) => (
              <tr key={one.replay_id}>
                <td>
                  <Status value={one.status} />
                </td>
                <td>{nameOf(subscriptions, one.workflow_id)}</td>
                <td>
                  <Time value={one.start_time} /> – <Time value={one.end_time} />
                </td>
                <td>
                  {t.queued(count(one.queued), count(one.scanned))}
                  {one.status === "running" && <progress aria-label={t.progress} />}
                </td>
                <td class="nowrap">
                  <Time value={one.created_at} ago />
                </td>
                <td>
                  {one.status === "running" && (
                    <Button look="danger" onClick={() => setCancelling(one)}>
                      {t.cancel}
                    </Button>
                  )}
                </td>
              </tr>
            ))}
          </Table>
        </Card>
      )}
      {cancelling && (
        <Confirm
          title={t.cancelTitle}
          action={t.cancel}
          onClose={() => setCancelling(null)}
          act={async () => {
            await api.cancelReplay(cancelling.replay_id);
            replays.reload();
          }}
        >
          <p>{t.cancelAbout(count(cancelling.queued))}</p>
        </Confirm>
      )}
    </>
  );
}

function NewReplay({ onStarted }: { onStarted: () => void }) {
  const { api, subscriptions } = useWorld();
  const { filters } = usePlace();
  const [to, setTo] = useState(filters["workflow_id"] ?? "");
  const [since, setSince] = useState(filters["since"] ?? "");
  const [until, setUntil] = useState(filters["until"] ?? "");
  const [rate, setRate] = useState("");
  const [counted, setCounted] = useState<DryRun | null>(null);
  const [asking, setAsking] = useState(false);
  const [started, setStarted] = useState(false);
  const t = texts.replays;
  const target = to || (subscriptions.length === 1 ? subscriptions[0]!.workflow_id : "");
  const body = () => ({
    workflow_id: target,
    ...(since ? { start_time: since } : {}),
    ...(until ? { end_time: until } : {}),
    ...(rate ? { rate_per_second: Number(rate) } : {}),
  });
  const dry = useAction(async () => {
    setStarted(false);
    setCounted(await api.dryRun(body()));
  });
  const rateFault = rate === "" || /^[1-9]\d*$/.test(rate) ? null : texts.subscriptionForm.notANumber;
  const change = <A,>(set: (value: A) => void) => (value: A) => {
    setCounted(null);
    set(value);
  };
  return (
    <div class="stack">
      <div class="grid">
        <Select label={t.to} value={target} choices={[["", t.choose], ...subscriptions.map((one) => [one.workflow_id, nameOf(subscriptions, one.workflow_id)] as const)]} onChoice={change(setTo)} />
        <TimeField label={texts.filters.since} value={since} onTime={change(setSince)} hint={t.sinceHint} />
        <TimeField label={texts.filters.until} value={until} onTime={change(setUntil)} hint={t.untilHint} />
        <TextField label={t.rate} inputMode="numeric" value={rate} onText={setRate} error={rateFault} hint={t.rateHint} />
      </div>
      <Failure error={dry.error} />
      {counted && <Notice tone={counted.would_match > 0 ? "calm" : "wait"}>{t.would(count(counted.would_match), count(counted.scanned), counted.complete)}</Notice>}
      {started && <Notice tone="good">{t.startedNotice}</Notice>}
      <div class="actions">
        <Button busy={dry.running} disabled={target === "" || rateFault !== null} onClick={() => void dry.run()}>
          {t.dryRun}
        </Button>
        <Button look="primary" icon="play" disabled={!counted || counted.would_match === 0} onClick={() => setAsking(true)}>
          {t.start(counted ? count(counted.would_match) : null)}
        </Button>
      </div>
      {asking && counted && (
        <Confirm
          title={t.startTitle(count(counted.would_match), nameOf(subscriptions, target))}
          action={t.start(count(counted.would_match))}
          danger={false}
          onClose={() => setAsking(false)}
          act={async () => {
            await api.replay(body());
            setCounted(null);
            setStarted(true);
            onStarted();
          }}
        >
          <p>{t.startAbout}</p>
        </Confirm>
      )}
    </div>
  );
}
