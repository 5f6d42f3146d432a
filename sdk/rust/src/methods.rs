//! One thin method for each operation of the API.
//! Written by `sdk/generate` from the OpenAPI documents; do not edit.

use crate::error::SdkError;
use crate::pages::Pages;
use crate::request::segment;
use crate::{Admin, Client, types};
use http::Method;

impl Client {
    /// This document as a page for people.
    ///
    /// # Errors
    /// As [`SdkError`] tells.
    pub async fn docs(&self) -> Result<(), SdkError> {
        self.core.call_empty(Method::GET, "/docs", None::<&()>, None::<&()>).await
    }

    /// Check that the process answers, and its environment.
    ///
    /// # Errors
    /// As [`SdkError`] tells.
    pub async fn health(&self) -> Result<types::Health, SdkError> {
        self.core.call(Method::GET, "/health", None::<&()>, None::<&()>).await
    }

    /// Check that the process lives.
    ///
    /// # Errors
    /// As [`SdkError`] tells.
    pub async fn live(&self) -> Result<types::State, SdkError> {
        self.core.call(Method::GET, "/healthz", None::<&()>, None::<&()>).await
    }

    /// Check whether requests should be sent to this process.
    ///
    /// # Errors
    /// As [`SdkError`] tells.
    pub async fn ready(&self) -> Result<types::State, SdkError> {
        self.core.call(Method::GET, "/readyz", None::<&()>, None::<&()>).await
    }

    /// List who changed the customer's settings, when and from where.
    ///
    /// # Errors
    /// As [`SdkError`] tells.
    pub async fn list_audit(&self, query: &types::ListAuditQuery) -> Result<types::AuditPage, SdkError> {
        self.core.call(Method::GET, "/v1/audit", Some(query), None::<&()>).await
    }

    /// List who changed the customer's settings, when and from where: every item of every page.
    #[must_use]
    pub fn iterate_audit(&self, query: &types::ListAuditQuery) -> Pages<types::AuditEntry> {
        Pages::new(self.core.clone(), "/v1/audit", query, "audit")
    }

    /// Delete the dead letters that a filter names.
    ///
    /// # Errors
    /// As [`SdkError`] tells.
    pub async fn delete_dead_letters(&self, query: &types::DeleteDeadLettersQuery) -> Result<types::DeletedMany, SdkError> {
        self.core.call(Method::DELETE, "/v1/dead-letters", Some(query), None::<&()>).await
    }

    /// List deliveries that were given up, the oldest first.
    ///
    /// # Errors
    /// As [`SdkError`] tells.
    pub async fn list_dead_letters(&self, query: &types::ListDeadLettersQuery) -> Result<types::DeadLetterPage, SdkError> {
        self.core.call(Method::GET, "/v1/dead-letters", Some(query), None::<&()>).await
    }

    /// List deliveries that were given up, the oldest first: every item of every page.
    #[must_use]
    pub fn iterate_dead_letters(&self, query: &types::ListDeadLettersQuery) -> Pages<types::DeadLetter> {
        Pages::new(self.core.clone(), "/v1/dead-letters", query, "dead_letters")
    }

    /// Deliver dead letters anew.
    ///
    /// # Errors
    /// As [`SdkError`] tells.
    pub async fn redrive(&self, body: &types::Redrive) -> Result<types::Redriven, SdkError> {
        self.core.call(Method::POST, "/v1/dead-letters/redrive", None::<&()>, Some(body)).await
    }

    /// Count the dead letters that a filter names.
    ///
    /// # Errors
    /// As [`SdkError`] tells.
    pub async fn count_dead_letters(&self, query: &types::CountDeadLettersQuery) -> Result<types::DeadLetterSummary, SdkError> {
        self.core.call(Method::GET, "/v1/dead-letters/summary", Some(query), None::<&()>).await
    }

    /// Delete a dead letter.
    ///
    /// # Errors
    /// As [`SdkError`] tells.
    pub async fn delete_dead_letter(&self, dead_letter_id: &str) -> Result<types::Deleted, SdkError> {
        self.core.call(Method::DELETE, &format!("/v1/dead-letters/{}", segment(dead_letter_id)), None::<&()>, None::<&()>).await
    }

    /// List event types, by name.
    ///
    /// # Errors
    /// As [`SdkError`] tells.
    pub async fn list_event_types(&self, query: &types::ListEventTypesQuery) -> Result<types::EventTypePage, SdkError> {
        self.core.call(Method::GET, "/v1/event-types", Some(query), None::<&()>).await
    }

