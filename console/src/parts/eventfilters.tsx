// The filters of events, kept in the URL.

import { useEffect, useState } from "preact/hooks";
import type { EventQuery } from "../core/api.ts";
import { type Filters, setFilters, usePlace } from "../core/route.ts";
import { texts } from "../texts.ts";
import { Button } from "./basics.tsx";
import { Select, TextField, TimeField } from "./fields.tsx";
import { Icon } from "./icons.tsx";

const NAMES = ["status", "event_type", "source", "tag", "since", "until"] as const;

export function filterOf(filters: Filters): EventQuery {
  return Object.fromEntries(NAMES.filter((name) => filters[name]).map((name) => [name, filters[name]!]));
}

/** Waits until typing pauses. */
const PAUSE_MS = 300;

export function EventFilters({ withStatus = false, withTimes = true }: { withStatus?: boolean; withTimes?: boolean }) {
  const { filters } = usePlace();
  const [type, setType] = useState(filters["event_type"] ?? "");
  const [open, setOpen] = useState(Boolean(filters["source"] || filters["tag"] || filters["since"] || filters["until"]));
  const t = texts.filters;
  useEffect(() => {
    if (type === (filters["event_type"] ?? "")) return;
    const timer = setTimeout(() => setFilters({ event_type: type.trim() }), PAUSE_MS);
    return () => clearTimeout(timer);
  }, [type]);
  useEffect(() => setType(filters["event_type"] ?? ""), [filters["event_type"]]);
  const used = NAMES.some((name) => filters[name]);
  return (
    <div class="filters">
      <div class="row">
        <div class="search grow">
          <Icon name="search" />
          <input type="search" data-search aria-label={t.eventType} placeholder={t.eventType} value={type} spellcheck={false} onInput={(event) => setType(event.currentTarget.value)} />
          <kbd>/</kbd>
        </div>
        {withStatus && (
          <Select
            label={t.status}
            value={filters["status"] ?? ""}
            choices={[["", t.anyStatus], ...["pending", "delivered", "failed", "unmatched", "acknowledged"].map((name) => [name, texts.statuses[name]!] as const)]}
            onChoice={(status) => setFilters({ status })}
          />
        )}
        <Button aria-expanded={open} onClick={() => setOpen(!open)}>
          {t.more}
        </Button>
        {used && (
          <Button look="quiet" icon="cross" onClick={() => setFilters(Object.fromEntries(NAMES.map((name) => [name, ""])))}>
            {t.clear}
          </Button>
        )}
      </div>
      {open && (
        <div class="row">
          <TextField label={t.source} value={filters["source"] ?? ""} onText={(source) => setFilters({ source })} />
          <TextField label={t.tag} value={filters["tag"] ?? ""} onText={(tag) => setFilters({ tag })} />
          {withTimes && <TimeField label={t.since} value={filters["since"] ?? ""} onTime={(since) => setFilters({ since })} />}
          {withTimes && <TimeField label={t.until} value={filters["until"] ?? ""} onTime={(until) => setFilters({ until })} />}
          {withStatus && (
            <Select label={t.order} value={filters["order"] ?? "desc"} choices={[["desc", t.newest], ["asc", t.oldest]]} onChoice={(order) => setFilters({ order: order === "desc" ? "" : order })} />
          )}
        </div>
      )}
    </div>
  );
}
