use super::*;
use sluice_model::subscription::{SigningSecret, WebhookHeader};
use sluice_model::{AuditActor, DisabledReason, Scopes};
use sluice_ports::catalogue::contract::CatalogueSample;

/// Texts that no entry may hold.
const SECRETS: [&str; 4] = ["whsec_hidden", "Bearer hidden", "token=hidden", "routing-hidden"];

fn subscription() -> Subscription {
    let mut subscription = CatalogueSample::new(1).subscription;
    subscription.webhook_url = "https://example.com/hook?token=hidden".to_owned();
    subscription.secrets = vec![SigningSecret { text: "whsec_hidden".to_owned(), expires_at_ms: None }];
    let (name, value) = ("authorization".to_owned(), "Bearer hidden".to_owned());
    subscription.headers = vec![WebhookHeader { name, value }];
    subscription.shape.template = Some(r#"{"routing_key":"routing-hidden"}"#.to_owned());
    subscription
}

/// The entry of a change of a subscription, and its text.
fn changed(old: Option<&Subscription>, new: &Subscription) -> (Option<AuditDraft>, String) {
    let secret_fields = old.map_or_else(Vec::new, |old| secret_fields(old, new));
    let context = ChangeContext { origin: AuditOrigin::SYSTEM, secret_fields };
    let row = |subscription: &Subscription| CatalogueRow::Subscription(subscription.clone());
    let draft = draft(old.map(row).as_ref(), &row(new), &context);
    let entry = draft.clone().map(|draft| made(AuditId::from_u128(1), draft, &context.origin));
    let text = serde_json::to_string(&entry).unwrap();
    for secret in SECRETS {
        assert!(!text.contains(secret), "{secret}: {text}");
    }
    (draft, text)
}

fn names(draft: &AuditDraft) -> Vec<&str> {
    draft.changes.iter().map(|change| change.field.as_str()).collect()
}

#[test]
fn no_secret_of_a_subscription_is_told_when_it_is_made_changed_or_deleted() {
    let (made, text) = changed(None, &subscription());
    let made = made.unwrap();
    assert_eq!(made.action, AuditAction::SubscriptionCreated);
    assert!(
        text.contains("https://example.com/hook?…") && text.contains(r#""after":["authorization"]"#),
        "{text}"
    );
    assert!(made.changes.iter().any(|change| change.field == "transform" && change.secret));

    let row = CatalogueRow::Subscription(subscription());
    let (customer, id) = (subscription().customer, subscription().id);
    let gone = CatalogueRow::DeletedSubscription { customer, id };
    let deleted = draft(Some(&row), &gone, &ChangeContext::SYSTEM).unwrap();
    assert_eq!(deleted.action, AuditAction::SubscriptionDeleted);
    let text = serde_json::to_string(&deleted.changes).unwrap();
    assert!(SECRETS.iter().all(|secret| !text.contains(secret)), "{text}");
    assert!(text.contains(r#""before":"https://example.com/hook?…""#), "{text}");
}

#[test]
fn each_change_of_a_subscription_is_named_by_its_fields() {
    let old = subscription();
    let with = |change: &dyn Fn(&mut Subscription)| {
        let mut new = subscription();
        new.id = old.id;
        new.customer = old.customer;
        new.version += 1;
        new.updated_at_ms += 1;
        change(&mut new);
        changed(Some(&old), &new).0
    };
    assert_eq!(with(&|_| ()), None, "a new version that changes nothing");
    assert_eq!(with(&|new| new.effective_at_ms += 1), None);
    let only = |draft: Option<AuditDraft>, action, field: &str, secret| {
        let draft = draft.unwrap();
        assert_eq!((draft.action, names(&draft)), (action, vec![field]));
        assert_eq!(draft.changes[0].secret, secret, "{draft:?}");
    };
    let updated = AuditAction::SubscriptionUpdated;
    only(with(&|new| new.ordered = true), updated, "ordered", false);
    only(with(&|new| new.batch.max_events = 7), updated, "batch", false);
    only(with(&|new| new.rate_limit_per_second = Some(7)), updated, "rate_limit_per_second", false);
    only(
        with(&|new| new.headers[0].value = "Bearer hidden too".into()),
        updated,
        "headers.authorization",
        true,
    );
    only(with(&|new| new.shape.template = Some("\"routing-hidden 2\"".into())), updated, "transform", true);
    let url = with(&|new| new.webhook_url = "https://example.com/hook?token=hidden2".into());
    only(url, updated, "webhook_url", false);
    let rotated = with(&|new| {
        let text = "whsec_hidden_too".to_owned();
        new.secrets.insert(0, SigningSecret { text, expires_at_ms: None });
    });
    only(rotated, AuditAction::SubscriptionSecretRotated, "secret", true);
    let disabled = with(&|new| {
        new.status = SubscriptionStatus::Disabled { reason: DisabledReason::BacklogFull };
    });
    let disabled = disabled.unwrap();
    assert_eq!(disabled.action, AuditAction::SubscriptionDisabled);
    assert_eq!(names(&disabled), ["status", "status_reason"]);
    assert_eq!(disabled.changes[1].after, Some("backlog_full".into()));
}

#[test]
fn secrets_that_are_sealed_anew_leave_no_entry() {
    let old = subscription();
    let mut new = old.clone();
    new.version += 1;
    new.secrets[0].text = "sealed:v1:two:hidden".to_owned();
    new.headers[0].value = "sealed:v1:two:hidden".to_owned();
    let row = |subscription: &Subscription| CatalogueRow::Subscription(subscription.clone());
    assert_eq!(draft(Some(&row(&old)), &row(&new), &ChangeContext::SYSTEM), None);
}

#[test]
fn a_key_is_told_by_its_hint_and_its_scopes() {
    let mut key = CatalogueSample::new(1).key;
    key.scopes = Scopes::EVENTS_READ;
    let context = ChangeContext::from(AuditOrigin { actor: AuditActor::Admin, from: None });
    let made = draft(None, &CatalogueRow::Key(key.clone()), &context).unwrap();
    assert_eq!((made.action, names(&made)), (AuditAction::KeyCreated, vec!["hint", "scopes"]));
    assert_eq!(made.changes[1].after, Some(json!(["events:read"])));
    let text = serde_json::to_string(&made.changes).unwrap();
    assert!(!text.contains("7,7,7"), "no hash: {text}");
    let revoked = ApiKey { revoked_at_ms: Some(9), ..key.clone() };
    let revoked = draft(Some(&CatalogueRow::Key(key)), &CatalogueRow::Key(revoked), &context).unwrap();
    assert_eq!((revoked.action, names(&revoked)), (AuditAction::KeyRevoked, vec![]));
}

#[test]
fn long_values_are_cut_and_an_entry_stays_small() {
    let old = CatalogueSample::new(1).customer;
    let new = Customer { name: "é".repeat(5000), ..old.clone() };
    let rows = (CatalogueRow::Customer(old), CatalogueRow::Customer(new));
    let draft = draft(Some(&rows.0), &rows.1, &ChangeContext::SYSTEM).unwrap();
    let Some(Value::String(name)) = &draft.changes[0].after else { panic!("{draft:?}") };
    assert!(name.len() <= VALUE_BYTES_MAX + 3 && name.ends_with('…'), "{}", name.len());
    let mut subscription = subscription();
    subscription.selector = format!(r#"{{"type":"any","of":[{}]}}"#, vec![r#"{"type":"x"}"#; 900].join(","));
    let (_, text) = changed(None, &subscription);
    assert!(text.len() < 4096, "{}", text.len());
}
