//! The consent ratchet: either side may lower consent, only a newer local opt-in raises it, and then only as a request to
//! confirm.

use sync_core::{
    Consent, ConsentState,
    zoo::{self, Defect},
};

use crate::Suppression;

/// The consent that the remote side shall have: what the host says, held down by what the person said elsewhere.
///
/// `suppression` is the organization's own memory of refusals; `remote` what the provider shows now.
pub fn ratchet(local: Option<&Consent>, suppression: Option<&Suppression>, remote: Option<&Consent>) -> Consent {
    let local = local.cloned().unwrap_or_else(|| Consent::new(ConsentState::Unknown));
    if zoo::is(Defect::RaisesConsent) {
        return local;
    }
    // Who signed up there again after refusing has taken the refusal back.
    let taken_back = remote.filter(|remote| remote.state == ConsentState::Granted).and_then(|remote| remote.at);
    let suppression = suppression.filter(|refused| taken_back.is_none_or(|again| again <= refused.at));
    let refusal = [suppression.map(|s| (s.state, Some(s.at))), remote.map(|r| (r.state, r.at))]
        .into_iter()
        .flatten()
        .filter(|(state, _)| *state <= ConsentState::Denied)
        // The later refusal counts; one without a time counts as later than any.
        .max_by_key(|(_, at)| (at.is_none(), *at));
    let Some((refused, refused_at)) = refusal else {
        return match remote.map(|remote| remote.state) {
            // Asked already: asking again would mail the person again.
            Some(ConsentState::Pending) if local.state == ConsentState::Granted => {
                Consent { state: ConsentState::Pending, ..local }
            }
            _ => local,
        };
    };
    if local.state <= refused {
        return local;
    }
    let newer = match (local.at, refused_at) {
        (Some(given), Some(refused_at)) => given > refused_at,
        _ => false,
    };
    // A new opt-in is worth nothing for an address that can't be reached.
    let lifts = newer && local.state == ConsentState::Granted && refused == ConsentState::Denied;
    Consent { state: if lifts { ConsentState::Pending } else { refused }, ..local }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use proptest::prelude::*;

    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn consent(state: ConsentState, second: i64) -> Consent {
        Consent::new(state).at(at(second))
    }

    fn refusal(second: i64) -> Suppression {
        Suppression { at: at(second), state: ConsentState::Denied }
    }

    #[test]
    fn an_opt_in_goes_out_as_it_is_when_nobody_refused() {
        assert_eq!(ratchet(Some(&consent(ConsentState::Granted, 1)), None, None).state, ConsentState::Granted);
        assert_eq!(ratchet(None, None, None).state, ConsentState::Unknown);
    }

    #[test]
    fn an_older_opt_in_never_lifts_a_refusal() {
        assert_eq!(ratchet(Some(&consent(ConsentState::Granted, 1)), Some(&refusal(2)), None).state, ConsentState::Denied);
        let remote = consent(ConsentState::Denied, 2);
        assert_eq!(ratchet(Some(&consent(ConsentState::Granted, 1)), None, Some(&remote)).state, ConsentState::Denied);
    }

    #[test]
    fn an_opt_in_without_a_time_never_lifts_a_refusal() {
        let local = Consent::new(ConsentState::Granted);
        assert_eq!(ratchet(Some(&local), Some(&refusal(2)), None).state, ConsentState::Denied);
    }

    #[test]
    fn a_newer_opt_in_lifts_a_refusal_only_to_pending() {
        assert_eq!(ratchet(Some(&consent(ConsentState::Granted, 3)), Some(&refusal(2)), None).state, ConsentState::Pending);
    }

    #[test]
    fn who_signed_up_there_again_is_not_unsubscribed_by_an_older_refusal() {
        let remote = consent(ConsentState::Granted, 5);
        assert_eq!(
            ratchet(Some(&consent(ConsentState::Granted, 1)), Some(&refusal(2)), Some(&remote)).state,
            ConsentState::Granted
        );
        assert_eq!(
            ratchet(Some(&consent(ConsentState::Granted, 1)), Some(&refusal(6)), Some(&remote)).state,
            ConsentState::Denied
        );
    }

    #[test]
    fn a_dead_address_stays_dead() {
        let dead = Suppression { at: at(1), state: ConsentState::Undeliverable };
        assert_eq!(ratchet(Some(&consent(ConsentState::Granted, 9)), Some(&dead), None).state, ConsentState::Undeliverable);
    }

    #[test]
    fn who_was_asked_is_not_asked_again() {
        let remote = consent(ConsentState::Pending, 1);
        assert_eq!(ratchet(Some(&consent(ConsentState::Granted, 9)), None, Some(&remote)).state, ConsentState::Pending);
    }

    fn states() -> impl Strategy<Value = ConsentState> {
        prop::sample::select(vec![
            ConsentState::Undeliverable,
            ConsentState::Denied,
            ConsentState::Unknown,
            ConsentState::Pending,
            ConsentState::Granted,
        ])
    }

    proptest! {
        #[test]
        fn the_result_is_never_above_what_the_host_says_and_above_a_refusal_only_as_pending(
            local in states(), remote in states(), local_at in 0_i64..9, remote_at in 0_i64..9, suppressed in prop::option::of(0_i64..9),
        ) {
            let suppression = suppressed.map(refusal);
            let result = ratchet(Some(&consent(local, local_at)), suppression.as_ref(), Some(&consent(remote, remote_at))).state;
            prop_assert!(result <= local);
            let counts = suppressed.filter(|at| remote != ConsentState::Granted || remote_at <= *at);
            if counts.is_some() || remote <= ConsentState::Denied {
                prop_assert!(result <= ConsentState::Pending);
                if result > ConsentState::Denied {
                    prop_assert!(counts.is_none_or(|at| local_at > at));
                }
            }
        }
    }
}
