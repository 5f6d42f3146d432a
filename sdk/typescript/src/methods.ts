// One thin method for each operation of the API.
// Written by sdk/generate from the OpenAPI documents; do not edit.

import type { CallRequest } from "./request.js";
import { segment } from "./request.js";
import type * as types from "./types.js";

/** The operations that a customer's key may call. */
export abstract class ClientMethods {
  protected abstract call<T>(request: CallRequest): Promise<T>;
  protected abstract pages<T>(path: string, query: object, items: string): AsyncGenerator<T, void, undefined>;

  /** This document as a page for people. */
  docs(): Promise<void> {
    return this.call({ method: "GET", path: "/docs" });
  }

  /** Check that the process answers, and its environment. */
  health(): Promise<types.Health> {
    return this.call({ method: "GET", path: "/health" });
  }

  /** Check that the process lives. */
  live(): Promise<types.State> {
    return this.call({ method: "GET", path: "/healthz" });
  }

  /** Check whether requests should be sent to this process. */
  ready(): Promise<types.State> {
    return this.call({ method: "GET", path: "/readyz" });
  }

  /** List who changed the customer's settings, when and from where. */
  listAudit(query: types.ListAuditQuery = {}): Promise<types.AuditPage> {
    return this.call({ method: "GET", path: "/v1/audit", query });
  }

  /** List who changed the customer's settings, when and from where: every item of every page. */
  iterateAudit(query: Omit<types.ListAuditQuery, "cursor"> = {}): AsyncGenerator<types.AuditEntry, void, undefined> {
    return this.pages("/v1/audit", query, "audit");
  }

  /** Delete the dead letters that a filter names. */
  deleteDeadLetters(query: types.DeleteDeadLettersQuery = {}): Promise<types.DeletedMany> {
    return this.call({ method: "DELETE", path: "/v1/dead-letters", query });
  }

  /** List deliveries that were given up, the oldest first. */
  listDeadLetters(query: types.ListDeadLettersQuery = {}): Promise<types.DeadLetterPage> {
    return this.call({ method: "GET", path: "/v1/dead-letters", query });
  }

  /** List deliveries that were given up, the oldest first: every item of every page. */
  iterateDeadLetters(query: Omit<types.ListDeadLettersQuery, "cursor"> = {}): AsyncGenerator<types.DeadLetter, void, undefined> {
    return this.pages("/v1/dead-letters", query, "dead_letters");
  }

  /** Deliver dead letters anew. */
  redrive(body: types.Redrive = {}): Promise<types.Redriven> {
    return this.call({ method: "POST", path: "/v1/dead-letters/redrive", body });
  }

  /** Count the dead letters that a filter names. */
  countDeadLetters(query: types.CountDeadLettersQuery = {}): Promise<types.DeadLetterSummary> {
    return this.call({ method: "GET", path: "/v1/dead-letters/summary", query });
  }

  /** Delete a dead letter. */
  deleteDeadLetter(deadLetterId: string): Promise<types.Deleted> {
    return this.call({ method: "DELETE", path: `/v1/dead-letters/${segment(deadLetterId)}` });
  }

  /** List event types, by name. */
  listEventTypes(query: types.ListEventTypesQuery = {}): Promise<types.EventTypePage> {
    return this.call({ method: "GET", path: "/v1/event-types", query });
  }

  /** List event types, by name: every item of every page. */
  iterateEventTypes(query: Omit<types.ListEventTypesQuery, "cursor"> = {}): AsyncGenerator<types.EventType, void, undefined> {
    return this.pages("/v1/event-types", query, "event_types");
  }

  /** Delete an event type. */
  deleteEventType(name: string): Promise<void> {
    return this.call({ method: "DELETE", path: `/v1/event-types/${segment(name)}` });
  }

  /** Get an event type. */
  getEventType(name: string): Promise<types.EventType> {
    return this.call({ method: "GET", path: `/v1/event-types/${segment(name)}` });
  }

  /** Declare an event type, or replace it. */
  putEventType(name: string, body: types.NewEventType): Promise<types.EventType> {
    return this.call({ method: "PUT", path: `/v1/event-types/${segment(name)}`, body });
  }

