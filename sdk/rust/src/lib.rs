//! Send events to Sluice, read them, and verify the webhooks that carry them.
//!
//! [`Client`] is for a customer's key, [`Admin`] for the operator's token;
//! [`Batcher`] sends single events in batches; [`Verifier`] verifies webhooks.

mod batch_limits;
mod batcher;
mod client;
mod core;
mod error;
mod http_date;
#[rustfmt::skip] // written by sdk/generate
mod methods;
mod pages;
mod request;
mod retry;
mod sse;
mod stream;
mod tls;
#[rustfmt::skip] // written by sdk/generate
pub mod types;
mod webhook;

pub use batch_limits::BatcherOptions;
pub use batcher::{Batcher, Queued};
pub use client::{Admin, Client, ClientOptions, StreamOptions};
pub use error::{FaultKind, RefusedRequest, SdkError};
pub use pages::Pages;
pub use retry::RetryLimits;
pub use stream::EventStream;
pub use webhook::{Verifier, WebhookError};
