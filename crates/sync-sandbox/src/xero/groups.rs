//! Groups of contacts.
//! Source: <https://developer.xero.com/documentation/api/accounting/contactgroups>.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{
    World,
    bulk::Refused,
    company::Company,
    id::Id,
    input::{Element, Kind, Member, text, too_long},
};

/// Members of a group in a body.
pub(super) const MEMBERS: &[Member] = &[
    ("ContactGroupID", Kind::Id),
    ("Name", Kind::Text(100)),
    ("Status", Kind::Word(&["ACTIVE", "DELETED"])),
    ("Contacts", Kind::ReadOnly),
];

/// Members of a contact that joins a group.
pub(super) const JOINING: &[Member] = &[("ContactID", Kind::Id)];

/// A group.
#[derive(Debug, Clone)]
pub(super) struct Group {
    pub(super) id: Id,
    pub(super) name: String,
    pub(super) members: BTreeSet<Id>,
}

impl Group {
    /// As a contact or a listing shows it; with its members where it is read by itself.
    pub(super) fn show(&self, company: &Company, has_members: bool) -> Value {
        let members = self.members.iter().filter(|_| has_members).filter_map(|id| company.contacts.get(id));
        let members: Vec<Value> = members.map(|one| json!({"ContactID": one.id.json(), "Name": one.name})).collect();
        json!({
            "ContactGroupID": self.id.json(), "Name": self.name, "Status": "ACTIVE", "Contacts": members,
            "HasValidationErrors": false,
        })
    }
}

/// Makes a group, or renames or deletes one.
pub(super) fn save(company: &mut Company, world: &mut World, element: &Element, id: Option<Id>) -> Result<Id, Refused> {
    let mut wrong = too_long(element, MEMBERS);
    if let Some(id) = id.filter(|_| text(element, "Status") == Some("DELETED")) {
        company.groups.remove(&id);
        return Ok(id);
    }
    let name = text(element, "Name").unwrap_or_default();
    if name.is_empty() {
        wrong.push("The contact group name must be specified".into());
    }
    if company.groups.values().any(|one| Some(one.id) != id && one.name.eq_ignore_ascii_case(name)) {
        wrong.push(format!("The contact group name {name} is already assigned to another contact group"));
    }
    if !wrong.is_empty() {
        return Err(Refused::Words(wrong));
    }
    let id = id.unwrap_or_else(|| world.fresh_id("group"));
    let group = company.groups.entry(id).or_insert_with(|| Group { id, name: String::new(), members: BTreeSet::new() });
    name.clone_into(&mut group.name);
    Ok(id)
}

/// Adds a contact.
pub(super) fn join(company: &mut Company, group: Id, element: &Element) -> Result<Id, Refused> {
    let contact = Id::read(element.get("ContactID")).filter(|id| company.contacts.get(id).is_some_and(|one| one.is_active));
    let contact = contact.ok_or_else(|| Refused::from("The contact could not be found"))?;
    if let Some(group) = company.groups.get_mut(&group) {
        group.members.insert(contact);
    }
    Ok(contact)
}