  /** Check whether a payload fits. */
  testEventType(name: string, body: types.EventTypeTrial): Promise<types.EventTypeResult> {
    return this.call({ method: "POST", path: `/v1/event-types/${segment(name)}/test`, body });
  }

  /** Get an event with its status. */
  getEvent(eventId: string): Promise<types.StoredEvent> {
    return this.call({ method: "GET", path: `/v1/events/${segment(eventId)}` });
  }

  /** Acknowledge an event. */
  ackEvent(eventId: string): Promise<types.Acknowledged> {
    return this.call({ method: "POST", path: `/v1/events/${segment(eventId)}/ack` });
  }

  /** List the attempts to deliver an event. */
  eventAttempts(eventId: string, query: types.EventAttemptsQuery = {}): Promise<types.EventAttempts> {
    return this.call({ method: "GET", path: `/v1/events/${segment(eventId)}/attempts`, query });
  }

  /** List the subscriptions that an event went to. */
  eventDeliveries(eventId: string): Promise<types.EventDeliveries> {
    return this.call({ method: "GET", path: `/v1/events/${segment(eventId)}/deliveries` });
  }

  /** Deliver an event anew. */
  resendEvent(eventId: string, body: types.Resend = {}): Promise<types.Resent> {
    return this.call({ method: "POST", path: `/v1/events/${segment(eventId)}/resend`, body });
  }

  /** List the customer's events, the oldest first. */
  inbox(query: types.InboxQuery = {}): Promise<types.InboxPage> {
    return this.call({ method: "GET", path: "/v1/inbox", query });
  }

  /** List the customer's events, the oldest first: every item of every page. */
  iterateInbox(query: Omit<types.InboxQuery, "cursor"> = {}): AsyncGenerator<types.StoredEvent, void, undefined> {
    return this.pages("/v1/inbox", query, "events");
  }

  /** Acknowledge many events. */
  ackInbox(body: types.AckMany): Promise<types.AckResults> {
    return this.call({ method: "POST", path: "/v1/inbox/ack", body });
  }

  /** Get the customer and the key that the request carries. */
  me(): Promise<types.Me> {
    return this.call({ method: "GET", path: "/v1/me" });
  }

  /** List replays, the oldest first. */
  listReplays(query: types.ListReplaysQuery = {}): Promise<types.ReplayPage> {
    return this.call({ method: "GET", path: "/v1/replay", query });
  }

  /** List replays, the oldest first: every item of every page. */
  iterateReplays(query: Omit<types.ListReplaysQuery, "cursor"> = {}): AsyncGenerator<types.Replay, void, undefined> {
    return this.pages("/v1/replay", query, "replays");
  }

  /** Start a replay: deliver events of the past again. */
  createReplay(body: types.NewReplay): Promise<types.CreateReplayAnswer> {
    return this.call({ method: "POST", path: "/v1/replay", body });
  }

  /** Cancel a replay. */
  cancelReplay(replayId: string): Promise<types.Replay> {
    return this.call({ method: "DELETE", path: `/v1/replay/${segment(replayId)}` });
  }

  /** Get a replay and its progress. */
  getReplay(replayId: string): Promise<types.Replay> {
    return this.call({ method: "GET", path: `/v1/replay/${segment(replayId)}` });
  }

  /** List subscriptions, the oldest first. */
  listSubscriptions(query: types.ListSubscriptionsQuery = {}): Promise<types.SubscriptionPage> {
    return this.call({ method: "GET", path: "/v1/subscriptions", query });
  }

  /** List subscriptions, the oldest first: every item of every page. */
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

  /** Get a subscription. */
  getSubscription(subscriptionId: string): Promise<types.Subscription> {
    return this.call({ method: "GET", path: `/v1/subscriptions/${segment(subscriptionId)}` });
  }

  /** Change a subscription; absent fields stay as they are. */
  patchSubscription(subscriptionId: string, body: types.SubscriptionChange): Promise<types.Subscription> {
    return this.call({ method: "PATCH", path: `/v1/subscriptions/${segment(subscriptionId)}`, body });
  }

  /** List recent attempts, the newest first. */
  listDeliveries(subscriptionId: string, query: types.ListDeliveriesQuery = {}): Promise<types.Attempts> {
    return this.call({ method: "GET", path: `/v1/subscriptions/${segment(subscriptionId)}/deliveries`, query });
  }

