// Event types: the schema of each, changed with a payload at hand to try it on.

import { useEffect, useState } from "preact/hooks";
import { lineAndColumn } from "../core/compose.ts";
import { useWorld } from "../core/context.ts";
import { plainText } from "../core/format.ts";
import { JsonError, readJson } from "../core/json.ts";
import { useAction, useLoad } from "../core/load.ts";
import { goTo, linkTo } from "../core/route.ts";
import type { EventType, EventTypeResult } from "../core/types.ts";
import { Button, Card, Empty, Failure, Loading, Notice, Status, Time, ViewHead } from "../parts/basics.tsx";
import { Confirm } from "../parts/dialog.tsx";
import { Check, TextArea, TextField } from "../parts/fields.tsx";
import { Listing } from "../parts/listing.tsx";
import { texts } from "../texts.ts";

const EXAMPLE = { type: "object", required: ["order"], properties: { order: { type: "integer" } } };

export function EventTypes() {
  const { api } = useWorld();
  const loaded = useLoad(() => api.eventTypes(), [api]);
  const t = texts.eventTypes;
  return (
    <Listing
      view="eventTypes"
      loaded={loaded}
      about={() => t.about}
      words={t}
      make={linkTo("eventTypes", "new")}
      head={[t.name, t.enforced, t.description, t.changed]}
      idOf={(one) => one.name}
      searched={(one) => `${one.name} ${one.description ?? ""}`}
      link={(one) => linkTo("eventTypes", one.name)}
      cells={(one) => (
        <>
          <td>
            <a href={linkTo("eventTypes", one.name)}>{plainText(one.name)}</a>
          </td>
          <td>
            <Status value={one.enforce ? "enforced" : "counted"} />
          </td>
          <td>{plainText(one.description ?? "") || <span class="muted">–</span>}</td>
          <td class="nowrap">
            <Time value={one.updated_at} ago />
          </td>
        </>
      )}
    />
  );
}

/** One type, or a new one. */
export function OneEventType({ name }: { name: string | null }) {
  const { api } = useWorld();
  const loaded = useLoad(() => (name === null ? Promise.resolve(null) : api.eventType(name)), [api, name]);
  if (name !== null && !loaded.data) {
    if (loaded.error?.status === 404) {
      return (
        <Empty icon="eventTypes" title={texts.eventTypes.notFound}>
          <a href={linkTo("eventTypes")}>{texts.views["eventTypes"]}</a>
        </Empty>
      );
    }
    return loaded.error ? <Failure error={loaded.error} retry={loaded.reload} /> : <Loading />;
  }
  return <TypeForm one={loaded.data} key={name} />;
}

function TypeForm({ one }: { one: EventType | null }) {
  const { api } = useWorld();
  const [name, setName] = useState(one?.name ?? "");
  const [description, setDescription] = useState(one?.description ?? "");
  const [schema, setSchema] = useState(() => JSON.stringify(one?.schema ?? EXAMPLE, null, 2));
  const [enforce, setEnforce] = useState(one?.enforce ?? false);
  const [payload, setPayload] = useState('{ "order": 1 }');
  const [tried, setTried] = useState<EventTypeResult | null>(null);
  const [deleting, setDeleting] = useState(false);
  const t = texts.eventTypes;
  const [schemaFault, payloadFault] = [faultOf(schema), faultOf(payload)];
  const typed = one?.name ?? name.trim();
  useEffect(() => setTried(null), [schema, payload]);
  useEffect(() => {
    if (!one) return;
    void api.inbox({ status: "any", event_type: one.name, order: "desc", limit: 1 }).then(
      (page) => page.events[0] && setPayload(JSON.stringify(page.events[0].payload, null, 2)),
      () => undefined,
    );
  }, [api]);
  const save = useAction(async () => {
    await api.putEventType(typed, { description: description.trim() || null, schema: JSON.parse(schema) as unknown, enforce });
    goTo(linkTo("eventTypes"));
  });
  // The texts are sent unparsed, since JavaScript would round large numbers.
  const attempt = useAction(async () => setTried(await api.tryEventType(typed, `{"payload":${payload},"schema":${schema}}`)));
  const refused = save.error?.details.field;
  return (
    <>
      <ViewHead title={one ? plainText(one.name) : t.make} about={t.formAbout}>
        {one && (
          <Button look="danger" icon="trash" onClick={() => setDeleting(true)}>
            {t.delete}
          </Button>
        )}
      </ViewHead>
      <form
        noValidate
        class="columns"
        onSubmit={(event) => {
          event.preventDefault();
          void save.run();
        }}
      >
        <Card class="grow">
          <div class="stack">
            {!one && <TextField label={t.name} class="mono" value={name} onText={setName} placeholder="order.created" error={refused === "name" ? save.error!.message : null} />}
            <TextField label={t.description} value={description} onText={setDescription} error={refused === "description" ? save.error!.message : null} />
            <TextArea label={t.schema} class="mono" rows={16} value={schema} onText={setSchema} error={schemaFault} hint={t.schemaHint} />
            <Check label={t.enforce} hint={t.enforceHint} checked={enforce} onCheck={setEnforce} />
            {refused !== "name" && refused !== "description" && <Failure error={save.error} />}
            <div class="actions">
              <Button look="primary" type="submit" busy={save.running} disabled={typed === "" || schemaFault !== null}>
                {one ? texts.subscriptionForm.save : texts.subscriptionForm.create}
              </Button>
            </div>
          </div>
        </Card>
        <Card title={t.try} class="side-card wide">
          <div class="stack">
            <TextArea label={t.payload} class="mono" rows={10} value={payload} onText={setPayload} error={payloadFault} />
            <Button icon="play" busy={attempt.running} disabled={typed === "" || schemaFault !== null || payloadFault !== null} onClick={() => void attempt.run()}>
              {t.tryIt}
            </Button>
            <Failure error={attempt.error} />
            {tried?.valid && <Notice tone="good">{t.fits}</Notice>}
            {tried && !tried.valid && (
              <Notice tone="bad">
                <strong>{t.doesNotFit}</strong>
                <ul class="plain-list">
                  {tried.errors.map((error, nth) => (
                    <li key={nth}>
                      <code>{plainText(error.pointer) || "/"}</code> {plainText(error.message)}
                    </li>
                  ))}
                </ul>
              </Notice>
            )}
          </div>
        </Card>
      </form>
      {deleting && one && (
        <Confirm
          title={t.deleteTitle(one.name)}
          action={t.delete}
          onClose={() => setDeleting(false)}
          act={async () => {
            await api.deleteEventType(one.name);
            goTo(linkTo("eventTypes"));
          }}
        >
          <p>{t.deleteAbout}</p>
        </Confirm>
      )}
    </>
  );
}

function faultOf(text: string): string | null {
  try {
    readJson(text);
    return null;
  } catch (error) {
    if (!(error instanceof JsonError)) throw error;
    return texts.composer.bodyFault(error.fault, [], ...lineAndColumn(text, error.at));
  }
}
