//! One connection's settings.

use std::collections::BTreeMap;

use jiff::civil::Date;
use serde::Deserialize;
use sync_core::{
    ConflictPolicy, Direction, Error, ErrorKind, Evidence, FieldName, FieldSet, Filter, FilterTest, Guard, Hash, Near,
    OnRemoteDelete, OnRemoteNew, OutOfScope, Owner, ResourceName, Result, Rules, Verdict,
};

use crate::{
    descriptor::{CONTACTS, DESCRIPTOR, INVOICES, PAYMENTS},
    mapping::{
        invoice::{DOCUMENT, NUMBER},
        payment::{SETTLED, SETTLES},
    },
};

/// Longest number prefix, in characters. Ours: numbers have room for 255.
pub(crate) const MAX_PREFIX_CHARS: usize = 20;

/// Longest time until a document is due, in days. Ours.
pub(crate) const MAX_DUE_DAYS: u16 = 365;

/// Most tracking categories of a line.
/// Source: <https://developer.xero.com/documentation/api/accounting/trackingcategories> (read 2026-11-22).
pub(crate) const MAX_TRACKING: usize = 2;

/// Stands for an account where payments by a method are not sent.
pub(crate) const DONT_SEND: &str = "dont-send";

/// What one organization decided about its books.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct XeroSettings {
    /// How contacts are synced. Default: both ways.
    pub contacts: Part,
    /// How invoices and credit notes are synced. Default: sent.
    pub invoices: Part,
    /// How payments are synced: who sends them. Default: we do.
    pub payments: Part,
    /// The account of lines, by its code, where their type names no other.
    pub account: Option<String>,
    /// Line type to account code.
    pub accounts: BTreeMap<String, String>,
    /// The tax type of lines that name no tax. Without it, the account's.
    pub tax_rate: Option<String>,
    /// The host's word for a tax to tax type.
    pub tax_rates: BTreeMap<String, String>,
    /// Tracking category to option, by their ids, for all lines.
    pub tracking: BTreeMap<String, String>,
    /// The branding theme of new documents.
    pub branding_theme: Option<String>,
    /// What numbers start with in Xero, before the host's.
    pub number_prefix: String,
    /// The status of new documents.
    pub invoice_status: InvoiceStatus,
    /// Days until a document is due that names no date.
    pub due_days: u16,
    /// What happens to changes of a document that Xero does not let us change.
    pub amend: Amend,
    /// What happens to documents dated in a locked period.
    pub locked: Locked,
    /// The account of rounding differences of up to 0.05, by its code. Without it, a document whose total differs is not
    /// made.
    pub rounding_account: Option<String>,
    /// Payment method to account code or id, or `dont-send`. A method that isn't named is not sent.
    pub payment_accounts: BTreeMap<String, String>,
    /// The contact of documents without a customer, by its id.
    pub walk_in_contact: Option<String>,
    /// Addresses that many customers give, such as `walkin@*` or `*@blue-manta.example`: no evidence of who is who.
    pub shared_addresses: Vec<String>,
    /// Documents and payments before this day are not made in Xero, only linked where they are there.
    pub start: Option<Date>,
    /// Who wins where both sides changed a field of a contact.
    pub conflicts: BTreeMap<FieldName, ConflictPolicy>,
    /// Who wins where a new record was there already and differs.
    pub on_match: ConflictPolicy,
}

/// How one kind of record is synced.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct Part {
    /// Which sides are written.
    pub direction: Option<Ways>,
    /// Records that are new in Xero.
    pub on_remote_new: OnRemoteNew,
    /// Records deleted in Xero.
    pub on_remote_delete: OnRemoteDelete,
    /// Which records go at all.
    pub filter: Option<Filter>,
    /// What happens in Xero to records that leave the filter.
    pub out_of_scope: OutOfScope,
}

/// Which sides are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ways {
    /// Neither: this kind is not synced.
    Off,
    /// Xero's.
    Push,
    /// The host's.
    Pull,
    /// Both.
    Both,
}

/// The status of new documents.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum InvoiceStatus {
    /// A person approves them in Xero; payments wait for that.
    Draft,
    /// They wait for approval; payments wait for that.
    Submitted,
    /// They count at once.
    #[default]
    Authorised,
}

impl InvoiceStatus {
    /// As Xero spells it.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Draft => "DRAFT",
            Self::Submitted => "SUBMITTED",
            Self::Authorised => "AUTHORISED",
        }
    }
}

/// What happens to changes of a document that Xero does not let us change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Amend {
    /// A further invoice or a credit note for the difference is made.
    #[default]
    Adjust,
    /// A person is asked.
    Ask,
}

/// What happens to documents dated in a locked period.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Locked {
    /// They wait until the lock is moved.
    #[default]
    Hold,
    /// They are dated on the first day that is open.
    DateFirstOpenDay,
}

