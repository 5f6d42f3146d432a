// One thin method for each operation of the API.
// Written by sdk/generate from the OpenAPI documents; do not edit.

import type { CallRequest } from "./request.js";
import { segment } from "./request.js";
import type * as types from "./types.js";

/** The operations that a customer's key may call. */
export abstract class ClientMethods {
  protected abstract call<T>(request: CallRequest): Promise<T>;
  protected abstract pages<T>(path: string, query: object, items: string): AsyncGenerator<T, void, undefined>;

  /** This document for people. */
  docs(): Promise<void> {
    return this.call({ method: "GET", path: "/docs" });
  }

  /** That it answers, and where it is. */
  health(): Promise<types.Health> {
    return this.call({ method: "GET", path: "/health" });
  }

  /** Whether the process lives. */
  live(): Promise<types.State> {
    return this.call({ method: "GET", path: "/healthz" });
  }

  /** Whether requests should be sent here. */
  ready(): Promise<types.State> {
    return this.call({ method: "GET", path: "/readyz" });
  }

  /** Who changed the customer's things, when and from where. */
  listAudit(query: types.ListAuditQuery = {}): Promise<types.AuditPage> {
    return this.call({ method: "GET", path: "/v1/audit", query });
  }

  /** Who changed the customer's things, when and from where: every item of every page. */
  iterateAudit(query: Omit<types.ListAuditQuery, "cursor"> = {}): AsyncGenerator<types.AuditEntry, void, undefined> {
    return this.pages("/v1/audit", query, "audit");
  }

  /** Delete the dead letters that a filter names. */
  deleteDeadLetters(query: types.DeleteDeadLettersQuery = {}): Promise<types.DeletedMany> {
    return this.call({ method: "DELETE", path: "/v1/dead-letters", query });
  }

  /** Deliveries that were given up, the oldest first. */
  listDeadLetters(query: types.ListDeadLettersQuery = {}): Promise<types.DeadLetterPage> {
    return this.call({ method: "GET", path: "/v1/dead-letters", query });
  }

  /** Deliveries that were given up, the oldest first: every item of every page. */
  iterateDeadLetters(query: Omit<types.ListDeadLettersQuery, "cursor"> = {}): AsyncGenerator<types.DeadLetter, void, undefined> {
    return this.pages("/v1/dead-letters", query, "dead_letters");
  }

  /** Deliver dead letters anew. */
  redrive(body: types.Redrive = {}): Promise<types.Redriven> {
    return this.call({ method: "POST", path: "/v1/dead-letters/redrive", body });
  }

  /** How many dead letters a filter names. */
  countDeadLetters(query: types.CountDeadLettersQuery = {}): Promise<types.DeadLetterSummary> {
    return this.call({ method: "GET", path: "/v1/dead-letters/summary", query });
  }

  /** Delete a dead letter. */
  deleteDeadLetter(deadLetterId: string): Promise<types.Deleted> {
    return this.call({ method: "DELETE", path: `/v1/dead-letters/${segment(deadLetterId)}` });
  }

  /** All event types, by name. */
  listEventTypes(query: types.ListEventTypesQuery = {}): Promise<types.EventTypePage> {
    return this.call({ method: "GET", path: "/v1/event-types", query });
  }

  /** All event types, by name: every item of every page. */
  iterateEventTypes(query: Omit<types.ListEventTypesQuery, "cursor"> = {}): AsyncGenerator<types.EventType, void, undefined> {
    return this.pages("/v1/event-types", query, "event_types");
  }

  /** Delete an event type. */
  deleteEventType(name: string): Promise<void> {
    return this.call({ method: "DELETE", path: `/v1/event-types/${segment(name)}` });
  }

  /** One event type. */
  getEventType(name: string): Promise<types.EventType> {
    return this.call({ method: "GET", path: `/v1/event-types/${segment(name)}` });
  }

  /** Declare an event type, or replace it. */
  putEventType(name: string, body: types.NewEventType): Promise<types.EventType> {
    return this.call({ method: "PUT", path: `/v1/event-types/${segment(name)}`, body });
  }

  /** See whether a payload fits. */
  testEventType(name: string, body: types.EventTypeTrial): Promise<types.EventTypeResult> {
    return this.call({ method: "POST", path: `/v1/event-types/${segment(name)}/test`, body });
  }

