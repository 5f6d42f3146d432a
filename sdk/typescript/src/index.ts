// Sluice: send events, read them, and verify the webhooks that carry them.

export type * from "./types.js";
export { Admin, Client } from "./client.js";
export type { SendOptions } from "./client.js";
export type { ClientOptions } from "./core.js";
export { Batcher } from "./batcher.js";
export type { BatcherOptions, Queued } from "./batcher.js";
export { EventStream } from "./stream.js";
export type { StreamOptions } from "./stream.js";
export type { RetryPolicy } from "./retry.js";
export { ApiError, BatcherClosed, BatcherFull, EventRejected, EventTooLarge, NetworkError, SluiceError } from "./errors.js";
export type { FaultKind } from "./errors.js";
export { WebhookError, verify } from "./webhook.js";
export type { VerifyOptions, WebhookHeaders, WebhookReason } from "./webhook.js";
export { VERSION } from "./version.js";
