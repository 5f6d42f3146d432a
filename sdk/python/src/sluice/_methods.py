"""One thin method for each operation of the API.

Written by sdk/generate from the OpenAPI documents; do not edit.
"""

from __future__ import annotations

from typing import Any, AsyncIterator, Iterator, List, Mapping, Optional, cast

from . import types
from ._request import segment


class ClientMethods:
    """The operations that a customer's key may call."""

    def _call(
        self, method: str, path: str, query: Optional[Mapping[str, Any]] = None, body: Any = None
    ) -> Any:
        raise NotImplementedError

    def _pages(self, path: str, query: Mapping[str, Any], items: str) -> Iterator[Any]:
        raise NotImplementedError

    def docs(self) -> None:
        """This document as a page for people."""
        self._call("GET", "/docs")

    def health(self) -> types.Health:
        """Check that the process answers, and its environment."""
        return cast("types.Health", self._call("GET", "/health"))

    def live(self) -> types.State:
        """Check that the process lives."""
        return cast("types.State", self._call("GET", "/healthz"))

    def ready(self) -> types.State:
        """Check whether requests should be sent to this process."""
        return cast("types.State", self._call("GET", "/readyz"))

    def list_audit(
        self,
        *,
        action: Optional[types.ListAuditAction] = None,
        actor: Optional[types.ListAuditActor] = None,
        key_id: Optional[str] = None,
        order: Optional[types.ListAuditOrder] = None,
        start_time: Optional[str] = None,
        end_time: Optional[str] = None,
        limit: Optional[int] = None,
        cursor: Optional[str] = None,
    ) -> types.AuditPage:
        """List who changed the customer's settings, when and from where."""
        return cast("types.AuditPage", self._call("GET", "/v1/audit", {"action": action, "actor": actor, "key_id": key_id, "order": order, "start_time": start_time, "end_time": end_time, "limit": limit, "cursor": cursor}))

    def iterate_audit(
        self,
        *,
        action: Optional[types.ListAuditAction] = None,
        actor: Optional[types.ListAuditActor] = None,
        key_id: Optional[str] = None,
        order: Optional[types.ListAuditOrder] = None,
        start_time: Optional[str] = None,
        end_time: Optional[str] = None,
        limit: Optional[int] = None,
    ) -> Iterator[types.AuditEntry]:
        """List who changed the customer's settings, when and from where: every item of every page."""
        return self._pages("/v1/audit", {"action": action, "actor": actor, "key_id": key_id, "order": order, "start_time": start_time, "end_time": end_time, "limit": limit}, "audit")

    def delete_dead_letters(
        self,
        *,
        workflow_id: Optional[str] = None,
        reason: Optional[types.DeadLetterReason] = None,
        start_time: Optional[str] = None,
        end_time: Optional[str] = None,
    ) -> types.DeletedMany:
        """Delete the dead letters that a filter names."""
        return cast("types.DeletedMany", self._call("DELETE", "/v1/dead-letters", {"workflow_id": workflow_id, "reason": reason, "start_time": start_time, "end_time": end_time}))

    def list_dead_letters(
        self,
        *,
        workflow_id: Optional[str] = None,
        reason: Optional[types.DeadLetterReason] = None,
        start_time: Optional[str] = None,
        end_time: Optional[str] = None,
        limit: Optional[int] = None,
        cursor: Optional[str] = None,
    ) -> types.DeadLetterPage:
        """List deliveries that were given up, the oldest first."""
        return cast("types.DeadLetterPage", self._call("GET", "/v1/dead-letters", {"workflow_id": workflow_id, "reason": reason, "start_time": start_time, "end_time": end_time, "limit": limit, "cursor": cursor}))

    def iterate_dead_letters(
        self,
        *,
        workflow_id: Optional[str] = None,
        reason: Optional[types.DeadLetterReason] = None,
        start_time: Optional[str] = None,
        end_time: Optional[str] = None,
        limit: Optional[int] = None,
    ) -> Iterator[types.DeadLetter]:
        """List deliveries that were given up, the oldest first: every item of every page."""
        return self._pages("/v1/dead-letters", {"workflow_id": workflow_id, "reason": reason, "start_time": start_time, "end_time": end_time, "limit": limit}, "dead_letters")

    def redrive(self, body: Optional[types.Redrive] = None) -> types.Redriven:
        """Deliver dead letters anew."""
        return cast("types.Redriven", self._call("POST", "/v1/dead-letters/redrive", body={} if body is None else body))

    def count_dead_letters(
        self,
        *,
        workflow_id: Optional[str] = None,
        reason: Optional[types.DeadLetterReason] = None,
        start_time: Optional[str] = None,
        end_time: Optional[str] = None,
    ) -> types.DeadLetterSummary:
        """Count the dead letters that a filter names."""
        return cast("types.DeadLetterSummary", self._call("GET", "/v1/dead-letters/summary", {"workflow_id": workflow_id, "reason": reason, "start_time": start_time, "end_time": end_time}))

    def delete_dead_letter(self, dead_letter_id: str) -> types.Deleted:
        """Delete a dead letter."""
        return cast("types.Deleted", self._call("DELETE", f"/v1/dead-letters/{segment(dead_letter_id)}"))

    def list_event_types(
        self,
        *,
        limit: Optional[int] = None,
        cursor: Optional[str] = None,
    ) -> types.EventTypePage:
        """List event types, by name."""
        return cast("types.EventTypePage", self._call("GET", "/v1/event-types", {"limit": limit, "cursor": cursor}))

    def iterate_event_types(self, *, limit: Optional[int] = None) -> Iterator[types.EventType]:
        """List event types, by name: every item of every page."""
        return self._pages("/v1/event-types", {"limit": limit}, "event_types")

    def delete_event_type(self, name: str) -> None:
        """Delete an event type."""
        self._call("DELETE", f"/v1/event-types/{segment(name)}")

    def get_event_type(self, name: str) -> types.EventType:
        """Get an event type."""
        return cast("types.EventType", self._call("GET", f"/v1/event-types/{segment(name)}"))

    def put_event_type(self, name: str, body: types.NewEventType) -> types.EventType:
        """Declare an event type, or replace it."""
        return cast("types.EventType", self._call("PUT", f"/v1/event-types/{segment(name)}", body=body))

    def test_event_type(self, name: str, body: types.EventTypeTrial) -> types.EventTypeResult:
        """Check whether a payload fits."""
        return cast("types.EventTypeResult", self._call("POST", f"/v1/event-types/{segment(name)}/test", body=body))

    def get_event(self, event_id: str) -> types.StoredEvent:
        """Get an event with its status."""
        return cast("types.StoredEvent", self._call("GET", f"/v1/events/{segment(event_id)}"))

    def ack_event(self, event_id: str) -> types.Acknowledged:
        """Acknowledge an event."""
        return cast("types.Acknowledged", self._call("POST", f"/v1/events/{segment(event_id)}/ack"))

    def event_attempts(
        self,
        event_id: str,
        *,
        workflow_id: Optional[str] = None,
        limit: Optional[int] = None,
    ) -> types.EventAttempts:
        """List the attempts to deliver an event."""
        return cast("types.EventAttempts", self._call("GET", f"/v1/events/{segment(event_id)}/attempts", {"workflow_id": workflow_id, "limit": limit}))

    def event_deliveries(self, event_id: str) -> types.EventDeliveries:
        """List the subscriptions that an event went to."""
        return cast("types.EventDeliveries", self._call("GET", f"/v1/events/{segment(event_id)}/deliveries"))

    def resend_event(self, event_id: str, body: Optional[types.Resend] = None) -> types.Resent:
        """Deliver an event anew."""
        return cast("types.Resent", self._call("POST", f"/v1/events/{segment(event_id)}/resend", body={} if body is None else body))

    def inbox(
        self,
        *,
        status: Optional[types.StatusFilter] = None,
        event_type: Optional[str] = None,
        source: Optional[str] = None,
        tag: Optional[str] = None,
        order: Optional[types.ListAuditOrder] = None,
        start_time: Optional[str] = None,
        end_time: Optional[str] = None,
        limit: Optional[int] = None,
        cursor: Optional[str] = None,
    ) -> types.InboxPage:
        """List the customer's events, the oldest first."""
        return cast("types.InboxPage", self._call("GET", "/v1/inbox", {"status": status, "event_type": event_type, "source": source, "tag": tag, "order": order, "start_time": start_time, "end_time": end_time, "limit": limit, "cursor": cursor}))

    def iterate_inbox(
        self,
        *,
        status: Optional[types.StatusFilter] = None,
        event_type: Optional[str] = None,
        source: Optional[str] = None,
        tag: Optional[str] = None,
        order: Optional[types.ListAuditOrder] = None,
        start_time: Optional[str] = None,
        end_time: Optional[str] = None,
        limit: Optional[int] = None,
    ) -> Iterator[types.StoredEvent]:
        """List the customer's events, the oldest first: every item of every page."""
        return self._pages("/v1/inbox", {"status": status, "event_type": event_type, "source": source, "tag": tag, "order": order, "start_time": start_time, "end_time": end_time, "limit": limit}, "events")

    def ack_inbox(self, body: types.AckMany) -> types.AckResults:
        """Acknowledge many events."""
        return cast("types.AckResults", self._call("POST", "/v1/inbox/ack", body=body))

    def me(self) -> types.Me:
        """Get the customer and the key that the request carries."""
        return cast("types.Me", self._call("GET", "/v1/me"))

    def list_replays(self, *, limit: Optional[int] = None, cursor: Optional[str] = None) -> types.ReplayPage:
        """List replays, the oldest first."""
        return cast("types.ReplayPage", self._call("GET", "/v1/replay", {"limit": limit, "cursor": cursor}))

    def iterate_replays(self, *, limit: Optional[int] = None) -> Iterator[types.Replay]:
        """List replays, the oldest first: every item of every page."""
        return self._pages("/v1/replay", {"limit": limit}, "replays")

    def create_replay(self, body: types.NewReplay) -> types.CreateReplayAnswer:
        """Start a replay: deliver events of the past again."""
        return cast("types.CreateReplayAnswer", self._call("POST", "/v1/replay", body=body))

    def cancel_replay(self, replay_id: str) -> types.Replay:
        """Cancel a replay."""
        return cast("types.Replay", self._call("DELETE", f"/v1/replay/{segment(replay_id)}"))

    def get_replay(self, replay_id: str) -> types.Replay:
        """Get a replay and its progress."""
        return cast("types.Replay", self._call("GET", f"/v1/replay/{segment(replay_id)}"))

    def list_subscriptions(
        self,
        *,
        limit: Optional[int] = None,
        cursor: Optional[str] = None,
    ) -> types.SubscriptionPage:
        """List subscriptions, the oldest first."""
        return cast("types.SubscriptionPage", self._call("GET", "/v1/subscriptions", {"limit": limit, "cursor": cursor}))

    def iterate_subscriptions(self, *, limit: Optional[int] = None) -> Iterator[types.Subscription]:
        """List subscriptions, the oldest first: every item of every page."""
        return self._pages("/v1/subscriptions", {"limit": limit}, "subscriptions")

    def create_subscription(self, body: types.NewSubscription) -> types.SubscriptionWithSecret:
        """Make a subscription."""
        return cast("types.SubscriptionWithSecret", self._call("POST", "/v1/subscriptions", body=body))

    def judge_selector(self, body: types.SelectorTrial) -> types.Judgement:
        """Try a selector out, before it is stored."""
        return cast("types.Judgement", self._call("POST", "/v1/subscriptions/judge", body=body))

    def delete_subscription(self, subscription_id: str) -> None:
        """Delete a subscription."""
        self._call("DELETE", f"/v1/subscriptions/{segment(subscription_id)}")

    def get_subscription(self, subscription_id: str) -> types.Subscription:
        """Get a subscription."""
        return cast("types.Subscription", self._call("GET", f"/v1/subscriptions/{segment(subscription_id)}"))

    def patch_subscription(self, subscription_id: str, body: types.SubscriptionChange) -> types.Subscription:
        """Change a subscription; absent fields stay as they are."""
        return cast("types.Subscription", self._call("PATCH", f"/v1/subscriptions/{segment(subscription_id)}", body=body))

    def list_deliveries(self, subscription_id: str, *, limit: Optional[int] = None) -> types.Attempts:
        """List recent attempts, the newest first."""
        return cast("types.Attempts", self._call("GET", f"/v1/subscriptions/{segment(subscription_id)}/deliveries", {"limit": limit}))

    def enable_subscription(self, subscription_id: str) -> types.Subscription:
        """Enable a disabled subscription."""
        return cast("types.Subscription", self._call("POST", f"/v1/subscriptions/{segment(subscription_id)}/enable"))

    def subscription_health(self, subscription_id: str) -> types.SubscriptionHealth:
        """Get the backlog and the breaker of a subscription's endpoint."""
        return cast("types.SubscriptionHealth", self._call("GET", f"/v1/subscriptions/{segment(subscription_id)}/health"))

    def rotate_secret(
        self,
        subscription_id: str,
        body: Optional[types.Rotation] = None,
    ) -> types.SubscriptionWithSecret:
        """Make a new secret."""
        return cast("types.SubscriptionWithSecret", self._call("POST", f"/v1/subscriptions/{segment(subscription_id)}/rotate-secret", body={} if body is None else body))

    def test_event(self, subscription_id: str, body: Optional[types.Trial] = None) -> types.TrialResult:
        """Try a subscription out."""
        return cast("types.TrialResult", self._call("POST", f"/v1/subscriptions/{segment(subscription_id)}/test", body={} if body is None else body))

    def test_transform(
        self,
        subscription_id: str,
        body: Optional[types.TransformTrial] = None,
    ) -> types.TransformResult:
        """Show the webhook that an event would make."""
        return cast("types.TransformResult", self._call("POST", f"/v1/subscriptions/{segment(subscription_id)}/transform/test", body={} if body is None else body))

    def usage(
        self,
        *,
        since: Optional[str] = None,
        until: Optional[str] = None,
        granularity: Optional[types.UsageGranularity] = None,
        group_by: Optional[types.UsageGroupBy] = None,
    ) -> types.Usage:
        """Get numbers of events and bytes by minute, hour or day."""
        return cast("types.Usage", self._call("GET", "/v1/usage", {"since": since, "until": until, "granularity": granularity, "group_by": group_by}))