  /** One event, and where it stands. */
  getEvent(eventId: string): Promise<types.StoredEvent> {
    return this.call({ method: "GET", path: `/v1/events/${segment(eventId)}` });
  }

  /** Acknowledge an event. */
  ackEvent(eventId: string): Promise<types.Acknowledged> {
    return this.call({ method: "POST", path: `/v1/events/${segment(eventId)}/ack` });
  }

  /** The attempts to deliver an event. */
  eventAttempts(eventId: string, query: types.EventAttemptsQuery = {}): Promise<types.EventAttempts> {
    return this.call({ method: "GET", path: `/v1/events/${segment(eventId)}/attempts`, query });
  }

  /** Where an event went. */
  eventDeliveries(eventId: string): Promise<types.EventDeliveries> {
    return this.call({ method: "GET", path: `/v1/events/${segment(eventId)}/deliveries` });
  }

  /** Deliver an event anew. */
  resendEvent(eventId: string, body: types.Resend = {}): Promise<types.Resent> {
    return this.call({ method: "POST", path: `/v1/events/${segment(eventId)}/resend`, body });
  }

  /** The customer's events, the oldest first. */
  inbox(query: types.InboxQuery = {}): Promise<types.InboxPage> {
    return this.call({ method: "GET", path: "/v1/inbox", query });
  }

  /** The customer's events, the oldest first: every item of every page. */
  iterateInbox(query: Omit<types.InboxQuery, "cursor"> = {}): AsyncGenerator<types.StoredEvent, void, undefined> {
    return this.pages("/v1/inbox", query, "events");
  }

  /** Acknowledge many events. */
  ackInbox(body: types.AckMany): Promise<types.AckResults> {
    return this.call({ method: "POST", path: "/v1/inbox/ack", body });
  }

  /** The customer, and the key that asks. */
  me(): Promise<types.Me> {
    return this.call({ method: "GET", path: "/v1/me" });
  }

  /** All replays, the oldest first. */
  listReplays(query: types.ListReplaysQuery = {}): Promise<types.ReplayPage> {
    return this.call({ method: "GET", path: "/v1/replay", query });
  }

  /** All replays, the oldest first: every item of every page. */
  iterateReplays(query: Omit<types.ListReplaysQuery, "cursor"> = {}): AsyncGenerator<types.Replay, void, undefined> {
    return this.pages("/v1/replay", query, "replays");
  }

  /** Deliver history again. */
  createReplay(body: types.NewReplay): Promise<types.CreateReplayAnswer> {
    return this.call({ method: "POST", path: "/v1/replay", body });
  }

  /** End a replay. */
  cancelReplay(replayId: string): Promise<types.Replay> {
    return this.call({ method: "DELETE", path: `/v1/replay/${segment(replayId)}` });
  }

  /** One replay, and how far it is. */
  getReplay(replayId: string): Promise<types.Replay> {
    return this.call({ method: "GET", path: `/v1/replay/${segment(replayId)}` });
  }

  /** All subscriptions, the oldest first. */
  listSubscriptions(query: types.ListSubscriptionsQuery = {}): Promise<types.SubscriptionPage> {
    return this.call({ method: "GET", path: "/v1/subscriptions", query });
  }

  /** All subscriptions, the oldest first: every item of every page. */
  iterateSubscriptions(query: Omit<types.ListSubscriptionsQuery, "cursor"> = {}): AsyncGenerator<types.Subscription, void, undefined> {
    return this.pages("/v1/subscriptions", query, "subscriptions");
  }

  /** Make a subscription. */
  createSubscription(body: types.NewSubscription): Promise<types.SubscriptionWithSecret> {
    return this.call({ method: "POST", path: "/v1/subscriptions", body });
  }

  /** Try a selector out, before it is stored. */
  judgeSelector(body: types.SelectorTrial): Promise<types.Judgement> {
    return this.call({ method: "POST", path: "/v1/subscriptions/judge", body });
  }

  /** Delete a subscription. */
  deleteSubscription(subscriptionId: string): Promise<void> {
    return this.call({ method: "DELETE", path: `/v1/subscriptions/${segment(subscriptionId)}` });
  }

