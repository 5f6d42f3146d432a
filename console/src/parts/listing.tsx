// A view that lists items of one kind, with search and keyboard navigation; each item
// has a page or a dialog of its own.

import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import { count } from "../core/format.ts";
import { useKeys } from "../core/keys.ts";
import type { Loaded } from "../core/load.ts";
import { setFilters, usePlace } from "../core/route.ts";
import { texts } from "../texts.ts";
import { Button, Empty, Failure, Loading, Table, ViewHead } from "./basics.tsx";
import { Select } from "./fields.tsx";
import { Icon, type IconName } from "./icons.tsx";

/** Lines that are drawn at most. */
const SHOWN_MAX = 500;

export interface ListingProps<T> {
  view: IconName & ("customers" | "subscriptions" | "eventTypes");
  loaded: Loaded<T[]>;
  about: (number: string) => string;
  words: { search: string; make: string; none: string; noneAbout: string; noneMatch: string };
  /** The link or the action that makes a new item. */
  make: string | (() => void);
  head: string[];
  idOf: (one: T) => string;
  /** The text that is searched. */
  searched: (one: T) => string;
  /** The statuses that the list can be filtered by. */
  statuses?: { choices: string[]; of: (one: T) => string };
  /** The link of a line. */
  link: (one: T) => string;
  /** The line's cells. */
  cells: (one: T) => ComponentChildren;
}

export function Listing<T>({ view, loaded, about, words, make, head, idOf, searched, statuses, link, cells }: ListingProps<T>) {
  const { filters } = usePlace();
  const [selected, select] = useState(-1);
  const text = (filters["q"] ?? "").toLowerCase();
  const all = loaded.data ?? [];
  const wanted = all.filter((one) => (!statuses || !filters["status"] || statuses.of(one) === filters["status"]) && searched(one).toLowerCase().includes(text));
  const shown = wanted.slice(0, SHOWN_MAX);
  const begin = () => (typeof make === "string" ? (location.hash = make) : make());
  useKeys({
    j: () => select((old) => Math.min(shown.length - 1, old + 1)),
    k: () => select((old) => Math.max(0, old - 1)),
    n: () => void begin(),
    Enter: () => shown[selected] && (location.hash = link(shown[selected])),
  });
  const maker =
    typeof make === "string" ? (
      <a class="button primary" href={make}>
        <Icon name="plus" />
        <span>{words.make}</span>
      </a>
    ) : (
      <Button look="primary" icon="plus" onClick={make}>
        {words.make}
      </Button>
    );
  return (
    <>
      <ViewHead title={texts.views[view]} about={loaded.data ? about(count(all.length)) : undefined}>
        {maker}
      </ViewHead>
      <Failure error={loaded.error} retry={loaded.reload} />
      {!loaded.data && !loaded.error && <Loading />}
      {loaded.data && all.length === 0 && (
        <Empty icon={view} title={words.none}>
          <p>{words.noneAbout}</p>
        </Empty>
      )}
      {all.length > 0 && (
        <>
          <div class="filters row">
            <div class="search grow">
              <Icon name="search" />
              <input type="search" data-search aria-label={words.search} placeholder={words.search} value={filters["q"] ?? ""} onInput={(event) => setFilters({ q: event.currentTarget.value })} />
              <kbd>/</kbd>
            </div>
            {statuses && (
              <Select
                label={texts.filters.status}
                value={filters["status"] ?? ""}
                choices={[["", texts.filters.anyStatus], ...statuses.choices.map((one) => [one, texts.statuses[one]!] as const)]}
                onChoice={(status) => setFilters({ status })}
              />
            )}
          </div>
          <Table label={texts.views[view]!} head={head}>
            {shown.map((one, index) => (
              <tr key={idOf(one)} class={index === selected ? "selected" : ""}>
                {cells(one)}
              </tr>
            ))}
          </Table>
          {wanted.length > SHOWN_MAX && <p class="muted">{texts.listing.cut(count(SHOWN_MAX), count(wanted.length))}</p>}
          {wanted.length === 0 && <p class="muted">{words.noneMatch}</p>}
        </>
      )}
    </>
  );
}
