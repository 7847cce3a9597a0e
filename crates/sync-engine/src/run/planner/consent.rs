//! Consent of records that are brought together: what was looked up tells of it, and who says no is looked for.

use sync_core::{Consent, ConsentState, RemoteState, Value};

use super::super::halt::Halt;
use super::{
    Candidate, Planner,
    gather::{is_live, is_new, key_of_lost},
};
use crate::plan::{LocalSide, RemoteSide};

impl Planner<'_, '_> {
    /// What a call without an answer made is dated by the provider, and not by the person: nothing is told by that date.
    pub(super) fn forget_dates(&self, candidates: &mut [Candidate]) {
        let Some((_, field, _)) = self.ask.resource.consent else { return };
        for candidate in candidates {
            let may_be_ours = is_new(candidate) && key_of_lost(candidate).is_some();
            if let RemoteSide::Seen(remote) = &mut candidate.remote
                && may_be_ours
                && let Some(consent) = remote.fields.value(field).and_then(Value::as_consent)
                && consent.state > ConsentState::Denied
            {
                let undated = Consent { at: None, ..consent.clone() };
                remote.fields.set(field, Value::Consent(undated));
            }
        }
    }

    /// True for a record that says no: were its address there without a link, it would stay subscribed.
    pub(super) fn refuses(&self, candidate: &Candidate) -> bool {
        let (Some((_, field, _)), LocalSide::Live(record)) = (self.ask.resource.consent, &candidate.side) else {
            return false;
        };
        record.value(field).and_then(Value::as_consent).is_some_and(|consent| consent.state <= ConsentState::Denied)
    }

    /// True for a record that says no where both sides agreed on more: who said so there first, and the feed has not told yet,
    /// is heard before it is written over.
    pub(super) fn withdraws(&self, candidate: &Candidate) -> bool {
        let agreed = || {
            let (_, field, _) = self.ask.resource.consent?;
            let link = candidate.link.as_ref().filter(|link| is_live(link))?;
            link.base.as_ref()?.face().value(field)?.as_consent()
        };
        self.refuses(candidate) && agreed().is_some_and(|agreed| agreed.state > ConsentState::Denied)
    }

    /// Of who withdraws here a refusal there is heard, and nothing else: what a call of ours wrote is dated by the provider's
    /// clock, and would count as a later word of the person's.
    pub(super) fn hear_refusals_alone(&self, candidates: &mut [Candidate]) {
        let Some((_, field, _)) = self.ask.resource.consent else { return };
        for candidate in candidates.iter_mut().filter(|candidate| self.withdraws(candidate)) {
            let consent = match &candidate.remote {
                RemoteSide::Seen(remote) if remote.state == RemoteState::Live => {
                    remote.fields.value(field).and_then(Value::as_consent)
                }
                _ => continue,
            };
            if consent.is_none_or(|consent| consent.state > ConsentState::Denied) {
                candidate.remote = RemoteSide::Unread;
            }
        }
    }

    /// What was looked up tells about consent as a feed would.
    pub(super) async fn take_consent(&self, candidates: &[Candidate]) -> Result<(), Halt> {
        let (mut remotes, mut links) = (Vec::new(), Vec::new());
        for candidate in candidates {
            if let RemoteSide::Seen(remote) = &candidate.remote {
                remotes.push((**remote).clone());
                links.push(candidate.link.clone());
            }
        }
        let container = remotes.first().and_then(|remote| remote.container.clone());
        let changes =
            crate::run::observe::consent_changes(self.s, self.ask.resource, container.as_ref(), &remotes, &links).await?;
        self.s.commit(changes).await
    }
}