  /** One subscription. */
  getSubscription(subscriptionId: string): Promise<types.Subscription> {
    return this.call({ method: "GET", path: `/v1/subscriptions/${segment(subscriptionId)}` });
  }

  /** Change a subscription; what is absent stays. */
  patchSubscription(subscriptionId: string, body: types.SubscriptionChange): Promise<types.Subscription> {
    return this.call({ method: "PATCH", path: `/v1/subscriptions/${segment(subscriptionId)}`, body });
  }

  /** Recent attempts, the newest first. */
  listDeliveries(subscriptionId: string, query: types.ListDeliveriesQuery = {}): Promise<types.Attempts> {
    return this.call({ method: "GET", path: `/v1/subscriptions/${segment(subscriptionId)}/deliveries`, query });
  }

  /** Let a disabled subscription receive events again. */
  enableSubscription(subscriptionId: string): Promise<types.Subscription> {
    return this.call({ method: "POST", path: `/v1/subscriptions/${segment(subscriptionId)}/enable` });
  }

  /** What waits for the subscription's endpoint, and whether webhooks go to it. */
  subscriptionHealth(subscriptionId: string): Promise<types.SubscriptionHealth> {
    return this.call({ method: "GET", path: `/v1/subscriptions/${segment(subscriptionId)}/health` });
  }

  /** Make a new secret. */
  rotateSecret(subscriptionId: string, body: types.Rotation = {}): Promise<types.SubscriptionWithSecret> {
    return this.call({ method: "POST", path: `/v1/subscriptions/${segment(subscriptionId)}/rotate-secret`, body });
  }

  /** Try a subscription out. */
  testEvent(subscriptionId: string, body: types.Trial = {}): Promise<types.TrialResult> {
    return this.call({ method: "POST", path: `/v1/subscriptions/${segment(subscriptionId)}/test`, body });
  }

  /** See what a webhook of an event looks like. */
  testTransform(subscriptionId: string, body: types.TransformTrial = {}): Promise<types.TransformResult> {
    return this.call({ method: "POST", path: `/v1/subscriptions/${segment(subscriptionId)}/transform/test`, body });
  }

  /** Events and bytes by minute, hour or day. */
  usage(query: types.UsageQuery = {}): Promise<types.Usage> {
    return this.call({ method: "GET", path: "/v1/usage", query });
  }
}

/** The operations that the admin token may call. */
export abstract class AdminMethods {
  protected abstract call<T>(request: CallRequest): Promise<T>;
  protected abstract pages<T>(path: string, query: object, items: string): AsyncGenerator<T, void, undefined>;

  /** Who changed what, when and from where. */
  listAllAudit(query: types.ListAllAuditQuery = {}): Promise<types.AuditPage> {
    return this.call({ method: "GET", path: "/admin/audit", query });
  }

  /** Who changed what, when and from where: every item of every page. */
  iterateAllAudit(query: Omit<types.ListAllAuditQuery, "cursor"> = {}): AsyncGenerator<types.AuditEntry, void, undefined> {
    return this.pages("/admin/audit", query, "audit");
  }

  /** All customers, the oldest first. */
  listCustomers(query: types.ListCustomersQuery = {}): Promise<types.CustomerPage> {
    return this.call({ method: "GET", path: "/admin/customers", query });
  }

  /** All customers, the oldest first: every item of every page. */
  iterateCustomers(query: Omit<types.ListCustomersQuery, "cursor"> = {}): AsyncGenerator<types.Customer, void, undefined> {
    return this.pages("/admin/customers", query, "customers");
  }

  /** Make a customer. */
  createCustomer(body: types.NewCustomer): Promise<types.Customer> {
    return this.call({ method: "POST", path: "/admin/customers", body });
  }

  /** One customer. */
  getCustomer(customerId: string): Promise<types.Customer> {
    return this.call({ method: "GET", path: `/admin/customers/${segment(customerId)}` });
  }

  /** Change a customer; what is absent stays. */
  patchCustomer(customerId: string, body: types.CustomerChange): Promise<types.Customer> {
    return this.call({ method: "PATCH", path: `/admin/customers/${segment(customerId)}`, body });
  }

