//! The calls of the API, one by one.

mod contacts;
mod documents;
mod payments;
mod settings;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use jiff::Timestamp;
use serde_json::Value;

use super::{
    World,
    company::Company,
    id::Id,
    input::{self, Element, Query},
    listing::{Listed, envelope},
    problem::Problem,
};
use crate::answer;

pub(super) type Answer = Result<Response<Bytes>, Problem>;

/// A call that was let in.
pub(super) struct Call<'a> {
    pub(super) request: &'a Request<Bytes>,
    pub(super) name: &'static str,
    pub(super) ids: &'a [String],
    pub(super) users: &'a [String],
    pub(super) created: Timestamp,
    /// The name of the app, which answers repeat.
    pub(super) app_name: &'a str,
}

impl Call<'_> {
    pub(super) fn query(&self, known: &[&str]) -> Result<Query, Problem> {
        Query::parse(self.request.uri().query().unwrap_or_default(), known)
    }

    pub(super) fn elements(&self, plural: &str, known: &[input::Member]) -> Result<Vec<Element>, Problem> {
        input::elements(self.request.body(), plural, known)
    }

    pub(super) fn word(&self, n: usize) -> &str {
        self.ids.get(n).map(String::as_str).unwrap_or_default()
    }

    pub(super) fn id(&self, n: usize) -> Result<Id, Problem> {
        Id::parse(self.word(n)).ok_or_else(Problem::not_found)
    }

    pub(super) fn answer(&self, world: &mut World, plural: &str, listed: Listed) -> Answer {
        let id = world.fresh_id("answer");
        Ok(answer::json(StatusCode::OK, &envelope(id, self.app_name, world.now, plural, listed)))
    }

    pub(super) fn items(&self, world: &mut World, plural: &str, items: Vec<Value>) -> Answer {
        self.answer(world, plural, Listed { items, pagination: None })
    }

    /// The one of these that a path names.
    pub(super) fn one_of(&self, world: &mut World, plural: &str, items: Vec<Value>, key: &str) -> Answer {
        self.query(&[])?;
        let wanted = self.word(0).to_lowercase();
        let found = items.into_iter().find(|item| item[key].as_str().is_some_and(|id| id.to_lowercase() == wanted));
        self.items(world, plural, vec![found.ok_or_else(Problem::not_found)?])
    }

    pub(super) fn run(&self, company: &mut Company, world: &mut World) -> Answer {
        match self.name.split_once('.').map(|(resource, _)| resource) {
            Some("contacts") => self.contacts(company, world),
            Some("contactGroups") => self.groups(company, world),
            Some("invoices") => self.invoices(company, world),
            Some("creditNotes") => self.credit_notes(company, world),
            Some("payments") => self.payments(company, world),
            Some("batchPayments") => self.batches(company, world),
            _ => self.settings(company, world),
        }
    }
}
