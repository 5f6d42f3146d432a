// The views, in the order of the menu.

import type { VNode } from "preact";
import type { Audience } from "./core/session.ts";
import type { Place } from "./core/route.ts";
import { Audit } from "./views/audit.tsx";
import { Composer } from "./views/composer.tsx";
import { Customers } from "./views/customers.tsx";
import { DeadLetters } from "./views/deadletters.tsx";
import { Difference } from "./views/difference.tsx";
import { Events } from "./views/events.tsx";
import { EventTypes, OneEventType } from "./views/eventtypes.tsx";
import { Keys } from "./views/keys.tsx";
import { OneEvent } from "./views/event.tsx";
import { OneSubscription } from "./views/subscription.tsx";
import { Overview } from "./views/overview.tsx";
import { Replays } from "./views/replays.tsx";
import { SubscriptionForm } from "./views/subscriptionform.tsx";
import { Subscriptions } from "./views/subscriptions.tsx";
import { SystemView } from "./views/system.tsx";
import { LiveTail } from "./views/tail.tsx";
import { Ticket } from "./views/ticket.tsx";
import { TryIt } from "./views/trigger.tsx";
import { Usage } from "./views/usage.tsx";
import { Webhooks } from "./views/webhooks.tsx";

export interface ViewEntry {
  name: string;
  icon: string;
  group: "demo" | "see" | "send" | "steer" | "run";
  who: Audience | "both";
  needsCustomer: boolean;
  /** Only where `sluice demo` serves it. */
  demo: boolean;
  draw: (place: Place) => VNode;
}

const of = (name: string, group: ViewEntry["group"], draw: ViewEntry["draw"], more: Partial<ViewEntry> = {}): ViewEntry => ({
  name,
  icon: name,
  group,
  who: "both",
  needsCustomer: true,
  demo: group === "demo",
  draw,
  ...more,
});

export const VIEWS: ViewEntry[] = [
  of("overview", "see", () => <Overview />),
  of("tail", "see", () => <LiveTail />),
  of("events", "see", (place) =>
    place.id === null ? <Events /> : place.id === "difference" ? <Difference /> : <OneEvent id={place.id} />,
  ),
  of("usage", "see", () => <Usage />),
  of("composer", "send", () => <Composer />),
  of("ticket", "send", () => <Ticket />),
  of("subscriptions", "steer", (place) =>
    place.id === null ? (
      <Subscriptions />
    ) : place.id === "new" ? (
      <SubscriptionForm />
    ) : place.filters["edit"] === "yes" ? (
      <SubscriptionForm id={place.id} />
    ) : (
      <OneSubscription id={place.id} />
    ),
  ),
  of("deadLetters", "steer", () => <DeadLetters />),
  of("replays", "steer", () => <Replays />),
  of("eventTypes", "run", (place) => (place.id === null ? <EventTypes /> : <OneEventType name={place.id === "new" ? null : place.id} />)),
  of("keys", "run", () => <Keys />),
  of("audit", "run", () => <Audit />, { needsCustomer: false }),
  of("customers", "run", () => <Customers />, { who: "operators", needsCustomer: false }),
  of("system", "run", () => <SystemView />, { needsCustomer: false }),
  of("trigger", "demo", () => <TryIt />),
  of("webhooks", "demo", () => <Webhooks />),
];
