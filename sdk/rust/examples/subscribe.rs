//! A program of the README; `tests/sdk` compares them.
#![expect(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "the program of a page is as short as it can be"
)]

// ---
use sluice_sdk::types::{NewSubscription, Selector};
use sluice_sdk::{Client, ClientOptions, SdkError};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let options = ClientOptions { base_url: Some(std::env::var("SLUICE_URL")?), ..Default::default() };
    let client = Client::new(&std::env::var("SLUICE_API_KEY")?, &options)?;
    let selector = Selector::EventType { value: "order.*".into() };
    let subscription =
        client.create_subscription(&NewSubscription::new(selector, "https://example.com/hook")).await?;
    println!("secret {:?}", subscription.secret);
    match client.get_subscription("00000000-0000-4000-8000-000000000000").await {
        Err(SdkError::Api(refused)) => println!("refused {} {}", refused.status, refused.code),
        other => println!("{other:?}"),
    }
    client.delete_subscription(&subscription.workflow_id).await?;
    Ok(())
}
