//! The examples of docs/transforming.md make what the services take. The asserted shapes were
//! written from the services' public descriptions.

#![expect(clippy::unwrap_used, reason = "a failed check is a panic")]

use serde_json::{Value, json};
use sluice_shape::{JsonTemplate, ShapeLimits};

const DOCUMENT: &str = include_str!("../../../docs/transforming.md");

/// The first JSON block below a heading.
fn block(heading: &str) -> &'static str {
    let below = DOCUMENT.split_once(&format!("{heading}\n")).unwrap().1;
    below.split_once("```json\n").unwrap().1.split_once("```").unwrap().0
}

fn made(heading: &str, change: impl FnOnce(&mut Value)) -> Value {
    let mut event: Value = serde_json::from_str(block("## Examples")).unwrap();
    change(&mut event);
    let template = JsonTemplate::compile(block(heading), ShapeLimits::default()).unwrap();
    let mut out = Vec::new();
    template.render(event.to_string().as_bytes(), &mut out).unwrap();
    serde_json::from_slice(&out).unwrap()
}

fn is_text(value: &Value, longest: usize) -> bool {
    value.as_str().is_some_and(|text| !text.is_empty() && text.chars().count() <= longest)
}

#[test]
fn slack_takes_text_and_blocks_with_escaped_text() {
    let message = made("### Slack", |_| {});
    assert!(is_text(&message["text"], 40_000));
    let blocks = message["blocks"].as_array().unwrap();
    assert!(blocks.len() <= 50);
    assert_eq!((&blocks[0]["type"], &blocks[0]["text"]["type"]), (&json!("section"), &json!("mrkdwn")));
    let text = blocks[0]["text"]["text"].as_str().unwrap();
    assert!(
        is_text(&blocks[0]["text"]["text"], 3000) && text.contains("Ada &lt;ada@example.com&gt;"),
        "{text}"
    );
    let context = &blocks[1]["elements"][0];
    assert_eq!((&blocks[1]["type"], &context["type"]), (&json!("context"), &json!("mrkdwn")));
    assert_eq!(context["text"], "eu · card · <https://shop.example.com/orders/o-1001|o-1001>");
}

#[test]
fn teams_takes_a_message_with_an_adaptive_card() {
    let message = made("### Microsoft Teams", |_| {});
    assert_eq!(message["type"], "message");
    let attachment = &message["attachments"][0];
    assert_eq!(attachment["contentType"], "application/vnd.microsoft.card.adaptive");
    let card = &attachment["content"];
    assert_eq!((&card["type"], &card["version"]), (&json!("AdaptiveCard"), &json!("1.4")));
    let body = card["body"].as_array().unwrap();
    assert!(body.iter().all(|item| ["TextBlock", "FactSet"].contains(&item["type"].as_str().unwrap())));
    assert!(body[2]["facts"].as_array().unwrap().iter().all(|fact| fact["value"].is_string()));
    assert_eq!(body[2]["facts"][1]["value"], "12.5 EUR");
    assert_eq!(card["actions"][0]["url"], "https://shop.example.com/orders/o-1001");
}

#[test]
fn discord_takes_content_and_embeds_and_nobody_is_called() {
    let message = made("### Discord", |event| event["payload"]["reason"] = "@everyone ".repeat(300).into());
    assert!(is_text(&message["content"], 2000));
    assert_eq!(message["allowed_mentions"], json!({"parse": []}));
    let embed = &message["embeds"][0];
    assert!(is_text(&embed["title"], 256) && embed["color"] == 15_158_332, "a color is a number: {embed}");
    let field = &embed["fields"][0];
    assert!(is_text(&field["name"], 256) && is_text(&field["value"], 1024) && field["inline"] == true);
}

#[test]
fn pagerduty_takes_a_trigger_and_its_resolution_with_the_same_key() {
    let trigger = made("### PagerDuty", |event| event["payload"]["reason"] = "x".repeat(3000).into());
    assert_eq!(trigger["routing_key"].as_str().unwrap().len(), 32);
    assert_eq!(
        (&trigger["event_action"], &trigger["dedup_key"]),
        (&json!("trigger"), &json!("order-o-1001"))
    );
    let alert = &trigger["payload"];
    assert!(is_text(&alert["summary"], 1024) && is_text(&alert["source"], 255));
    assert!(["critical", "error", "warning", "info"].contains(&alert["severity"].as_str().unwrap()));
    assert!(alert["custom_details"].is_object() && alert["custom_details"]["amount"] == 12.5);
    let resolve = made("### PagerDuty", |event| event["event_type"] = "order.recovered".into());
    assert_eq!((&resolve["event_action"], &resolve["dedup_key"]), (&json!("resolve"), &trigger["dedup_key"]));
    let bare = made("### PagerDuty", |event| {
        event.as_object_mut().unwrap().remove("source");
        event["payload"].as_object_mut().unwrap().remove("severity");
    });
    assert_eq!(
        (&bare["payload"]["source"], &bare["payload"]["severity"]),
        (&json!("sluice"), &json!("warning"))
    );
}
