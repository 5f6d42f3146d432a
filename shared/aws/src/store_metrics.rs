//! The metrics of the distributed engine's stores.

use metrics::counter;

/// A request beside a delivery's own path, whose failure delays nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SideCall {
    /// Telling SQS how long messages stay invisible.
    ChangeVisibility,
    /// Deleting messages that are no longer needed.
    DeleteMessages,
    /// Sending on a message that came before its time, or that must wait.
    SendOn,
    /// Making a dead letter of a delivery that nobody finishes.
    GiveUp,
    /// Delivering a dead letter that was moved back.
    Revive,
    /// Copying dead letters to their queue.
    CarryDeadLetters,
}

impl SideCall {
    const fn as_str(self) -> &'static str {
        match self {
            Self::ChangeVisibility => "change_visibility",
            Self::DeleteMessages => "delete_messages",
            Self::SendOn => "send_on",
            Self::GiveUp => "give_up",
            Self::Revive => "revive",
            Self::CarryDeadLetters => "carry_dead_letters",
        }
    }
}

/// A kind of item that a store refused for good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RefusedKind {
    /// A batch, or a part of one.
    Batch,
    /// Facts of a batch.
    Facts,
    /// A dead letter.
    DeadLetter,
    /// The message of a delivery.
    Delivery,
    /// A row, such as a parked delivery.
    Row,
}

impl RefusedKind {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Batch => "batch",
            Self::Facts => "facts",
            Self::DeadLetter => "dead_letter",
            Self::Delivery => "delivery",
            Self::Row => "row",
        }
    }
}

pub(super) fn refused(kind: RefusedKind) {
    counter!("sluice_store_refused_total", "kind" => kind.as_str()).increment(1);
}

pub(super) fn delivery_split() {
    counter!("sluice_queue_deliveries_split_total").increment(1);
}

pub(super) fn side_call_failed(call: SideCall) {
    counter!("sluice_queue_side_calls_failed_total", "call" => call.as_str()).increment(1);
}