  /** Enable a disabled subscription. */
  enableSubscription(subscriptionId: string): Promise<types.Subscription> {
    return this.call({ method: "POST", path: `/v1/subscriptions/${segment(subscriptionId)}/enable` });
  }

  /** Get the backlog and the breaker of a subscription's endpoint. */
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

  /** Show the webhook that an event would make. */
  testTransform(subscriptionId: string, body: types.TransformTrial = {}): Promise<types.TransformResult> {
    return this.call({ method: "POST", path: `/v1/subscriptions/${segment(subscriptionId)}/transform/test`, body });
  }

  /** Get numbers of events and bytes by minute, hour or day. */
  usage(query: types.UsageQuery = {}): Promise<types.Usage> {
    return this.call({ method: "GET", path: "/v1/usage", query });
  }
}

/** The operations that the admin token may call. */
export abstract class AdminMethods {
  protected abstract call<T>(request: CallRequest): Promise<T>;
  protected abstract pages<T>(path: string, query: object, items: string): AsyncGenerator<T, void, undefined>;

  /** List who changed what, when and from where. */
  listAllAudit(query: types.ListAllAuditQuery = {}): Promise<types.AuditPage> {
    return this.call({ method: "GET", path: "/admin/audit", query });
  }

  /** List who changed what, when and from where: every item of every page. */
  iterateAllAudit(query: Omit<types.ListAllAuditQuery, "cursor"> = {}): AsyncGenerator<types.AuditEntry, void, undefined> {
    return this.pages("/admin/audit", query, "audit");
  }

  /** List customers, the oldest first. */
  listCustomers(query: types.ListCustomersQuery = {}): Promise<types.CustomerPage> {
    return this.call({ method: "GET", path: "/admin/customers", query });
  }

  /** List customers, the oldest first: every item of every page. */
  iterateCustomers(query: Omit<types.ListCustomersQuery, "cursor"> = {}): AsyncGenerator<types.Customer, void, undefined> {
    return this.pages("/admin/customers", query, "customers");
  }

  /** Make a customer. */
  createCustomer(body: types.NewCustomer): Promise<types.Customer> {
    return this.call({ method: "POST", path: "/admin/customers", body });
  }

  /** Get a customer. */
  getCustomer(customerId: string): Promise<types.Customer> {
    return this.call({ method: "GET", path: `/admin/customers/${segment(customerId)}` });
  }

  /** Change a customer; absent fields stay as they are. */
  patchCustomer(customerId: string, body: types.CustomerChange): Promise<types.Customer> {
    return this.call({ method: "PATCH", path: `/admin/customers/${segment(customerId)}`, body });
  }

  /** List who changed the customer's settings, when and from where. */
  listAudit(customerId: string, query: types.ListAuditQuery = {}): Promise<types.AuditPage> {
    return this.call({ method: "GET", path: `/admin/customers/${segment(customerId)}/audit`, query });
  }

  /** List who changed the customer's settings, when and from where: every item of every page. */
  iterateAudit(customerId: string, query: Omit<types.ListAuditQuery, "cursor"> = {}): AsyncGenerator<types.AuditEntry, void, undefined> {
    return this.pages(`/admin/customers/${segment(customerId)}/audit`, query, "audit");
  }

  /** Delete the dead letters that a filter names. */
  deleteDeadLetters(customerId: string, query: types.DeleteDeadLettersQuery = {}): Promise<types.DeletedMany> {
    return this.call({ method: "DELETE", path: `/admin/customers/${segment(customerId)}/dead-letters`, query });
  }

  /** List deliveries that were given up, the oldest first. */
  listDeadLetters(customerId: string, query: types.ListDeadLettersQuery = {}): Promise<types.DeadLetterPage> {
    return this.call({ method: "GET", path: `/admin/customers/${segment(customerId)}/dead-letters`, query });
  }

  /** List deliveries that were given up, the oldest first: every item of every page. */
  iterateDeadLetters(customerId: string, query: Omit<types.ListDeadLettersQuery, "cursor"> = {}): AsyncGenerator<types.DeadLetter, void, undefined> {
    return this.pages(`/admin/customers/${segment(customerId)}/dead-letters`, query, "dead_letters");
  }

