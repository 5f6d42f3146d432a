// The start of the page: asks the server what it is, shows the sign-in, then the frame.

import { useEffect, useMemo, useState } from "preact/hooks";
import { CustomerApi, about, operators, whoAmI } from "./core/api.ts";
import { WorldContext, type World } from "./core/context.ts";
import { keyFor, takeCode } from "./core/demo.ts";
import { useLoad } from "./core/load.ts";
import { usePlace } from "./core/route.ts";
import { type About, session, useCredential } from "./core/session.ts";
import { Failure, Loading } from "./parts/basics.tsx";
import { Frame } from "./frame.tsx";
import { texts } from "./texts.ts";
import { SignIn } from "./views/signin.tsx";

/** Taken before anything is drawn: it leaves the address at once. */
const code = takeCode();

/** The server's description of itself; with the demo's code, this also signs in. */
async function arrive(): Promise<About> {
  const server = await about();
  if (code !== null && server.demo) {
    const key = await keyFor(code);
    if (key === null) session.signOut(texts.signIn.otherRun);
    else session.signIn(key);
  }
  return server;
}

export function App() {
  const server = useLoad(arrive, []);
  const credential = useCredential();
  if (!server.data) {
    return (
      <main class="alone">
        {server.error ? <Failure error={server.error} retry={server.reload} /> : <Loading rows={3} />}
      </main>
    );
  }
  if (!credential) return <SignIn about={server.data} />;
  return <Inside about={server.data} key={credential} />;
}

/** The page of someone who is signed in. */
function Inside({ about }: { about: About }) {
  const place = usePlace();
  const isOperator = about.audience === "operators";
  const customers = useLoad(() => (isOperator ? operators.customers() : Promise.resolve([])), []);
  const me = useLoad(() => (isOperator ? Promise.resolve(null) : whoAmI()), []);
  const customerId = isOperator ? place.customer : (me.data?.customer.customer_id ?? null);
  const api = useMemo(
    () => new CustomerApi(isOperator ? `/admin/customers/${encodeURIComponent(place.customer ?? "")}` : "/v1"),
    [isOperator, place.customer],
  );
  const hasCustomer = !isOperator || place.customer !== null;
  const subscriptions = useLoad(() => (hasCustomer ? api.subscriptions() : Promise.resolve([])), [api], 60_000);
  const customerName = isOperator
    ? (customers.data?.find((one) => one.customer_id === place.customer)?.name ?? "")
    : (me.data?.customer.name ?? "");
  const [title, setTitle] = useState("");
  useEffect(() => {
    const parts = [texts.views[place.view] ?? texts.views["overview"], customerName, "Sluice"];
    setTitle(parts.filter(Boolean).join(" · "));
  }, [place.view, customerName]);
  useEffect(() => {
    document.title = title;
  }, [title]);
  const world: World = {
    about,
    api,
    customerId,
    customerName,
    subscriptions: subscriptions.data ?? [],
    reloadSubscriptions: subscriptions.reload,
  };
  return (
    <WorldContext.Provider value={world}>
      <Frame place={place} customers={customers} me={me.data} hasCustomer={hasCustomer} />
    </WorldContext.Provider>
  );
}
