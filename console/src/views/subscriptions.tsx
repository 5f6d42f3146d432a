// Subscriptions: which events are delivered where, and how well.

import { hostOf, useWorld } from "../core/context.ts";
import { clip } from "../core/format.ts";
import { useLoad } from "../core/load.ts";
import { linkTo } from "../core/route.ts";
import { Status, Time } from "../parts/basics.tsx";
import { Listing } from "../parts/listing.tsx";
import { selectorText } from "../parts/selector.tsx";
import { texts } from "../texts.ts";

export function Subscriptions() {
  const { api } = useWorld();
  const loaded = useLoad(() => api.subscriptions(), [api], 15_000);
  const t = texts.subscriptions;
  return (
    <Listing
      view="subscriptions"
      loaded={loaded}
      about={t.count}
      words={t}
      make={linkTo("subscriptions", "new")}
      head={[t.status, t.name, t.selector, t.webhook, t.changed]}
      idOf={(one) => one.workflow_id}
      searched={(one) => `${one.description ?? ""} ${one.webhook_url} ${selectorText(one.event_selector)} ${one.workflow_id}`}
      statuses={{ choices: ["active", "disabled"], of: (one) => one.status }}
      link={(one) => linkTo("subscriptions", one.workflow_id)}
      cells={(one) => (
        <>
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
        </>
      )}
    />
  );
}