    /// List event types, by name: every item of every page.
    #[must_use]
    pub fn iterate_event_types(&self, query: &types::ListEventTypesQuery) -> Pages<types::EventType> {
        Pages::new(self.core.clone(), "/v1/event-types", query, "event_types")
    }

    /// Delete an event type.
    ///
    /// # Errors
    /// As [`SdkError`] tells.
    pub async fn delete_event_type(&self, name: &str) -> Result<(), SdkError> {
        self.core.call_empty(Method::DELETE, &format!("/v1/event-types/{}", segment(name)), None::<&()>, None::<&()>).await
    }

    /// Get an event type.
    ///
    /// # Errors
    /// As [`SdkError`] tells.
    pub async fn get_event_type(&self, name: &str) -> Result<types::EventType, SdkError> {
        self.core.call(Method::GET, &format!("/v1/event-types/{}", segment(name)), None::<&()>, None::<&()>).await
    }

    /// Declare an event type, or replace it.
    ///
    /// # Errors
    /// As [`SdkError`] tells.
    pub async fn put_event_type(&self, name: &str, body: &types::NewEventType) -> Result<types::EventType, SdkError> {
        self.core.call(Method::PUT, &format!("/v1/event-types/{}", segment(name)), None::<&()>, Some(body)).await
    }

    /// Check whether a payload fits.
    ///
    /// # Errors
    /// As [`SdkError`] tells.
    pub async fn test_event_type(&self, name: &str, body: &types::EventTypeTrial) -> Result<types::EventTypeResult, SdkError> {
        self.core.call(Method::POST, &format!("/v1/event-types/{}/test", segment(name)), None::<&()>, Some(body)).await
    }

    /// Get an event with its status.
    ///
    /// # Errors
    /// As [`SdkError`] tells.
    pub async fn get_event(&self, event_id: &str) -> Result<types::StoredEvent, SdkError> {
        self.core.call(Method::GET, &format!("/v1/events/{}", segment(event_id)), None::<&()>, None::<&()>).await
    }

    /// Acknowledge an event.
    ///
    /// # Errors
    /// As [`SdkError`] tells.
    pub async fn ack_event(&self, event_id: &str) -> Result<types::Acknowledged, SdkError> {
        self.core.call(Method::POST, &format!("/v1/events/{}/ack", segment(event_id)), None::<&()>, None::<&()>).await
    }

    /// List the attempts to deliver an event.
    ///
    /// # Errors
    /// As [`SdkError`] tells.
    pub async fn event_attempts(&self, event_id: &str, query: &types::EventAttemptsQuery) -> Result<types::EventAttempts, SdkError> {
        self.core.call(Method::GET, &format!("/v1/events/{}/attempts", segment(event_id)), Some(query), None::<&()>).await
    }

    /// List the subscriptions that an event went to.
    ///
    /// # Errors
    /// As [`SdkError`] tells.
    pub async fn event_deliveries(&self, event_id: &str) -> Result<types::EventDeliveries, SdkError> {
        self.core.call(Method::GET, &format!("/v1/events/{}/deliveries", segment(event_id)), None::<&()>, None::<&()>).await
    }

    /// Deliver an event anew.
    ///
    /// # Errors
    /// As [`SdkError`] tells.
    pub async fn resend_event(&self, event_id: &str, body: &types::Resend) -> Result<types::Resent, SdkError> {
        self.core.call(Method::POST, &format!("/v1/events/{}/resend", segment(event_id)), None::<&()>, Some(body)).await
    }

    /// List the customer's events, the oldest first.
    ///
    /// # Errors
    /// As [`SdkError`] tells.
    pub async fn inbox(&self, query: &types::InboxQuery) -> Result<types::InboxPage, SdkError> {
        self.core.call(Method::GET, "/v1/inbox", Some(query), None::<&()>).await
    }

    /// List the customer's events, the oldest first: every item of every page.
    #[must_use]
    pub fn iterate_inbox(&self, query: &types::InboxQuery) -> Pages<types::StoredEvent> {
        Pages::new(self.core.clone(), "/v1/inbox", query, "events")
    }

    /// Acknowledge many events.
    ///
    /// # Errors
    /// As [`SdkError`] tells.
    pub async fn ack_inbox(&self, body: &types::AckMany) -> Result<types::AckResults, SdkError> {
        self.core.call(Method::POST, "/v1/inbox/ack", None::<&()>, Some(body)).await
    }

    /// Get the customer and the key that the request carries.
    ///
    /// # Errors
    /// As [`SdkError`] tells.
    pub async fn me(&self) -> Result<types::Me, SdkError> {
        self.core.call(Method::GET, "/v1/me", None::<&()>, None::<&()>).await
    }