class AdminMethods:
    """The operations that the admin token may call."""

    def _call(
        self, method: str, path: str, query: Optional[Mapping[str, Any]] = None, body: Any = None
    ) -> Any:
        raise NotImplementedError

    def _pages(self, path: str, query: Mapping[str, Any], items: str) -> Iterator[Any]:
        raise NotImplementedError

    def list_all_audit(
        self,
        *,
        customer_id: Optional[str] = None,
        action: Optional[types.ListAuditAction] = None,
        actor: Optional[types.ListAuditActor] = None,
        key_id: Optional[str] = None,
        order: Optional[types.ListAuditOrder] = None,
        start_time: Optional[str] = None,
        end_time: Optional[str] = None,
        limit: Optional[int] = None,
        cursor: Optional[str] = None,
    ) -> types.AuditPage:
        """List who changed what, when and from where."""
        return cast("types.AuditPage", self._call("GET", "/admin/audit", {"customer_id": customer_id, "action": action, "actor": actor, "key_id": key_id, "order": order, "start_time": start_time, "end_time": end_time, "limit": limit, "cursor": cursor}))

    def iterate_all_audit(
        self,
        *,
        customer_id: Optional[str] = None,
        action: Optional[types.ListAuditAction] = None,
        actor: Optional[types.ListAuditActor] = None,
        key_id: Optional[str] = None,
        order: Optional[types.ListAuditOrder] = None,
        start_time: Optional[str] = None,
        end_time: Optional[str] = None,
        limit: Optional[int] = None,
    ) -> Iterator[types.AuditEntry]:
        """List who changed what, when and from where: every item of every page."""
        return self._pages("/admin/audit", {"customer_id": customer_id, "action": action, "actor": actor, "key_id": key_id, "order": order, "start_time": start_time, "end_time": end_time, "limit": limit}, "audit")

    def list_customers(
        self,
        *,
        limit: Optional[int] = None,
        cursor: Optional[str] = None,
    ) -> types.CustomerPage:
        """List customers, the oldest first."""
        return cast("types.CustomerPage", self._call("GET", "/admin/customers", {"limit": limit, "cursor": cursor}))

    def iterate_customers(self, *, limit: Optional[int] = None) -> Iterator[types.Customer]:
        """List customers, the oldest first: every item of every page."""
        return self._pages("/admin/customers", {"limit": limit}, "customers")

    def create_customer(self, body: types.NewCustomer) -> types.Customer:
        """Make a customer."""
        return cast("types.Customer", self._call("POST", "/admin/customers", body=body))

    def get_customer(self, customer_id: str) -> types.Customer:
        """Get a customer."""
        return cast("types.Customer", self._call("GET", f"/admin/customers/{segment(customer_id)}"))

    def patch_customer(self, customer_id: str, body: types.CustomerChange) -> types.Customer:
        """Change a customer; absent fields stay as they are."""
        return cast("types.Customer", self._call("PATCH", f"/admin/customers/{segment(customer_id)}", body=body))

    def list_audit(
        self,
        customer_id: str,
        *,
        action: Optional[types.ListAuditAction] = None,
        actor: Optional[types.ListAuditActor] = None,
        key_id: Optional[str] = None,
        order: Optional[types.ListAuditOrder] = None,
        start_time: Optional[str] = None,
        end_time: Optional[str] = None,
        limit: Optional[int] = None,
        cursor: Optional[str] = None,
    ) -> types.AuditPage:
        """List who changed the customer's settings, when and from where."""
        return cast("types.AuditPage", self._call("GET", f"/admin/customers/{segment(customer_id)}/audit", {"action": action, "actor": actor, "key_id": key_id, "order": order, "start_time": start_time, "end_time": end_time, "limit": limit, "cursor": cursor}))

    def iterate_audit(
        self,
        customer_id: str,
        *,
        action: Optional[types.ListAuditAction] = None,
        actor: Optional[types.ListAuditActor] = None,
        key_id: Optional[str] = None,
        order: Optional[types.ListAuditOrder] = None,
        start_time: Optional[str] = None,
        end_time: Optional[str] = None,
        limit: Optional[int] = None,
    ) -> Iterator[types.AuditEntry]:
        """List who changed the customer's settings, when and from where: every item of every page."""
        return self._pages(f"/admin/customers/{segment(customer_id)}/audit", {"action": action, "actor": actor, "key_id": key_id, "order": order, "start_time": start_time, "end_time": end_time, "limit": limit}, "audit")

    def delete_dead_letters(
        self,
        customer_id: str,
        *,
        workflow_id: Optional[str] = None,
        reason: Optional[types.DeadLetterReason] = None,
        start_time: Optional[str] = None,
        end_time: Optional[str] = None,
    ) -> types.DeletedMany:
        """Delete the dead letters that a filter names."""
        return cast("types.DeletedMany", self._call("DELETE", f"/admin/customers/{segment(customer_id)}/dead-letters", {"workflow_id": workflow_id, "reason": reason, "start_time": start_time, "end_time": end_time}))

    def list_dead_letters(
        self,
        customer_id: str,
        *,
        workflow_id: Optional[str] = None,
        reason: Optional[types.DeadLetterReason] = None,
        start_time: Optional[str] = None,
        end_time: Optional[str] = None,
        limit: Optional[int] = None,
        cursor: Optional[str] = None,
    ) -> types.DeadLetterPage:
        """List deliveries that were given up, the oldest first."""
        return cast("types.DeadLetterPage", self._call("GET", f"/admin/customers/{segment(customer_id)}/dead-letters", {"workflow_id": workflow_id, "reason": reason, "start_time": start_time, "end_time": end_time, "limit": limit, "cursor": cursor}))

    def iterate_dead_letters(
        self,
        customer_id: str,
        *,
        workflow_id: Optional[str] = None,
        reason: Optional[types.DeadLetterReason] = None,
        start_time: Optional[str] = None,
        end_time: Optional[str] = None,
        limit: Optional[int] = None,
    ) -> Iterator[types.DeadLetter]:
        """List deliveries that were given up, the oldest first: every item of every page."""
        return self._pages(f"/admin/customers/{segment(customer_id)}/dead-letters", {"workflow_id": workflow_id, "reason": reason, "start_time": start_time, "end_time": end_time, "limit": limit}, "dead_letters")

    def redrive(self, customer_id: str, body: Optional[types.Redrive] = None) -> types.Redriven:
        """Deliver dead letters anew."""
        return cast("types.Redriven", self._call("POST", f"/admin/customers/{segment(customer_id)}/dead-letters/redrive", body={} if body is None else body))

    def count_dead_letters(
        self,
        customer_id: str,
        *,
        workflow_id: Optional[str] = None,
        reason: Optional[types.DeadLetterReason] = None,
        start_time: Optional[str] = None,
        end_time: Optional[str] = None,
    ) -> types.DeadLetterSummary:
        """Count the dead letters that a filter names."""
        return cast("types.DeadLetterSummary", self._call("GET", f"/admin/customers/{segment(customer_id)}/dead-letters/summary", {"workflow_id": workflow_id, "reason": reason, "start_time": start_time, "end_time": end_time}))

    def delete_dead_letter(self, customer_id: str, dead_letter_id: str) -> types.Deleted:
        """Delete a dead letter."""
        return cast("types.Deleted", self._call("DELETE", f"/admin/customers/{segment(customer_id)}/dead-letters/{segment(dead_letter_id)}"))

    def list_event_types(
        self,
        customer_id: str,
        *,
        limit: Optional[int] = None,
        cursor: Optional[str] = None,
    ) -> types.EventTypePage:
        """List event types, by name."""
        return cast("types.EventTypePage", self._call("GET", f"/admin/customers/{segment(customer_id)}/event-types", {"limit": limit, "cursor": cursor}))

    def iterate_event_types(
        self,
        customer_id: str,
        *,
        limit: Optional[int] = None,
    ) -> Iterator[types.EventType]:
        """List event types, by name: every item of every page."""
        return self._pages(f"/admin/customers/{segment(customer_id)}/event-types", {"limit": limit}, "event_types")

    def delete_event_type(self, customer_id: str, name: str) -> None:
        """Delete an event type."""
        self._call("DELETE", f"/admin/customers/{segment(customer_id)}/event-types/{segment(name)}")

    def get_event_type(self, customer_id: str, name: str) -> types.EventType:
        """Get an event type."""
        return cast("types.EventType", self._call("GET", f"/admin/customers/{segment(customer_id)}/event-types/{segment(name)}"))

    def put_event_type(self, customer_id: str, name: str, body: types.NewEventType) -> types.EventType:
        """Declare an event type, or replace it."""
        return cast("types.EventType", self._call("PUT", f"/admin/customers/{segment(customer_id)}/event-types/{segment(name)}", body=body))

    def test_event_type(
        self,
        customer_id: str,
        name: str,
        body: types.EventTypeTrial,
    ) -> types.EventTypeResult:
        """Check whether a payload fits."""
        return cast("types.EventTypeResult", self._call("POST", f"/admin/customers/{segment(customer_id)}/event-types/{segment(name)}/test", body=body))

    def get_event(self, customer_id: str, event_id: str) -> types.StoredEvent:
        """Get an event with its status."""
        return cast("types.StoredEvent", self._call("GET", f"/admin/customers/{segment(customer_id)}/events/{segment(event_id)}"))

    def ack_event(self, customer_id: str, event_id: str) -> types.Acknowledged:
        """Acknowledge an event."""
        return cast("types.Acknowledged", self._call("POST", f"/admin/customers/{segment(customer_id)}/events/{segment(event_id)}/ack"))

    def event_attempts(
        self,
        customer_id: str,
        event_id: str,
        *,
        workflow_id: Optional[str] = None,
        limit: Optional[int] = None,
    ) -> types.EventAttempts:
        """List the attempts to deliver an event."""
        return cast("types.EventAttempts", self._call("GET", f"/admin/customers/{segment(customer_id)}/events/{segment(event_id)}/attempts", {"workflow_id": workflow_id, "limit": limit}))

    def event_deliveries(self, customer_id: str, event_id: str) -> types.EventDeliveries:
        """List the subscriptions that an event went to."""
        return cast("types.EventDeliveries", self._call("GET", f"/admin/customers/{segment(customer_id)}/events/{segment(event_id)}/deliveries"))

    def resend_event(
        self,
        customer_id: str,
        event_id: str,
        body: Optional[types.Resend] = None,
    ) -> types.Resent:
        """Deliver an event anew."""
        return cast("types.Resent", self._call("POST", f"/admin/customers/{segment(customer_id)}/events/{segment(event_id)}/resend", body={} if body is None else body))

    def inbox(
        self,
        customer_id: str,
        *,
        status: Optional[types.StatusFilter] = None,
        event_type: Optional[str] = None,
        source: Optional[str] = None,
        tag: Optional[str] = None,
        order: Optional[types.ListAuditOrder] = None,
        start_time: Optional[str] = None,
        end_time: Optional[str] = None,
        limit: Optional[int] = None,
        cursor: Optional[str] = None,
    ) -> types.InboxPage:
        """List the customer's events, the oldest first."""
        return cast("types.InboxPage", self._call("GET", f"/admin/customers/{segment(customer_id)}/inbox", {"status": status, "event_type": event_type, "source": source, "tag": tag, "order": order, "start_time": start_time, "end_time": end_time, "limit": limit, "cursor": cursor}))

    def iterate_inbox(
        self,
        customer_id: str,
        *,
        status: Optional[types.StatusFilter] = None,
        event_type: Optional[str] = None,
        source: Optional[str] = None,
        tag: Optional[str] = None,
        order: Optional[types.ListAuditOrder] = None,
        start_time: Optional[str] = None,
        end_time: Optional[str] = None,
        limit: Optional[int] = None,
    ) -> Iterator[types.StoredEvent]:
        """List the customer's events, the oldest first: every item of every page."""
        return self._pages(f"/admin/customers/{segment(customer_id)}/inbox", {"status": status, "event_type": event_type, "source": source, "tag": tag, "order": order, "start_time": start_time, "end_time": end_time, "limit": limit}, "events")

    def ack_inbox(self, customer_id: str, body: types.AckMany) -> types.AckResults:
        """Acknowledge many events."""
        return cast("types.AckResults", self._call("POST", f"/admin/customers/{segment(customer_id)}/inbox/ack", body=body))

    def list_keys(self, customer_id: str) -> types.Keys:
        """List all keys, including revoked and expired ones."""
        return cast("types.Keys", self._call("GET", f"/admin/customers/{segment(customer_id)}/keys"))

    def create_key(self, customer_id: str, body: Optional[types.NewKey] = None) -> types.KeyWithText:
        """Make a key."""
        return cast("types.KeyWithText", self._call("POST", f"/admin/customers/{segment(customer_id)}/keys", body={} if body is None else body))

    def revoke_key(self, customer_id: str, key_id: str) -> None:
        """Revoke a key."""
        self._call("DELETE", f"/admin/customers/{segment(customer_id)}/keys/{segment(key_id)}")

    def me(self, customer_id: str) -> types.Me:
        """Get the customer and the key that the request carries."""
        return cast("types.Me", self._call("GET", f"/admin/customers/{segment(customer_id)}/me"))

    def list_replays(
        self,
        customer_id: str,
        *,
        limit: Optional[int] = None,
        cursor: Optional[str] = None,
    ) -> types.ReplayPage:
        """List replays, the oldest first."""
        return cast("types.ReplayPage", self._call("GET", f"/admin/customers/{segment(customer_id)}/replay", {"limit": limit, "cursor": cursor}))

    def iterate_replays(self, customer_id: str, *, limit: Optional[int] = None) -> Iterator[types.Replay]:
        """List replays, the oldest first: every item of every page."""
        return self._pages(f"/admin/customers/{segment(customer_id)}/replay", {"limit": limit}, "replays")

    def create_replay(self, customer_id: str, body: types.NewReplay) -> types.CreateReplayAnswer:
        """Start a replay: deliver events of the past again."""
        return cast("types.CreateReplayAnswer", self._call("POST", f"/admin/customers/{segment(customer_id)}/replay", body=body))

    def cancel_replay(self, customer_id: str, replay_id: str) -> types.Replay:
        """Cancel a replay."""
        return cast("types.Replay", self._call("DELETE", f"/admin/customers/{segment(customer_id)}/replay/{segment(replay_id)}"))

    def get_replay(self, customer_id: str, replay_id: str) -> types.Replay:
        """Get a replay and its progress."""
        return cast("types.Replay", self._call("GET", f"/admin/customers/{segment(customer_id)}/replay/{segment(replay_id)}"))

    def list_subscriptions(
        self,
        customer_id: str,
        *,
        limit: Optional[int] = None,
        cursor: Optional[str] = None,
    ) -> types.SubscriptionPage:
        """List subscriptions, the oldest first."""
        return cast("types.SubscriptionPage", self._call("GET", f"/admin/customers/{segment(customer_id)}/subscriptions", {"limit": limit, "cursor": cursor}))

    def iterate_subscriptions(
        self,
        customer_id: str,
        *,
        limit: Optional[int] = None,
    ) -> Iterator[types.Subscription]:
        """List subscriptions, the oldest first: every item of every page."""
        return self._pages(f"/admin/customers/{segment(customer_id)}/subscriptions", {"limit": limit}, "subscriptions")

    def create_subscription(
        self,
        customer_id: str,
        body: types.NewSubscription,
    ) -> types.SubscriptionWithSecret:
        """Make a subscription."""
        return cast("types.SubscriptionWithSecret", self._call("POST", f"/admin/customers/{segment(customer_id)}/subscriptions", body=body))

    def judge_selector(self, customer_id: str, body: types.SelectorTrial) -> types.Judgement:
        """Try a selector out, before it is stored."""
        return cast("types.Judgement", self._call("POST", f"/admin/customers/{segment(customer_id)}/subscriptions/judge", body=body))

    def delete_subscription(self, customer_id: str, subscription_id: str) -> None:
        """Delete a subscription."""
        self._call("DELETE", f"/admin/customers/{segment(customer_id)}/subscriptions/{segment(subscription_id)}")

    def get_subscription(self, customer_id: str, subscription_id: str) -> types.Subscription:
        """Get a subscription."""
        return cast("types.Subscription", self._call("GET", f"/admin/customers/{segment(customer_id)}/subscriptions/{segment(subscription_id)}"))

    def patch_subscription(
        self,
        customer_id: str,
        subscription_id: str,
        body: types.SubscriptionChange,
    ) -> types.Subscription:
        """Change a subscription; absent fields stay as they are."""
        return cast("types.Subscription", self._call("PATCH", f"/admin/customers/{segment(customer_id)}/subscriptions/{segment(subscription_id)}", body=body))

    def list_deliveries(
        self,
        customer_id: str,
        subscription_id: str,
        *,
        limit: Optional[int] = None,
    ) -> types.Attempts:
        """List recent attempts, the newest first."""
        return cast("types.Attempts", self._call("GET", f"/admin/customers/{segment(customer_id)}/subscriptions/{segment(subscription_id)}/deliveries", {"limit": limit}))

    def enable_subscription(self, customer_id: str, subscription_id: str) -> types.Subscription:
        """Enable a disabled subscription."""
        return cast("types.Subscription", self._call("POST", f"/admin/customers/{segment(customer_id)}/subscriptions/{segment(subscription_id)}/enable"))

    def subscription_health(self, customer_id: str, subscription_id: str) -> types.SubscriptionHealth:
        """Get the backlog and the breaker of a subscription's endpoint."""
        return cast("types.SubscriptionHealth", self._call("GET", f"/admin/customers/{segment(customer_id)}/subscriptions/{segment(subscription_id)}/health"))

    def rotate_secret(
        self,
        customer_id: str,
        subscription_id: str,
        body: Optional[types.Rotation] = None,
    ) -> types.SubscriptionWithSecret:
        """Make a new secret."""
        return cast("types.SubscriptionWithSecret", self._call("POST", f"/admin/customers/{segment(customer_id)}/subscriptions/{segment(subscription_id)}/rotate-secret", body={} if body is None else body))

    def test_event(
        self,
        customer_id: str,
        subscription_id: str,
        body: Optional[types.Trial] = None,
    ) -> types.TrialResult:
        """Try a subscription out."""
        return cast("types.TrialResult", self._call("POST", f"/admin/customers/{segment(customer_id)}/subscriptions/{segment(subscription_id)}/test", body={} if body is None else body))

    def test_transform(
        self,
        customer_id: str,
        subscription_id: str,
        body: Optional[types.TransformTrial] = None,
    ) -> types.TransformResult:
        """Show the webhook that an event would make."""
        return cast("types.TransformResult", self._call("POST", f"/admin/customers/{segment(customer_id)}/subscriptions/{segment(subscription_id)}/transform/test", body={} if body is None else body))

    def usage(
        self,
        customer_id: str,
        *,
        since: Optional[str] = None,
        until: Optional[str] = None,
        granularity: Optional[types.UsageGranularity] = None,
        group_by: Optional[types.UsageGroupBy] = None,
    ) -> types.Usage:
        """Get numbers of events and bytes by minute, hour or day."""
        return cast("types.Usage", self._call("GET", f"/admin/customers/{segment(customer_id)}/usage", {"since": since, "until": until, "granularity": granularity, "group_by": group_by}))

    def system(self) -> types.System:
        """Get this process: its roles, shards, dependencies and version."""
        return cast("types.System", self._call("GET", "/admin/system"))