  /** Who changed the customer's things, when and from where. */
  listAudit(customerId: string, query: types.ListAuditQuery = {}): Promise<types.AuditPage> {
    return this.call({ method: "GET", path: `/admin/customers/${segment(customerId)}/audit`, query });
  }

  /** Who changed the customer's things, when and from where: every item of every page. */
  iterateAudit(customerId: string, query: Omit<types.ListAuditQuery, "cursor"> = {}): AsyncGenerator<types.AuditEntry, void, undefined> {
    return this.pages(`/admin/customers/${segment(customerId)}/audit`, query, "audit");
  }

  /** Delete the dead letters that a filter names. */
  deleteDeadLetters(customerId: string, query: types.DeleteDeadLettersQuery = {}): Promise<types.DeletedMany> {
    return this.call({ method: "DELETE", path: `/admin/customers/${segment(customerId)}/dead-letters`, query });
  }

  /** Deliveries that were given up, the oldest first. */
  listDeadLetters(customerId: string, query: types.ListDeadLettersQuery = {}): Promise<types.DeadLetterPage> {
    return this.call({ method: "GET", path: `/admin/customers/${segment(customerId)}/dead-letters`, query });
  }

  /** Deliveries that were given up, the oldest first: every item of every page. */
  iterateDeadLetters(customerId: string, query: Omit<types.ListDeadLettersQuery, "cursor"> = {}): AsyncGenerator<types.DeadLetter, void, undefined> {
    return this.pages(`/admin/customers/${segment(customerId)}/dead-letters`, query, "dead_letters");
  }

  /** Deliver dead letters anew. */
  redrive(customerId: string, body: types.Redrive = {}): Promise<types.Redriven> {
    return this.call({ method: "POST", path: `/admin/customers/${segment(customerId)}/dead-letters/redrive`, body });
  }

  /** How many dead letters a filter names. */
  countDeadLetters(customerId: string, query: types.CountDeadLettersQuery = {}): Promise<types.DeadLetterSummary> {
    return this.call({ method: "GET", path: `/admin/customers/${segment(customerId)}/dead-letters/summary`, query });
  }

  /** Delete a dead letter. */
  deleteDeadLetter(customerId: string, deadLetterId: string): Promise<types.Deleted> {
    return this.call({ method: "DELETE", path: `/admin/customers/${segment(customerId)}/dead-letters/${segment(deadLetterId)}` });
  }

  /** All event types, by name. */
  listEventTypes(customerId: string, query: types.ListEventTypesQuery = {}): Promise<types.EventTypePage> {
    return this.call({ method: "GET", path: `/admin/customers/${segment(customerId)}/event-types`, query });
  }

  /** All event types, by name: every item of every page. */
  iterateEventTypes(customerId: string, query: Omit<types.ListEventTypesQuery, "cursor"> = {}): AsyncGenerator<types.EventType, void, undefined> {
    return this.pages(`/admin/customers/${segment(customerId)}/event-types`, query, "event_types");
  }

  /** Delete an event type. */
  deleteEventType(customerId: string, name: string): Promise<void> {
    return this.call({ method: "DELETE", path: `/admin/customers/${segment(customerId)}/event-types/${segment(name)}` });
  }

  /** One event type. */
  getEventType(customerId: string, name: string): Promise<types.EventType> {
    return this.call({ method: "GET", path: `/admin/customers/${segment(customerId)}/event-types/${segment(name)}` });
  }

  /** Declare an event type, or replace it. */
  putEventType(customerId: string, name: string, body: types.NewEventType): Promise<types.EventType> {
    return this.call({ method: "PUT", path: `/admin/customers/${segment(customerId)}/event-types/${segment(name)}`, body });
  }

  /** See whether a payload fits. */
  testEventType(customerId: string, name: string, body: types.EventTypeTrial): Promise<types.EventTypeResult> {
    return this.call({ method: "POST", path: `/admin/customers/${segment(customerId)}/event-types/${segment(name)}/test`, body });
  }

  /** One event, and where it stands. */
  getEvent(customerId: string, eventId: string): Promise<types.StoredEvent> {
    return this.call({ method: "GET", path: `/admin/customers/${segment(customerId)}/events/${segment(eventId)}` });
  }

