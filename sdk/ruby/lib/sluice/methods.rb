# frozen_string_literal: true

# One thin method for each operation of the API.
# Written by sdk/generate from the OpenAPI documents; do not edit.

require_relative "types"

module Sluice
  # The operations that a customer's key may call.
  module ClientMethods
    # This document as a page for people.
    def docs
      call("GET", "/docs")
      nil
    end

    # Check that the process answers, and its environment.
    def health
      Types::Health.wrap(call("GET", "/health"))
    end

    # Check that the process lives.
    def live
      Types::State.wrap(call("GET", "/healthz"))
    end

    # Check whether requests should be sent to this process.
    def ready
      Types::State.wrap(call("GET", "/readyz"))
    end

    # List who changed the customer's settings, when and from where.
    def list_audit(action: nil, actor: nil, key_id: nil, order: nil, start_time: nil, end_time: nil, limit: nil, cursor: nil)
      Types::AuditPage.wrap(call("GET", "/v1/audit", query: { action: action, actor: actor, key_id: key_id, order: order, start_time: start_time, end_time: end_time, limit: limit, cursor: cursor }))
    end

    # List who changed the customer's settings, when and from where: every item of every page, given to the block or as an Enumerator.
    def iterate_audit(action: nil, actor: nil, key_id: nil, order: nil, start_time: nil, end_time: nil, limit: nil, &block)
      pages("/v1/audit", { action: action, actor: actor, key_id: key_id, order: order, start_time: start_time, end_time: end_time, limit: limit }, "audit", Types::AuditEntry, &block)
    end

    # Delete the dead letters that a filter names.
    def delete_dead_letters(workflow_id: nil, reason: nil, start_time: nil, end_time: nil)
      Types::DeletedMany.wrap(call("DELETE", "/v1/dead-letters", query: { workflow_id: workflow_id, reason: reason, start_time: start_time, end_time: end_time }))
    end

    # List deliveries that were given up, the oldest first.
    def list_dead_letters(workflow_id: nil, reason: nil, start_time: nil, end_time: nil, limit: nil, cursor: nil)
      Types::DeadLetterPage.wrap(call("GET", "/v1/dead-letters", query: { workflow_id: workflow_id, reason: reason, start_time: start_time, end_time: end_time, limit: limit, cursor: cursor }))
    end

    # List deliveries that were given up, the oldest first: every item of every page, given to the block or as an Enumerator.
    def iterate_dead_letters(workflow_id: nil, reason: nil, start_time: nil, end_time: nil, limit: nil, &block)
      pages("/v1/dead-letters", { workflow_id: workflow_id, reason: reason, start_time: start_time, end_time: end_time, limit: limit }, "dead_letters", Types::DeadLetter, &block)
    end

    # Deliver dead letters anew.
    def redrive(body = {})
      Types::Redriven.wrap(call("POST", "/v1/dead-letters/redrive", body: body))
    end

    # Count the dead letters that a filter names.
    def count_dead_letters(workflow_id: nil, reason: nil, start_time: nil, end_time: nil)
      Types::DeadLetterSummary.wrap(call("GET", "/v1/dead-letters/summary", query: { workflow_id: workflow_id, reason: reason, start_time: start_time, end_time: end_time }))
    end

    # Delete a dead letter.
    def delete_dead_letter(dead_letter_id)
      Types::Deleted.wrap(call("DELETE", "/v1/dead-letters/#{segment(dead_letter_id)}"))
    end

    # List event types, by name.
    def list_event_types(limit: nil, cursor: nil)
      Types::EventTypePage.wrap(call("GET", "/v1/event-types", query: { limit: limit, cursor: cursor }))
    end

    # List event types, by name: every item of every page, given to the block or as an Enumerator.
    def iterate_event_types(limit: nil, &block)
      pages("/v1/event-types", { limit: limit }, "event_types", Types::EventType, &block)
    end

    # Delete an event type.
    def delete_event_type(name)
      call("DELETE", "/v1/event-types/#{segment(name)}")
      nil
    end

    # Get an event type.
    def get_event_type(name)
      Types::EventType.wrap(call("GET", "/v1/event-types/#{segment(name)}"))
    end

    # Declare an event type, or replace it.
    def put_event_type(name, body)
      Types::EventType.wrap(call("PUT", "/v1/event-types/#{segment(name)}", body: body))
    end

    # Check whether a payload fits.
    def test_event_type(name, body)
      Types::EventTypeResult.wrap(call("POST", "/v1/event-types/#{segment(name)}/test", body: body))
    end

    # Get an event with its status.
    def get_event(event_id)
      Types::StoredEvent.wrap(call("GET", "/v1/events/#{segment(event_id)}"))
    end

    # Acknowledge an event.
    def ack_event(event_id)
      Types::Acknowledged.wrap(call("POST", "/v1/events/#{segment(event_id)}/ack"))
    end

    # List the attempts to deliver an event.
    def event_attempts(event_id, workflow_id: nil, limit: nil)
      Types::EventAttempts.wrap(call("GET", "/v1/events/#{segment(event_id)}/attempts", query: { workflow_id: workflow_id, limit: limit }))
    end

    # List the subscriptions that an event went to.
    def event_deliveries(event_id)
      Types::EventDeliveries.wrap(call("GET", "/v1/events/#{segment(event_id)}/deliveries"))
    end

    # Deliver an event anew.
    def resend_event(event_id, body = {})
      Types::Resent.wrap(call("POST", "/v1/events/#{segment(event_id)}/resend", body: body))
    end

    # List the customer's events, the oldest first.
    def inbox(status: nil, event_type: nil, source: nil, tag: nil, order: nil, start_time: nil, end_time: nil, limit: nil, cursor: nil)
      Types::InboxPage.wrap(call("GET", "/v1/inbox", query: { status: status, event_type: event_type, source: source, tag: tag, order: order, start_time: start_time, end_time: end_time, limit: limit, cursor: cursor }))
    end

    # List the customer's events, the oldest first: every item of every page, given to the block or as an Enumerator.
    def iterate_inbox(status: nil, event_type: nil, source: nil, tag: nil, order: nil, start_time: nil, end_time: nil, limit: nil, &block)
      pages("/v1/inbox", { status: status, event_type: event_type, source: source, tag: tag, order: order, start_time: start_time, end_time: end_time, limit: limit }, "events", Types::StoredEvent, &block)
    end

    # Acknowledge many events.
    def ack_inbox(body)
      Types::AckResults.wrap(call("POST", "/v1/inbox/ack", body: body))
    end

    # Get the customer and the key that the request carries.
    def me
      Types::Me.wrap(call("GET", "/v1/me"))
    end

    # List replays, the oldest first.
    def list_replays(limit: nil, cursor: nil)
      Types::ReplayPage.wrap(call("GET", "/v1/replay", query: { limit: limit, cursor: cursor }))
    end

    # List replays, the oldest first: every item of every page, given to the block or as an Enumerator.
    def iterate_replays(limit: nil, &block)
      pages("/v1/replay", { limit: limit }, "replays", Types::Replay, &block)
    end

    # Start a replay: deliver events of the past again.
    def create_replay(body)
      call("POST", "/v1/replay", body: body)
    end

    # Cancel a replay.
    def cancel_replay(replay_id)
      Types::Replay.wrap(call("DELETE", "/v1/replay/#{segment(replay_id)}"))
    end

    # Get a replay and its progress.
    def get_replay(replay_id)
      Types::Replay.wrap(call("GET", "/v1/replay/#{segment(replay_id)}"))
    end

    # List subscriptions, the oldest first.
    def list_subscriptions(limit: nil, cursor: nil)
      Types::SubscriptionPage.wrap(call("GET", "/v1/subscriptions", query: { limit: limit, cursor: cursor }))
    end

    # List subscriptions, the oldest first: every item of every page, given to the block or as an Enumerator.
    def iterate_subscriptions(limit: nil, &block)
      pages("/v1/subscriptions", { limit: limit }, "subscriptions", Types::Subscription, &block)
    end

    # Make a subscription.
    def create_subscription(body)
      Types::SubscriptionWithSecret.wrap(call("POST", "/v1/subscriptions", body: body))
    end

    # Try a selector out, before it is stored.
    def judge_selector(body)
      Types::Judgement.wrap(call("POST", "/v1/subscriptions/judge", body: body))
    end

    # Delete a subscription.
    def delete_subscription(subscription_id)
      call("DELETE", "/v1/subscriptions/#{segment(subscription_id)}")
      nil
    end

    # Get a subscription.
    def get_subscription(subscription_id)
      Types::Subscription.wrap(call("GET", "/v1/subscriptions/#{segment(subscription_id)}"))
    end

    # Change a subscription; absent fields stay as they are.
    def patch_subscription(subscription_id, body)
      Types::Subscription.wrap(call("PATCH", "/v1/subscriptions/#{segment(subscription_id)}", body: body))
    end

    # List recent attempts, the newest first.
    def list_deliveries(subscription_id, limit: nil)
      Types::Attempts.wrap(call("GET", "/v1/subscriptions/#{segment(subscription_id)}/deliveries", query: { limit: limit }))
    end

    # Enable a disabled subscription.
    def enable_subscription(subscription_id)
      Types::Subscription.wrap(call("POST", "/v1/subscriptions/#{segment(subscription_id)}/enable"))
    end

    # Get the backlog and the breaker of a subscription's endpoint.
    def subscription_health(subscription_id)
      Types::SubscriptionHealth.wrap(call("GET", "/v1/subscriptions/#{segment(subscription_id)}/health"))
    end

    # Make a new secret.
    def rotate_secret(subscription_id, body = {})
      Types::SubscriptionWithSecret.wrap(call("POST", "/v1/subscriptions/#{segment(subscription_id)}/rotate-secret", body: body))
    end

    # Try a subscription out.
    def test_event(subscription_id, body = {})
      call("POST", "/v1/subscriptions/#{segment(subscription_id)}/test", body: body)
    end

    # Show the webhook that an event would make.
    def test_transform(subscription_id, body = {})
      Types::TransformResult.wrap(call("POST", "/v1/subscriptions/#{segment(subscription_id)}/transform/test", body: body))
    end

    # Get numbers of events and bytes by minute, hour or day.
    def usage(since: nil, until: nil, granularity: nil, group_by: nil)
      Types::Usage.wrap(call("GET", "/v1/usage", query: { since: since, until: binding.local_variable_get(:until), granularity: granularity, group_by: group_by }))
    end
  end

  # The operations that the admin token may call.
  module AdminMethods
    # List who changed what, when and from where.
    def list_all_audit(customer_id: nil, action: nil, actor: nil, key_id: nil, order: nil, start_time: nil, end_time: nil, limit: nil, cursor: nil)
      Types::AuditPage.wrap(call("GET", "/admin/audit", query: { customer_id: customer_id, action: action, actor: actor, key_id: key_id, order: order, start_time: start_time, end_time: end_time, limit: limit, cursor: cursor }))
    end

    # List who changed what, when and from where: every item of every page, given to the block or as an Enumerator.
    def iterate_all_audit(customer_id: nil, action: nil, actor: nil, key_id: nil, order: nil, start_time: nil, end_time: nil, limit: nil, &block)
      pages("/admin/audit", { customer_id: customer_id, action: action, actor: actor, key_id: key_id, order: order, start_time: start_time, end_time: end_time, limit: limit }, "audit", Types::AuditEntry, &block)
    end

    # List customers, the oldest first.
    def list_customers(limit: nil, cursor: nil)
      Types::CustomerPage.wrap(call("GET", "/admin/customers", query: { limit: limit, cursor: cursor }))
    end

    # List customers, the oldest first: every item of every page, given to the block or as an Enumerator.
    def iterate_customers(limit: nil, &block)
      pages("/admin/customers", { limit: limit }, "customers", Types::Customer, &block)
    end

    # Make a customer.
    def create_customer(body)
      Types::Customer.wrap(call("POST", "/admin/customers", body: body))
    end

    # Get a customer.
    def get_customer(customer_id)
      Types::Customer.wrap(call("GET", "/admin/customers/#{segment(customer_id)}"))
    end

    # Change a customer; absent fields stay as they are.
    def patch_customer(customer_id, body)
      Types::Customer.wrap(call("PATCH", "/admin/customers/#{segment(customer_id)}", body: body))
    end

    # List who changed the customer's settings, when and from where.
    def list_audit(customer_id, action: nil, actor: nil, key_id: nil, order: nil, start_time: nil, end_time: nil, limit: nil, cursor: nil)
      Types::AuditPage.wrap(call("GET", "/admin/customers/#{segment(customer_id)}/audit", query: { action: action, actor: actor, key_id: key_id, order: order, start_time: start_time, end_time: end_time, limit: limit, cursor: cursor }))
    end

    # List who changed the customer's settings, when and from where: every item of every page, given to the block or as an Enumerator.
    def iterate_audit(customer_id, action: nil, actor: nil, key_id: nil, order: nil, start_time: nil, end_time: nil, limit: nil, &block)
      pages("/admin/customers/#{segment(customer_id)}/audit", { action: action, actor: actor, key_id: key_id, order: order, start_time: start_time, end_time: end_time, limit: limit }, "audit", Types::AuditEntry, &block)
    end

    # Delete the dead letters that a filter names.
    def delete_dead_letters(customer_id, workflow_id: nil, reason: nil, start_time: nil, end_time: nil)
      Types::DeletedMany.wrap(call("DELETE", "/admin/customers/#{segment(customer_id)}/dead-letters", query: { workflow_id: workflow_id, reason: reason, start_time: start_time, end_time: end_time }))
    end

    # List deliveries that were given up, the oldest first.
    def list_dead_letters(customer_id, workflow_id: nil, reason: nil, start_time: nil, end_time: nil, limit: nil, cursor: nil)
      Types::DeadLetterPage.wrap(call("GET", "/admin/customers/#{segment(customer_id)}/dead-letters", query: { workflow_id: workflow_id, reason: reason, start_time: start_time, end_time: end_time, limit: limit, cursor: cursor }))
    end

    # List deliveries that were given up, the oldest first: every item of every page, given to the block or as an Enumerator.
    def iterate_dead_letters(customer_id, workflow_id: nil, reason: nil, start_time: nil, end_time: nil, limit: nil, &block)
      pages("/admin/customers/#{segment(customer_id)}/dead-letters", { workflow_id: workflow_id, reason: reason, start_time: start_time, end_time: end_time, limit: limit }, "dead_letters", Types::DeadLetter, &block)
    end

    # Deliver dead letters anew.
    def redrive(customer_id, body = {})
      Types::Redriven.wrap(call("POST", "/admin/customers/#{segment(customer_id)}/dead-letters/redrive", body: body))
    end

    # Count the dead letters that a filter names.
    def count_dead_letters(customer_id, workflow_id: nil, reason: nil, start_time: nil, end_time: nil)
      Types::DeadLetterSummary.wrap(call("GET", "/admin/customers/#{segment(customer_id)}/dead-letters/summary", query: { workflow_id: workflow_id, reason: reason, start_time: start_time, end_time: end_time }))
    end

    # Delete a dead letter.
    def delete_dead_letter(customer_id, dead_letter_id)
      Types::Deleted.wrap(call("DELETE", "/admin/customers/#{segment(customer_id)}/dead-letters/#{segment(dead_letter_id)}"))
    end

    # List event types, by name.
    def list_event_types(customer_id, limit: nil, cursor: nil)
      Types::EventTypePage.wrap(call("GET", "/admin/customers/#{segment(customer_id)}/event-types", query: { limit: limit, cursor: cursor }))
    end

    # List event types, by name: every item of every page, given to the block or as an Enumerator.
    def iterate_event_types(customer_id, limit: nil, &block)
      pages("/admin/customers/#{segment(customer_id)}/event-types", { limit: limit }, "event_types", Types::EventType, &block)
    end

    # Delete an event type.
    def delete_event_type(customer_id, name)
      call("DELETE", "/admin/customers/#{segment(customer_id)}/event-types/#{segment(name)}")
      nil
    end

    # Get an event type.
    def get_event_type(customer_id, name)
      Types::EventType.wrap(call("GET", "/admin/customers/#{segment(customer_id)}/event-types/#{segment(name)}"))
    end

    # Declare an event type, or replace it.
    def put_event_type(customer_id, name, body)
      Types::EventType.wrap(call("PUT", "/admin/customers/#{segment(customer_id)}/event-types/#{segment(name)}", body: body))
    end

    # Check whether a payload fits.
    def test_event_type(customer_id, name, body)
      Types::EventTypeResult.wrap(call("POST", "/admin/customers/#{segment(customer_id)}/event-types/#{segment(name)}/test", body: body))
    end

    # Get an event with its status.
    def get_event(customer_id, event_id)
      Types::StoredEvent.wrap(call("GET", "/admin/customers/#{segment(customer_id)}/events/#{segment(event_id)}"))
    end

    # Acknowledge an event.
    def ack_event(customer_id, event_id)
      Types::Acknowledged.wrap(call("POST", "/admin/customers/#{segment(customer_id)}/events/#{segment(event_id)}/ack"))
    end

    # List the attempts to deliver an event.
    def event_attempts(customer_id, event_id, workflow_id: nil, limit: nil)
      Types::EventAttempts.wrap(call("GET", "/admin/customers/#{segment(customer_id)}/events/#{segment(event_id)}/attempts", query: { workflow_id: workflow_id, limit: limit }))
    end

    # List the subscriptions that an event went to.
    def event_deliveries(customer_id, event_id)
      Types::EventDeliveries.wrap(call("GET", "/admin/customers/#{segment(customer_id)}/events/#{segment(event_id)}/deliveries"))
    end

    # Deliver an event anew.
    def resend_event(customer_id, event_id, body = {})
      Types::Resent.wrap(call("POST", "/admin/customers/#{segment(customer_id)}/events/#{segment(event_id)}/resend", body: body))
    end

    # List the customer's events, the oldest first.
    def inbox(customer_id, status: nil, event_type: nil, source: nil, tag: nil, order: nil, start_time: nil, end_time: nil, limit: nil, cursor: nil)
      Types::InboxPage.wrap(call("GET", "/admin/customers/#{segment(customer_id)}/inbox", query: { status: status, event_type: event_type, source: source, tag: tag, order: order, start_time: start_time, end_time: end_time, limit: limit, cursor: cursor }))
    end

    # List the customer's events, the oldest first: every item of every page, given to the block or as an Enumerator.
    def iterate_inbox(customer_id, status: nil, event_type: nil, source: nil, tag: nil, order: nil, start_time: nil, end_time: nil, limit: nil, &block)
      pages("/admin/customers/#{segment(customer_id)}/inbox", { status: status, event_type: event_type, source: source, tag: tag, order: order, start_time: start_time, end_time: end_time, limit: limit }, "events", Types::StoredEvent, &block)
    end

    # Acknowledge many events.
    def ack_inbox(customer_id, body)
      Types::AckResults.wrap(call("POST", "/admin/customers/#{segment(customer_id)}/inbox/ack", body: body))
    end

    # List all keys, including revoked and expired ones.
    def list_keys(customer_id)
      Types::Keys.wrap(call("GET", "/admin/customers/#{segment(customer_id)}/keys"))
    end

    # Make a key.
    def create_key(customer_id, body = {})
      Types::KeyWithText.wrap(call("POST", "/admin/customers/#{segment(customer_id)}/keys", body: body))
    end

    # Revoke a key.
    def revoke_key(customer_id, key_id)
      call("DELETE", "/admin/customers/#{segment(customer_id)}/keys/#{segment(key_id)}")
      nil
    end

    # Get the customer and the key that the request carries.
    def me(customer_id)
      Types::Me.wrap(call("GET", "/admin/customers/#{segment(customer_id)}/me"))
    end

    # List replays, the oldest first.
    def list_replays(customer_id, limit: nil, cursor: nil)
      Types::ReplayPage.wrap(call("GET", "/admin/customers/#{segment(customer_id)}/replay", query: { limit: limit, cursor: cursor }))
    end

    # List replays, the oldest first: every item of every page, given to the block or as an Enumerator.
    def iterate_replays(customer_id, limit: nil, &block)
      pages("/admin/customers/#{segment(customer_id)}/replay", { limit: limit }, "replays", Types::Replay, &block)
    end

    # Start a replay: deliver events of the past again.
    def create_replay(customer_id, body)
      call("POST", "/admin/customers/#{segment(customer_id)}/replay", body: body)
    end

    # Cancel a replay.
    def cancel_replay(customer_id, replay_id)
      Types::Replay.wrap(call("DELETE", "/admin/customers/#{segment(customer_id)}/replay/#{segment(replay_id)}"))
    end

    # Get a replay and its progress.
    def get_replay(customer_id, replay_id)
      Types::Replay.wrap(call("GET", "/admin/customers/#{segment(customer_id)}/replay/#{segment(replay_id)}"))
    end

    # List subscriptions, the oldest first.
    def list_subscriptions(customer_id, limit: nil, cursor: nil)
      Types::SubscriptionPage.wrap(call("GET", "/admin/customers/#{segment(customer_id)}/subscriptions", query: { limit: limit, cursor: cursor }))
    end

    # List subscriptions, the oldest first: every item of every page, given to the block or as an Enumerator.
    def iterate_subscriptions(customer_id, limit: nil, &block)
      pages("/admin/customers/#{segment(customer_id)}/subscriptions", { limit: limit }, "subscriptions", Types::Subscription, &block)
    end

    # Make a subscription.
    def create_subscription(customer_id, body)
      Types::SubscriptionWithSecret.wrap(call("POST", "/admin/customers/#{segment(customer_id)}/subscriptions", body: body))
    end

    # Try a selector out, before it is stored.
    def judge_selector(customer_id, body)
      Types::Judgement.wrap(call("POST", "/admin/customers/#{segment(customer_id)}/subscriptions/judge", body: body))
    end

    # Delete a subscription.
    def delete_subscription(customer_id, subscription_id)
      call("DELETE", "/admin/customers/#{segment(customer_id)}/subscriptions/#{segment(subscription_id)}")
      nil
    end

    # Get a subscription.
    def get_subscription(customer_id, subscription_id)
      Types::Subscription.wrap(call("GET", "/admin/customers/#{segment(customer_id)}/subscriptions/#{segment(subscription_id)}"))
    end

    # Change a subscription; absent fields stay as they are.
    def patch_subscription(customer_id, subscription_id, body)
      Types::Subscription.wrap(call("PATCH", "/admin/customers/#{segment(customer_id)}/subscriptions/#{segment(subscription_id)}", body: body))
    end

    # List recent attempts, the newest first.
    def list_deliveries(customer_id, subscription_id, limit: nil)
      Types::Attempts.wrap(call("GET", "/admin/customers/#{segment(customer_id)}/subscriptions/#{segment(subscription_id)}/deliveries", query: { limit: limit }))
    end

    # Enable a disabled subscription.
    def enable_subscription(customer_id, subscription_id)
      Types::Subscription.wrap(call("POST", "/admin/customers/#{segment(customer_id)}/subscriptions/#{segment(subscription_id)}/enable"))
    end

    # Get the backlog and the breaker of a subscription's endpoint.
    def subscription_health(customer_id, subscription_id)
      Types::SubscriptionHealth.wrap(call("GET", "/admin/customers/#{segment(customer_id)}/subscriptions/#{segment(subscription_id)}/health"))
    end

    # Make a new secret.
    def rotate_secret(customer_id, subscription_id, body = {})
      Types::SubscriptionWithSecret.wrap(call("POST", "/admin/customers/#{segment(customer_id)}/subscriptions/#{segment(subscription_id)}/rotate-secret", body: body))
    end

    # Try a subscription out.
    def test_event(customer_id, subscription_id, body = {})
      call("POST", "/admin/customers/#{segment(customer_id)}/subscriptions/#{segment(subscription_id)}/test", body: body)
    end

    # Show the webhook that an event would make.
    def test_transform(customer_id, subscription_id, body = {})
      Types::TransformResult.wrap(call("POST", "/admin/customers/#{segment(customer_id)}/subscriptions/#{segment(subscription_id)}/transform/test", body: body))
    end

    # Get numbers of events and bytes by minute, hour or day.
    def usage(customer_id, since: nil, until: nil, granularity: nil, group_by: nil)
      Types::Usage.wrap(call("GET", "/admin/customers/#{segment(customer_id)}/usage", query: { since: since, until: binding.local_variable_get(:until), granularity: granularity, group_by: group_by }))
    end

    # Get this process: its roles, shards, dependencies and version.
    def system
      Types::System.wrap(call("GET", "/admin/system"))
    end
  end
end
