//! Sends EVENTS events through the batcher and writes the result of each to RESULTS.

use sluice_sdk::types::Event;
use sluice_sdk::{BatcherOptions, Client, ClientOptions};
use std::io::Write as _;
use std::time::Duration;

#[expect(clippy::disallowed_methods, reason = "an example has no other configuration")]
fn setting(name: &str) -> Result<String, std::env::VarError> {
    std::env::var(name)
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let options = ClientOptions { base_url: Some(setting("SLUICE_URL")?), ..Default::default() };
    let client = Client::new(&setting("SLUICE_API_KEY")?, &options)?;
    let batcher = client.batcher(BatcherOptions {
        batch_events_max: 200,
        queue_events_max: 2000,
        ..Default::default()
    })?;
    let (told, mut results) = tokio::sync::mpsc::channel(4000);
    let path = setting("RESULTS")?;
    let writer = tokio::spawn(async move {
        let mut file = std::io::BufWriter::new(std::fs::File::create(path)?);
        while let Some((number, queued)) = results.recv().await {
            let queued: sluice_sdk::Queued = queued;
            match queued.await {
                Ok(id) => writeln!(file, "{number} {id}")?,
                Err(error) => writeln!(file, "{number} ! {error}")?,
            }
        }
        file.flush()
    });
    for number in 0..setting("EVENTS")?.parse::<u64>()? {
        let mut event = Event::new(serde_json::json!({ "n": number }));
        event.event_type = Some("soak".into());
        told.send((number, batcher.send(&event).await?)).await?;
    }
    batcher.close(Duration::from_secs(300)).await?;
    drop(told);
    writer.await??;
    Ok(())
}