  /** Acknowledge an event. */
  ackEvent(customerId: string, eventId: string): Promise<types.Acknowledged> {
    return this.call({ method: "POST", path: `/admin/customers/${segment(customerId)}/events/${segment(eventId)}/ack` });
  }

  /** The attempts to deliver an event. */
  eventAttempts(customerId: string, eventId: string, query: types.EventAttemptsQuery = {}): Promise<types.EventAttempts> {
    return this.call({ method: "GET", path: `/admin/customers/${segment(customerId)}/events/${segment(eventId)}/attempts`, query });
  }

  /** Where an event went. */
  eventDeliveries(customerId: string, eventId: string): Promise<types.EventDeliveries> {
    return this.call({ method: "GET", path: `/admin/customers/${segment(customerId)}/events/${segment(eventId)}/deliveries` });
  }

  /** Deliver an event anew. */
  resendEvent(customerId: string, eventId: string, body: types.Resend = {}): Promise<types.Resent> {
    return this.call({ method: "POST", path: `/admin/customers/${segment(customerId)}/events/${segment(eventId)}/resend`, body });
  }

  /** The customer's events, the oldest first. */
  inbox(customerId: string, query: types.InboxQuery = {}): Promise<types.InboxPage> {
    return this.call({ method: "GET", path: `/admin/customers/${segment(customerId)}/inbox`, query });
  }

  /** The customer's events, the oldest first: every item of every page. */
  iterateInbox(customerId: string, query: Omit<types.InboxQuery, "cursor"> = {}): AsyncGenerator<types.StoredEvent, void, undefined> {
    return this.pages(`/admin/customers/${segment(customerId)}/inbox`, query, "events");
  }

  /** Acknowledge many events. */
  ackInbox(customerId: string, body: types.AckMany): Promise<types.AckResults> {
    return this.call({ method: "POST", path: `/admin/customers/${segment(customerId)}/inbox/ack`, body });
  }

  /** All keys, revoked and expired ones too. */
  listKeys(customerId: string): Promise<types.Keys> {
    return this.call({ method: "GET", path: `/admin/customers/${segment(customerId)}/keys` });
  }

  /** Make a key. */
  createKey(customerId: string, body: types.NewKey = {}): Promise<types.KeyWithText> {
    return this.call({ method: "POST", path: `/admin/customers/${segment(customerId)}/keys`, body });
  }

  /** Revoke a key. */
  revokeKey(customerId: string, keyId: string): Promise<void> {
    return this.call({ method: "DELETE", path: `/admin/customers/${segment(customerId)}/keys/${segment(keyId)}` });
  }

  /** The customer, and the key that asks. */
  me(customerId: string): Promise<types.Me> {
    return this.call({ method: "GET", path: `/admin/customers/${segment(customerId)}/me` });
  }

  /** All replays, the oldest first. */
  listReplays(customerId: string, query: types.ListReplaysQuery = {}): Promise<types.ReplayPage> {
    return this.call({ method: "GET", path: `/admin/customers/${segment(customerId)}/replay`, query });
  }

  /** All replays, the oldest first: every item of every page. */
  iterateReplays(customerId: string, query: Omit<types.ListReplaysQuery, "cursor"> = {}): AsyncGenerator<types.Replay, void, undefined> {
    return this.pages(`/admin/customers/${segment(customerId)}/replay`, query, "replays");
  }

  /** Deliver history again. */
  createReplay(customerId: string, body: types.NewReplay): Promise<types.CreateReplayAnswer> {
    return this.call({ method: "POST", path: `/admin/customers/${segment(customerId)}/replay`, body });
  }

  /** End a replay. */
  cancelReplay(customerId: string, replayId: string): Promise<types.Replay> {
    return this.call({ method: "DELETE", path: `/admin/customers/${segment(customerId)}/replay/${segment(replayId)}` });
  }

  /** One replay, and how far it is. */
  getReplay(customerId: string, replayId: string): Promise<types.Replay> {
    return this.call({ method: "GET", path: `/admin/customers/${segment(customerId)}/replay/${segment(replayId)}` });
  }

  /** All subscriptions, the oldest first. */
  listSubscriptions(customerId: string, query: types.ListSubscriptionsQuery = {}): Promise<types.SubscriptionPage> {
    return this.call({ method: "GET", path: `/admin/customers/${segment(customerId)}/subscriptions`, query });
  }

