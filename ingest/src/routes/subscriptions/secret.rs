//! The secrets of a subscription: at its creation, and while they rotate.

use super::change::{EffectiveFrom, update};
use super::wire::view_with_secret;
use crate::contexts::SubscriptionsContext;
use crate::error::ApiError;
use crate::reply::{ApiReply, json as json_reply};
use crate::request::ApiRequest;
use http::StatusCode;
use hyper::body::Incoming;
use serde::Deserialize;
use serde_json::json;
use sluice_catalogue::secrets::{SigningKey, new_signing_secret};
use sluice_model::SignatureScheme;
use sluice_model::clock::{now_ms, rfc3339_string};
use sluice_model::subscription::SigningSecret;

/// How long an old secret signs beside its successor, by default.
const KEEP_S_DEFAULT: u64 = 24 * 3600;

/// The most secrets of a subscription. A rotation that would need one more is refused.
const SECRETS_MAX: usize = 4;

/// The first secret of a subscription: the customer's own, if it is valid for the
/// scheme, or a new one.
pub(super) fn first(own: Option<String>, scheme: SignatureScheme) -> Result<SigningSecret, ApiError> {
    let text = match own {
        None => new_signing_secret(scheme),
        Some(own) => {
            let checked = SigningKey::check(&own, scheme);
            checked.map_err(|error| ApiError::invalid("secret", error.to_string()))?;
            own
        }
    };
    Ok(SigningSecret { text, expires_at_ms: None })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Rotation {
    /// How long the old secrets sign beside the new one, in seconds.
    keep_s: Option<u64>,
    /// The scheme of the new secret; by default that of the newest.
    signature: Option<SignatureScheme>,
}

/// `POST /v1/subscriptions/{id}/rotate-secret`.
pub(super) async fn rotate(
    context: &SubscriptionsContext,
    request: &ApiRequest<'_>,
    body: Incoming,
) -> Result<ApiReply, ApiError> {
    let Rotation { keep_s, signature } = request.optional_json(body).await?;
    let keep_s_max = context.limits.rotation_keep_s_max;
    if keep_s.is_some_and(|keep_s| keep_s > keep_s_max) {
        return Err(ApiError::invalid("keep_s", format!("is more than {keep_s_max}")));
    }
    let now_ms = now_ms();
    let changed = update(request, |subscription| {
        let scheme = signature.unwrap_or_else(|| subscription.signature());
        let fresh = SigningSecret { text: new_signing_secret(scheme), expires_at_ms: None };
        rotated(&mut subscription.secrets, fresh, keep_s, now_ms)?;
        Ok(EffectiveFrom::Unchanged)
    })
    .await?;
    Ok(json_reply(StatusCode::OK, &view_with_secret(&changed)))
}

/// Puts a new secret before the old ones. Without `keep_s` no old secret ends earlier
/// than it would have; with `keep_s` all of them end by then.
fn rotated(
    secrets: &mut Vec<SigningSecret>,
    fresh: SigningSecret,
    keep_s: Option<u64>,
    now_ms: u64,
) -> Result<(), ApiError> {
    let until_ms = now_ms + keep_s.unwrap_or(KEEP_S_DEFAULT) * 1000;
    for old in &mut *secrets {
        let at_ms = old.expires_at_ms.get_or_insert(until_ms);
        if keep_s.is_some() {
            *at_ms = until_ms.min(*at_ms);
        }
    }
    secrets.retain(|old| old.expires_at_ms.is_none_or(|at| at > now_ms));
    if secrets.len() >= SECRETS_MAX {
        return Err(too_many(secrets));
    }
    secrets.insert(0, fresh);
    Ok(())
}

/// The refusal of a rotation that would drop a secret while it still signs.
fn too_many(secrets: &[SigningSecret]) -> ApiError {
    let first_expiry_ms = secrets.iter().filter_map(|secret| secret.expires_at_ms).min();
    let text = format!("{} secrets sign, the most there may be; the oldest must expire first", secrets.len());
    let error = ApiError::new(StatusCode::CONFLICT, "TOO_MANY_SECRETS", text);
    match first_expiry_ms {
        Some(ms) => error.details(json!({ "possible_at": rfc3339_string(ms) })),
        None => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rotate(secrets: &mut Vec<SigningSecret>, name: &str, keep_s: Option<u64>, now_ms: u64) -> bool {
        let fresh = SigningSecret { text: name.into(), expires_at_ms: None };
        rotated(secrets, fresh, keep_s, now_ms).is_ok()
    }

    fn ends(secrets: &[SigningSecret]) -> Vec<(&str, Option<u64>)> {
        secrets.iter().map(|secret| (secret.text.as_str(), secret.expires_at_ms)).collect()
    }

    #[test]
    fn old_secrets_sign_for_a_day_or_as_long_as_the_caller_says() {
        let mut secrets = Vec::new();
        assert!(rotate(&mut secrets, "a", None, 0) && rotate(&mut secrets, "b", None, 1000));
        assert_eq!(ends(&secrets), [("b", None), ("a", Some(86_401_000))]);
        // A longer time does not prolong a secret that ends earlier.
        assert!(rotate(&mut secrets, "c", Some(172_800), 2000));
        assert_eq!(ends(&secrets), [("c", None), ("b", Some(172_802_000)), ("a", Some(86_401_000))]);
        assert!(rotate(&mut secrets, "d", Some(60), 3000));
        assert_eq!(
            ends(&secrets),
            [("d", None), ("c", Some(63_000)), ("b", Some(63_000)), ("a", Some(63_000))]
        );
        assert!(!rotate(&mut secrets, "e", None, 4000), "one would be dropped while it signs");
        assert!(rotate(&mut secrets, "f", Some(0), 5000));
        assert_eq!(ends(&secrets), [("f", None)], "a leaked secret ends at once");
    }
}
