// The frame around every view: navigation, the chosen customer, search, theme, help and
// sign-out.

import { Component, type ComponentChildren } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { useWorld } from "./core/context.ts";
import { useKeys } from "./core/keys.ts";
import type { Loaded } from "./core/load.ts";
import { asFailure } from "./core/load.ts";
import { type Place, formatPlace, goTo, linkTo } from "./core/route.ts";
import { session } from "./core/session.ts";
import { currentTheme, toggleTheme } from "./core/theme.ts";
import type { Customer, Me } from "./core/types.ts";
import { Button, Empty, Failure, ViewHead } from "./parts/basics.tsx";
import { Dialog } from "./parts/dialog.tsx";
import { Icon, type IconName, Logo } from "./parts/icons.tsx";
import { texts } from "./texts.ts";
import { VIEWS, type ViewEntry } from "./views.tsx";

interface FrameProps {
  place: Place;
  customers: Loaded<Customer[]>;
  me: Me | null;
  hasCustomer: boolean;
}

export function Frame({ place, customers, me, hasCustomer }: FrameProps) {
  const { about, customerName } = useWorld();
  const [menu, setMenu] = useState(false);
  const [help, setHelp] = useState(false);
  const [theme, setTheme] = useState(currentTheme);
  const search = useRef<HTMLInputElement>(null);
  const main = useRef<HTMLElement>(null);
  const isOperator = about.audience === "operators";
  const entries = VIEWS.filter((entry) => (entry.who === "both" || entry.who === about.audience) && (!entry.demo || about.demo === true));
  const start = isOperator && !hasCustomer ? "customers" : "overview";
  const name = place.view === "" ? start : place.view;
  const entry = entries.find((one) => one.name === name);
  useEffect(() => {
    setMenu(false);
    main.current?.scrollTo(0, 0);
  }, [place.view, place.id, place.customer]);
  useKeys({
    "/": () => (main.current?.querySelector<HTMLInputElement>("[data-search]") ?? search.current)?.focus(),
    "?": () => setHelp(true),
    r: () => dispatchEvent(new Event("sluice:reload")),
    ...Object.fromEntries(entries.slice(0, 9).map((one, nth) => [String(nth + 1), () => goTo(hrefOf(one))])),
  });
  return (
    <div class={`frame ${menu ? "menu-open" : ""}`}>
      <a class="skip" href="#main" onClick={(event) => (event.preventDefault(), main.current?.focus())}>
        {texts.frame.skip}
      </a>
      <aside class="side" id="side">
        <a class="brand" href={linkTo(start === "customers" ? "customers" : "overview")}>
          <Logo />
          <span>Sluice</span>
          {about.environment !== "production" && <span class="tag">{about.environment}</span>}
        </a>
        <nav aria-label={texts.frame.views}>
          {(["demo", "see", "send", "steer", "run"] as const).map((group) => (
            <NavGroup key={group} title={texts.groups[group]} entries={entries.filter((one) => one.group === group)} current={name} disabled={!hasCustomer} />
          ))}
        </nav>
        <footer>
          <span class="muted">{texts.frame.version(about.version)}</span>
          <a href={docsLink()} target="_blank" rel="noopener">
            {texts.frame.docs}
          </a>
        </footer>
      </aside>
      {menu && <div class="veil" onClick={() => setMenu(false)} />}
      <div class="page">
        <header class="top">
          <Button look="quiet" icon="menu" class="menu-button" aria-label={texts.frame.menu} aria-expanded={menu} aria-controls="side" onClick={() => setMenu(!menu)} />
          {isOperator ? <CustomerChoice customers={customers} place={place} /> : <span class="who">{customerName || texts.frame.customer}</span>}
          <form
            class="search"
            role="search"
            onSubmit={(event) => {
              event.preventDefault();
              find(search.current!.value.trim());
              search.current!.blur();
            }}
          >
            <Icon name="search" />
            <input ref={search} type="search" aria-label={texts.frame.search} placeholder={texts.frame.searchHint} spellcheck={false} />
            <kbd>/</kbd>
          </form>
          <div class="top-actions">
            <Button look="quiet" icon="keyboard" class="wide-only" aria-label={texts.frame.help} title={texts.frame.help} onClick={() => setHelp(true)} />
            <Button look="quiet" icon={theme === "dark" ? "sun" : "moon"} aria-label={texts.frame.theme(theme)} title={texts.frame.theme(theme)} onClick={() => setTheme(toggleTheme())} />
            <Button look="quiet" icon="out" aria-label={texts.frame.signOut} title={me?.key ? `${texts.frame.signOut} (${me.key.hint}…)` : texts.frame.signOut} onClick={() => session.signOut(null)} />
          </div>
        </header>
        <main ref={main} id="main" tabIndex={-1}>
          <Guard key={`${name}/${place.id ?? ""}/${place.customer ?? ""}`}>
            {!entry ? (
              <Empty icon="search" title={texts.frame.noView}>
                <a href={linkTo("overview")}>{texts.views["overview"]}</a>
              </Empty>
            ) : entry.needsCustomer && !hasCustomer ? (
              <ChooseCustomer customers={customers} view={entry.name} />
            ) : (
              entry.draw(place)
            )}
          </Guard>
        </main>
      </div>
      {help && <Help onClose={() => setHelp(false)} />}
    </div>
  );
}