    /// List replays, the oldest first.
    ///
    /// # Errors
    /// As [`SdkError`] tells.
    pub async fn list_replays(&self, query: &types::ListReplaysQuery) -> Result<types::ReplayPage, SdkError> {
        self.core.call(Method::GET, "/v1/replay", Some(query), None::<&()>).await
    }

    /// List replays, the oldest first: every item of every page.
    #[must_use]
    pub fn iterate_replays(&self, query: &types::ListReplaysQuery) -> Pages<types::Replay> {
        Pages::new(self.core.clone(), "/v1/replay", query, "replays")
    }

    /// Start a replay: deliver events of the past again.
    ///
    /// # Errors
    /// As [`SdkError`] tells.
    pub async fn create_replay(&self, body: &types::NewReplay) -> Result<types::CreateReplayAnswer, SdkError> {
        self.core.call(Method::POST, "/v1/replay", None::<&()>, Some(body)).await
    }

    /// Cancel a replay.
    ///
    /// # Errors
    /// As [`SdkError`] tells.
    pub async fn cancel_replay(&self, replay_id: &str) -> Result<types::Replay, SdkError> {
        self.core.call(Method::DELETE, &format!("/v1/replay/{}", segment(replay_id)), None::<&()>, None::<&()>).await
    }

    /// Get a replay and its progress.
    ///
    /// # Errors
    /// As [`SdkError`] tells.
    pub async fn get_replay(&self, replay_id: &str) -> Result<types::Replay, SdkError> {
        self.core.call(Method::GET, &format!("/v1/replay/{}", segment(replay_id)), None::<&()>, None::<&()>).await
    }

    /// List subscriptions, the oldest first.
    ///
    /// # Errors
    /// As [`SdkError`] tells.
    pub async fn list_subscriptions(&self, query: &types::ListSubscriptionsQuery) -> Result<types::SubscriptionPage, SdkError> {
        self.core.call(Method::GET, "/v1/subscriptions", Some(query), None::<&()>).await
    }

    /// List subscriptions, the oldest first: every item of every page.
    #[must_use]
    pub fn iterate_subscriptions(&self, query: &types::ListSubscriptionsQuery) -> Pages<types::Subscription> {
        Pages::new(self.core.clone(), "/v1/subscriptions", query, "subscriptions")
    }

    /// Make a subscription.
    ///
    /// # Errors
    /// As [`SdkError`] tells.
    pub async fn create_subscription(&self, body: &types::NewSubscription) -> Result<types::SubscriptionWithSecret, SdkError> {
        self.core.call(Method::POST, "/v1/subscriptions", None::<&()>, Some(body)).await
    }

    /// Try a selector out, before it is stored.
    ///
    /// # Errors
    /// As [`SdkError`] tells.
    pub async fn judge_selector(&self, body: &types::SelectorTrial) -> Result<types::Judgement, SdkError> {
        self.core.call(Method::POST, "/v1/subscriptions/judge", None::<&()>, Some(body)).await
    }

    /// Delete a subscription.
    ///
    /// # Errors
    /// As [`SdkError`] tells.
    pub async fn delete_subscription(&self, subscription_id: &str) -> Result<(), SdkError> {
        self.core.call_empty(Method::DELETE, &format!("/v1/subscriptions/{}", segment(subscription_id)), None::<&()>, None::<&()>).await
    }

    /// Get a subscription.
    ///
    /// # Errors
    /// As [`SdkError`] tells.
    pub async fn get_subscription(&self, subscription_id: &str) -> Result<types::Subscription, SdkError> {
        self.core.call(Method::GET, &format!("/v1/subscriptions/{}", segment(subscription_id)), None::<&()>, None::<&()>).await
    }

    /// Change a subscription; absent fields stay as they are.
    ///
    /// # Errors
    /// As [`SdkError`] tells.
    pub async fn patch_subscription(&self, subscription_id: &str, body: &types::SubscriptionChange) -> Result<types::Subscription, SdkError> {
        self.core.call(Method::PATCH, &format!("/v1/subscriptions/{}", segment(subscription_id)), None::<&()>, Some(body)).await
    }

    /// List recent attempts, the newest first.
    ///
    /// # Errors
    /// As [`SdkError`] tells.
    pub async fn list_deliveries(&self, subscription_id: &str, query: &types::ListDeliveriesQuery) -> Result<types::Attempts, SdkError> {
        self.core.call(Method::GET, &format!("/v1/subscriptions/{}/deliveries", segment(subscription_id)), Some(query), None::<&()>).await
    }

