//! Facts about consent, kept and applied.

use async_trait::async_trait;
use sync_core::{Consent, ConsentFact, ConsentSink, ConsentState, OrganizationId, Record, Result, Value};

use super::{EmbeddedRecords, Writer};
use crate::db::query;
use crate::{
    error::database,
    store::sql::{from_json, to_json},
};

/// Keeps every fact, and applies it to the record that it names, so that the shop's own data show it: a state that is lower
/// replaces one that is not newer, and a confirmation turns `pending` into `granted`. Nothing else is raised.
#[async_trait]
impl ConsentSink for EmbeddedRecords {
    async fn record(&self, organization: &OrganizationId, facts: &[ConsentFact]) -> Result<()> {
        const KEEP: &str =
            "insert into record_fact (org, fact, body) values ($1, $2, $3) on conflict (org, fact) do nothing";
        let mut tx = self.store.begin().await?;
        let mut writer = Writer::begin(&mut tx, organization, &self.consenting).await?;
        for fact in facts {
            let keep = query(KEEP).bind(organization.as_str()).bind(fact.id.as_str()).bind(to_json(fact)?);
            let is_new = keep.execute(&mut tx).await.map_err(database)? == 1;
            let Some(id) = fact.record.as_ref().filter(|_| is_new) else { continue };
            let stored = writer.stored(&mut tx, &[id.as_str()]).await?.remove(id).filter(|stored| !stored.deleted);
            let Some(stored) = stored else { continue };
            let mut record: Record = from_json("record", &stored.fields)?;
            if apply(&mut record, fact) {
                let row = writer.row(id.clone(), stored.version, false, &record)?;
                writer.put(&mut tx, &[row]).await?;
            }
        }
        writer.end(&mut tx).await?;
        tx.commit().await
    }
}

/// True where the fact changed the record.
fn apply(record: &mut Record, fact: &ConsentFact) -> bool {
    let field = format!("consent.{}", fact.channel);
    let old = record.value(&field).and_then(Value::as_consent);
    let state = old.map_or(ConsentState::Unknown, |old| old.state);
    let is_newer = old.and_then(|old| old.at).is_none_or(|at| at <= fact.at);
    let is_lower = fact.state < state;
    let is_confirmed = state == ConsentState::Pending && fact.state == ConsentState::Granted;
    if is_newer && (is_lower || is_confirmed) {
        let consent = Consent::new(fact.state).at(fact.at).from_source(fact.source.as_str());
        record.set(field, Value::Consent(consent));
        return true;
    }
    false
}

#[cfg(test)]
mod tests {
    use sync_core::Channel;

    use super::*;

    fn fact(state: ConsentState, at: &str) -> ConsentFact {
        ConsentFact {
            id: "f".into(),
            channel: Channel::Email,
            address: "ada@example.com".into(),
            state,
            source: "mailchimp:x".into(),
            at: at.parse().unwrap(),
            record: None,
        }
    }

    #[test]
    fn a_fact_lowers_consent_unless_the_record_is_newer_and_raises_a_pending_one_alone() {
        let with = |state, at: &str| {
            Record::new().with("consent.email", Value::Consent(Consent::new(state).at(at.parse().unwrap())))
        };
        let (old, new) = ("2025-01-01T00:00:00Z", "2025-02-01T00:00:00Z");
        assert!(apply(&mut with(ConsentState::Granted, old), &fact(ConsentState::Denied, new)));
        assert!(!apply(&mut with(ConsentState::Granted, new), &fact(ConsentState::Denied, old)));
        assert!(!apply(&mut with(ConsentState::Denied, old), &fact(ConsentState::Granted, new)));
        assert!(apply(&mut with(ConsentState::Pending, old), &fact(ConsentState::Granted, new)));
        assert!(apply(&mut Record::new(), &fact(ConsentState::Denied, new)));
        assert!(!apply(&mut Record::new(), &fact(ConsentState::Granted, new)));
    }
}
