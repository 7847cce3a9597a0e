//! Calls of contacts and their groups.

use std::sync::Arc;

use http::StatusCode;
use serde_json::Value;

use super::{Answer, Call};
use crate::{
    answer,
    xero::{
        World,
        bulk::{self, write},
        company::Company,
        contact, contacts,
        document::Detail,
        groups,
        id::Id,
        input::Element,
        listing::list,
        problem::Problem,
        settings,
    },
};

impl Call<'_> {
    pub(super) fn contacts(&self, company: &mut Company, world: &mut World) -> Answer {
        let today = company.today(world.now);
        let show = move |company: &Company, id: Id| {
            company.contacts.get(&id).map_or(Value::Null, |one| one.show(company, Detail::Full, today))
        };
        match self.name {
            "contacts.list" => {
                let query = self.query(&[
                    "where",
                    "order",
                    "IDs",
                    "page",
                    "pageSize",
                    "includeArchived",
                    "summaryOnly",
                    "searchTerm",
                ])?;
                let ids = query.ids("IDs")?;
                let has_archived = query.flag("includeArchived")?.unwrap_or_default();
                let term = query.text("searchTerm").map(str::to_lowercase);
                let records = company.contacts.values().map(Arc::as_ref).filter(|one| {
                    (has_archived || one.is_active)
                        && ids.as_ref().is_none_or(|ids| ids.contains(&one.id))
                        && term.as_ref().is_none_or(|term| matches_term(one, term))
                });
                let listed =
                    list(&query, self.request.headers(), company, records, |one, detail| one.show(company, detail, today))?;
                self.answer(world, "Contacts", listed)
            }
            "contacts.get" => {
                self.query(&[])?;
                let by_id = Id::parse(self.word(0)).filter(|id| company.contacts.contains_key(id));
                let id = by_id.or_else(|| company.contact_by_number(self.word(0))).ok_or_else(Problem::not_found)?;
                self.items(world, "Contacts", vec![show(company, id)])
            }
            _ => {
                let query = self.query(&["summarizeErrors"])?;
                let elements = self.elements("Contacts", contact::MEMBERS)?;
                let mode = match self.name {
                    "contacts.create" => contacts::Mode::Create,
                    "contacts.upsert" => contacts::Mode::Upsert,
                    _ => contacts::Mode::Update(self.id(0)?),
                };
                if let contacts::Mode::Update(id) = mode
                    && !company.contacts.contains_key(&id)
                {
                    return Err(Problem::not_found());
                }
                let save =
                    |company: &mut Company, world: &mut World, one: &Element| contacts::save(company, world, one, mode);
                let items = write(company, world, &query, &bulk::CONTACT, &elements, save, show)?;
                self.items(world, "Contacts", items)
            }
        }
    }

    pub(super) fn groups(&self, company: &mut Company, world: &mut World) -> Answer {
        let show = |company: &Company, id: Id| company.groups.get(&id).map_or(Value::Null, |one| one.show(company, true));
        if self.name == "contactGroups.list" {
            let items = company.groups.values().map(|one| one.show(company, false)).collect();
            let listed = settings::plain(&self.query(&["where", "order"])?, items, &["ContactGroupID", "Name", "Status"])?;
            return self.answer(world, "ContactGroups", listed);
        }
        let query = self.query(&[])?;
        if self.name == "contactGroups.create" {
            let elements = self.elements("ContactGroups", groups::MEMBERS)?;
            let save = |company: &mut Company, world: &mut World, one: &Element| groups::save(company, world, one, None);
            let items = write(company, world, &query, &bulk::GROUP, &elements, save, show)?;
            return self.items(world, "ContactGroups", items);
        }
        let id = self.id(0)?;
        if !company.groups.contains_key(&id) {
            return Err(Problem::not_found());
        }
        match self.name {
            "contactGroups.get" => {
                let shown = show(company, id);
                self.items(world, "ContactGroups", vec![shown])
            }
            "contactGroups.update" => {
                let elements = self.elements("ContactGroups", groups::MEMBERS)?;
                let save =
                    |company: &mut Company, world: &mut World, one: &Element| groups::save(company, world, one, Some(id));
                let items = write(company, world, &query, &bulk::GROUP, &elements, save, show)?;
                self.items(world, "ContactGroups", items)
            }
            "contactGroups.join" => {
                let elements = self.elements("Contacts", groups::JOINING)?;
                let save = |company: &mut Company, _: &mut World, one: &Element| groups::join(company, id, one);
                let today = company.today(world.now);
                let show = |company: &Company, id: Id| {
                    company.contacts.get(&id).map_or(Value::Null, |one| one.show(company, Detail::Full, today))
                };
                let items = write(company, world, &query, &bulk::CONTACT, &elements, save, show)?;
                self.items(world, "Contacts", items)
            }
            name => {
                let leaver = if name == "contactGroups.leave" { Some(self.id(1)?) } else { None };
                if let Some(group) = company.groups.get_mut(&id) {
                    group.members.retain(|one| leaver.is_some_and(|leaver| *one != leaver));
                }
                Ok(answer::empty(StatusCode::NO_CONTENT))
            }
        }
    }
}

fn matches_term(contact: &contact::Contact, term: &str) -> bool {
    let other = |name: &str| contact.others.get(name).and_then(Value::as_str).unwrap_or_default();
    [&contact.name, &contact.number, &contact.account_number, other("FirstName"), other("LastName"), contact.email()]
        .iter()
        .any(|text| text.to_lowercase().contains(term))
}
