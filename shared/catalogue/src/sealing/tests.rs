use super::*;
use base64::engine::general_purpose::STANDARD;
use proptest::prelude::*;
use sluice_model::subscription::{SigningSecret, WebhookHeader};
use sluice_ports::catalogue::contract::CatalogueSample;

const ONE: &str = "one:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
const TWO: &str = "two:HxwdHhsaGRgXFhUUExIREA8ODQwLCgkIBwYFBAMCAQA=";
const ANOTHER_ONE: &str = "one:HxwdHhsaGRgXFhUUExIREA8ODQwLCgkIBwYFBAMCAQA=";

fn sealer(keys: &[&str]) -> Sealer {
    Sealer::from_lines(keys.iter().copied()).unwrap()
}

fn with_secret(mut sample: CatalogueSample) -> CatalogueSample {
    let secret = SigningSecret { text: "whsec_c2VjcmV0IG9mIGEgdGVzdA==".to_owned(), expires_at_ms: None };
    sample.subscription.secrets = vec![secret];
    sample
}

fn subscription() -> Subscription {
    with_secret(CatalogueSample::new(1)).subscription
}

#[test]
fn keys_are_checked_without_being_shown() {
    for (line, number) in [("", 1), ("x", 1), ("a b:AAAA", 1), ("id:AAAA", 1), ("id:not base64", 1)] {
        let Err(error) = Sealer::from_lines([line]) else { panic!("{line}") };
        assert!(matches!(error, SealError::BadKey { number: found } if found == number), "{error}");
        assert!(line.len() < 2 || !error.to_string().contains(line), "{error}");
    }
    assert!(matches!(Sealer::from_lines([ONE, ANOTHER_ONE]), Err(SealError::SameId(id)) if id == "one"));
    let config = SealingConfig { keys: vec![ONE.into()], keys_file: None };
    assert!(!format!("{config:?}").contains("AAEC"));
    config.validate().unwrap();
}

#[test]
fn keys_of_a_file_come_after_those_of_the_configuration() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("keys");
    std::fs::write(&path, format!("# old\n\n  {TWO}  \n")).unwrap();
    let config = SealingConfig { keys: vec![ONE.into()], keys_file: Some(path) };
    let ids: Vec<_> = Sealer::load(&config).unwrap().keys.into_iter().map(|key| key.id).collect();
    assert_eq!(ids, ["one", "two"]);
    let config = SealingConfig { keys: Vec::new(), keys_file: Some(dir.path().join("none")) };
    assert!(matches!(Sealer::load(&config), Err(SealError::File { .. })));
}

#[test]
fn a_sealed_secret_opens_only_where_it_belongs() {
    let (plain, sealer) = (subscription(), sealer(&[ONE]));
    let sealed = sealer.sealed(&plain).unwrap();
    assert!(sealed.secrets[0].text.starts_with("sealed:v1:one:"));
    assert_ne!(sealed.secrets, sealer.sealed(&plain).unwrap().secrets, "the same nonce twice");
    assert_eq!(sealer.opened(sealed.clone()).unwrap(), plain);

    let other = CatalogueSample::new(2).subscription;
    let moved = Subscription { secrets: sealed.secrets.clone(), ..other };
    assert!(matches!(sealer.opened(moved), Err(SealError::NotOpened(_))));
    let error = self::sealer(&[ANOTHER_ONE]).opened(sealed.clone()).unwrap_err();
    assert!(matches!(error, SealError::NotOpened(_)));
    let error = self::sealer(&[TWO]).opened(sealed).unwrap_err();
    assert!(error.to_string().contains("`one`") && error.to_string().contains("secrets.keys"), "{error}");
}

#[test]
fn a_sealed_header_opens_only_under_its_name() {
    let (mut plain, sealer) = (subscription(), sealer(&[ONE]));
    // A header's value that looks sealed is sealed like any other.
    let header = |name: &str, value: &str| WebhookHeader { name: name.into(), value: value.into() };
    plain.headers = vec![header("authorization", "Bearer a"), header("x-key", "sealed:v1:one:AAAA")];
    let sealed = sealer.sealed(&plain).unwrap();
    assert!(sealed.headers.iter().all(|header| header.value.starts_with("sealed:v1:one:")));
    assert!(!sealer.is_stale(&sealed) && sealer.is_stale(&plain));
    assert_eq!(sealer.opened(sealed.clone()).unwrap(), plain);

    let mut swapped = sealed.clone();
    (swapped.headers[0].value, swapped.headers[1].value) =
        (sealed.headers[1].value.clone(), sealed.headers[0].value.clone());
    assert!(matches!(sealer.opened(swapped), Err(SealError::NotOpened(_))));
    let mut as_secret = sealed.clone();
    as_secret.secrets[0].text.clone_from(&sealed.headers[0].value);
    assert!(matches!(sealer.opened(as_secret), Err(SealError::NotOpened(_))));
    let mut half = sealed;
    half.headers[1].value = "in plain text".into();
    assert!(sealer.is_stale(&half));
}

proptest! {
    #[test]
    fn no_changed_byte_opens(offset in 0_usize..80, flip in 1_u8..=255) {
        let (plain, sealer) = (subscription(), sealer(&[ONE]));
        let mut sealed = sealer.sealed(&plain).unwrap();
        let text = sealed.secrets[0].text.strip_prefix("sealed:v1:one:").unwrap();
        let mut bytes = STANDARD.decode(text).unwrap();
        let offset = offset % bytes.len();
        bytes[offset] ^= flip;
        sealed.secrets[0].text = format!("sealed:v1:one:{}", STANDARD.encode(bytes));
        prop_assert!(matches!(sealer.opened(sealed), Err(SealError::NotOpened(_))));
    }

    #[test]
    fn no_text_makes_it_panic(text in ".{0,80}") {
        let mut stored = subscription();
        stored.secrets[0].text = format!("sealed:v1:{text}");
        prop_assert!(sealer(&[ONE]).opened(stored).is_err());
    }
}