  /** All subscriptions, the oldest first: every item of every page. */
  iterateSubscriptions(customerId: string, query: Omit<types.ListSubscriptionsQuery, "cursor"> = {}): AsyncGenerator<types.Subscription, void, undefined> {
    return this.pages(`/admin/customers/${segment(customerId)}/subscriptions`, query, "subscriptions");
  }

  /** Make a subscription. */
  createSubscription(customerId: string, body: types.NewSubscription): Promise<types.SubscriptionWithSecret> {
    return this.call({ method: "POST", path: `/admin/customers/${segment(customerId)}/subscriptions`, body });
  }

  /** Try a selector out, before it is stored. */
  judgeSelector(customerId: string, body: types.SelectorTrial): Promise<types.Judgement> {
    return this.call({ method: "POST", path: `/admin/customers/${segment(customerId)}/subscriptions/judge`, body });
  }

  /** Delete a subscription. */
  deleteSubscription(customerId: string, subscriptionId: string): Promise<void> {
    return this.call({ method: "DELETE", path: `/admin/customers/${segment(customerId)}/subscriptions/${segment(subscriptionId)}` });
  }

  /** One subscription. */
  getSubscription(customerId: string, subscriptionId: string): Promise<types.Subscription> {
    return this.call({ method: "GET", path: `/admin/customers/${segment(customerId)}/subscriptions/${segment(subscriptionId)}` });
  }

  /** Change a subscription; what is absent stays. */
  patchSubscription(customerId: string, subscriptionId: string, body: types.SubscriptionChange): Promise<types.Subscription> {
    return this.call({ method: "PATCH", path: `/admin/customers/${segment(customerId)}/subscriptions/${segment(subscriptionId)}`, body });
  }

  /** Recent attempts, the newest first. */
  listDeliveries(customerId: string, subscriptionId: string, query: types.ListDeliveriesQuery = {}): Promise<types.Attempts> {
    return this.call({ method: "GET", path: `/admin/customers/${segment(customerId)}/subscriptions/${segment(subscriptionId)}/deliveries`, query });
  }

  /** Let a disabled subscription receive events again. */
  enableSubscription(customerId: string, subscriptionId: string): Promise<types.Subscription> {
    return this.call({ method: "POST", path: `/admin/customers/${segment(customerId)}/subscriptions/${segment(subscriptionId)}/enable` });
  }

  /** What waits for the subscription's endpoint, and whether webhooks go to it. */
  subscriptionHealth(customerId: string, subscriptionId: string): Promise<types.SubscriptionHealth> {
    return this.call({ method: "GET", path: `/admin/customers/${segment(customerId)}/subscriptions/${segment(subscriptionId)}/health` });
  }

  /** Make a new secret. */
  rotateSecret(customerId: string, subscriptionId: string, body: types.Rotation = {}): Promise<types.SubscriptionWithSecret> {
    return this.call({ method: "POST", path: `/admin/customers/${segment(customerId)}/subscriptions/${segment(subscriptionId)}/rotate-secret`, body });
  }

  /** Try a subscription out. */
  testEvent(customerId: string, subscriptionId: string, body: types.Trial = {}): Promise<types.TrialResult> {
    return this.call({ method: "POST", path: `/admin/customers/${segment(customerId)}/subscriptions/${segment(subscriptionId)}/test`, body });
  }

  /** See what a webhook of an event looks like. */
  testTransform(customerId: string, subscriptionId: string, body: types.TransformTrial = {}): Promise<types.TransformResult> {
    return this.call({ method: "POST", path: `/admin/customers/${segment(customerId)}/subscriptions/${segment(subscriptionId)}/transform/test`, body });
  }

  /** Events and bytes by minute, hour or day. */
  usage(customerId: string, query: types.UsageQuery = {}): Promise<types.Usage> {
    return this.call({ method: "GET", path: `/admin/customers/${segment(customerId)}/usage`, query });
  }

  /** This process: its roles, shards, dependencies and version. */
  system(): Promise<types.System> {
    return this.call({ method: "GET", path: "/admin/system" });
  }
}
