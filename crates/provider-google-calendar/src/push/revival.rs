//! Events that come back after a deletion. A deleted event keeps its id for ever, and whether it can be revived depends on
//! who deleted it and how (<https://github.com/googleapis/google-api-ruby-client/issues/1811>): it is tried, and where
//! Google says no, the record's next generation takes its place.

use http::Response;
use sync_core::{Call, Error, ErrorKind, PartRef, Receipt, RemoteId, Result};

use super::{Going, Pushing, Told};
use crate::{
    client,
    find::{self, MAX_GENERATIONS, Seen},
    id,
    prepare::Step,
};

impl Pushing<'_> {
    /// What is to be brought back and is there already: by a call whose answer was lost, or by people. It is not written over.
    pub(super) async fn revived_before(
        &self,
        parts: &[PartRef<'_>],
        going: &mut Vec<Going>,
        receipts: &mut [Option<Receipt>],
    ) -> Result<()> {
        let ids: Vec<RemoteId> = going.iter().filter(|one| one.step == Step::Revive).map(|one| one.id.clone()).collect();
        if ids.is_empty() {
            return Ok(());
        }
        let mut seen = find::look(self.handler, self.cx, self.calendar, &ids).await?.into_iter();
        going.retain(|one| {
            if one.step != Step::Revive {
                return true;
            }
            let (Some(Seen::Live(event)), Some(part)) = (seen.next(), parts.get(one.part)) else { return true };
            super::set(receipts, one.part, self.made_and_changed(part, one.id.clone(), &event));
            false
        });
        Ok(())
    }

    /// Confirmed again, with everything that the record says. The version is not asked for: nobody works on what is deleted.
    pub(super) fn revive_call(&self, part: &PartRef<'_>, id: &RemoteId) -> Result<Call> {
        let body = self.draft(part)?.revive(&part.op.marker, &part.op.resource)?;
        client::patch(self.calendar, id, None, &body, self.handler.shown)
    }

    /// Revives a deleted event, or makes its next generation.
    pub(super) async fn bring_back(&self, part: &PartRef<'_>, id: RemoteId) -> Receipt {
        match self.one(part, Step::Revive, &id, self.revive_call(part, &id)).await {
            Told::Dead => self.next_generation(part, id).await,
            told => settled(told),
        }
    }

    /// Makes the generation after this one, or the first after it that can be made or revived.
    pub(super) async fn next_generation(&self, part: &PartRef<'_>, dead: RemoteId) -> Receipt {
        let marker = &part.op.marker;
        // An event that people made has no generation: ours begins.
        let first = id::generation(marker.as_str(), &dead).map_or(0, |generation| generation + 1);
        for generation in first..first.saturating_add(MAX_GENERATIONS) {
            let id = id::event_id(marker, generation);
            let call = self.insert_body(part, &id).and_then(|body| client::insert(self.calendar, &body, self.handler.shown));
            match self.one(part, Step::Insert, &id, call).await {
                Told::Taken => {}
                told => return settled(told),
            }
            let seen = find::look(self.handler, self.cx, self.calendar, std::slice::from_ref(&id)).await;
            match seen.map(|mut seen| seen.pop()) {
                Ok(Some(Seen::Cancelled)) => {}
                Ok(Some(Seen::Live(event))) => return self.taken(part, id, &event),
                Ok(_) => return Receipt::Moved,
                Err(error) => return Receipt::Uncertain(error),
            }
            match self.one(part, Step::Revive, &id, self.revive_call(part, &id)).await {
                Told::Dead => {}
                told => return settled(told),
            }
        }
        Receipt::Refused(
            Error::new(ErrorKind::Refused, "the event was made and deleted too often in Google Calendar")
                .with_remedy("Find out who deletes it, then delete the record's link or make the record anew."),
        )
    }

    /// One call about one event.
    pub(super) async fn one(&self, part: &PartRef<'_>, step: Step, id: &RemoteId, call: Result<Call>) -> Told {
        match call {
            Ok(call) => {
                let answer: Result<Response<bytes::Bytes>> = self.cx.send(call).await;
                self.told(part, step, id, answer)
            }
            Err(error) => Told::Receipt(Receipt::Refused(error)),
        }
    }
}

/// A receipt, whatever was told. Trouble after a call whose answer is known must not swallow that answer.
pub(super) fn settled(told: Told) -> Receipt {
    match told {
        Told::Receipt(receipt) => receipt,
        Told::Trouble(error) => super::in_between(error),
        Told::Taken => Receipt::Taken(None),
        Told::Dead | Told::MovedAway => Receipt::Moved,
    }
}
