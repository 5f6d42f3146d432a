// The current view, from the part of the URL after #. It names the customer (operators
// only), the view, its id, and the view's filters, so each state is a link.
//
//   #/c/<customer id>/events?type=order.created      operators
//   #/events/<event id>                              customers

import { useEffect, useState } from "preact/hooks";

export type Filters = Record<string, string>;

export interface Place {
  customer: string | null;
  view: string;
  id: string | null;
  filters: Filters;
}

export function parsePlace(hash: string): Place {
  const [path = "", query = ""] = hash.replace(/^#/, "").split(/\?(.*)/s);
  const parts = path.split("/").filter(Boolean).map(decode);
  const customer = parts[0] === "c" ? (parts[1] ?? null) : null;
  const rest = parts[0] === "c" ? parts.slice(2) : parts;
  return {
    customer,
    view: rest[0] ?? "",
    id: rest[1] ?? null,
    filters: Object.fromEntries(new URLSearchParams(query)),
  };
}

function decode(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

export function formatPlace(place: Place): string {
  const parts = [place.customer === null ? [] : ["c", place.customer], place.view, place.id ?? []].flat();
  const path = parts.filter((part) => part !== "").map(encodeURIComponent).join("/");
  const kept = Object.entries(place.filters).filter(([, value]) => value !== "");
  const query = new URLSearchParams(kept).toString();
  return `#/${path}${query === "" ? "" : `?${query}`}`;
}

export function currentPlace(): Place {
  return parsePlace(location.hash);
}

/** A link to a view of the chosen customer. */
export function linkTo(view: string, id: string | null = null, filters: Filters = {}): string {
  return formatPlace({ customer: currentPlace().customer, view, id, filters });
}

export function goTo(href: string): void {
  location.hash = href;
}

/** Changes the filters of this view without a new entry in the history. */
export function setFilters(change: Filters): void {
  const place = currentPlace();
  const href = formatPlace({ ...place, filters: { ...place.filters, ...change } });
  history.replaceState(null, "", href);
  dispatchEvent(new HashChangeEvent("hashchange"));
}

export function usePlace(): Place {
  const [place, set] = useState(currentPlace);
  useEffect(() => {
    const moved = () => set(currentPlace());
    addEventListener("hashchange", moved);
    return () => removeEventListener("hashchange", moved);
  }, []);
  return place;
}
