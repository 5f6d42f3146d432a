// Verifies webhooks (Standard Webhooks 1.0: `v1` is HMAC-SHA256, `v1a` is ed25519), with WebCrypto only.

/** Why a webhook must not be trusted. */
export type WebhookReason = "header" | "timestamp" | "signature" | "secret" | "body";

/**
 * A webhook must not be trusted. `reason` is `header` (absent or malformed), `timestamp` (too old or too new),
 * `signature` (no signature is by one of the secrets), `secret` (a secret is malformed or there is none) or
 * `body` (the signature is right, but the body is not JSON).
 */
export class WebhookError extends Error {
  override name = "WebhookError";

  constructor(
    readonly reason: WebhookReason,
    message: string,
  ) {
    super(message);
  }
}

/** The most signatures of a header that are checked. */
const SIGNATURES_MAX = 16;

export const TOLERANCE_S = 300;

type Bytes = Uint8Array<ArrayBuffer>;

/** The headers of a request, as `fetch` or Node's `http` gives them. */
export type WebhookHeaders = Headers | Record<string, string | string[] | undefined>;

export interface VerifyOptions {
  /** A timestamp further from now is refused. */
  toleranceS?: number;
  nowS?: number;
}

/**
 * Resolves to the value of a webhook's body if one of the secrets signed it, else rejects with WebhookError.
 *
 * `body` is the body as it came, before any parsing. `secrets` are `whsec_…` (shared) or `whpk_…` (the public
 * key of a subscription with `"signature": "v1a"`); give the old and the new one while they rotate.
 */
export async function verify(
  body: string | ArrayBuffer | Uint8Array,
  headers: WebhookHeaders,
  secrets: string | readonly string[],
  options: VerifyOptions = {},
): Promise<unknown> {
  const raw = typeof body === "string" ? utf8(body) : new Uint8Array(body);
  const keys = (typeof secrets === "string" ? [secrets] : secrets).map(keyOf);
  if (keys.length === 0) throw new WebhookError("secret", "there is no secret to verify with");
  const id = header(headers, "webhook-id");
  const timestamp = header(headers, "webhook-timestamp");
  const signatures = header(headers, "webhook-signature").split(" ").slice(0, SIGNATURES_MAX);
  if (!/^[0-9]{1,12}$/.test(timestamp)) throw new WebhookError("header", "webhook-timestamp is not a number of seconds");
  const tolerance = options.toleranceS ?? TOLERANCE_S;
  if (Math.abs((options.nowS ?? Date.now() / 1000) - Number(timestamp)) > tolerance) {
    throw new WebhookError("timestamp", `webhook-timestamp is more than ${tolerance} s from now`);
  }
  const signed = join(utf8(`${id}.${timestamp}.`), raw);
  for (const entry of signatures) {
    if (await signedBy(keys, entry, signed)) return parsed(raw);
  }
  throw new WebhookError("signature", "no signature of the webhook is by one of the secrets");
}

interface Key {
  version: string;
  bytes: Bytes;
}

function keyOf(secret: string): Key {
  for (const [prefix, version] of [["whsec_", "v1"], ["whpk_", "v1a"]] as const) {
    if (!secret.startsWith(prefix)) continue;
    const bytes = base64(secret.slice(prefix.length));
    if (!bytes?.length || (version === "v1a" && bytes.length !== 32)) {
      throw new WebhookError("secret", `a secret is not ${prefix} and base64${version === "v1a" ? " of 32 bytes" : ""}`);
    }
    return { version, bytes };
  }
  throw new WebhookError("secret", "a secret begins with neither whsec_ nor whpk_");
}

function header(headers: WebhookHeaders, name: string): string {
  const value =
    headers instanceof Headers
      ? headers.get(name)
      : Object.entries(headers).find(([key]) => key.toLowerCase() === name)?.[1];
  const text = Array.isArray(value) ? value[0] : value;
  if (!text) throw new WebhookError("header", `the header ${name} is absent`);
  return text;
}

async function signedBy(keys: Key[], entry: string, signed: Bytes): Promise<boolean> {
  const comma = entry.indexOf(",");
  const signature = comma < 0 ? undefined : base64(entry.slice(comma + 1));
  if (!signature) return false;
  for (const { version, bytes } of keys) {
    if (version !== entry.slice(0, comma)) continue;
    // WebCrypto compares in constant time.
    const [importAs, verifyAs] =
      version === "v1" ? ([{ name: "HMAC", hash: "SHA-256" }, "HMAC"] as const) : (["Ed25519", "Ed25519"] as const);
    const key = await crypto.subtle.importKey("raw", bytes, importAs, false, ["verify"]);
    if (await crypto.subtle.verify(verifyAs, key, signature, signed)) return true;
  }
  return false;
}

function parsed(raw: Bytes): unknown {
  try {
    return JSON.parse(new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(raw));
  } catch {
    throw new WebhookError("body", "the webhook is genuine, but its body is not JSON");
  }
}

function base64(text: string): Bytes | undefined {
  try {
    return Uint8Array.from(atob(text), (char) => char.charCodeAt(0));
  } catch {
    return undefined;
  }
}

function utf8(text: string): Bytes {
  return new TextEncoder().encode(text);
}

function join(first: Bytes, second: Bytes): Bytes {
  const all = new Uint8Array(first.length + second.length);
  all.set(first);
  all.set(second, first.length);
  return all;
}