    /// Enable a disabled subscription.
    ///
    /// # Errors
    /// As [`SdkError`] tells.
    pub async fn enable_subscription(&self, subscription_id: &str) -> Result<types::Subscription, SdkError> {
        self.core.call(Method::POST, &format!("/v1/subscriptions/{}/enable", segment(subscription_id)), None::<&()>, None::<&()>).await
    }

    /// Get the backlog and the breaker of a subscription's endpoint.
    ///
    /// # Errors
    /// As [`SdkError`] tells.
    pub async fn subscription_health(&self, subscription_id: &str) -> Result<types::SubscriptionHealth, SdkError> {
        self.core.call(Method::GET, &format!("/v1/subscriptions/{}/health", segment(subscription_id)), None::<&()>, None::<&()>).await
    }

    /// Make a new secret.
    ///
    /// # Errors
    /// As [`SdkError`] tells.
    pub async fn rotate_secret(&self, subscription_id: &str, body: &types::Rotation) -> Result<types::SubscriptionWithSecret, SdkError> {
        self.core.call(Method::POST, &format!("/v1/subscriptions/{}/rotate-secret", segment(subscription_id)), None::<&()>, Some(body)).await
    }

    /// Try a subscription out.
    ///
    /// # Errors
    /// As [`SdkError`] tells.
    pub async fn test_event(&self, subscription_id: &str, body: &types::Trial) -> Result<types::TrialResult, SdkError> {
        self.core.call(Method::POST, &format!("/v1/subscriptions/{}/test", segment(subscription_id)), None::<&()>, Some(body)).await
    }

    /// Show the webhook that an event would make.
    ///
    /// # Errors
    /// As [`SdkError`] tells.
    pub async fn test_transform(&self, subscription_id: &str, body: &types::TransformTrial) -> Result<types::TransformResult, SdkError> {
        self.core.call(Method::POST, &format!("/v1/subscriptions/{}/transform/test", segment(subscription_id)), None::<&()>, Some(body)).await
    }

    /// Get numbers of events and bytes by minute, hour or day.
    ///
    /// # Errors
    /// As [`SdkError`] tells.
    pub async fn usage(&self, query: &types::UsageQuery) -> Result<types::Usage, SdkError> {
        self.core.call(Method::GET, "/v1/usage", Some(query), None::<&()>).await
    }
}

impl Admin {
    /// List who changed what, when and from where.
    ///
    /// # Errors
    /// As [`SdkError`] tells.
    pub async fn list_all_audit(&self, query: &types::ListAllAuditQuery) -> Result<types::AuditPage, SdkError> {
        self.core.call(Method::GET, "/admin/audit", Some(query), None::<&()>).await
    }

    /// List who changed what, when and from where: every item of every page.
    #[must_use]
    pub fn iterate_all_audit(&self, query: &types::ListAllAuditQuery) -> Pages<types::AuditEntry> {
        Pages::new(self.core.clone(), "/admin/audit", query, "audit")
    }

    /// List customers, the oldest first.
    ///
    /// # Errors
    /// As [`SdkError`] tells.
    pub async fn list_customers(&self, query: &types::ListCustomersQuery) -> Result<types::CustomerPage, SdkError> {
        self.core.call(Method::GET, "/admin/customers", Some(query), None::<&()>).await
    }

    /// List customers, the oldest first: every item of every page.
    #[must_use]
    pub fn iterate_customers(&self, query: &types::ListCustomersQuery) -> Pages<types::Customer> {
        Pages::new(self.core.clone(), "/admin/customers", query, "customers")
    }

    /// Make a customer.
    ///
    /// # Errors
    /// As [`SdkError`] tells.
    pub async fn create_customer(&self, body: &types::NewCustomer) -> Result<types::Customer, SdkError> {
        self.core.call(Method::POST, "/admin/customers", None::<&()>, Some(body)).await
    }

    /// Get a customer.
    ///
    /// # Errors
    /// As [`SdkError`] tells.
    pub async fn get_customer(&self, customer_id: &str) -> Result<types::Customer, SdkError> {
        self.core.call(Method::GET, &format!("/admin/customers/{}", segment(customer_id)), None::<&()>, None::<&()>).await
    }

    /// Change a customer; absent fields stay as they are.
    ///
    /// # Errors
    /// As [`SdkError`] tells.
    pub async fn patch_customer(&self, customer_id: &str, body: &types::CustomerChange) -> Result<types::Customer, SdkError> {
        self.core.call(Method::PATCH, &format!("/admin/customers/{}", segment(customer_id)), None::<&()>, Some(body)).await
    }

