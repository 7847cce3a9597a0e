//! Questions, suppressions and consent facts.

use std::collections::HashMap;

use sync_core::{Channel, ConsentFact, ConsentState, Error, ErrorKind, OrganizationId, QuestionId, Result, Scope};
use sync_engine::{Answer, Question, Suppression};

use super::{
    SqlStore,
    lease::lock_scope,
    sql::{from_json, in_order, list, now_ms, timestamp, to_int, to_json},
};
use crate::db::{Row, Value, query};
use crate::{
    error::{corrupt, database},
    key::hexadecimal,
    seal::Addresses,
};

macro_rules! select_questions {
    () => {
        "select body, asked_ms, answer from question where org = $1 and integration = $2 "
    };
}

fn question(row: &Row) -> Result<Question> {
    let stored: Question = from_json("question", row.text(0)?)?;
    Ok(Question {
        asked_at: timestamp(row.int(1)?)?,
        answer: row.opt_text(2)?.map(|answer| from_json("answer", answer)).transpose()?,
        ..stored
    })
}

fn consent_state(name: &str) -> Result<ConsentState> {
    use ConsentState as S;
    let states = [S::Undeliverable, S::Denied, S::Unknown, S::Pending, S::Granted];
    states.into_iter().find(|state| state.as_str() == name).ok_or_else(|| corrupt("suppression"))
}

impl SqlStore {
    pub(super) async fn page_of_questions(
        &self,
        scope: &Scope,
        open: bool,
        after: Option<&QuestionId>,
        limit: usize,
    ) -> Result<Vec<Question>> {
        const PAGE: &str = concat!(
            select_questions!(),
            "and ($3 = 0 or answer is null) and ($4 is null or (asked_ms, id) > (select asked_ms, id from question ",
            "where org = $1 and integration = $2 and id = $4)) order by asked_ms, id limit $5"
        );
        let query = query(PAGE)
            .bind(scope.organization.as_str())
            .bind(scope.integration.as_str())
            .bind(open)
            .bind(after.map(QuestionId::as_str))
            .bind(to_int(limit));
        query.fetch_all(self.readers()).await.map_err(database)?.iter().map(question).collect()
    }

    pub(super) async fn some_questions(&self, scope: &Scope, ids: &[QuestionId]) -> Result<Vec<Option<Question>>> {
        const BY_ID: &str = concat!(select_questions!(), "and id in (select value from json_each($3))");
        let query = query(BY_ID).bind(scope.organization.as_str()).bind(scope.integration.as_str());
        let rows = query.bind(list(ids)).fetch_all(self.readers()).await.map_err(database)?;
        let found = rows.iter().map(question).map(|found| found.map(|question| (question.id.clone(), question)));
        Ok(in_order(ids.iter(), found.collect::<Result<HashMap<_, _>>>()?))
    }

    pub(super) async fn answer_question(&self, scope: &Scope, id: &QuestionId, answer: &Answer) -> Result<()> {
        const ONE: &str = concat!(select_questions!(), "and id = $3");
        const ANSWER: &str = "update question set answer = $4 where org = $1 and integration = $2 and id = $3";
        const DUE: &str = "update item set due_ms = $4 where org = $1 and integration = $2 and question = $3";
        let bound = |sql: &'static str| {
            query(sql).bind(scope.organization.as_str()).bind(scope.integration.as_str()).bind(id.as_str())
        };
        let mut tx = self.begin().await?;
        lock_scope(&mut tx, scope).await?;
        let row = bound(ONE).fetch_optional(&mut *tx).await.map_err(database)?;
        let row =
            row.ok_or_else(|| Error::new(ErrorKind::NotFound, "there is no such question").with_context("question", id))?;
        let asked = question(&row)?;
        if asked.options.iter().all(|option| option.key != answer.key) {
            let offered = asked.options.iter().map(|option| option.key.as_str()).collect::<Vec<_>>().join(", ");
            return Err(Error::new(ErrorKind::Invalid, "the question does not offer this answer")
                .with_context("question", id)
                .with_remedy(format!("Choose one of: {offered}.")));
        }
        bound(ANSWER).bind(to_json(answer)?).execute(&mut tx).await.map_err(database)?;
        bound(DUE).bind(answer.at.as_millisecond()).execute(&mut tx).await.map_err(database)?;
        tx.commit().await
    }

    pub(super) async fn suppressions(
        &self,
        organization: &OrganizationId,
        channel: Channel,
        addresses: &[String],
    ) -> Result<Vec<Option<Suppression>>> {
        const FIND: &str = "select key_id, hash, at_ms, state from suppression where org = $1 and channel = $2 \
            and (key_id, hash) in (select value ->> 0, unhex(value ->> 1) from json_each($3)) order by at_ms";
        let hasher = Addresses::new(self.key(), organization)?;
        let hash = |address: &String| {
            let hashes = hasher.hashes(channel, address)?.into_iter();
            Ok(hashes.map(|(key_id, hash)| [key_id, hexadecimal(&hash)]).collect::<Vec<_>>())
        };
        let wanted = addresses.iter().map(hash).collect::<Result<Vec<_>>>()?;
        let all = wanted.iter().flatten().cloned().collect();
        let query = query(FIND).bind(organization.as_str()).bind(channel.as_str()).bind(Value::Pairs(all));
        let mut found: HashMap<[String; 2], Suppression> = HashMap::new();
        for row in query.fetch_all(self.readers()).await.map_err(database)? {
            let suppression = Suppression { at: timestamp(row.int(2)?)?, state: consent_state(row.text(3)?)? };
            found.insert([row.text(0)?.to_owned(), hexadecimal(row.bytes(1)?)], suppression);
        }
        // An address may be on the list by several keys: the latest counts.
        let latest = |hashes: &Vec<[String; 2]>| {
            hashes.iter().filter_map(|hash| found.get(hash)).max_by_key(|suppression| suppression.at).cloned()
        };
        Ok(wanted.iter().map(latest).collect())
    }

    pub(super) async fn pending_facts(&self, scope: &Scope, limit: usize) -> Result<Vec<ConsentFact>> {
        const PENDING: &str = "select body from consent_fact where org = $1 and integration = $2 and taken_ms is null \
            order by id limit $3";
        let query = query(PENDING).bind(scope.organization.as_str()).bind(scope.integration.as_str());
        let rows = query.bind(to_int(limit)).fetch_all(self.readers()).await.map_err(database)?;
        rows.iter().map(|row| from_json("fact", row.text(0)?)).collect()
    }

    pub(super) async fn take_facts(&self, scope: &Scope, ids: &[String]) -> Result<()> {
        const TAKE: &str = concat!(
            "update consent_fact set taken_ms = ",
            now_ms!(),
            " where org = $1 and integration = $2 and taken_ms is null and fact in (select value from json_each($3))"
        );
        let mut tx = self.begin().await?;
        lock_scope(&mut tx, scope).await?;
        let query = query(TAKE).bind(scope.organization.as_str()).bind(scope.integration.as_str());
        query.bind(list(ids)).execute(&mut tx).await.map_err(database)?;
        tx.commit().await
    }
}