impl XeroSettings {
    /// Checks what the types can't.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] names the setting.
    pub(crate) fn validate(&self) -> Result<()> {
        let prefix = &self.number_prefix;
        if prefix.chars().count() > MAX_PREFIX_CHARS || prefix.chars().any(|c| c.is_control() || c == '<' || c == '>') {
            return Err(wrong(
                "number_prefix",
                "has at most 20 characters, and neither < nor >",
                "Choose a shorter prefix.",
            ));
        }
        if self.due_days > MAX_DUE_DAYS {
            return Err(wrong("due_days", "is at most 365", "Choose fewer days."));
        }
        if self.tracking.len() > MAX_TRACKING {
            return Err(wrong("tracking", "has at most two categories", "Take one of them out."));
        }
        let blank = |text: &String| text.trim().is_empty();
        for (name, map) in [
            ("accounts", &self.accounts),
            ("tax_rates", &self.tax_rates),
            ("tracking", &self.tracking),
            ("payment_accounts", &self.payment_accounts),
        ] {
            if let Some((key, _)) = map.iter().find(|(key, value)| blank(key) || blank(value)) {
                return Err(wrong(&format!("{name}.{key}"), "names nothing", "Choose one from the list, or take it out."));
            }
        }
        for (name, value) in [
            ("account", &self.account),
            ("tax_rate", &self.tax_rate),
            ("branding_theme", &self.branding_theme),
            ("rounding_account", &self.rounding_account),
            ("walk_in_contact", &self.walk_in_contact),
        ] {
            if value.as_ref().is_some_and(blank) {
                return Err(wrong(name, "names nothing", "Choose one from the list, or take it out."));
            }
        }
        for (name, part) in [("contacts", &self.contacts), ("invoices", &self.invoices), ("payments", &self.payments)] {
            if part.filter.as_ref().is_some_and(|filter| filter.field.as_str().trim().is_empty()) {
                return Err(wrong(&format!("{name}.filter"), "needs a field", "Name the field that it tests."));
            }
        }
        Ok(())
    }

    /// How a kind of record is synced.
    pub(crate) fn part(&self, resource: &ResourceName) -> &Part {
        match resource {
            resource if *resource == CONTACTS => &self.contacts,
            resource if *resource == INVOICES => &self.invoices,
            _ => &self.payments,
        }
    }

    /// Which sides of a kind of record are written.
    pub(crate) fn ways(&self, resource: &ResourceName) -> Ways {
        self.part(resource).direction.unwrap_or(if *resource == CONTACTS { Ways::Both } else { Ways::Push })
    }

    /// True when documents or payments are synced at all.
    pub(crate) fn has_money(&self) -> bool {
        DESCRIPTOR.resources.iter().any(|resource| resource.name != CONTACTS && self.ways(&resource.name) != Ways::Off)
    }

    /// The policies for the engine.
    pub(crate) fn rules(&self, resource: &ResourceName) -> Rules {
        let part = self.part(resource);
        let fields = DESCRIPTOR.resource(resource.as_str()).map(|resource| resource.fields).unwrap_or_default();
        let mut fields: FieldSet = fields.iter().map(|field| FieldName::from_static(field.name)).collect();
        fields.extend(part.filter.iter().map(|filter| filter.field.clone()));
        let mut rules = Rules::new(fields);
        rules.filter.clone_from(&part.filter);
        rules.out_of_scope = part.out_of_scope;
        rules.on_remote_new = part.on_remote_new;
        rules.on_remote_delete = part.on_remote_delete;
        rules.direction = match self.ways(resource) {
            Ways::Push | Ways::Off => Direction::Push,
            Ways::Pull => Direction::Pull,
            Ways::Both => Direction::Both,
        };
        if self.ways(resource) == Ways::Off {
            // No record is one of none.
            rules.filter =
                rules.fields.iter().next().cloned().map(|field| Filter { field, test: FilterTest::AnyOf(Vec::new()) });
            rules.on_remote_new = OnRemoteNew::Ignore;
        }
        if *resource == INVOICES {
            rules.contested = ["lines", "total"].map(FieldName::from_static).to_vec();
            // What a customer was sent and comes to something else now is nobody's to settle alone.
            let when = Some(Filter { field: "sent".into(), test: FilterTest::AnyOf(vec!["true".into()]) });
            rules.guards = vec![Guard { fields: vec!["total".into()], when }];
            rules.amend = match self.amend {
                Amend::Adjust => sync_core::Amend::Adjust,
                Amend::Ask => sync_core::Amend::Ask,
            };
            rules.evidence = vec![evidence(&[DOCUMENT], Verdict::Same), evidence(&[NUMBER], Verdict::Ask)];
        }
        if *resource == PAYMENTS {
            rules.evidence = vec![
                evidence(&[SETTLED], Verdict::There("settled-there")),
                Evidence {
                    near: Some(Near { field: "date".into(), days: TWIN_DAYS }),
                    ..evidence(&[SETTLES], Verdict::Ask)
                },
            ];
        }
        if *resource == CONTACTS {
            rules.evidence = vec![
                evidence(&["tax_number"], Verdict::Same),
                evidence(&["email", "name"], Verdict::Same),
                evidence(&["phone", "name"], Verdict::Same),
                evidence(&["email"], Verdict::Ask),
                evidence(&["name"], Verdict::Ask),
            ];
            rules.no_evidence.more_than = Some(MANY);
            rules.no_evidence.values =
                self.shared_addresses.iter().map(|pattern| (FieldName::from_static("email"), pattern.clone())).collect();
            rules.on_match = self.on_match;
            rules.conflicts = self.conflicts.iter().map(|(field, policy)| (field.clone(), *policy)).collect();
        } else {
            rules.mapping = self.mapping_digest();
        }
        rules
    }