    /// List who changed the customer's settings, when and from where.
    ///
    /// # Errors
    /// As [`SdkError`] tells.
    pub async fn list_audit(&self, customer_id: &str, query: &types::ListAuditQuery) -> Result<types::AuditPage, SdkError> {
        self.core.call(Method::GET, &format!("/admin/customers/{}/audit", segment(customer_id)), Some(query), None::<&()>).await
    }

    /// List who changed the customer's settings, when and from where: every item of every page.
    #[must_use]
    pub fn iterate_audit(&self, customer_id: &str, query: &types::ListAuditQuery) -> Pages<types::AuditEntry> {
        Pages::new(self.core.clone(), &format!("/admin/customers/{}/audit", segment(customer_id)), query, "audit")
    }

    /// Delete the dead letters that a filter names.
    ///
    /// # Errors
    /// As [`SdkError`] tells.
    pub async fn delete_dead_letters(&self, customer_id: &str, query: &types::DeleteDeadLettersQuery) -> Result<types::DeletedMany, SdkError> {
        self.core.call(Method::DELETE, &format!("/admin/customers/{}/dead-letters", segment(customer_id)), Some(query), None::<&()>).await
    }

    /// List deliveries that were given up, the oldest first.
    ///
    /// # Errors
    /// As [`SdkError`] tells.
    pub async fn list_dead_letters(&self, customer_id: &str, query: &types::ListDeadLettersQuery) -> Result<types::DeadLetterPage, SdkError> {
        self.core.call(Method::GET, &format!("/admin/customers/{}/dead-letters", segment(customer_id)), Some(query), None::<&()>).await
    }

    /// List deliveries that were given up, the oldest first: every item of every page.
    #[must_use]
    pub fn iterate_dead_letters(&self, customer_id: &str, query: &types::ListDeadLettersQuery) -> Pages<types::DeadLetter> {
        Pages::new(self.core.clone(), &format!("/admin/customers/{}/dead-letters", segment(customer_id)), query, "dead_letters")
    }

    /// Deliver dead letters anew.
    ///
    /// # Errors
    /// As [`SdkError`] tells.
    pub async fn redrive(&self, customer_id: &str, body: &types::Redrive) -> Result<types::Redriven, SdkError> {
        self.core.call(Method::POST, &format!("/admin/customers/{}/dead-letters/redrive", segment(customer_id)), None::<&()>, Some(body)).await
    }

    /// Count the dead letters that a filter names.
    ///
    /// # Errors
    /// As [`SdkError`] tells.
    pub async fn count_dead_letters(&self, customer_id: &str, query: &types::CountDeadLettersQuery) -> Result<types::DeadLetterSummary, SdkError> {
        self.core.call(Method::GET, &format!("/admin/customers/{}/dead-letters/summary", segment(customer_id)), Some(query), None::<&()>).await
    }

    /// Delete a dead letter.
    ///
    /// # Errors
    /// As [`SdkError`] tells.
    pub async fn delete_dead_letter(&self, customer_id: &str, dead_letter_id: &str) -> Result<types::Deleted, SdkError> {
        self.core.call(Method::DELETE, &format!("/admin/customers/{}/dead-letters/{}", segment(customer_id), segment(dead_letter_id)), None::<&()>, None::<&()>).await
    }

    /// List event types, by name.
    ///
    /// # Errors
    /// As [`SdkError`] tells.
    pub async fn list_event_types(&self, customer_id: &str, query: &types::ListEventTypesQuery) -> Result<types::EventTypePage, SdkError> {
        self.core.call(Method::GET, &format!("/admin/customers/{}/event-types", segment(customer_id)), Some(query), None::<&()>).await
    }

    /// List event types, by name: every item of every page.
    #[must_use]
    pub fn iterate_event_types(&self, customer_id: &str, query: &types::ListEventTypesQuery) -> Pages<types::EventType> {
        Pages::new(self.core.clone(), &format!("/admin/customers/{}/event-types", segment(customer_id)), query, "event_types")
    }

    /// Delete an event type.
    ///
    /// # Errors
    /// As [`SdkError`] tells.
    pub async fn delete_event_type(&self, customer_id: &str, name: &str) -> Result<(), SdkError> {
        self.core.call_empty(Method::DELETE, &format!("/admin/customers/{}/event-types/{}", segment(customer_id), segment(name)), None::<&()>, None::<&()>).await
    }

    /// Get an event type.
    ///
    /// # Errors
    /// As [`SdkError`] tells.
    pub async fn get_event_type(&self, customer_id: &str, name: &str) -> Result<types::EventType, SdkError> {
        self.core.call(Method::GET, &format!("/admin/customers/{}/event-types/{}", segment(customer_id), segment(name)), None::<&()>, None::<&()>).await
    }