function hrefOf(entry: ViewEntry): string {
  return linkTo(entry.name);
}

function docsLink(): string {
  return "../docs";
}

/** An event's id opens the event; any other text is a type of events. */
function find(text: string): void {
  if (/^[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}$/i.test(text)) goTo(linkTo("events", text));
  else if (text !== "") goTo(linkTo("events", null, { event_type: text }));
}

function NavGroup({ title, entries, current, disabled }: { title: string; entries: ViewEntry[]; current: string; disabled: boolean }) {
  if (entries.length === 0) return null;
  return (
    <div class="nav-group">
      <h2>{title}</h2>
      <ul>
        {entries.map((entry) => (
          <li key={entry.name}>
            <a href={hrefOf(entry)} aria-current={entry.name === current ? "page" : undefined} class={entry.needsCustomer && disabled ? "dim" : ""}>
              <Icon name={entry.icon as IconName} />
              {texts.views[entry.name]}
            </a>
          </li>
        ))}
      </ul>
    </div>
  );
}

function CustomerChoice({ customers, place }: { customers: Loaded<Customer[]>; place: Place }) {
  const all = customers.data ?? [];
  return (
    <select
      class="who"
      aria-label={texts.frame.customer}
      value={place.customer ?? ""}
      onChange={(event) => {
        const customer = event.currentTarget.value || null;
        const view = customer === null ? "customers" : ["customers", "system", ""].includes(place.view) ? "overview" : place.view;
        goTo(formatPlace({ customer, view, id: null, filters: {} }));
      }}
    >
      <option value="">{texts.frame.allCustomers}</option>
      {all.map((one) => (
        <option key={one.customer_id} value={one.customer_id}>
          {one.name}
        </option>
      ))}
    </select>
  );
}

function ChooseCustomer({ customers, view }: { customers: Loaded<Customer[]>; view: string }) {
  const all = customers.data ?? [];
  useEffect(() => {
    const only = all.length === 1 ? all[0] : undefined;
    if (only) location.replace(formatPlace({ customer: only.customer_id, view, id: null, filters: {} }));
  }, [all.length]);
  return (
    <>
      <ViewHead title={texts.views[view]} />
      <Failure error={customers.error} retry={customers.reload} />
      <Empty icon="customers" title={all.length === 0 ? texts.customers.none : texts.customers.choose}>
        {all.length === 0 ? (
          <a href={formatPlace({ customer: null, view: "customers", id: null, filters: {} })}>{texts.customers.make}</a>
        ) : (
          <ul class="choose">
            {all.slice(0, 50).map((one) => (
              <li key={one.customer_id}>
                <a href={formatPlace({ customer: one.customer_id, view, id: null, filters: {} })}>{one.name}</a>
              </li>
            ))}
          </ul>
        )}
      </Empty>
    </>
  );
}

function Help({ onClose }: { onClose: () => void }) {
  return (
    <Dialog title={texts.help.title} onClose={onClose}>
      <dl class="keys">
        {texts.help.keys.map(([keys, meaning]) => (
          <div key={meaning}>
            <dt>
              {keys.map((key) => (
                <kbd key={key}>{key}</kbd>
              ))}
            </dt>
            <dd>{meaning}</dd>
          </div>
        ))}
      </dl>
    </Dialog>
  );
}

/** Shows the error of a view that breaks; the other views still work. */
class Guard extends Component<{ children: ComponentChildren }, { error: unknown }> {
  override state = { error: null as unknown };
  override componentDidCatch(error: unknown): void {
    console.error(error);
    this.setState({ error });
  }
  override render() {
    if (this.state.error === null) return this.props.children;
    return <Failure error={asFailure(this.state.error)} retry={() => this.setState({ error: null })} />;
  }
}
