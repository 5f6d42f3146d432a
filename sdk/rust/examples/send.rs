//! A program of the README; `tests/sdk` compares them.
#![expect(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "the program of a page is as short as it can be"
)]

// ---
use sluice_sdk::types::{Event, InboxQuery};
use sluice_sdk::{BatcherOptions, Client, ClientOptions, StreamOptions};
use std::collections::HashSet;
use std::time::Duration;

fn order(number: u64) -> Event {
    Event { event_type: Some("order.created".into()), ..Event::new(serde_json::json!({ "order": number })) }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let options = ClientOptions { base_url: Some(std::env::var("SLUICE_URL")?), ..Default::default() };
    let client = Client::new(&std::env::var("SLUICE_API_KEY")?, &options)?;

    // One event. When this returns, it is durable.
    let accepted = client.send_event(&order(1), None).await?;
    println!("accepted {}", accepted.event_id);

    // Many, one by one: the batcher sends them in batches, and tells what became of each.
    let batcher = client.batcher(BatcherOptions::default())?;
    let mut queued = Vec::new();
    for number in 2..500 {
        queued.push(batcher.send(&order(number)).await?);
    }
    batcher.close(Duration::from_secs(30)).await?;
    let mut ids = HashSet::new();
    for one in queued {
        ids.insert(one.await?);
    }
    println!("batched {}", ids.len());

    // Read them: every item of every page.
    let query =
        InboxQuery { event_type: Some("order.created".into()), limit: Some(100), ..Default::default() };
    let mut pages = client.iterate_inbox(&query);
    let mut read = HashSet::new();
    while let Some(event) = pages.next().await? {
        read.insert(event.event_id);
    }
    println!("read {} {}", read.len(), ids.is_subset(&read));

    // Or as they happen. A stream that breaks goes on where it was.
    let options = StreamOptions { start_time: Some("1970-01-01T00:00:00Z".into()), ..Default::default() };
    let mut stream = client.stream(options)?;
    let first = stream.next().await?;
    println!("streamed {} {}", first.event_id == accepted.event_id, stream.last_event_id().is_some());
    Ok(())
}