    /// Declare an event type, or replace it.
    ///
    /// # Errors
    /// As [`SdkError`] tells.
    pub async fn put_event_type(&self, customer_id: &str, name: &str, body: &types::NewEventType) -> Result<types::EventType, SdkError> {
        self.core.call(Method::PUT, &format!("/admin/customers/{}/event-types/{}", segment(customer_id), segment(name)), None::<&()>, Some(body)).await
    }

    /// Check whether a payload fits.
    ///
    /// # Errors
    /// As [`SdkError`] tells.
    pub async fn test_event_type(&self, customer_id: &str, name: &str, body: &types::EventTypeTrial) -> Result<types::EventTypeResult, SdkError> {
        self.core.call(Method::POST, &format!("/admin/customers/{}/event-types/{}/test", segment(customer_id), segment(name)), None::<&()>, Some(body)).await
    }

    /// Get an event with its status.
    ///
    /// # Errors
    /// As [`SdkError`] tells.
    pub async fn get_event(&self, customer_id: &str, event_id: &str) -> Result<types::StoredEvent, SdkError> {
        self.core.call(Method::GET, &format!("/admin/customers/{}/events/{}", segment(customer_id), segment(event_id)), None::<&()>, None::<&()>).await
    }

    /// Acknowledge an event.
    ///
    /// # Errors
    /// As [`SdkError`] tells.
    pub async fn ack_event(&self, customer_id: &str, event_id: &str) -> Result<types::Acknowledged, SdkError> {
        self.core.call(Method::POST, &format!("/admin/customers/{}/events/{}/ack", segment(customer_id), segment(event_id)), None::<&()>, None::<&()>).await
    }

    /// List the attempts to deliver an event.
    ///
    /// # Errors
    /// As [`SdkError`] tells.
    pub async fn event_attempts(&self, customer_id: &str, event_id: &str, query: &types::EventAttemptsQuery) -> Result<types::EventAttempts, SdkError> {
        self.core.call(Method::GET, &format!("/admin/customers/{}/events/{}/attempts", segment(customer_id), segment(event_id)), Some(query), None::<&()>).await
    }

    /// List the subscriptions that an event went to.
    ///
    /// # Errors
    /// As [`SdkError`] tells.
    pub async fn event_deliveries(&self, customer_id: &str, event_id: &str) -> Result<types::EventDeliveries, SdkError> {
        self.core.call(Method::GET, &format!("/admin/customers/{}/events/{}/deliveries", segment(customer_id), segment(event_id)), None::<&()>, None::<&()>).await
    }

    /// Deliver an event anew.
    ///
    /// # Errors
    /// As [`SdkError`] tells.
    pub async fn resend_event(&self, customer_id: &str, event_id: &str, body: &types::Resend) -> Result<types::Resent, SdkError> {
        self.core.call(Method::POST, &format!("/admin/customers/{}/events/{}/resend", segment(customer_id), segment(event_id)), None::<&()>, Some(body)).await
    }

    /// List the customer's events, the oldest first.
    ///
    /// # Errors
    /// As [`SdkError`] tells.
    pub async fn inbox(&self, customer_id: &str, query: &types::InboxQuery) -> Result<types::InboxPage, SdkError> {
        self.core.call(Method::GET, &format!("/admin/customers/{}/inbox", segment(customer_id)), Some(query), None::<&()>).await
    }

    /// List the customer's events, the oldest first: every item of every page.
    #[must_use]
    pub fn iterate_inbox(&self, customer_id: &str, query: &types::InboxQuery) -> Pages<types::StoredEvent> {
        Pages::new(self.core.clone(), &format!("/admin/customers/{}/inbox", segment(customer_id)), query, "events")
    }

    /// Acknowledge many events.
    ///
    /// # Errors
    /// As [`SdkError`] tells.
    pub async fn ack_inbox(&self, customer_id: &str, body: &types::AckMany) -> Result<types::AckResults, SdkError> {
        self.core.call(Method::POST, &format!("/admin/customers/{}/inbox/ack", segment(customer_id)), None::<&()>, Some(body)).await
    }

    /// List all keys, including revoked and expired ones.
    ///
    /// # Errors
    /// As [`SdkError`] tells.
    pub async fn list_keys(&self, customer_id: &str) -> Result<types::Keys, SdkError> {
        self.core.call(Method::GET, &format!("/admin/customers/{}/keys", segment(customer_id)), None::<&()>, None::<&()>).await
    }

