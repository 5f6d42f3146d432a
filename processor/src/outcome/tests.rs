use super::*;
use proptest::prelude::*;

fn status(code: u16) -> PostResult {
    PostResult::Answered { code, retry_after: None }
}

fn faults() -> impl Strategy<Value = PostResult> {
    prop::sample::select(vec![Fault::Timeout, Fault::Connect, Fault::Broken, Fault::ForbiddenAddress])
        .prop_map(PostResult::Fault)
}

fn retryable() -> impl Strategy<Value = PostResult> {
    let statuses = prop_oneof![Just(408u16), Just(425), Just(429), 500u16..=999];
    let unreadable = (200u16..300).prop_map(|code| PostResult::Unreadable { code, retry_after: None });
    prop_oneof![faults(), statuses.prop_map(status), unreadable]
}

proptest! {
    #[test]
    fn a_retryable_answer_is_retried_until_the_policy_ends(
        answer in retryable(), attempts in 1u32..40, max_retries in 0u32..30, cap in 1u32..90_000, random in 0.0f64..1.0
    ) {
        let policy = RetryPolicy { max_retries, max_delay_s: cap, ..RetryPolicy::default() };
        match decide(answer, attempts, &policy, 0, random) {
            Outcome::Retry { after } => {
                prop_assert!(attempts <= max_retries);
                prop_assert!(after > Duration::ZERO && after <= Duration::from_secs(u64::from(cap)));
            }
            other => {
                prop_assert!(attempts > max_retries);
                prop_assert_eq!(other, Outcome::DeadLetter { reason: DeadLetterReason::Exhausted });
            }
        }
        let down = matches!(health(answer, 0), EndpointHealth::Down { .. });
        prop_assert!(down);
    }

    #[test]
    fn every_status_has_the_outcome_of_the_table(code in 100u16..1000) {
        let outcome = decide(status(code), 1, &RetryPolicy::default(), 0, 0.5);
        let expected = match code {
            200..=299 => outcome == Outcome::Taken,
            410 => outcome == Outcome::DisableAndDeadLetter,
            408 | 425 | 429 | 500.. => matches!(outcome, Outcome::Retry { .. }),
            _ => outcome == Outcome::DeadLetter { reason: DeadLetterReason::Refused },
        };
        prop_assert!(expected, "{} gave {:?}", code, outcome);
    }

    #[test]
    fn retry_after_is_honoured_and_clamped_on_every_status_that_is_retried(
        code in prop_oneof![Just(408u16), Just(413), Just(425), Just(429), 500u16..600],
        wish in 0u64..200_000, as_date: bool
    ) {
        let now_ms = 1_700_000_000_000;
        let wish_form = if as_date { RetryAfter::At(now_ms + wish * 1000) } else { RetryAfter::Seconds(wish) };
        let answer = PostResult::Answered { code, retry_after: Some(wish_form) };
        let Outcome::Retry { after } = decide(answer, 1, &RetryPolicy::default(), now_ms, 0.5) else {
            panic!("not retried");
        };
        prop_assert!(after >= Duration::from_secs(wish.min(86_400)));
        prop_assert!(after <= Duration::from_secs(86_400));
        let held = EndpointHealth::Down { hold: Some(Duration::from_secs(wish)) };
        prop_assert_eq!(health(answer, now_ms), if code == 413 { EndpointHealth::Up } else { held });
    }
}

#[test]
fn a_wish_on_a_status_that_is_final_does_not_make_it_retried() {
    for code in [301, 400, 401, 403, 404, 422] {
        let answer = PostResult::Answered { code, retry_after: Some(RetryAfter::Seconds(1)) };
        let refused = Outcome::DeadLetter { reason: DeadLetterReason::Refused };
        assert_eq!(decide(answer, 1, &RetryPolicy::default(), 0, 0.5), refused, "{code}");
    }
}

#[test]
fn a_subscription_may_have_its_client_errors_retried() {
    let policy = RetryPolicy { client_errors: ClientErrors::Retry, ..RetryPolicy::default() };
    for code in (100..=999).filter(|code| !(200..300).contains(code)) {
        let outcome = decide(status(code), 1, &policy, 0, 0.5);
        let expected = match code {
            410 => outcome == Outcome::DisableAndDeadLetter,
            400.. => matches!(outcome, Outcome::Retry { .. }),
            _ => outcome == Outcome::DeadLetter { reason: DeadLetterReason::Refused },
        };
        assert!(expected, "{code} gave {outcome:?}");
    }
    let last = decide(status(404), policy.max_retries + 1, &policy, 0, 0.5);
    assert_eq!(last, Outcome::DeadLetter { reason: DeadLetterReason::Exhausted });
    let wish = PostResult::Answered { code: 404, retry_after: Some(RetryAfter::Seconds(90)) };
    assert_eq!(decide(wish, 1, &policy, 0, 0.5), Outcome::Retry { after: Duration::from_secs(90) });
}

#[test]
fn an_unsendable_webhook_is_not_retried() {
    let decide = |fault| decide(PostResult::Fault(fault), 1, &RetryPolicy::default(), 0, 0.5);
    assert_eq!(decide(Fault::ForbiddenUrl), Outcome::DeadLetter { reason: DeadLetterReason::Refused });
    assert_eq!(decide(Fault::Redirect), Outcome::DeadLetter { reason: DeadLetterReason::Refused });
    assert_eq!(decide(Fault::Unsendable), Outcome::DeadLetter { reason: DeadLetterReason::Poison });
}
