"""Sends EVENTS events through the batcher and writes what became of each to RESULTS."""

import os
from concurrent.futures import Future

from sluice import BatcherOptions, Client, SluiceError

client = Client(os.environ["SLUICE_API_KEY"], base_url=os.environ["SLUICE_URL"])
with open(os.environ["RESULTS"], "w", buffering=1 << 12) as results:

    def tell(number: int, future: "Future[str]") -> None:
        try:
            results.write(f"{number} {future.result()}\n")
        except SluiceError as error:
            results.write(f"{number} ! {error}\n")

    with client.batcher(BatcherOptions(batch_events_max=200, queue_events_max=2000)) as batcher:
        for number in range(int(os.environ["EVENTS"])):
            future = batcher.send({"event_type": "soak", "payload": {"n": number}})
            future.add_done_callback(lambda done, number=number: tell(number, done))