    /// Make a key.
    ///
    /// # Errors
    /// As [`SdkError`] tells.
    pub async fn create_key(&self, customer_id: &str, body: &types::NewKey) -> Result<types::KeyWithText, SdkError> {
        self.core.call(Method::POST, &format!("/admin/customers/{}/keys", segment(customer_id)), None::<&()>, Some(body)).await
    }

    /// Revoke a key.
    ///
    /// # Errors
    /// As [`SdkError`] tells.
    pub async fn revoke_key(&self, customer_id: &str, key_id: &str) -> Result<(), SdkError> {
        self.core.call_empty(Method::DELETE, &format!("/admin/customers/{}/keys/{}", segment(customer_id), segment(key_id)), None::<&()>, None::<&()>).await
    }

    /// Get the customer and the key that the request carries.
    ///
    /// # Errors
    /// As [`SdkError`] tells.
    pub async fn me(&self, customer_id: &str) -> Result<types::Me, SdkError> {
        self.core.call(Method::GET, &format!("/admin/customers/{}/me", segment(customer_id)), None::<&()>, None::<&()>).await
    }

    /// List replays, the oldest first.
    ///
    /// # Errors
    /// As [`SdkError`] tells.
    pub async fn list_replays(&self, customer_id: &str, query: &types::ListReplaysQuery) -> Result<types::ReplayPage, SdkError> {
        self.core.call(Method::GET, &format!("/admin/customers/{}/replay", segment(customer_id)), Some(query), None::<&()>).await
    }

    /// List replays, the oldest first: every item of every page.
    #[must_use]
    pub fn iterate_replays(&self, customer_id: &str, query: &types::ListReplaysQuery) -> Pages<types::Replay> {
        Pages::new(self.core.clone(), &format!("/admin/customers/{}/replay", segment(customer_id)), query, "replays")
    }

    /// Start a replay: deliver events of the past again.
    ///
    /// # Errors
    /// As [`SdkError`] tells.
    pub async fn create_replay(&self, customer_id: &str, body: &types::NewReplay) -> Result<types::CreateReplayAnswer, SdkError> {
        self.core.call(Method::POST, &format!("/admin/customers/{}/replay", segment(customer_id)), None::<&()>, Some(body)).await
    }

    /// Cancel a replay.
    ///
    /// # Errors
    /// As [`SdkError`] tells.
    pub async fn cancel_replay(&self, customer_id: &str, replay_id: &str) -> Result<types::Replay, SdkError> {
        self.core.call(Method::DELETE, &format!("/admin/customers/{}/replay/{}", segment(customer_id), segment(replay_id)), None::<&()>, None::<&()>).await
    }

    /// Get a replay and its progress.
    ///
    /// # Errors
    /// As [`SdkError`] tells.
    pub async fn get_replay(&self, customer_id: &str, replay_id: &str) -> Result<types::Replay, SdkError> {
        self.core.call(Method::GET, &format!("/admin/customers/{}/replay/{}", segment(customer_id), segment(replay_id)), None::<&()>, None::<&()>).await
    }

    /// List subscriptions, the oldest first.
    ///
    /// # Errors
    /// As [`SdkError`] tells.
    pub async fn list_subscriptions(&self, customer_id: &str, query: &types::ListSubscriptionsQuery) -> Result<types::SubscriptionPage, SdkError> {
        self.core.call(Method::GET, &format!("/admin/customers/{}/subscriptions", segment(customer_id)), Some(query), None::<&()>).await
    }

    /// List subscriptions, the oldest first: every item of every page.
    #[must_use]
    pub fn iterate_subscriptions(&self, customer_id: &str, query: &types::ListSubscriptionsQuery) -> Pages<types::Subscription> {
        Pages::new(self.core.clone(), &format!("/admin/customers/{}/subscriptions", segment(customer_id)), query, "subscriptions")
    }

    /// Make a subscription.
    ///
    /// # Errors
    /// As [`SdkError`] tells.
    pub async fn create_subscription(&self, customer_id: &str, body: &types::NewSubscription) -> Result<types::SubscriptionWithSecret, SdkError> {
        self.core.call(Method::POST, &format!("/admin/customers/{}/subscriptions", segment(customer_id)), None::<&()>, Some(body)).await
    }

    /// Try a selector out, before it is stored.
    ///
    /// # Errors
    /// As [`SdkError`] tells.
    pub async fn judge_selector(&self, customer_id: &str, body: &types::SelectorTrial) -> Result<types::Judgement, SdkError> {
        self.core.call(Method::POST, &format!("/admin/customers/{}/subscriptions/judge", segment(customer_id)), None::<&()>, Some(body)).await
    }