    /// Changes when the same document would look different there. What belongs to the bookkeeper once a document is there
    /// (accounts, tax, tracking, branding) is none of it.
    fn mapping_digest(&self) -> String {
        if self.number_prefix.is_empty() {
            return String::new();
        }
        Hash::of_text(&self.number_prefix).to_string()
    }

    /// The account of lines of a type, by its code.
    pub(crate) fn account_of(&self, line_type: Option<&str>) -> Option<&str> {
        let own = line_type.and_then(|line_type| self.accounts.get(line_type));
        own.or(self.account.as_ref()).map(String::as_str)
    }

    /// Every account that the settings name, with the setting.
    pub(crate) fn named_accounts(&self) -> Vec<(String, &str)> {
        let mut named: Vec<(String, &str)> = self.account.iter().map(|code| ("account".to_owned(), code.as_str())).collect();
        named.extend(self.accounts.iter().map(|(line_type, code)| (format!("accounts.{line_type}"), code.as_str())));
        named.extend(self.rounding_account.iter().map(|code| ("rounding_account".to_owned(), code.as_str())));
        named
    }
}

/// How far the days of two payments of one amount on one invoice may lie apart, so that they may be one.
const TWIN_DAYS: u32 = 7;

/// Addresses that more contacts have than this say nothing about who is who.
const MANY: usize = 3;

fn evidence(keys: &[&'static str], verdict: Verdict) -> Evidence {
    Evidence { keys: keys.iter().map(|key| FieldName::from_static(key)).collect(), near: None, verdict }
}

fn wrong(setting: &str, what: &str, remedy: &'static str) -> Error {
    Error::new(ErrorKind::Config, format!("the Xero setting {setting} {what}"))
        .with_owner(Owner::EndUserData)
        .with_remedy(remedy)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn read(settings: Value) -> Result<XeroSettings, String> {
        let settings: XeroSettings = serde_json::from_value(settings).map_err(|error| error.to_string())?;
        settings.validate().map_err(|error| error.message().to_owned())?;
        Ok(settings)
    }

    #[test]
    fn without_settings_contacts_go_both_ways_and_match_by_address_without_proof() {
        let rules = read(json!({})).unwrap().rules(&CONTACTS);
        assert_eq!((rules.direction, rules.match_on.len()), (Direction::Both, 0));
        let alone = |name: &str| rules.evidence.iter().find(|one| one.keys == [FieldName::new(name)]).unwrap().verdict;
        assert_eq!((alone("email"), alone("name"), alone("tax_number")), (Verdict::Ask, Verdict::Ask, Verdict::Same));
    }

    #[test]
    fn a_kind_that_is_off_admits_no_record() {
        let rules = read(json!({"contacts": {"direction": "off"}})).unwrap().rules(&CONTACTS);
        let record = sync_core::Record::new().with("email", sync_core::Value::text("ada@example.com"));
        assert!(!rules.filter.unwrap().admits(&record));
        assert_eq!(rules.direction, Direction::Push);
    }

    #[test]
    fn an_account_of_a_line_type_goes_before_the_one_for_all() {
        let settings = read(json!({"account": "200", "accounts": {"gear": "260"}})).unwrap();
        assert_eq!((settings.account_of(Some("gear")), settings.account_of(Some("trip"))), (Some("260"), Some("200")));
        assert_eq!(settings.account_of(None), Some("200"));
    }

    #[test]
    fn a_wrong_setting_is_named() {
        for (settings, word) in [
            (json!({"number_prefix": "x".repeat(21)}), "number_prefix"),
            (json!({"number_prefix": "<"}), "number_prefix"),
            (json!({"due_days": 366}), "due_days"),
            (json!({"tracking": {"a": "1", "b": "2", "c": "3"}}), "tracking"),
            (json!({"accounts": {"gear": " "}}), "accounts.gear"),
            (json!({"account": ""}), "account"),
            (json!({"payments": {"filter": {"field": " ", "present": true}}}), "payments.filter"),
            (json!({"invoice_status": "paid"}), "paid"),
            (json!({"contacts": {"direction": "sideways"}}), "sideways"),
            (json!({"acount": "200"}), "acount"),
        ] {
            let message = read(settings.clone()).unwrap_err();
            assert!(message.contains(word), "{settings}: {message}");
        }
    }
}
