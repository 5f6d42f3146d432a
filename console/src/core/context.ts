// The context of every view: the server, the chosen customer, and its API.

import { createContext } from "preact";
import { useContext } from "preact/hooks";
import type { About } from "./session.ts";
import type { CustomerApi } from "./api.ts";
import type { Subscription } from "./types.ts";

export interface World {
  about: About;
  api: CustomerApi;
  /** The customer's id, if it is known. */
  customerId: string | null;
  customerName: string;
  /** The customer's subscriptions, for their names. */
  subscriptions: Subscription[];
  reloadSubscriptions: () => void;
}

export const WorldContext = createContext<World | null>(null);

export function useWorld(): World {
  const world = useContext(WorldContext);
  if (!world) throw new Error("a view is drawn outside of the frame");
  return world;
}

/** A subscription as people call it: its description, else the host that it sends to. */
export function nameOf(subscriptions: Subscription[], id: string): string {
  const found = subscriptions.find((subscription) => subscription.workflow_id === id);
  if (!found) return `${id.slice(0, 8)}…`;
  return found.description || hostOf(found.webhook_url);
}

export function hostOf(url: string): string {
  try {
    const { host, pathname } = new URL(url);
    return host + (pathname === "/" ? "" : pathname);
  } catch {
    return url;
  }
}
