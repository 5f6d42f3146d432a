# frozen_string_literal: true

# What the API answers and takes.
# Written by sdk/generate from the OpenAPI documents; do not edit.

require_relative "record"

module Sluice
  # Records read like objects, `event.status`, and like hashes, `event["status"]`. Enumerations are
  # open: a value that this version does not know arrives as it is; the constants are those it knows.
  module Types
    class Accepted < Record
      field :event_id
      field :message
      field :status
      field :timestamp
    end

    class AcceptedMany < Record
      field :accepted
      field :events, "EventResult"
      field :rejected
    end

    class AckMany < Record
      field :event_ids
    end

    class AckResult < Record
      field :acknowledged_at
      field :event_id
      field :status
    end

    ACK_RESULT_STATUS = %w[acknowledged already_acknowledged not_found invalid_id].freeze

    class AckResults < Record
      field :acknowledged
      field :results, "AckResult"
    end

    class Acknowledged < Record
      field :acknowledged_at
      field :event_id
      field :status
    end

    class Attempt < Record
      field :answer_excerpt
      field :attempt
      field :delivery_id
      field :error
      field :event_count
      field :latency_ms
      field :status_code
      field :timestamp
    end

    class Attempts < Record
      field :deliveries, "Attempt"
    end

    class AuditActor < Record
      field :key_id
      field :kind
    end

    AUDIT_ACTOR_KIND = %w[admin key system].freeze

    class AuditChange < Record
      # The value after; null if there is none, or if it is secret.
      field :after
      # The value before; null if there was none, or if it is secret. A long value is cut.
      field :before
      field :field
      # Whether the values are secret, and so are not shown.
      field :secret
    end

    class AuditEntry < Record
      field :action
      field :actor, "AuditActor"
      field :at
      field :audit_id
      field :changes, "AuditChange"
      field :customer_id
      # More about the change: an object with a filter, or with counts.
      field :details
      # The code of the error with which the change failed.
      field :error
      field :from, "AuditSource"
      # `begun`: the change is not known to have ended; none, a part or all of it was done.
      field :outcome
      field :subject, "AuditSubject"
    end

    AUDIT_ENTRY_OUTCOME = %w[begun done failed].freeze

    class AuditPage < Record
      field :audit, "AuditEntry"
      field :cursor
      field :has_more
    end

    class AuditSource < Record
      # The address at the other end of the socket: behind a proxy, the proxy's.
      field :address
      # The beginning of `X-Forwarded-For`, which a client may make up.
      field :forwarded_for
      field :request_id
      field :user_agent
    end

    class AuditSubject < Record
      field :customer_id
      field :dead_letter_id
      field :event_type
      field :key_id
      field :replay_id
      field :workflow_id
    end

    class BatchPolicy < Record
      field :max_bytes
      field :max_events
      field :max_wait_ms
    end

    class Customer < Record
      field :created_at
      field :customer_id
      field :email
      field :fan_out
      field :name
      field :rate_limit_per_second
      field :status
      field :updated_at
    end

    class CustomerChange < Record
      field :email
      field :fan_out
      field :name
      field :rate_limit_per_second
      field :status
    end

    class CustomerPage < Record
      field :cursor
      field :customers, "Customer"
      field :has_more
      field :total
    end

    CUSTOMER_STATUS = %w[active suspended].freeze

    class DeadLetter < Record
      field :attempts
      field :created_at
      field :dead_letter_id
      field :event_count
      # Only if there are at most 1000.
      field :event_ids
      field :event_range, "DeadLetterEventRange"
      field :first_attempt
      field :last_attempt
      field :last_error
      field :last_status
      field :reason
      field :workflow_id
    end

    class DeadLetterEventRange < Record
      field :first
      field :last
    end

    class DeadLetterPage < Record
      field :cursor
      field :dead_letters, "DeadLetter"
      field :has_more
    end

    DEAD_LETTER_REASON = %w[exhausted refused subscription_disabled backlog_full poison too_expensive transform_failed].freeze

    class DeadLetterSummary < Record
      field :by_reason, "DeadLetterSummaryByReason"
      field :by_workflow, "DeadLetterSummaryByWorkflow"
      field :complete
      field :dead_letters
      field :events
    end

    class DeadLetterSummaryByReason < Record
      field :dead_letters
      field :events
      field :reason
    end

    class DeadLetterSummaryByWorkflow < Record
      field :dead_letters
      field :events
      field :workflow_id
    end

    class Deleted < Record
      field :deleted
    end

    class DeletedMany < Record
      field :deleted
      field :has_more
    end

    class DryRun < Record
      # Whether all events of the range were looked at.
      field :complete
      field :dry_run
      field :scanned
      field :would_match
    end

    class Event < Record
      field :event_type
      field :metadata, "EventMetadata"
      field :ordering_key
      # Any JSON, at most 64 levels deep.
      field :payload
      field :source
      field :tags
    end

    class EventAttempt < Record
      field :answer_excerpt
      field :attempt
      field :delivery_id
      field :error
      field :event_count
      field :latency_ms
      field :status_code
      field :timestamp
      field :workflow_id
    end

    class EventAttempts < Record
      field :attempts, "EventAttempt"
      field :event_id
      field :has_more
    end

    class EventDeliveries < Record
      field :event_id
      field :subscriptions, "EventStanding"
    end

    class EventError < Record
      field :code
      field :details, "EventMisfits"
      field :message
      # Seconds after which the event may be accepted.
      field :retry_after_s
    end

    class EventMetadata < Record
      field :correlation_id
      # An event with the same key and fields within 24 hours is not accepted again: the answer
      # has the first event's id. This holds for one event among many too; the others are
      # accepted.
      field :idempotency_key
      field :priority
    end

    EVENT_METADATA_PRIORITY = %w[low normal high].freeze

    # The places where the payload does not fit the declared type.
    class EventMisfits < Record
      field :errors, "Misfit"
      field :event_type
    end

    class EventResult < Record
      field :error, "EventError"
      field :event_id
      field :index
      # The event was accepted before, under its own key.
      field :replayed
    end

    class EventStanding < Record
      field :attempts
      field :last_attempt
      field :state
      field :workflow_id
    end

    EVENT_STANDING_STATE = %w[delivered failed pending].freeze

    EVENT_STATUS = %w[pending delivered failed unmatched acknowledged].freeze

    class EventType < Record
      field :created_at
      field :description
      field :enforce
      field :name
      # The schema as it was given.
      field :schema
      field :updated_at
    end

    class EventTypePage < Record
      field :cursor
      field :event_types, "EventType"
      field :has_more
      field :total
    end

    class EventTypeResult < Record
      field :errors, "Misfit"
      field :valid
    end

    class EventTypeTrial < Record
      # Any JSON.
      field :payload
      field :schema
    end

    class Health < Record
      field :environment
      field :status
    end

    class InboxPage < Record
      field :cursor
      field :events, "StoredEvent"
      field :has_more
      field :readable_until
      field :total
    end

    class JudgedEvent < Record
      field :before_effective_at
      field :event_id
      field :event_type
      field :matches
      field :pointer
      field :reason
    end

    class Judgement < Record
      # Whether all events were judged in time.
      field :complete
      field :effective_at
      field :events, "JudgedEvent"
      field :looked_at
      field :matching
    end

    class Key < Record
      field :created_at
      field :customer_id
      field :expires_at
      # The beginning of the key.
      field :hint
      field :key_id
      field :revoked_at
      field :scopes
      field :status
    end

    KEY_STATUS = %w[active revoked expired].freeze

    class KeyWithText < Record
      # Shown only in this answer.
      field :api_key
      field :created_at
      field :customer_id
      field :expires_at
      # The beginning of the key.
      field :hint
      field :key_id
      field :revoked_at
      field :scopes
      field :status
    end

    class Keys < Record
      field :keys, "Key"
    end

    LIST_AUDIT_ACTION = %w[customer.created customer.updated key.created key.revoked subscription.created subscription.updated subscription.enabled subscription.disabled subscription.secret_rotated subscription.deleted event_type.created event_type.updated event_type.deleted dead_letters.redriven dead_letters.deleted replay.created replay.cancelled].freeze

    LIST_AUDIT_ACTOR = %w[admin key system].freeze

    LIST_AUDIT_ORDER = %w[asc desc].freeze

    class Me < Record
      field :customer, "Customer"
      field :key, "Key"
      field :version
    end

    class Misfit < Record
      field :message
      # JSON Pointer into the payload; "" is the payload itself.
      field :pointer
    end

    class NewCustomer < Record
      field :email
      field :fan_out
      field :name
      field :rate_limit_per_second
      field :status
    end

    class NewEventType < Record
      field :description
      field :enforce
      field :schema
    end

    class NewKey < Record
      field :expires_at
      field :mode
      field :scopes
    end

    NEW_KEY_MODE = %w[live test].freeze

    class NewReplay < Record
      field :dry_run
      field :end_time
      field :rate_per_second
      field :start_time
      field :workflow_id
    end

    class NewSubscription < Record
      field :batch, "BatchPolicy"
      field :body
      field :description
      field :event_selector
      field :headers
      field :ordered
      field :rate_limit_per_second
      field :retry, "RetryPolicy"
      field :secret
      field :signature
      field :transform, "Transform"
      # https://…; private addresses are refused unless the server is configured to allow them.
      field :webhook_url
    end

    class ReceiptBucket < Record
      # `null` for the last bucket, from 12.4 days on.
      field :below_ms
      field :events
      field :from_ms
    end

    class ReceiptMs < Record
      # Half of the events took no longer.
      field :p50
      # 99 of a hundred events took no longer.
      field :p99
    end

    class Receipts < Record
      field :buckets, "ReceiptBucket"
      field :events
      field :receipt_ms, "ReceiptMs"
      field :workflow_id
    end

    class Redrive < Record
      field :dead_letter_ids
      field :limit
      field :reason
      field :since
      field :until
      field :workflow_id
    end

    class Redriven < Record
      field :events
      field :has_more
      field :redriven
      field :skipped
    end

    class Replay < Record
      field :created_at
      field :end_time
      field :queued
      field :rate_per_second
      field :replay_id
      field :scanned
      field :start_time
      field :status
      field :updated_at
      field :workflow_id
    end

    class ReplayPage < Record
      field :cursor
      field :has_more
      field :replays, "Replay"
    end

    REPLAY_STATUS = %w[running done cancelled stopped].freeze

    class Resend < Record
      field :workflow_id
    end

    class Resent < Record
      field :deliveries, "ResentDelivery"
      field :event_id
    end

    class ResentDelivery < Record
      field :delivery_id
      field :workflow_id
    end

    class RetryPolicy < Record
      field :client_errors
      field :max_delay_s
      field :max_retries
    end

    RETRY_POLICY_CLIENT_ERRORS = %w[dead_letter retry].freeze

    class Rotation < Record
      field :keep_s
      field :signature
    end

    SCOPE = %w[events:write events:read subscriptions:read subscriptions:write deliveries:write].freeze

    class SelectorAll < Record
      field :of
    end

    class SelectorAny < Record
      field :of
    end

    class SelectorCustom < Record
      field :function, "SelectorFunction"
    end

    class SelectorEventType < Record
      # A type; `*` stands for one segment, and at the end for all further segments.
      field :value
    end

    class SelectorFunction < Record
      # A dotted path, or a JSON Pointer, into the event.
      field :field
      field :operator
      field :value
    end

    SELECTOR_FUNCTION_OPERATOR = %w[equals not_equals greater_than greater_or_equal less_than less_or_equal contains starts_with ends_with in not_in matches exists not_exists].freeze

    class SelectorJsonpath < Record
      # An RFC 9535 query over the payload, or a bare logical expression.
      field :expression
    end

    class SelectorNot < Record
      field :of
    end

    class SelectorTrial < Record
      field :event_selector
      field :last
      field :event, "SelectorTrialEvent"
    end

    class SelectorTrialEvent < Record
      field :event_type
      # Any JSON.
      field :payload
    end

    class SentTrial < Record
      field :answer_excerpt
      field :delivered
      field :delivery_id
      field :error
      field :event_id
      field :latency_ms
      field :status_code
    end

    SIGNATURE_SCHEME = %w[v1 v1a].freeze

    class State < Record
      field :status
    end

    STATUS_FILTER = %w[pending delivered failed unmatched acknowledged any].freeze

    class StoredEvent < Record
      field :acknowledged_at
      field :customer_id
      field :delivery_attempts
      field :event_id
      field :event_type
      field :last_delivery_timestamp
      field :metadata
      # The payload as it was sent.
      field :payload
      field :source
      field :status
      field :tags
      field :timestamp
    end

    class Subscription < Record
      field :batch, "BatchPolicy"
      field :body
      field :created_at
      field :customer_id
      field :description
      field :effective_at
      # The selector as it was given.
      field :event_selector
      field :headers
      field :ordered
      # The key that verifies its signatures, with `v1a`.
      field :public_key
      field :rate_limit_per_second
      field :retry, "RetryPolicy"
      field :signature
      field :status
      # Why it is disabled: gone, backlog_full, by_customer.
      field :status_reason
      field :transform, "Transform"
      field :updated_at
      field :version
      field :webhook_url
      field :workflow_id
    end

    class SubscriptionChange < Record
      field :batch, "BatchPolicy"
      field :body
      field :description
      field :event_selector
      field :headers
      field :ordered
      field :rate_limit_per_second
      field :retry, "RetryPolicy"
      field :status
      field :transform, "Transform"
      field :webhook_url
    end

    class SubscriptionHealth < Record
      field :backlog_deliveries
      field :backlog_events
      # `closed`, `open` or `half_open`
      field :breaker
      field :breaker_until
      field :workflow_id
    end

    class SubscriptionPage < Record
      field :cursor
      field :has_more
      field :subscriptions, "Subscription"
      field :total
    end

    SUBSCRIPTION_STATUS = %w[active disabled].freeze

    class SubscriptionWithSecret < Record
      field :batch, "BatchPolicy"
      field :body
      field :created_at
      field :customer_id
      field :description
      field :effective_at
      # The selector as it was given.
      field :event_selector
      field :headers
      field :ordered
      # The key that verifies its signatures, with `v1a`.
      field :public_key
      field :rate_limit_per_second
      field :retry, "RetryPolicy"
      # Shown only in this answer; not with `v1a`.
      field :secret
      field :signature
      field :status
      # Why it is disabled: gone, backlog_full, by_customer.
      field :status_reason
      field :transform, "Transform"
      field :updated_at
      field :version
      field :webhook_url
      field :workflow_id
    end

    class System < Record
      field :customers
      field :dead_letters
      field :dependencies, "SystemDependencie"
      field :engine
      field :environment
      field :lanes
      field :queue, "SystemQueue"
      field :ready
      field :roles
      field :shards, "SystemShard"
      field :started_at
      field :streams_open
      field :version
    end

    class SystemDependencie < Record
      field :name
      field :reason
      field :state
    end

    SYSTEM_DEPENDENCIE_STATE = %w[lost].freeze

    SYSTEM_ENGINE = %w[embedded distributed].freeze

    class SystemQueue < Record
      field :deliveries
      field :events
    end

    SYSTEM_ROLE = %w[ingest processor].freeze

    class SystemShard < Record
      field :lag_ms
      field :progress_age_ms
      field :restarts
      field :running
      field :shard
      field :unsettled_events
    end

    class Transform < Record
      # Any JSON of at most 16384 bytes. Its strings are minijinja templates over the event. A
      # string that is nothing but `{{ expression }}` becomes the expression's value and keeps
      # that value's type.
      field :template
    end

    class TransformProblem < Record
      field :line
      field :message
      field :pointer
    end

    class TransformResult < Record
      # The webhook's body.
      field :body
      field :bytes
      field :ok
      field :error, "TransformProblem"
    end

    class TransformTrial < Record
      field :body
      field :event_id
      # A template to try.
      field :template
      field :event_type
      # Any JSON of at most 16 KiB.
      field :payload
    end

    class Trial < Record
      field :last
      # Any JSON of at most 16 KiB.
      field :payload
    end

    class Usage < Record
      field :granularity
      field :group_by
      field :receipts, "Receipts"
      field :since
      field :until
      field :usage, "UsagePeriod"
    end

    USAGE_GRANULARITY = %w[minute hour day].freeze

    USAGE_GROUP_BY = %w[none event_type workflow_id].freeze

    class UsagePeriod < Record
      field :accepted
      field :bytes
      field :delivered
      # `null` for events without a type; `other` for events of types beyond the limit.
      field :event_type
      field :failed
      field :receipt_ms, "ReceiptMs"
      field :start
      field :unmatched
      field :workflow_id
    end

    WEBHOOK_BODY = %w[array single].freeze
  end
end
