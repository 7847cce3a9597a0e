//! The ratchet: which status a person's consent allows, and which change of status is ever asked for.

use sync_core::{Consent, ConsentState, Owner, Remote, RemoteState, Skip};

use crate::{
    descriptor::{AUTOMATION, CONFIRMATION_MAIL, CONSENT},
    model::Status,
    settings::WithoutConsent,
};

/// The status of someone who is new to the audience.
///
/// # Errors
/// Why the person stays out.
pub(crate) fn of_new(consent: Option<&Consent>, double_optin: bool, unasked: WithoutConsent) -> Result<Status, Skip> {
    match consent.map_or(ConsentState::Unknown, |consent| consent.state) {
        ConsentState::Granted if double_optin => Ok(Status::Pending),
        ConsentState::Granted => Ok(Status::Subscribed),
        ConsentState::Pending => Ok(Status::Pending),
        ConsentState::Unknown => match unasked {
            WithoutConsent::Transactional => Ok(Status::Transactional),
            WithoutConsent::Skip => {
                Err(Skip::new("no-consent", "has not agreed to marketing, and stays out of the audience"))
            }
        },
        ConsentState::Denied => Err(Skip::new("unsubscribed", "does not want marketing, and stays out of the audience")),
        ConsentState::Undeliverable => Err(Skip::new(
            "undeliverable",
            "can't be reached at this address, and stays out of the audience",
        )
        .remedy(Owner::EndUserData, "Ask the customer for another e-mail address. The contact goes with the next sync.")),
    }
}

/// What is asked for about the status of someone who is known to the audience.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StatusChange {
    /// The status is not mentioned.
    None,
    /// No more marketing.
    Lower,
    /// More than before, as far as the local consent allows.
    Raise(Status),
    /// Back from the archive.
    Revive(Status),
    /// It was put away there, and stays so.
    StaysArchived,
}

/// Compares the local consent with what is known of the remote record. `changed` tells whether the local consent
/// differs from what both sides last agreed on: without that, nothing is asked for.
pub(crate) fn of_known(
    consent: Option<&Consent>,
    changed: bool,
    before: Option<&Remote>,
    double_optin: bool,
) -> StatusChange {
    use ConsentState as C;
    let local = consent.map_or(C::Unknown, |consent| consent.state);
    let opted_in_at = consent.and_then(|consent| consent.at);
    let there = before.and_then(|before| before.fields.value(CONSENT)).and_then(|value| value.as_consent());
    let newer_than = |then: Option<jiff::Timestamp>| opted_in_at.is_some_and(|at| then.is_some_and(|then| at > then));
    let full = if double_optin { Status::Pending } else { Status::Subscribed };
    if before.is_some_and(|before| before.state == RemoteState::Archived) {
        // The archive hides whether somebody had unsubscribed before. Unless we know that the person was subscribed, only
        // an opt-in newer than the archiving is worth a subscription; an older one is worth a question.
        let was_subscribed = there.is_some_and(|there| there.state == C::Granted);
        return match local {
            _ if !changed => StatusChange::StaysArchived,
            C::Granted if was_subscribed => StatusChange::Revive(full),
            C::Granted if newer_than(before.and_then(|before| before.changed_at)) => StatusChange::Revive(full),
            C::Granted | C::Pending => StatusChange::Revive(Status::Pending),
            C::Unknown | C::Denied | C::Undeliverable => StatusChange::StaysArchived,
        };
    }
    if !changed {
        return StatusChange::None;
    }
    match (local, there.map(|there| there.state)) {
        (C::Denied | C::Undeliverable, Some(C::Granted | C::Pending) | None) => StatusChange::Lower,
        (C::Granted, Some(C::Denied)) if newer_than(there.and_then(|there| there.at)) => {
            StatusChange::Raise(Status::Pending)
        }
        (C::Pending, Some(C::Denied | C::Unknown)) => StatusChange::Raise(Status::Pending),
        // A transactional contact never said no.
        (C::Granted, Some(C::Unknown)) => StatusChange::Raise(full),
        _ => StatusChange::None,
    }
}

/// Why a confirmation mail is not asked for.
pub(crate) fn needs_confirmation() -> Skip {
    Skip::new(
        "needs-confirmation-mail",
        "would be asked by e-mail to confirm the subscription, which nobody has allowed yet",
    )
    .remedy(Owner::EndUserData, "Allow confirmation mails for this sync. The contact then waits for the person's answer.")
    .needs_grant(CONFIRMATION_MAIL)
}

