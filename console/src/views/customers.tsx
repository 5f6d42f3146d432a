// Customers, for operators.

import { useState } from "preact/hooks";
import { operators } from "../core/api.ts";
import { useLoad } from "../core/load.ts";
import { formatPlace } from "../core/route.ts";
import type { Customer } from "../core/types.ts";
import { Button, Status, Time } from "../parts/basics.tsx";
import { Confirm } from "../parts/dialog.tsx";
import { Select, TextField } from "../parts/fields.tsx";
import { Listing } from "../parts/listing.tsx";
import { texts } from "../texts.ts";

const placeOf = (one: Customer) => formatPlace({ customer: one.customer_id, view: "overview", id: null, filters: {} });

export function Customers() {
  const customers = useLoad(() => operators.customers(), [], 30_000);
  const [editing, setEditing] = useState<Customer | "new" | null>(null);
  const t = texts.customers;
  return (
    <>
      <Listing
        view="customers"
        loaded={customers}
        about={t.about}
        words={t}
        make={() => setEditing("new")}
        head={[texts.filters.status, t.name, t.email, t.rate, t.fanOut, t.created, ""]}
        idOf={(one) => one.customer_id}
        searched={(one) => `${one.name} ${one.email ?? ""} ${one.customer_id}`}
        statuses={{ choices: ["active", "suspended"], of: (one) => one.status }}
        link={placeOf}
        cells={(one) => (
          <>
            <td>
              <Status value={one.status} />
            </td>
            <td>
              <a href={placeOf(one)}>{one.name}</a>
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
          </>
        )}
      />
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
      title={one ? t.changeTitle(one.name) : t.make}
      action={one ? texts.subscriptionForm.save : t.make}
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
