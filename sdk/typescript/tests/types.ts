// What a caller may write, and what the compiler must refuse.

import { Client, type EventStatus, type NewSubscription, type StoredEvent } from "@sluice/sdk";
import { verify } from "@sluice/sdk/webhook";

export async function caller(client: Client): Promise<void> {
  const known: EventStatus = "delivered";
  const later: EventStatus = "a status of a later version";
  const subscription: NewSubscription = {
    event_selector: { type: "any", of: [{ type: "event_type", value: "a.*" }, { type: "jsonpath", expression: "$.a" }] },
    webhook_url: "https://example.com/",
    batch: { max_events: 5 },
  };
  const secret: string | undefined = (await client.createSubscription(subscription)).secret;
  for await (const event of client.iterateInbox({ status: known, limit: 5 })) {
    const stored: StoredEvent = event;
    if (stored.status === later) break;
  }
  const value: unknown = await verify("[]", new Headers(), [secret ?? ""]);
  // @ts-expect-error an event needs a payload
  await client.sendEvent({ event_type: "a" });
  // @ts-expect-error a selector has one of the known types
  await client.createSubscription({ event_selector: { type: "nothing" }, webhook_url: "" });
  // @ts-expect-error the limit is a number
  client.iterateInbox({ limit: "5" });
  return void value;
}
