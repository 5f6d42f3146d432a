//! The backend of `sluice demo`: an example of a program built on Sluice, with its
//! page and a view of every webhook that arrives.
//!
//! `POST /demo/trigger` judges a document by the agent's [`rule`] and sends it to
//! Sluice as an event. Sluice delivers it to `POST /demo/webhook` ([`webhook`]),
//! which has the [`mailroom`] send one e-mail for it through the port of [`mail`].
//! [`receivers`] shows the webhooks that each receiver of the demo got, and lets
//! people choose how it answers. Everything else is passed on to Sluice ([`proxy`]),
//! so one address serves the console, the API and the demo.
//!
//! It uses Sluice only over HTTP, as any program of a customer does.

mod answer;
mod backend;
mod document;
mod listener;
pub mod mail;
mod mailroom;
mod proxy;
mod receivers;
mod rule;
mod sluice;
mod webhook;

pub use answer::new_code;
pub use backend::{Backend, BackendConfig, BackendError, WEBHOOK_PATH};
pub use mailroom::{Mailroom, MailroomError};
pub use receivers::{AnswerMode, DemoReceiver, KEEP, MailReceiver, ReceiverKind};
pub use rule::{ESCALATION_SELECTOR, TRIGGER_WORDS};
