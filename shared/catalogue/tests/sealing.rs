//! Sealed secrets over a real catalogue.
#![expect(clippy::unwrap_used, reason = "a failed check is a panic")]

use sluice_catalogue::sealing::{OpenError, SealedCatalogue, Sealer, SealingConfig};
use sluice_embedded::catalogue::SqliteCatalogue;
use sluice_model::Subscription;
use sluice_model::subscription::SigningSecret;
use sluice_ports::Catalogue;
use sluice_ports::catalogue::Revision;
use sluice_ports::catalogue::contract::{self, CatalogueSample};
use std::path::Path;
use std::sync::Arc;

const ONE: &str = "one:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
const TWO: &str = "two:HxwdHhsaGRgXFhUUExIREA8ODQwLCgkIBwYFBAMCAQA=";
const ANOTHER_ONE: &str = "one:HxwdHhsaGRgXFhUUExIREA8ODQwLCgkIBwYFBAMCAQA=";

fn sealer(keys: &[&str]) -> Sealer {
    let config = SealingConfig { keys: keys.iter().map(|key| (*key).to_owned()).collect(), keys_file: None };
    Sealer::load(&config).unwrap()
}

fn with_secret(mut sample: CatalogueSample) -> CatalogueSample {
    let secret = SigningSecret { text: "whsec_c2VjcmV0IG9mIGEgdGVzdA==".to_owned(), expires_at_ms: None };
    sample.subscription.secrets = vec![secret];
    sample
}

/// The bytes of all files of a catalogue.
fn bytes_of(dir: &Path) -> Vec<u8> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        all.extend(if path.is_dir() { bytes_of(&path) } else { std::fs::read(path).unwrap() });
    }
    all
}

fn contains(bytes: &[u8], wanted: &str) -> bool {
    bytes.windows(wanted.len()).any(|window| window == wanted.as_bytes())
}

async fn open(dir: &Path, keys: &[&str]) -> Result<SealedCatalogue, OpenError> {
    let inner = Arc::new(SqliteCatalogue::open(dir).await.unwrap());
    SealedCatalogue::open(inner, sealer(keys)).await
}

async fn stored(catalogue: &SealedCatalogue) -> Vec<Subscription> {
    catalogue.changes(Revision::default()).await.unwrap().subscriptions
}

#[tokio::test]
async fn a_sealed_catalogue_is_a_catalogue() {
    let dir = tempfile::tempdir().unwrap();
    contract::all(&open(dir.path(), &[ONE]).await.unwrap()).await;
}

#[tokio::test]
async fn no_file_has_a_secret_and_without_the_key_nothing_starts() {
    let dir = tempfile::tempdir().unwrap();
    let catalogue = open(dir.path(), &[ONE]).await.unwrap();
    let sample = with_secret(CatalogueSample::new(1));
    catalogue.put_customer(&sample.customer).await.unwrap();
    catalogue.put_subscription(&sample.subscription).await.unwrap();
    assert_eq!(stored(&catalogue).await, std::slice::from_ref(&sample.subscription));
    let files = bytes_of(dir.path());
    assert!(!contains(&files, &sample.subscription.secrets[0].text));
    assert!(contains(&files, "sealed:v1:one:"));
    drop(catalogue);

    for keys in [&[][..], &[TWO], &[ANOTHER_ONE]] {
        let Err(error) = open(dir.path(), keys).await else { panic!("opened with {keys:?}") };
        let text = error.to_string();
        assert!(text.contains(&sample.subscription.id.to_string()) && text.contains("`one`"), "{text}");
    }
}

#[tokio::test]
async fn plain_secrets_and_those_of_an_old_key_are_sealed_with_the_first_key() {
    let dir = tempfile::tempdir().unwrap();
    let sample = with_secret(CatalogueSample::new(1));
    let catalogue = open(dir.path(), &[]).await.unwrap();
    catalogue.put_customer(&sample.customer).await.unwrap();
    catalogue.put_subscription(&sample.subscription).await.unwrap();
    drop(catalogue);
    for (version, keys) in [(2, &[ONE][..]), (3, &[TWO, ONE][..]), (3, &[TWO][..])] {
        let catalogue = open(dir.path(), keys).await.unwrap();
        let stored = stored(&catalogue).await.remove(0);
        assert_eq!((stored.version, &stored.secrets), (version, &sample.subscription.secrets), "{keys:?}");
    }
    assert!(open(dir.path(), &[ONE]).await.is_err(), "the old key opens it still");
}
