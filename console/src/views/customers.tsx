// Customers, for operators.

import { useState } from "preact/hooks";
import { operators } from "../core/api.ts";
import { count } from "../core/format.ts";
import { useKeys } from "../core/keys.ts";
import { useLoad } from "../core/load.ts";
import { formatPlace, setFilters, usePlace } from "../core/route.ts";
import type { Customer } from "../core/types.ts";
import { Button, Card, Empty, Failure, Loading, Status, Table, Time, ViewHead } from "../parts/basics.tsx";
import { Confirm } from "../parts/dialog.tsx";
import { Select, TextField } from "../parts/fields.tsx";
import { Icon } from "../parts/icons.tsx";
import { texts } from "../texts.ts";

const SHOWN_MAX = 500;

export function Customers() {
  const { filters } = usePlace();
  const customers = useLoad(() => operators.customers(), [], 30_000);
  const [editing, setEditing] = useState<Customer | "new" | null>(null);
  const t = texts.customers;
  useKeys({ n: () => setEditing("new") });
  const text = (filters["q"] ?? "").toLowerCase();
  const all = customers.data ?? [];
  const wanted = all.filter((one) => `${one.name} ${one.email ?? ""} ${one.customer_id}`.toLowerCase().includes(text));
  return (
    <>
      <ViewHead title={texts.views["customers"]} about={customers.data ? t.about(count(all.length)) : undefined}>
        <Button look="primary" icon="plus" onClick={() => setEditing("new")}>
          {t.add}
        </Button>
      </ViewHead>
      <Failure error={customers.error} retry={customers.reload} />
      {!customers.data && !customers.error && <Loading />}
      {customers.data && all.length === 0 && (
        <Empty icon="customers" title={t.none}>
          <p>{t.noneAbout}</p>
        </Empty>
      )}
      {all.length > 0 && (
        <>
          <div class="filters row">
            <div class="search grow">
              <Icon name="search" />
              <input type="search" data-search aria-label={t.search} placeholder={t.search} value={filters["q"] ?? ""} onInput={(event) => setFilters({ q: event.currentTarget.value })} />
              <kbd>/</kbd>
            </div>
          </div>
          <Card pad={false}>
            <Table label={texts.views["customers"]!} head={[texts.filters.status, t.name, t.email, t.rate, t.fanOut, t.created, ""]}>
              {wanted.slice(0, SHOWN_MAX).map((one) => (
                <tr key={one.customer_id}>
                  <td>
                    <Status value={one.status} />
                  </td>
                  <td>
                    <a href={formatPlace({ customer: one.customer_id, view: "overview", id: null, filters: {} })}>{one.name}</a>
                  </td>
                  <td>{one.email ?? <span class="muted">–</span>}</td>
                  <td class="number">{texts.keys.perSecond(one.rate_limit_per_second)}</td>
                  <td class="number">{one.fan_out}</td>
                  <td class="nowrap">
                    <Time value={one.created_at} />
                  </td>
                  <td>
                    <Button look="quiet" onClick={() => setEditing(one)}>
                      {t.change}
                    </Button>
                  </td>
                </tr>
              ))}
            </Table>
          </Card>
          {wanted.length === 0 && <p class="muted">{t.noneMatch}</p>}
          {wanted.length > SHOWN_MAX && <p class="muted">{texts.subscriptions.cut(count(SHOWN_MAX), count(wanted.length))}</p>}
        </>
      )}
      {editing && <Edit one={editing === "new" ? null : editing} onClose={() => setEditing(null)} onSaved={customers.reload} />}
    </>
  );
}

function Edit({ one, onClose, onSaved }: { one: Customer | null; onClose: () => void; onSaved: () => void }) {
  const [name, setName] = useState(one?.name ?? "");
  const [email, setEmail] = useState(one?.email ?? "");
  const [rate, setRate] = useState(String(one?.rate_limit_per_second ?? 1000));
  const [fanOut, setFanOut] = useState(String(one?.fan_out ?? 1));
  const [status, setStatus] = useState<string>(one?.status ?? "active");
  const t = texts.customers;
  const isNumber = (text: string) => /^[1-9]\d*$/.test(text);
  return (
    <Confirm
      title={one ? t.changeTitle(one.name) : t.add}
      action={one ? texts.subscriptionForm.save : t.add}
      danger={one?.status === "active" && status === "suspended"}
      ready={name.trim() !== "" && isNumber(rate) && isNumber(fanOut)}
      onClose={onClose}
      act={async () => {
        const body = { name: name.trim(), email: email.trim() || null, rate_limit_per_second: Number(rate), fan_out: Number(fanOut) };
        if (one) await operators.changeCustomer(one.customer_id, { ...body, status });
        else await operators.createCustomer(body);
        onSaved();
        dispatchEvent(new Event("sluice:reload"));
      }}
    >
      <TextField label={t.name} value={name} onText={setName} />
      <TextField label={t.email} type="email" value={email} onText={setEmail} />
      <div class="grid">
        <TextField label={t.rate} inputMode="numeric" value={rate} onText={setRate} error={isNumber(rate) ? null : texts.subscriptionForm.notANumber} />
        <TextField label={t.fanOut} inputMode="numeric" value={fanOut} onText={setFanOut} hint={t.fanOutHint} error={isNumber(fanOut) ? null : texts.subscriptionForm.notANumber} />
      </div>
      {one && <Select label={texts.filters.status} value={status} choices={[["active", texts.statuses["active"]!], ["suspended", texts.statuses["suspended"]!]]} onChoice={setStatus} hint={status === "suspended" ? t.suspendAbout : undefined} />}
    </Confirm>
  );
}