/// Why a subscription is not made while a welcome automation waits for it.
pub(crate) fn needs_automation() -> Skip {
    Skip::new(
        "needs-automation",
        "would get a mail from the welcome automation of the audience, which nobody has allowed yet",
    )
    .remedy(
        Owner::EndUserData,
        "Allow automations for this sync; or pause the welcome automation in Mailchimp, then retry the contact: it goes with the sync after that.",
    )
    .needs_grant(AUTOMATION)
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use proptest::prelude::*;
    use sync_core::{Record, Value};

    use super::*;
    use crate::descriptor::CONTACTS;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn remote(state: ConsentState, archived: bool, second: i64) -> Remote {
        let consent = Consent::new(state).at(at(second));
        let mut remote = Remote::live(CONTACTS, "x", Record::new().with(CONSENT, Value::Consent(consent)));
        remote.changed_at = Some(at(second));
        if archived {
            remote.state = RemoteState::Archived;
        }
        remote
    }

    #[test]
    fn new_people_get_what_their_consent_allows() {
        use ConsentState as C;
        let status = |state, double, unasked| of_new(Some(&Consent::new(state)), double, unasked).map_err(|skip| skip.code);
        let skip = WithoutConsent::Skip;
        assert_eq!(status(C::Granted, false, skip), Ok(Status::Subscribed));
        assert_eq!(status(C::Granted, true, skip), Ok(Status::Pending));
        assert_eq!(status(C::Pending, false, skip), Ok(Status::Pending));
        assert_eq!(status(C::Unknown, false, skip), Err("no-consent".into()));
        assert_eq!(status(C::Unknown, false, WithoutConsent::Transactional), Ok(Status::Transactional));
        assert_eq!(status(C::Denied, false, WithoutConsent::Transactional), Err("unsubscribed".into()));
        assert_eq!(status(C::Undeliverable, false, WithoutConsent::Transactional), Err("undeliverable".into()));
        assert_eq!(of_new(None, false, skip).map_err(|skip| skip.code), Err("no-consent".into()));
    }

    #[test]
    fn who_left_stays_out_unless_a_newer_opt_in_asks_to_confirm() {
        let there = remote(ConsentState::Denied, false, 100);
        let granted = |second| Consent::new(ConsentState::Granted).at(at(second));
        let change = |consent: &Consent| of_known(Some(consent), true, Some(&there), false);
        assert_eq!(change(&granted(99)), StatusChange::None);
        assert_eq!(change(&Consent::new(ConsentState::Granted)), StatusChange::None);
        assert_eq!(change(&granted(101)), StatusChange::Raise(Status::Pending));
        assert_eq!(change(&Consent::new(ConsentState::Pending)), StatusChange::Raise(Status::Pending));
    }

    #[test]
    fn the_archive_gives_back_only_who_agreed() {
        let there = remote(ConsentState::Unknown, true, 100);
        let change = |consent: Consent, changed| of_known(Some(&consent), changed, Some(&there), false);
        let granted = Consent::new(ConsentState::Granted);
        assert_eq!(change(granted.clone().at(at(101)), true), StatusChange::Revive(Status::Subscribed));
        assert_eq!(change(granted.clone().at(at(99)), true), StatusChange::Revive(Status::Pending));
        let ours = remote(ConsentState::Granted, true, 100);
        let back = of_known(Some(&granted.clone().at(at(99))), true, Some(&ours), false);
        assert_eq!(back, StatusChange::Revive(Status::Subscribed), "who was subscribed when we archived");
        assert_eq!(change(granted.at(at(101)), false), StatusChange::StaysArchived);
        assert_eq!(change(Consent::new(ConsentState::Denied), true), StatusChange::StaysArchived);
    }

    #[test]
    fn a_withdrawal_here_ends_the_subscription_there() {
        let denied = Consent::new(ConsentState::Denied);
        let subscribed = remote(ConsentState::Granted, false, 100);
        assert_eq!(of_known(Some(&denied), true, Some(&subscribed), false), StatusChange::Lower);
        assert_eq!(of_known(Some(&denied), true, None, false), StatusChange::Lower);
        let already = remote(ConsentState::Undeliverable, false, 100);
        assert_eq!(of_known(Some(&denied), true, Some(&already), false), StatusChange::None);
        assert_eq!(of_known(None, true, Some(&subscribed), false), StatusChange::None, "a blank lowers nothing");
    }

    fn states() -> impl Strategy<Value = ConsentState> {
        use ConsentState as C;
        prop::sample::select(vec![C::Undeliverable, C::Denied, C::Unknown, C::Pending, C::Granted])
    }

    proptest! {
        #[test]
        fn no_status_ever_goes_beyond_the_local_consent(
            local in states(), there in states(), archived: bool, double: bool, changed: bool, now in 0_i64..9, then in 0_i64..9,
        ) {
            let consent = Consent::new(local).at(at(now));
            let known = of_known(Some(&consent), changed, Some(&remote(there, archived, then)), double);
            let new = of_new(Some(&consent), double, WithoutConsent::Transactional);
            let asked = match known {
                StatusChange::Raise(status) | StatusChange::Revive(status) => Some(status),
                _ => None,
            };
            for status in asked.into_iter().chain(new) {
                match status {
                    Status::Subscribed => prop_assert!(local == ConsentState::Granted && !double),
                    Status::Pending => prop_assert!(local >= ConsentState::Pending),
                    Status::Transactional => prop_assert_eq!(local, ConsentState::Unknown),
                    Status::Unsubscribed => prop_assert!(false),
                }
            }
        }

        #[test]
        fn nobody_who_left_or_bounced_is_ever_subscribed_by_us(
            local in states(), gone in 0..2, double: bool, changed: bool, now in 0_i64..9, then in 0_i64..9,
        ) {
            let there = [ConsentState::Denied, ConsentState::Undeliverable][gone as usize];
            let consent = Consent::new(local).at(at(now));
            match of_known(Some(&consent), changed, Some(&remote(there, false, then)), double) {
                StatusChange::Raise(status) => {
                    prop_assert_eq!(status, Status::Pending);
                    prop_assert_eq!(there, ConsentState::Denied);
                }
                change => prop_assert_eq!(change, StatusChange::None),
            }
        }
    }
}