    /// Delete a subscription.
    ///
    /// # Errors
    /// As [`SdkError`] tells.
    pub async fn delete_subscription(&self, customer_id: &str, subscription_id: &str) -> Result<(), SdkError> {
        self.core.call_empty(Method::DELETE, &format!("/admin/customers/{}/subscriptions/{}", segment(customer_id), segment(subscription_id)), None::<&()>, None::<&()>).await
    }

    /// Get a subscription.
    ///
    /// # Errors
    /// As [`SdkError`] tells.
    pub async fn get_subscription(&self, customer_id: &str, subscription_id: &str) -> Result<types::Subscription, SdkError> {
        self.core.call(Method::GET, &format!("/admin/customers/{}/subscriptions/{}", segment(customer_id), segment(subscription_id)), None::<&()>, None::<&()>).await
    }

    /// Change a subscription; absent fields stay as they are.
    ///
    /// # Errors
    /// As [`SdkError`] tells.
    pub async fn patch_subscription(&self, customer_id: &str, subscription_id: &str, body: &types::SubscriptionChange) -> Result<types::Subscription, SdkError> {
        self.core.call(Method::PATCH, &format!("/admin/customers/{}/subscriptions/{}", segment(customer_id), segment(subscription_id)), None::<&()>, Some(body)).await
    }

    /// List recent attempts, the newest first.
    ///
    /// # Errors
    /// As [`SdkError`] tells.
    pub async fn list_deliveries(&self, customer_id: &str, subscription_id: &str, query: &types::ListDeliveriesQuery) -> Result<types::Attempts, SdkError> {
        self.core.call(Method::GET, &format!("/admin/customers/{}/subscriptions/{}/deliveries", segment(customer_id), segment(subscription_id)), Some(query), None::<&()>).await
    }

    /// Enable a disabled subscription.
    ///
    /// # Errors
    /// As [`SdkError`] tells.
    pub async fn enable_subscription(&self, customer_id: &str, subscription_id: &str) -> Result<types::Subscription, SdkError> {
        self.core.call(Method::POST, &format!("/admin/customers/{}/subscriptions/{}/enable", segment(customer_id), segment(subscription_id)), None::<&()>, None::<&()>).await
    }

    /// Get the backlog and the breaker of a subscription's endpoint.
    ///
    /// # Errors
    /// As [`SdkError`] tells.
    pub async fn subscription_health(&self, customer_id: &str, subscription_id: &str) -> Result<types::SubscriptionHealth, SdkError> {
        self.core.call(Method::GET, &format!("/admin/customers/{}/subscriptions/{}/health", segment(customer_id), segment(subscription_id)), None::<&()>, None::<&()>).await
    }

    /// Make a new secret.
    ///
    /// # Errors
    /// As [`SdkError`] tells.
    pub async fn rotate_secret(&self, customer_id: &str, subscription_id: &str, body: &types::Rotation) -> Result<types::SubscriptionWithSecret, SdkError> {
        self.core.call(Method::POST, &format!("/admin/customers/{}/subscriptions/{}/rotate-secret", segment(customer_id), segment(subscription_id)), None::<&()>, Some(body)).await
    }

    /// Try a subscription out.
    ///
    /// # Errors
    /// As [`SdkError`] tells.
    pub async fn test_event(&self, customer_id: &str, subscription_id: &str, body: &types::Trial) -> Result<types::TrialResult, SdkError> {
        self.core.call(Method::POST, &format!("/admin/customers/{}/subscriptions/{}/test", segment(customer_id), segment(subscription_id)), None::<&()>, Some(body)).await
    }

    /// Show the webhook that an event would make.
    ///
    /// # Errors
    /// As [`SdkError`] tells.
    pub async fn test_transform(&self, customer_id: &str, subscription_id: &str, body: &types::TransformTrial) -> Result<types::TransformResult, SdkError> {
        self.core.call(Method::POST, &format!("/admin/customers/{}/subscriptions/{}/transform/test", segment(customer_id), segment(subscription_id)), None::<&()>, Some(body)).await
    }

    /// Get numbers of events and bytes by minute, hour or day.
    ///
    /// # Errors
    /// As [`SdkError`] tells.
    pub async fn usage(&self, customer_id: &str, query: &types::UsageQuery) -> Result<types::Usage, SdkError> {
        self.core.call(Method::GET, &format!("/admin/customers/{}/usage", segment(customer_id)), Some(query), None::<&()>).await
    }

    /// Get this process: its roles, shards, dependencies and version.
    ///
    /// # Errors
    /// As [`SdkError`] tells.
    pub async fn system(&self) -> Result<types::System, SdkError> {
        self.core.call(Method::GET, "/admin/system", None::<&()>, None::<&()>).await
    }
}
