// Sends EVENTS events through the batcher and writes what became of each to RESULTS.

import { createWriteStream } from "node:fs";
import { Client } from "@sluice/sdk";

const { SLUICE_API_KEY, SLUICE_URL, RESULTS, EVENTS } = process.env;
const results = createWriteStream(RESULTS);
const batcher = new Client(SLUICE_API_KEY, { baseUrl: SLUICE_URL }).batcher({ batchEventsMax: 200, queueEventsMax: 2000 });
for (let n = 0; n < Number(EVENTS); n++) {
  const queued = await batcher.send({ event_type: "soak", payload: { n } });
  queued.result.then((id) => results.write(`${n} ${id}\n`), (error) => results.write(`${n} ! ${error}\n`));
}
await batcher.close(300_000);
results.end();