class AsyncClientMethods:
    """The operations that a customer's key may call."""

    async def _call(
        self, method: str, path: str, query: Optional[Mapping[str, Any]] = None, body: Any = None
    ) -> Any:
        raise NotImplementedError

    def _pages(self, path: str, query: Mapping[str, Any], items: str) -> AsyncIterator[Any]:
        raise NotImplementedError

    async def docs(self) -> None:
        """This document as a page for people."""
        await self._call("GET", "/docs")

    async def health(self) -> types.Health:
        """Check that the process answers, and its environment."""
        return cast("types.Health", await self._call("GET", "/health"))

    async def live(self) -> types.State:
        """Check that the process lives."""
        return cast("types.State", await self._call("GET", "/healthz"))

    async def ready(self) -> types.State:
        """Check whether requests should be sent to this process."""
        return cast("types.State", await self._call("GET", "/readyz"))

    async def list_audit(
        self,
        *,
        action: Optional[types.ListAuditAction] = None,
        actor: Optional[types.ListAuditActor] = None,
        key_id: Optional[str] = None,
        order: Optional[types.ListAuditOrder] = None,
        start_time: Optional[str] = None,
        end_time: Optional[str] = None,
        limit: Optional[int] = None,
        cursor: Optional[str] = None,
    ) -> types.AuditPage:
        """List who changed the customer's settings, when and from where."""
        return cast("types.AuditPage", await self._call("GET", "/v1/audit", {"action": action, "actor": actor, "key_id": key_id, "order": order, "start_time": start_time, "end_time": end_time, "limit": limit, "cursor": cursor}))

    def iterate_audit(
        self,
        *,
        action: Optional[types.ListAuditAction] = None,
        actor: Optional[types.ListAuditActor] = None,
        key_id: Optional[str] = None,
        order: Optional[types.ListAuditOrder] = None,
        start_time: Optional[str] = None,
        end_time: Optional[str] = None,
        limit: Optional[int] = None,
    ) -> AsyncIterator[types.AuditEntry]:
        """List who changed the customer's settings, when and from where: every item of every page."""
        return self._pages("/v1/audit", {"action": action, "actor": actor, "key_id": key_id, "order": order, "start_time": start_time, "end_time": end_time, "limit": limit}, "audit")

    async def delete_dead_letters(
        self,
        *,
        workflow_id: Optional[str] = None,
        reason: Optional[types.DeadLetterReason] = None,
        start_time: Optional[str] = None,
        end_time: Optional[str] = None,
    ) -> types.DeletedMany:
        """Delete the dead letters that a filter names."""
        return cast("types.DeletedMany", await self._call("DELETE", "/v1/dead-letters", {"workflow_id": workflow_id, "reason": reason, "start_time": start_time, "end_time": end_time}))

    async def list_dead_letters(
        self,
        *,
        workflow_id: Optional[str] = None,
        reason: Optional[types.DeadLetterReason] = None,
        start_time: Optional[str] = None,
        end_time: Optional[str] = None,
        limit: Optional[int] = None,
        cursor: Optional[str] = None,
    ) -> types.DeadLetterPage:
        """List deliveries that were given up, the oldest first."""
        return cast("types.DeadLetterPage", await self._call("GET", "/v1/dead-letters", {"workflow_id": workflow_id, "reason": reason, "start_time": start_time, "end_time": end_time, "limit": limit, "cursor": cursor}))

    def iterate_dead_letters(
        self,
        *,
        workflow_id: Optional[str] = None,
        reason: Optional[types.DeadLetterReason] = None,
        start_time: Optional[str] = None,
        end_time: Optional[str] = None,
        limit: Optional[int] = None,
    ) -> AsyncIterator[types.DeadLetter]:
        """List deliveries that were given up, the oldest first: every item of every page."""
        return self._pages("/v1/dead-letters", {"workflow_id": workflow_id, "reason": reason, "start_time": start_time, "end_time": end_time, "limit": limit}, "dead_letters")

    async def redrive(self, body: Optional[types.Redrive] = None) -> types.Redriven:
        """Deliver dead letters anew."""
        return cast("types.Redriven", await self._call("POST", "/v1/dead-letters/redrive", body={} if body is None else body))

    async def count_dead_letters(
        self,
        *,
        workflow_id: Optional[str] = None,
        reason: Optional[types.DeadLetterReason] = None,
        start_time: Optional[str] = None,
        end_time: Optional[str] = None,
    ) -> types.DeadLetterSummary:
        """Count the dead letters that a filter names."""
        return cast("types.DeadLetterSummary", await self._call("GET", "/v1/dead-letters/summary", {"workflow_id": workflow_id, "reason": reason, "start_time": start_time, "end_time": end_time}))

    async def delete_dead_letter(self, dead_letter_id: str) -> types.Deleted:
        """Delete a dead letter."""
        return cast("types.Deleted", await self._call("DELETE", f"/v1/dead-letters/{segment(dead_letter_id)}"))

    async def list_event_types(
        self,
        *,
        limit: Optional[int] = None,
        cursor: Optional[str] = None,
    ) -> types.EventTypePage:
        """List event types, by name."""
        return cast("types.EventTypePage", await self._call("GET", "/v1/event-types", {"limit": limit, "cursor": cursor}))

    def iterate_event_types(self, *, limit: Optional[int] = None) -> AsyncIterator[types.EventType]:
        """List event types, by name: every item of every page."""
        return self._pages("/v1/event-types", {"limit": limit}, "event_types")

    async def delete_event_type(self, name: str) -> None:
        """Delete an event type."""
        await self._call("DELETE", f"/v1/event-types/{segment(name)}")

    async def get_event_type(self, name: str) -> types.EventType:
        """Get an event type."""
        return cast("types.EventType", await self._call("GET", f"/v1/event-types/{segment(name)}"))

    async def put_event_type(self, name: str, body: types.NewEventType) -> types.EventType:
        """Declare an event type, or replace it."""
        return cast("types.EventType", await self._call("PUT", f"/v1/event-types/{segment(name)}", body=body))

    async def test_event_type(self, name: str, body: types.EventTypeTrial) -> types.EventTypeResult:
        """Check whether a payload fits."""
        return cast("types.EventTypeResult", await self._call("POST", f"/v1/event-types/{segment(name)}/test", body=body))

    async def get_event(self, event_id: str) -> types.StoredEvent:
        """Get an event with its status."""
        return cast("types.StoredEvent", await self._call("GET", f"/v1/events/{segment(event_id)}"))

    async def ack_event(self, event_id: str) -> types.Acknowledged:
        """Acknowledge an event."""
        return cast("types.Acknowledged", await self._call("POST", f"/v1/events/{segment(event_id)}/ack"))

    async def event_attempts(
        self,
        event_id: str,
        *,
        workflow_id: Optional[str] = None,
        limit: Optional[int] = None,
    ) -> types.EventAttempts:
        """List the attempts to deliver an event."""
        return cast("types.EventAttempts", await self._call("GET", f"/v1/events/{segment(event_id)}/attempts", {"workflow_id": workflow_id, "limit": limit}))

    async def event_deliveries(self, event_id: str) -> types.EventDeliveries:
        """List the subscriptions that an event went to."""
        return cast("types.EventDeliveries", await self._call("GET", f"/v1/events/{segment(event_id)}/deliveries"))

    async def resend_event(self, event_id: str, body: Optional[types.Resend] = None) -> types.Resent:
        """Deliver an event anew."""
        return cast("types.Resent", await self._call("POST", f"/v1/events/{segment(event_id)}/resend", body={} if body is None else body))

    async def inbox(
        self,
        *,
        status: Optional[types.StatusFilter] = None,
        event_type: Optional[str] = None,
        source: Optional[str] = None,
        tag: Optional[str] = None,
        order: Optional[types.ListAuditOrder] = None,
        start_time: Optional[str] = None,
        end_time: Optional[str] = None,
        limit: Optional[int] = None,
        cursor: Optional[str] = None,
    ) -> types.InboxPage:
        """List the customer's events, the oldest first."""
        return cast("types.InboxPage", await self._call("GET", "/v1/inbox", {"status": status, "event_type": event_type, "source": source, "tag": tag, "order": order, "start_time": start_time, "end_time": end_time, "limit": limit, "cursor": cursor}))

    def iterate_inbox(
        self,
        *,
        status: Optional[types.StatusFilter] = None,
        event_type: Optional[str] = None,
        source: Optional[str] = None,
        tag: Optional[str] = None,
        order: Optional[types.ListAuditOrder] = None,
        start_time: Optional[str] = None,
        end_time: Optional[str] = None,
        limit: Optional[int] = None,
    ) -> AsyncIterator[types.StoredEvent]:
        """List the customer's events, the oldest first: every item of every page."""
        return self._pages("/v1/inbox", {"status": status, "event_type": event_type, "source": source, "tag": tag, "order": order, "start_time": start_time, "end_time": end_time, "limit": limit}, "events")

    async def ack_inbox(self, body: types.AckMany) -> types.AckResults:
        """Acknowledge many events."""
        return cast("types.AckResults", await self._call("POST", "/v1/inbox/ack", body=body))

    async def me(self) -> types.Me:
        """Get the customer and the key that the request carries."""
        return cast("types.Me", await self._call("GET", "/v1/me"))

    async def list_replays(
        self,
        *,
        limit: Optional[int] = None,
        cursor: Optional[str] = None,
    ) -> types.ReplayPage:
        """List replays, the oldest first."""
        return cast("types.ReplayPage", await self._call("GET", "/v1/replay", {"limit": limit, "cursor": cursor}))

    def iterate_replays(self, *, limit: Optional[int] = None) -> AsyncIterator[types.Replay]:
        """List replays, the oldest first: every item of every page."""
        return self._pages("/v1/replay", {"limit": limit}, "replays")

    async def create_replay(self, body: types.NewReplay) -> types.CreateReplayAnswer:
        """Start a replay: deliver events of the past again."""
        return cast("types.CreateReplayAnswer", await self._call("POST", "/v1/replay", body=body))

    async def cancel_replay(self, replay_id: str) -> types.Replay:
        """Cancel a replay."""
        return cast("types.Replay", await self._call("DELETE", f"/v1/replay/{segment(replay_id)}"))

    async def get_replay(self, replay_id: str) -> types.Replay:
        """Get a replay and its progress."""
        return cast("types.Replay", await self._call("GET", f"/v1/replay/{segment(replay_id)}"))

    async def list_subscriptions(
        self,
        *,
        limit: Optional[int] = None,
        cursor: Optional[str] = None,
    ) -> types.SubscriptionPage:
        """List subscriptions, the oldest first."""
        return cast("types.SubscriptionPage", await self._call("GET", "/v1/subscriptions", {"limit": limit, "cursor": cursor}))

    def iterate_subscriptions(self, *, limit: Optional[int] = None) -> AsyncIterator[types.Subscription]:
        """List subscriptions, the oldest first: every item of every page."""
        return self._pages("/v1/subscriptions", {"limit": limit}, "subscriptions")

    async def create_subscription(self, body: types.NewSubscription) -> types.SubscriptionWithSecret:
        """Make a subscription."""
        return cast("types.SubscriptionWithSecret", await self._call("POST", "/v1/subscriptions", body=body))

    async def judge_selector(self, body: types.SelectorTrial) -> types.Judgement:
        """Try a selector out, before it is stored."""
        return cast("types.Judgement", await self._call("POST", "/v1/subscriptions/judge", body=body))

    async def delete_subscription(self, subscription_id: str) -> None:
        """Delete a subscription."""
        await self._call("DELETE", f"/v1/subscriptions/{segment(subscription_id)}")

    async def get_subscription(self, subscription_id: str) -> types.Subscription:
        """Get a subscription."""
        return cast("types.Subscription", await self._call("GET", f"/v1/subscriptions/{segment(subscription_id)}"))

    async def patch_subscription(
        self,
        subscription_id: str,
        body: types.SubscriptionChange,
    ) -> types.Subscription:
        """Change a subscription; absent fields stay as they are."""
        return cast("types.Subscription", await self._call("PATCH", f"/v1/subscriptions/{segment(subscription_id)}", body=body))

    async def list_deliveries(self, subscription_id: str, *, limit: Optional[int] = None) -> types.Attempts:
        """List recent attempts, the newest first."""
        return cast("types.Attempts", await self._call("GET", f"/v1/subscriptions/{segment(subscription_id)}/deliveries", {"limit": limit}))

    async def enable_subscription(self, subscription_id: str) -> types.Subscription:
        """Enable a disabled subscription."""
        return cast("types.Subscription", await self._call("POST", f"/v1/subscriptions/{segment(subscription_id)}/enable"))

    async def subscription_health(self, subscription_id: str) -> types.SubscriptionHealth:
        """Get the backlog and the breaker of a subscription's endpoint."""
        return cast("types.SubscriptionHealth", await self._call("GET", f"/v1/subscriptions/{segment(subscription_id)}/health"))

    async def rotate_secret(
        self,
        subscription_id: str,
        body: Optional[types.Rotation] = None,
    ) -> types.SubscriptionWithSecret:
        """Make a new secret."""
        return cast("types.SubscriptionWithSecret", await self._call("POST", f"/v1/subscriptions/{segment(subscription_id)}/rotate-secret", body={} if body is None else body))

    async def test_event(
        self,
        subscription_id: str,
        body: Optional[types.Trial] = None,
    ) -> types.TrialResult:
        """Try a subscription out."""
        return cast("types.TrialResult", await self._call("POST", f"/v1/subscriptions/{segment(subscription_id)}/test", body={} if body is None else body))

    async def test_transform(
        self,
        subscription_id: str,
        body: Optional[types.TransformTrial] = None,
    ) -> types.TransformResult:
        """Show the webhook that an event would make."""
        return cast("types.TransformResult", await self._call("POST", f"/v1/subscriptions/{segment(subscription_id)}/transform/test", body={} if body is None else body))

    async def usage(
        self,
        *,
        since: Optional[str] = None,
        until: Optional[str] = None,
        granularity: Optional[types.UsageGranularity] = None,
        group_by: Optional[types.UsageGroupBy] = None,
    ) -> types.Usage:
        """Get numbers of events and bytes by minute, hour or day."""
        return cast("types.Usage", await self._call("GET", "/v1/usage", {"since": since, "until": until, "granularity": granularity, "group_by": group_by}))