  /** Deliver dead letters anew. */
  redrive(customerId: string, body: types.Redrive = {}): Promise<types.Redriven> {
    return this.call({ method: "POST", path: `/admin/customers/${segment(customerId)}/dead-letters/redrive`, body });
  }

  /** Count the dead letters that a filter names. */
  countDeadLetters(customerId: string, query: types.CountDeadLettersQuery = {}): Promise<types.DeadLetterSummary> {
    return this.call({ method: "GET", path: `/admin/customers/${segment(customerId)}/dead-letters/summary`, query });
  }

  /** Delete a dead letter. */
  deleteDeadLetter(customerId: string, deadLetterId: string): Promise<types.Deleted> {
    return this.call({ method: "DELETE", path: `/admin/customers/${segment(customerId)}/dead-letters/${segment(deadLetterId)}` });
  }

  /** List event types, by name. */
  listEventTypes(customerId: string, query: types.ListEventTypesQuery = {}): Promise<types.EventTypePage> {
    return this.call({ method: "GET", path: `/admin/customers/${segment(customerId)}/event-types`, query });
  }

  /** List event types, by name: every item of every page. */
  iterateEventTypes(customerId: string, query: Omit<types.ListEventTypesQuery, "cursor"> = {}): AsyncGenerator<types.EventType, void, undefined> {
    return this.pages(`/admin/customers/${segment(customerId)}/event-types`, query, "event_types");
  }

  /** Delete an event type. */
  deleteEventType(customerId: string, name: string): Promise<void> {
    return this.call({ method: "DELETE", path: `/admin/customers/${segment(customerId)}/event-types/${segment(name)}` });
  }

  /** Get an event type. */
  getEventType(customerId: string, name: string): Promise<types.EventType> {
    return this.call({ method: "GET", path: `/admin/customers/${segment(customerId)}/event-types/${segment(name)}` });
  }

  /** Declare an event type, or replace it. */
  putEventType(customerId: string, name: string, body: types.NewEventType): Promise<types.EventType> {
    return this.call({ method: "PUT", path: `/admin/customers/${segment(customerId)}/event-types/${segment(name)}`, body });
  }

  /** Check whether a payload fits. */
  testEventType(customerId: string, name: string, body: types.EventTypeTrial): Promise<types.EventTypeResult> {
    return this.call({ method: "POST", path: `/admin/customers/${segment(customerId)}/event-types/${segment(name)}/test`, body });
  }

  /** Get an event with its status. */
  getEvent(customerId: string, eventId: string): Promise<types.StoredEvent> {
    return this.call({ method: "GET", path: `/admin/customers/${segment(customerId)}/events/${segment(eventId)}` });
  }

  /** Acknowledge an event. */
  ackEvent(customerId: string, eventId: string): Promise<types.Acknowledged> {
    return this.call({ method: "POST", path: `/admin/customers/${segment(customerId)}/events/${segment(eventId)}/ack` });
  }

  /** List the attempts to deliver an event. */
  eventAttempts(customerId: string, eventId: string, query: types.EventAttemptsQuery = {}): Promise<types.EventAttempts> {
    return this.call({ method: "GET", path: `/admin/customers/${segment(customerId)}/events/${segment(eventId)}/attempts`, query });
  }

  /** List the subscriptions that an event went to. */
  eventDeliveries(customerId: string, eventId: string): Promise<types.EventDeliveries> {
    return this.call({ method: "GET", path: `/admin/customers/${segment(customerId)}/events/${segment(eventId)}/deliveries` });
  }

  /** Deliver an event anew. */
  resendEvent(customerId: string, eventId: string, body: types.Resend = {}): Promise<types.Resent> {
    return this.call({ method: "POST", path: `/admin/customers/${segment(customerId)}/events/${segment(eventId)}/resend`, body });
  }

  /** List the customer's events, the oldest first. */
  inbox(customerId: string, query: types.InboxQuery = {}): Promise<types.InboxPage> {
    return this.call({ method: "GET", path: `/admin/customers/${segment(customerId)}/inbox`, query });
  }

  /** List the customer's events, the oldest first: every item of every page. */
  iterateInbox(customerId: string, query: Omit<types.InboxQuery, "cursor"> = {}): AsyncGenerator<types.StoredEvent, void, undefined> {
    return this.pages(`/admin/customers/${segment(customerId)}/inbox`, query, "events");
  }

