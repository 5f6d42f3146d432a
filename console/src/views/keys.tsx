// Keys: an operator makes and revokes a customer's keys; a customer sees the key that it
// signed in with.

import { useState } from "preact/hooks";
import { operators, whoAmI } from "../core/api.ts";
import { useWorld } from "../core/context.ts";
import { useKeys } from "../core/keys.ts";
import { useLoad } from "../core/load.ts";
import type { ApiKey } from "../core/types.ts";
import { Button, Card, Empty, Facts, Failure, Loading, Notice, Status, Table, Time, ViewHead } from "../parts/basics.tsx";
import { Code } from "../parts/copy.tsx";
import { Confirm, Dialog } from "../parts/dialog.tsx";
import { Check, Select, TimeField } from "../parts/fields.tsx";
import { texts } from "../texts.ts";

export function Keys() {
  const { about } = useWorld();
  return about.audience === "operators" ? <CustomersKeys /> : <OwnKey />;
}

function OwnKey() {
  const me = useLoad(whoAmI, []);
  const t = texts.keys;
  return (
    <>
      <ViewHead title={texts.views["keys"]} about={t.ownAbout} />
      <Failure error={me.error} retry={me.reload} />
      {me.loading && !me.data && <Loading rows={2} />}
      {me.data?.key && (
        <Card title={t.own}>
          <Facts
            rows={[
              [t.key, <code>{me.data.key.hint}…</code>],
              [t.expires, me.data.key.expires_at ? <Time value={me.data.key.expires_at} /> : t.never],
              [t.scopes, me.data.key.scopes ? <Scopes scopes={me.data.key.scopes} /> : t.allScopes],
              [texts.frame.customer, me.data.customer.name],
              [t.rate, t.perSecond(me.data.customer.rate_limit_per_second)],
            ]}
          />
        </Card>
      )}
      <Notice>{t.askOperator}</Notice>
    </>
  );
}

function Scopes({ scopes }: { scopes: string[] }) {
  if (SCOPES.every((scope) => scopes.includes(scope))) return <span class="muted">{texts.keys.allScopes}</span>;
  return (
    <>
      {scopes.map((scope) => (
        <span class="tag" key={scope}>
          {scope}
        </span>
      ))}
    </>
  );
}

function CustomersKeys() {
  const { customerId, customerName } = useWorld();
  const keys = useLoad(() => operators.keys(customerId!), [customerId]);
  const [adding, setAdding] = useState(false);
  const [made, setMade] = useState<ApiKey | null>(null);
  const [revoking, setRevoking] = useState<ApiKey | null>(null);
  const t = texts.keys;
  useKeys({ n: () => setAdding(true) });
  return (
    <>
      <ViewHead title={texts.views["keys"]} about={t.about(customerName)}>
        <Button look="primary" icon="plus" onClick={() => setAdding(true)}>
          {t.new}
        </Button>
      </ViewHead>
      <Failure error={keys.error} retry={keys.reload} />
      {!keys.data && !keys.error && <Loading />}
      {keys.data?.length === 0 && (
        <Empty icon="keys" title={t.none}>
          {t.noneDo}
        </Empty>
      )}
      {keys.data && keys.data.length > 0 && (
        <Card pad={false}>
          <Table label={texts.views["keys"]!} head={[texts.filters.status, t.key, t.scopes, t.created, t.expires, ""]}>
            {keys.data.map((one) => (
              <tr key={one.key_id}>
                <td>
                  <Status value={one.status} />
                </td>
                <td>
                  <code>{one.hint}…</code>
                </td>
                <td>{one.scopes ? <Scopes scopes={one.scopes} /> : <span class="muted">{t.allScopes}</span>}</td>
                <td class="nowrap">
                  <Time value={one.created_at} />
                </td>
                <td class="nowrap">{one.revoked_at ? <Time value={one.revoked_at} /> : one.expires_at ? <Time value={one.expires_at} /> : t.never}</td>
                <td>
                  {one.status === "active" && (
                    <Button look="danger" onClick={() => setRevoking(one)}>
                      {t.revoke}
                    </Button>
                  )}
                </td>
              </tr>
            ))}
          </Table>
        </Card>
      )}
      {adding && (
        <NewKey
          onMade={(key) => {
            setMade(key);
            keys.reload();
          }}
          onClose={() => setAdding(false)}
        />
      )}
      {made && (
        <Dialog title={t.madeTitle} onClose={() => setMade(null)}>
          <p>{t.madeAbout}</p>
          <Code text={made.api_key ?? ""} />
          <footer class="actions">
            <Button look="primary" onClick={() => setMade(null)}>
              {texts.subscription.secretKept}
            </Button>
          </footer>
        </Dialog>
      )}
      {revoking && (
        <Confirm
          title={t.revokeTitle(revoking.hint)}
          action={t.revoke}
          onClose={() => setRevoking(null)}
          act={async () => {
            await operators.revokeKey(customerId!, revoking.key_id);
            keys.reload();
          }}
        >
          <p>{t.revokeAbout}</p>
        </Confirm>
      )}
    </>
  );
}

const SCOPES = ["events:write", "events:read", "subscriptions:read", "subscriptions:write", "deliveries:write"];

function NewKey({ onMade, onClose }: { onMade: (key: ApiKey) => void; onClose: () => void }) {
  const { customerId } = useWorld();
  const [mode, setMode] = useState("live");
  const [expires, setExpires] = useState("");
  const [scopes, setScopes] = useState(SCOPES);
  const t = texts.keys;
  return (
    <Confirm
      title={t.new}
      action={t.make}
      danger={false}
      ready={scopes.length > 0}
      onClose={onClose}
      act={async () => {
        const some = scopes.length < SCOPES.length ? { scopes } : {};
        onMade(await operators.createKey(customerId!, { mode, ...(expires ? { expires_at: expires } : {}), ...some }));
      }}
    >
      <Select label={t.mode} value={mode} choices={[["live", t.live], ["test", t.test]]} onChoice={setMode} />
      <TimeField label={t.expires} value={expires} onTime={setExpires} hint={t.expiresHint} />
      <fieldset>
        <legend>{t.scopes}</legend>
        {SCOPES.map((scope) => (
          <Check key={scope} label={scope} hint={t.scopeHints[scope]!} checked={scopes.includes(scope)} onCheck={(on) => setScopes((old) => (on ? SCOPES.filter((one) => one === scope || old.includes(one)) : old.filter((one) => one !== scope)))} />
        ))}
      </fieldset>
    </Confirm>
  );
}
