// Subscriptions: what is delivered where, and how it goes.

import { useState } from "preact/hooks";
import { hostOf, useWorld } from "../core/context.ts";
import { useKeys } from "../core/keys.ts";
import { useLoad } from "../core/load.ts";
import { goTo, linkTo, setFilters, usePlace } from "../core/route.ts";
import { Empty, Failure, Loading, Status, Table, Time, ViewHead } from "../parts/basics.tsx";
import { Icon } from "../parts/icons.tsx";
import { Select } from "../parts/fields.tsx";
import { selectorText } from "../parts/selector.tsx";
import { texts } from "../texts.ts";
import { clip, count } from "../core/format.ts";

const SHOWN_MAX = 500;

export function Subscriptions() {
  const { api } = useWorld();
  const { filters } = usePlace();
  const loaded = useLoad(() => api.subscriptions(), [api], 15_000);
  const [selected, select] = useState(-1);
  const t = texts.subscriptions;
  const text = (filters["q"] ?? "").toLowerCase();
  const all = loaded.data ?? [];
  const wanted = all.filter(
    (one) =>
      (!filters["status"] || one.status === filters["status"]) &&
      `${one.description ?? ""} ${one.webhook_url} ${selectorText(one.event_selector)} ${one.workflow_id}`.toLowerCase().includes(text),
  );
  const shown = wanted.slice(0, SHOWN_MAX);
  useKeys({
    j: () => select((old) => Math.min(shown.length - 1, old + 1)),
    k: () => select((old) => Math.max(0, old - 1)),
    n: () => goTo(linkTo("subscriptions", "new")),
    Enter: () => shown[selected] && goTo(linkTo("subscriptions", shown[selected].workflow_id)),
  });
  return (
    <>
      <ViewHead title={texts.views["subscriptions"]} about={loaded.data ? t.count(count(all.length)) : undefined}>
        <a class="button primary" href={linkTo("subscriptions", "new")}>
          <Icon name="plus" />
          <span>{t.new}</span>
        </a>
      </ViewHead>
      <Failure error={loaded.error} retry={loaded.reload} />
      {!loaded.data && !loaded.error && <Loading />}
      {loaded.data && all.length === 0 && (
        <Empty icon="subscriptions" title={t.none}>
          <p>{t.noneAbout}</p>
          <a class="button primary" href={linkTo("subscriptions", "new")}>
            {t.new}
          </a>
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
            <Select label={texts.filters.status} value={filters["status"] ?? ""} choices={[["", texts.filters.anyStatus], ["active", texts.statuses["active"]!], ["disabled", texts.statuses["disabled"]!]]} onChoice={(status) => setFilters({ status })} />
          </div>
          <Table label={texts.views["subscriptions"]!} head={[t.status, t.name, t.selector, t.webhook, t.changed]}>
            {shown.map((one, index) => (
              <tr key={one.workflow_id} class={index === selected ? "selected" : ""}>
                <td>
                  <Status value={one.status} why={one.status_reason} />
                </td>
                <td>
                  <a href={linkTo("subscriptions", one.workflow_id)}>{one.description || hostOf(one.webhook_url)}</a>
                  {one.ordered && <span class="tag">{t.ordered}</span>}
                </td>
                <td>
                  <code title={selectorText(one.event_selector)}>{clip(selectorText(one.event_selector), 60)}</code>
                </td>
                <td class="url">{one.webhook_url}</td>
                <td class="nowrap">
                  <Time value={one.updated_at} ago />
                </td>
              </tr>
            ))}
          </Table>
          {wanted.length > SHOWN_MAX && <p class="muted">{t.cut(count(SHOWN_MAX), count(wanted.length))}</p>}
          {wanted.length === 0 && <p class="muted">{t.noneMatch}</p>}
        </>
      )}
    </>
  );
}
