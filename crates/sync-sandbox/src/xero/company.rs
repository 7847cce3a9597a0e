//! One organisation's books.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use jiff::{Timestamp, civil::Date, tz::TimeZone};
use rust_decimal::Decimal;

use super::{
    batches::Batch,
    chart::{Account, TaxRate, Tracking},
    contact::Contact,
    dates,
    document::{Document, Kind, Status},
    groups::Group,
    id::Id,
    payment::Payment,
    seed::XeroTenantSeed,
};

/// The books. A clone is cheap enough to go back to: records are shared.
#[derive(Debug, Clone)]
pub(super) struct Company {
    pub(super) id: Id,
    pub(super) name: String,
    pub(super) base: String,
    /// Units of each foreign currency for one of the base.
    pub(super) rates: BTreeMap<String, Decimal>,
    pub(super) zone_name: String,
    zone: TimeZone,
    pub(super) sales_tax: String,
    pub(super) period_lock: Option<Date>,
    pub(super) year_lock: Option<Date>,
    pub(super) is_adviser: bool,
    pub(super) accounts: BTreeMap<Id, Account>,
    pub(super) tax_rates: Vec<TaxRate>,
    pub(super) tracking: Vec<Tracking>,
    pub(super) themes: Vec<(Id, String)>,
    pub(super) contacts: BTreeMap<Id, Arc<Contact>>,
    pub(super) documents: BTreeMap<Id, Arc<Document>>,
    pub(super) payments: BTreeMap<Id, Arc<Payment>>,
    pub(super) batches: BTreeMap<Id, Batch>,
    pub(super) groups: BTreeMap<Id, Group>,
    /// Names of active contacts, in lower case.
    names: BTreeMap<String, Id>,
    contact_numbers: BTreeMap<String, Id>,
    account_numbers: BTreeMap<String, Id>,
    /// Numbers of sales documents, in lower case.
    numbers: BTreeMap<(Kind, String), Id>,
    by_contact: BTreeMap<Id, BTreeSet<Id>>,
    n_numbers: BTreeMap<Kind, u64>,
    /// Documents marked as sent, which reminders look at.
    pub(super) sent: BTreeSet<Id>,
}

impl Company {
    pub(super) fn new(seed: &XeroTenantSeed, created: Timestamp) -> Self {
        let id = super::tenant_id(&seed.name);
        let of = |what: &str| Id::of(&format!("{id} {what}"));
        let accounts = seed.accounts.iter().enumerate().map(|(n, element)| {
            let account = Account::read(element, of(&format!("account {n}")), created);
            (account.id, account)
        });
        let option =
            |category: &str, name: &String| Tracking::new(of(&format!("tracking {category} {name}")), name, Vec::new());
        let tracking = seed.tracking.iter().map(|one| {
            let options = one.options.iter().map(|name| option(&one.name, name)).collect();
            Tracking::new(of(&format!("tracking {}", one.name)), &one.name, options)
        });
        let rate = |rate: f64| Decimal::try_from(rate).unwrap_or(Decimal::ONE);
        Self {
            id,
            name: seed.name.clone(),
            base: seed.base_currency.clone(),
            rates: seed.currencies.iter().map(|one| (one.code.clone(), rate(one.rate))).collect(),
            zone_name: seed.zone.clone(),
            zone: TimeZone::get(&seed.zone).unwrap_or(TimeZone::UTC),
            sales_tax: seed.default_sales_tax.clone(),
            period_lock: None,
            year_lock: None,
            is_adviser: seed.is_adviser,
            accounts: accounts.collect(),
            tax_rates: seed.tax_rates.iter().map(TaxRate::read).collect(),
            tracking: tracking.collect(),
            themes: seed.branding_themes.iter().map(|name| (of(&format!("theme {name}")), name.clone())).collect(),
            contacts: BTreeMap::new(),
            documents: BTreeMap::new(),
            payments: BTreeMap::new(),
            batches: BTreeMap::new(),
            groups: BTreeMap::new(),
            names: BTreeMap::new(),
            contact_numbers: BTreeMap::new(),
            account_numbers: BTreeMap::new(),
            numbers: BTreeMap::new(),
            by_contact: BTreeMap::new(),
            n_numbers: BTreeMap::new(),
            sent: BTreeSet::new(),
        }
    }

    /// Today, where the organisation is.
    pub(super) fn today(&self, now: Timestamp) -> Date {
        now.to_zoned(self.zone.clone()).date()
    }

    pub(super) fn account_by_code(&self, code: &str) -> Option<&Account> {
        self.accounts.values().find(|account| account.code.eq_ignore_ascii_case(code))
    }