class AsyncAdminMethods:
    """The operations that the admin token may call."""

    async def _call(
        self, method: str, path: str, query: Optional[Mapping[str, Any]] = None, body: Any = None
    ) -> Any:
        raise NotImplementedError

    def _pages(self, path: str, query: Mapping[str, Any], items: str) -> AsyncIterator[Any]:
        raise NotImplementedError

    async def list_all_audit(
        self,
        *,
        customer_id: Optional[str] = None,
        action: Optional[types.ListAuditAction] = None,
        actor: Optional[types.ListAuditActor] = None,
        key_id: Optional[str] = None,
        order: Optional[types.ListAuditOrder] = None,
        start_time: Optional[str] = None,
        end_time: Optional[str] = None,
        limit: Optional[int] = None,
        cursor: Optional[str] = None,
    ) -> types.AuditPage:
        """List who changed what, when and from where."""
        return cast("types.AuditPage", await self._call("GET", "/admin/audit", {"customer_id": customer_id, "action": action, "actor": actor, "key_id": key_id, "order": order, "start_time": start_time, "end_time": end_time, "limit": limit, "cursor": cursor}))

    def iterate_all_audit(
        self,
        *,
        customer_id: Optional[str] = None,
        action: Optional[types.ListAuditAction] = None,
        actor: Optional[types.ListAuditActor] = None,
        key_id: Optional[str] = None,
        order: Optional[types.ListAuditOrder] = None,
        start_time: Optional[str] = None,
        end_time: Optional[str] = None,
        limit: Optional[int] = None,
    ) -> AsyncIterator[types.AuditEntry]:
        """List who changed what, when and from where: every item of every page."""
        return self._pages("/admin/audit", {"customer_id": customer_id, "action": action, "actor": actor, "key_id": key_id, "order": order, "start_time": start_time, "end_time": end_time, "limit": limit}, "audit")

    async def list_customers(
        self,
        *,
        limit: Optional[int] = None,
        cursor: Optional[str] = None,
    ) -> types.CustomerPage:
        """List customers, the oldest first."""
        return cast("types.CustomerPage", await self._call("GET", "/admin/customers", {"limit": limit, "cursor": cursor}))

    def iterate_customers(self, *, limit: Optional[int] = None) -> AsyncIterator[types.Customer]:
        """List customers, the oldest first: every item of every page."""
        return self._pages("/admin/customers", {"limit": limit}, "customers")

    async def create_customer(self, body: types.NewCustomer) -> types.Customer:
        """Make a customer."""
        return cast("types.Customer", await self._call("POST", "/admin/customers", body=body))

    async def get_customer(self, customer_id: str) -> types.Customer:
        """Get a customer."""
        return cast("types.Customer", await self._call("GET", f"/admin/customers/{segment(customer_id)}"))

    async def patch_customer(self, customer_id: str, body: types.CustomerChange) -> types.Customer:
        """Change a customer; absent fields stay as they are."""
        return cast("types.Customer", await self._call("PATCH", f"/admin/customers/{segment(customer_id)}", body=body))

    async def list_audit(
        self,
        customer_id: str,
        *,
        action: Optional[types.ListAuditAction] = None,
        actor: Optional[types.ListAuditActor] = None,
        key_id: Optional[str] = None,
        order: Optional[types.ListAuditOrder] = None,
        start_time: Optional[str] = None,
        end_time: Optional[str] = None,
        limit: Optional[int] = None,
        cursor: Optional[str] = None,
    ) -> types.AuditPage:
        """List who changed the customer's settings, when and from where."""
        return cast("types.AuditPage", await self._call("GET", f"/admin/customers/{segment(customer_id)}/audit", {"action": action, "actor": actor, "key_id": key_id, "order": order, "start_time": start_time, "end_time": end_time, "limit": limit, "cursor": cursor}))

    def iterate_audit(
        self,
        customer_id: str,
        *,
        action: Optional[types.ListAuditAction] = None,
        actor: Optional[types.ListAuditActor] = None,
        key_id: Optional[str] = None,
        order: Optional[types.ListAuditOrder] = None,
        start_time: Optional[str] = None,
        end_time: Optional[str] = None,
        limit: Optional[int] = None,
    ) -> AsyncIterator[types.AuditEntry]:
        """List who changed the customer's settings, when and from where: every item of every page."""
        return self._pages(f"/admin/customers/{segment(customer_id)}/audit", {"action": action, "actor": actor, "key_id": key_id, "order": order, "start_time": start_time, "end_time": end_time, "limit": limit}, "audit")

    async def delete_dead_letters(
        self,
        customer_id: str,
        *,
        workflow_id: Optional[str] = None,
        reason: Optional[types.DeadLetterReason] = None,
        start_time: Optional[str] = None,
        end_time: Optional[str] = None,
    ) -> types.DeletedMany:
        """Delete the dead letters that a filter names."""
        return cast("types.DeletedMany", await self._call("DELETE", f"/admin/customers/{segment(customer_id)}/dead-letters", {"workflow_id": workflow_id, "reason": reason, "start_time": start_time, "end_time": end_time}))

    async def list_dead_letters(
        self,
        customer_id: str,
        *,
        workflow_id: Optional[str] = None,
        reason: Optional[types.DeadLetterReason] = None,
        start_time: Optional[str] = None,
        end_time: Optional[str] = None,
        limit: Optional[int] = None,
        cursor: Optional[str] = None,
    ) -> types.DeadLetterPage:
        """List deliveries that were given up, the oldest first."""
        return cast("types.DeadLetterPage", await self._call("GET", f"/admin/customers/{segment(customer_id)}/dead-letters", {"workflow_id": workflow_id, "reason": reason, "start_time": start_time, "end_time": end_time, "limit": limit, "cursor": cursor}))

    def iterate_dead_letters(
        self,
        customer_id: str,
        *,
        workflow_id: Optional[str] = None,
        reason: Optional[types.DeadLetterReason] = None,
        start_time: Optional[str] = None,
        end_time: Optional[str] = None,
        limit: Optional[int] = None,
    ) -> AsyncIterator[types.DeadLetter]:
        """List deliveries that were given up, the oldest first: every item of every page."""
        return self._pages(f"/admin/customers/{segment(customer_id)}/dead-letters", {"workflow_id": workflow_id, "reason": reason, "start_time": start_time, "end_time": end_time, "limit": limit}, "dead_letters")

    async def redrive(self, customer_id: str, body: Optional[types.Redrive] = None) -> types.Redriven:
        """Deliver dead letters anew."""
        return cast("types.Redriven", await self._call("POST", f"/admin/customers/{segment(customer_id)}/dead-letters/redrive", body={} if body is None else body))

    async def count_dead_letters(
        self,
        customer_id: str,
        *,
        workflow_id: Optional[str] = None,
        reason: Optional[types.DeadLetterReason] = None,
        start_time: Optional[str] = None,
        end_time: Optional[str] = None,
    ) -> types.DeadLetterSummary:
        """Count the dead letters that a filter names."""
        return cast("types.DeadLetterSummary", await self._call("GET", f"/admin/customers/{segment(customer_id)}/dead-letters/summary", {"workflow_id": workflow_id, "reason": reason, "start_time": start_time, "end_time": end_time}))

    async def delete_dead_letter(self, customer_id: str, dead_letter_id: str) -> types.Deleted:
        """Delete a dead letter."""
        return cast("types.Deleted", await self._call("DELETE", f"/admin/customers/{segment(customer_id)}/dead-letters/{segment(dead_letter_id)}"))

    async def list_event_types(
        self,
        customer_id: str,
        *,
        limit: Optional[int] = None,
        cursor: Optional[str] = None,
    ) -> types.EventTypePage:
        """List event types, by name."""
        return cast("types.EventTypePage", await self._call("GET", f"/admin/customers/{segment(customer_id)}/event-types", {"limit": limit, "cursor": cursor}))

    def iterate_event_types(
        self,
        customer_id: str,
        *,
        limit: Optional[int] = None,
    ) -> AsyncIterator[types.EventType]:
        """List event types, by name: every item of every page."""
        return self._pages(f"/admin/customers/{segment(customer_id)}/event-types", {"limit": limit}, "event_types")

    async def delete_event_type(self, customer_id: str, name: str) -> None:
        """Delete an event type."""
        await self._call("DELETE", f"/admin/customers/{segment(customer_id)}/event-types/{segment(name)}")

    async def get_event_type(self, customer_id: str, name: str) -> types.EventType:
        """Get an event type."""
        return cast("types.EventType", await self._call("GET", f"/admin/customers/{segment(customer_id)}/event-types/{segment(name)}"))

    async def put_event_type(self, customer_id: str, name: str, body: types.NewEventType) -> types.EventType:
        """Declare an event type, or replace it."""
        return cast("types.EventType", await self._call("PUT", f"/admin/customers/{segment(customer_id)}/event-types/{segment(name)}", body=body))

    async def test_event_type(
        self,
        customer_id: str,
        name: str,
        body: types.EventTypeTrial,
    ) -> types.EventTypeResult:
        """Check whether a payload fits."""
        return cast("types.EventTypeResult", await self._call("POST", f"/admin/customers/{segment(customer_id)}/event-types/{segment(name)}/test", body=body))

    async def get_event(self, customer_id: str, event_id: str) -> types.StoredEvent:
        """Get an event with its status."""
        return cast("types.StoredEvent", await self._call("GET", f"/admin/customers/{segment(customer_id)}/events/{segment(event_id)}"))

    async def ack_event(self, customer_id: str, event_id: str) -> types.Acknowledged:
        """Acknowledge an event."""
        return cast("types.Acknowledged", await self._call("POST", f"/admin/customers/{segment(customer_id)}/events/{segment(event_id)}/ack"))

    async def event_attempts(
        self,
        customer_id: str,
        event_id: str,
        *,
        workflow_id: Optional[str] = None,
        limit: Optional[int] = None,
    ) -> types.EventAttempts:
        """List the attempts to deliver an event."""
        return cast("types.EventAttempts", await self._call("GET", f"/admin/customers/{segment(customer_id)}/events/{segment(event_id)}/attempts", {"workflow_id": workflow_id, "limit": limit}))

    async def event_deliveries(self, customer_id: str, event_id: str) -> types.EventDeliveries:
        """List the subscriptions that an event went to."""
        return cast("types.EventDeliveries", await self._call("GET", f"/admin/customers/{segment(customer_id)}/events/{segment(event_id)}/deliveries"))

    async def resend_event(
        self,
        customer_id: str,
        event_id: str,
        body: Optional[types.Resend] = None,
    ) -> types.Resent:
        """Deliver an event anew."""
        return cast("types.Resent", await self._call("POST", f"/admin/customers/{segment(customer_id)}/events/{segment(event_id)}/resend", body={} if body is None else body))

    async def inbox(
        self,
        customer_id: str,
        *,
        status: Optional[types.StatusFilter] = None,
        event_type: Optional[str] = None,
        source: Optional[str] = None,
        tag: Optional[str] = None,
        order: Optional[types.ListAuditOrder] = None,
        start_time: Optional[str] = None,
        end_time: Optional[str] = None,
        limit: Optional[int] = None,
        cursor: Optional[str] = None,
    ) -> types.InboxPage:
        """List the customer's events, the oldest first."""
        return cast("types.InboxPage", await self._call("GET", f"/admin/customers/{segment(customer_id)}/inbox", {"status": status, "event_type": event_type, "source": source, "tag": tag, "order": order, "start_time": start_time, "end_time": end_time, "limit": limit, "cursor": cursor}))

    def iterate_inbox(
        self,
        customer_id: str,
        *,
        status: Optional[types.StatusFilter] = None,
        event_type: Optional[str] = None,
        source: Optional[str] = None,
        tag: Optional[str] = None,
        order: Optional[types.ListAuditOrder] = None,
        start_time: Optional[str] = None,
        end_time: Optional[str] = None,
        limit: Optional[int] = None,
    ) -> AsyncIterator[types.StoredEvent]:
        """List the customer's events, the oldest first: every item of every page."""
        return self._pages(f"/admin/customers/{segment(customer_id)}/inbox", {"status": status, "event_type": event_type, "source": source, "tag": tag, "order": order, "start_time": start_time, "end_time": end_time, "limit": limit}, "events")

    async def ack_inbox(self, customer_id: str, body: types.AckMany) -> types.AckResults:
        """Acknowledge many events."""
        return cast("types.AckResults", await self._call("POST", f"/admin/customers/{segment(customer_id)}/inbox/ack", body=body))

    async def list_keys(self, customer_id: str) -> types.Keys:
        """List all keys, including revoked and expired ones."""
        return cast("types.Keys", await self._call("GET", f"/admin/customers/{segment(customer_id)}/keys"))

    async def create_key(self, customer_id: str, body: Optional[types.NewKey] = None) -> types.KeyWithText:
        """Make a key."""
        return cast("types.KeyWithText", await self._call("POST", f"/admin/customers/{segment(customer_id)}/keys", body={} if body is None else body))

    async def revoke_key(self, customer_id: str, key_id: str) -> None:
        """Revoke a key."""
        await self._call("DELETE", f"/admin/customers/{segment(customer_id)}/keys/{segment(key_id)}")

    async def me(self, customer_id: str) -> types.Me:
        """Get the customer and the key that the request carries."""
        return cast("types.Me", await self._call("GET", f"/admin/customers/{segment(customer_id)}/me"))

    async def list_replays(
        self,
        customer_id: str,
        *,
        limit: Optional[int] = None,
        cursor: Optional[str] = None,
    ) -> types.ReplayPage:
        """List replays, the oldest first."""
        return cast("types.ReplayPage", await self._call("GET", f"/admin/customers/{segment(customer_id)}/replay", {"limit": limit, "cursor": cursor}))

    def iterate_replays(
        self,
        customer_id: str,
        *,
        limit: Optional[int] = None,
    ) -> AsyncIterator[types.Replay]:
        """List replays, the oldest first: every item of every page."""
        return self._pages(f"/admin/customers/{segment(customer_id)}/replay", {"limit": limit}, "replays")

    async def create_replay(self, customer_id: str, body: types.NewReplay) -> types.CreateReplayAnswer:
        """Start a replay: deliver events of the past again."""
        return cast("types.CreateReplayAnswer", await self._call("POST", f"/admin/customers/{segment(customer_id)}/replay", body=body))

    async def cancel_replay(self, customer_id: str, replay_id: str) -> types.Replay:
        """Cancel a replay."""
        return cast("types.Replay", await self._call("DELETE", f"/admin/customers/{segment(customer_id)}/replay/{segment(replay_id)}"))

    async def get_replay(self, customer_id: str, replay_id: str) -> types.Replay:
        """Get a replay and its progress."""
        return cast("types.Replay", await self._call("GET", f"/admin/customers/{segment(customer_id)}/replay/{segment(replay_id)}"))

    async def list_subscriptions(
        self,
        customer_id: str,
        *,
        limit: Optional[int] = None,
        cursor: Optional[str] = None,
    ) -> types.SubscriptionPage:
        """List subscriptions, the oldest first."""
        return cast("types.SubscriptionPage", await self._call("GET", f"/admin/customers/{segment(customer_id)}/subscriptions", {"limit": limit, "cursor": cursor}))

    def iterate_subscriptions(
        self,
        customer_id: str,
        *,
        limit: Optional[int] = None,
    ) -> AsyncIterator[types.Subscription]:
        """List subscriptions, the oldest first: every item of every page."""
        return self._pages(f"/admin/customers/{segment(customer_id)}/subscriptions", {"limit": limit}, "subscriptions")

    async def create_subscription(
        self,
        customer_id: str,
        body: types.NewSubscription,
    ) -> types.SubscriptionWithSecret:
        """Make a subscription."""
        return cast("types.SubscriptionWithSecret", await self._call("POST", f"/admin/customers/{segment(customer_id)}/subscriptions", body=body))

    async def judge_selector(self, customer_id: str, body: types.SelectorTrial) -> types.Judgement:
        """Try a selector out, before it is stored."""
        return cast("types.Judgement", await self._call("POST", f"/admin/customers/{segment(customer_id)}/subscriptions/judge", body=body))

    async def delete_subscription(self, customer_id: str, subscription_id: str) -> None:
        """Delete a subscription."""
        await self._call("DELETE", f"/admin/customers/{segment(customer_id)}/subscriptions/{segment(subscription_id)}")

    async def get_subscription(self, customer_id: str, subscription_id: str) -> types.Subscription:
        """Get a subscription."""
        return cast("types.Subscription", await self._call("GET", f"/admin/customers/{segment(customer_id)}/subscriptions/{segment(subscription_id)}"))

    async def patch_subscription(
        self,
        customer_id: str,
        subscription_id: str,
        body: types.SubscriptionChange,
    ) -> types.Subscription:
        """Change a subscription; absent fields stay as they are."""
        return cast("types.Subscription", await self._call("PATCH", f"/admin/customers/{segment(customer_id)}/subscriptions/{segment(subscription_id)}", body=body))

    async def list_deliveries(
        self,
        customer_id: str,
        subscription_id: str,
        *,
        limit: Optional[int] = None,
    ) -> types.Attempts:
        """List recent attempts, the newest first."""
        return cast("types.Attempts", await self._call("GET", f"/admin/customers/{segment(customer_id)}/subscriptions/{segment(subscription_id)}/deliveries", {"limit": limit}))

    async def enable_subscription(self, customer_id: str, subscription_id: str) -> types.Subscription:
        """Enable a disabled subscription."""
        return cast("types.Subscription", await self._call("POST", f"/admin/customers/{segment(customer_id)}/subscriptions/{segment(subscription_id)}/enable"))

    async def subscription_health(self, customer_id: str, subscription_id: str) -> types.SubscriptionHealth:
        """Get the backlog and the breaker of a subscription's endpoint."""
        return cast("types.SubscriptionHealth", await self._call("GET", f"/admin/customers/{segment(customer_id)}/subscriptions/{segment(subscription_id)}/health"))

    async def rotate_secret(
        self,
        customer_id: str,
        subscription_id: str,
        body: Optional[types.Rotation] = None,
    ) -> types.SubscriptionWithSecret:
        """Make a new secret."""
        return cast("types.SubscriptionWithSecret", await self._call("POST", f"/admin/customers/{segment(customer_id)}/subscriptions/{segment(subscription_id)}/rotate-secret", body={} if body is None else body))

    async def test_event(
        self,
        customer_id: str,
        subscription_id: str,
        body: Optional[types.Trial] = None,
    ) -> types.TrialResult:
        """Try a subscription out."""
        return cast("types.TrialResult", await self._call("POST", f"/admin/customers/{segment(customer_id)}/subscriptions/{segment(subscription_id)}/test", body={} if body is None else body))

    async def test_transform(
        self,
        customer_id: str,
        subscription_id: str,
        body: Optional[types.TransformTrial] = None,
    ) -> types.TransformResult:
        """Show the webhook that an event would make."""
        return cast("types.TransformResult", await self._call("POST", f"/admin/customers/{segment(customer_id)}/subscriptions/{segment(subscription_id)}/transform/test", body={} if body is None else body))

    async def usage(
        self,
        customer_id: str,
        *,
        since: Optional[str] = None,
        until: Optional[str] = None,
        granularity: Optional[types.UsageGranularity] = None,
        group_by: Optional[types.UsageGroupBy] = None,
    ) -> types.Usage:
        """Get numbers of events and bytes by minute, hour or day."""
        return cast("types.Usage", await self._call("GET", f"/admin/customers/{segment(customer_id)}/usage", {"since": since, "until": until, "granularity": granularity, "group_by": group_by}))

    async def system(self) -> types.System:
        """Get this process: its roles, shards, dependencies and version."""
        return cast("types.System", await self._call("GET", "/admin/system"))