  /** Acknowledge many events. */
  ackInbox(customerId: string, body: types.AckMany): Promise<types.AckResults> {
    return this.call({ method: "POST", path: `/admin/customers/${segment(customerId)}/inbox/ack`, body });
  }

  /** List all keys, including revoked and expired ones. */
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

  /** Get the customer and the key that the request carries. */
  me(customerId: string): Promise<types.Me> {
    return this.call({ method: "GET", path: `/admin/customers/${segment(customerId)}/me` });
  }

  /** List replays, the oldest first. */
  listReplays(customerId: string, query: types.ListReplaysQuery = {}): Promise<types.ReplayPage> {
    return this.call({ method: "GET", path: `/admin/customers/${segment(customerId)}/replay`, query });
  }

  /** List replays, the oldest first: every item of every page. */
  iterateReplays(customerId: string, query: Omit<types.ListReplaysQuery, "cursor"> = {}): AsyncGenerator<types.Replay, void, undefined> {
    return this.pages(`/admin/customers/${segment(customerId)}/replay`, query, "replays");
  }

  /** Start a replay: deliver events of the past again. */
  createReplay(customerId: string, body: types.NewReplay): Promise<types.CreateReplayAnswer> {
    return this.call({ method: "POST", path: `/admin/customers/${segment(customerId)}/replay`, body });
  }

  /** Cancel a replay. */
  cancelReplay(customerId: string, replayId: string): Promise<types.Replay> {
    return this.call({ method: "DELETE", path: `/admin/customers/${segment(customerId)}/replay/${segment(replayId)}` });
  }

  /** Get a replay and its progress. */
  getReplay(customerId: string, replayId: string): Promise<types.Replay> {
    return this.call({ method: "GET", path: `/admin/customers/${segment(customerId)}/replay/${segment(replayId)}` });
  }

  /** List subscriptions, the oldest first. */
  listSubscriptions(customerId: string, query: types.ListSubscriptionsQuery = {}): Promise<types.SubscriptionPage> {
    return this.call({ method: "GET", path: `/admin/customers/${segment(customerId)}/subscriptions`, query });
  }

  /** List subscriptions, the oldest first: every item of every page. */
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

  /** Get a subscription. */
  getSubscription(customerId: string, subscriptionId: string): Promise<types.Subscription> {
    return this.call({ method: "GET", path: `/admin/customers/${segment(customerId)}/subscriptions/${segment(subscriptionId)}` });
  }

  /** Change a subscription; absent fields stay as they are. */
  patchSubscription(customerId: string, subscriptionId: string, body: types.SubscriptionChange): Promise<types.Subscription> {
    return this.call({ method: "PATCH", path: `/admin/customers/${segment(customerId)}/subscriptions/${segment(subscriptionId)}`, body });
  }

  /** List recent attempts, the newest first. */
  listDeliveries(customerId: string, subscriptionId: string, query: types.ListDeliveriesQuery = {}): Promise<types.Attempts> {
    return this.call({ method: "GET", path: `/admin/customers/${segment(customerId)}/subscriptions/${segment(subscriptionId)}/deliveries`, query });
  }

  /** Enable a disabled subscription. */
  enableSubscription(customerId: string, subscriptionId: string): Promise<types.Subscription> {
    return this.call({ method: "POST", path: `/admin/customers/${segment(customerId)}/subscriptions/${segment(subscriptionId)}/enable` });
  }

  /** Get the backlog and the breaker of a subscription's endpoint. */
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

  /** Show the webhook that an event would make. */
  testTransform(customerId: string, subscriptionId: string, body: types.TransformTrial = {}): Promise<types.TransformResult> {
    return this.call({ method: "POST", path: `/admin/customers/${segment(customerId)}/subscriptions/${segment(subscriptionId)}/transform/test`, body });
  }

  /** Get numbers of events and bytes by minute, hour or day. */
  usage(customerId: string, query: types.UsageQuery = {}): Promise<types.Usage> {
    return this.call({ method: "GET", path: `/admin/customers/${segment(customerId)}/usage`, query });
  }

  /** Get this process: its roles, shards, dependencies and version. */
  system(): Promise<types.System> {
    return this.call({ method: "GET", path: "/admin/system" });
  }
}