    pub(super) fn tax_rate(&self, tax_type: &str) -> Option<&TaxRate> {
        self.tax_rates.iter().find(|rate| rate.tax_type == tax_type)
    }

    pub(super) fn has_currency(&self, code: &str) -> bool {
        code == self.base || self.rates.contains_key(code)
    }

    /// Units of a currency for one of the base.
    pub(super) fn rate(&self, code: &str) -> Decimal {
        self.rates.get(code).copied().unwrap_or(Decimal::ONE)
    }

    /// Why nothing may be dated so.
    /// Sources: GitHub waynerobinson/xeroizer issue 92; the fields `PeriodLockDate` and `EndOfYearLockDate` of Xero's API
    /// description.
    pub(super) fn locked(&self, day: Date) -> Option<String> {
        let said = |name: &str, lock: Date| {
            format!("The document date cannot be before the {name} lock date, currently set at {}", dates::words(lock))
        };
        if let Some(lock) = self.year_lock.filter(|lock| day <= *lock) {
            return Some(said("end of year", lock));
        }
        let lock = self.period_lock.filter(|lock| day <= *lock && !self.is_adviser)?;
        Some(said("period", lock))
    }

    pub(super) fn contact_by_name(&self, name: &str) -> Option<Id> {
        self.names.get(&name.to_lowercase()).copied()
    }

    pub(super) fn contact_by_number(&self, number: &str) -> Option<Id> {
        self.contact_numbers.get(&number.to_lowercase()).copied()
    }

    pub(super) fn contact_by_account_number(&self, number: &str) -> Option<Id> {
        self.account_numbers.get(&number.to_lowercase()).copied()
    }

    /// Stores a contact, with all that it can be found by.
    pub(super) fn put_contact(&mut self, contact: Contact) {
        if let Some(before) = self.contacts.get(&contact.id) {
            let id = contact.id;
            let free = |index: &mut BTreeMap<String, Id>, key: &str| {
                if index.get(&key.to_lowercase()) == Some(&id) {
                    index.remove(&key.to_lowercase());
                }
            };
            free(&mut self.names, &before.name);
            free(&mut self.contact_numbers, &before.number);
            free(&mut self.account_numbers, &before.account_number);
        }
        let keep = |index: &mut BTreeMap<String, Id>, key: &str| {
            if !key.is_empty() {
                index.insert(key.to_lowercase(), contact.id);
            }
        };
        if contact.is_active {
            keep(&mut self.names, &contact.name);
        }
        keep(&mut self.contact_numbers, &contact.number);
        keep(&mut self.account_numbers, &contact.account_number);
        self.contacts.insert(contact.id, Arc::new(contact));
    }

    pub(super) fn document_by_number(&self, kind: Kind, number: &str) -> Option<Id> {
        self.numbers.get(&(kind, number.to_lowercase())).copied()
    }

    /// Stores a document, with all that it can be found by.
    pub(super) fn put_document(&mut self, document: Document, void_frees_number: bool) {
        let id = document.id;
        if let Some(before) = self.documents.get(&id) {
            let key = (before.kind, before.number.to_lowercase());
            if self.numbers.get(&key) == Some(&id) {
                self.numbers.remove(&key);
            }
            if before.contact != document.contact
                && let Some(theirs) = self.by_contact.get_mut(&before.contact)
            {
                theirs.remove(&id);
            }
        }
        let is_free = document.status == Status::Deleted || (document.status == Status::Voided && void_frees_number);
        if document.kind.is_sale() && !is_free {
            self.numbers.insert((document.kind, document.number.to_lowercase()), id);
        }
        self.by_contact.entry(document.contact).or_default().insert(id);
        if document.is_sent {
            self.sent.insert(id);
        } else {
            self.sent.remove(&id);
        }
        self.documents.insert(id, Arc::new(document));
    }

    /// A number that nobody has, as the service gives them.
    pub(super) fn next_number(&mut self, kind: Kind) -> String {
        let prefix = if kind.is_credit() { "CN" } else { "INV" };
        loop {
            let n = self.n_numbers.entry(kind).or_default();
            *n += 1;
            let number = format!("{prefix}-{n:04}");
            if self.document_by_number(kind, &number).is_none() {
                return number;
            }
        }
    }

    /// Documents of a contact.
    pub(super) fn documents_of(&self, contact: Id) -> impl Iterator<Item = &Document> {
        let ids = self.by_contact.get(&contact).into_iter().flatten();
        ids.filter_map(|id| self.documents.get(id)).map(Arc::as_ref)
    }
}
