//! A contact.
//! Source: the schema `Contact` of Xero's API description.

use jiff::{Timestamp, civil::Date};
use rust_decimal::Decimal;
use serde_json::{Map, Value, json};

use super::{
    company::Company,
    dates,
    document::{Detail, Kind as Of, Status},
    id::Id,
    input::{Kind, LONG, Member},
    money,
};

/// Members of a contact in a body.
pub(super) const MEMBERS: &[Member] = &[
    ("ContactID", Kind::Id),
    ("ContactNumber", Kind::Text(50)),
    ("AccountNumber", Kind::Text(50)),
    ("ContactStatus", Kind::Word(&["ACTIVE", "ARCHIVED", "GDPRREQUEST"])),
    ("Name", Kind::Text(255)),
    ("FirstName", Kind::Text(255)),
    ("LastName", Kind::Text(255)),
    ("CompanyNumber", Kind::Text(50)),
    ("EmailAddress", Kind::Text(255)),
    ("ContactPersons", Kind::List(PERSON)),
    ("BankAccountDetails", Kind::Text(LONG)),
    ("TaxNumber", Kind::Text(50)),
    ("AccountsReceivableTaxType", Kind::Text(50)),
    ("AccountsPayableTaxType", Kind::Text(50)),
    ("Addresses", Kind::List(ADDRESS)),
    ("Phones", Kind::List(PHONE)),
    ("IsSupplier", Kind::ReadOnly),
    ("IsCustomer", Kind::ReadOnly),
    ("DefaultCurrency", Kind::Text(3)),
    ("SalesDefaultAccountCode", Kind::Text(10)),
    ("PurchasesDefaultAccountCode", Kind::Text(10)),
    ("SalesDefaultLineAmountType", Kind::Word(&["INCLUSIVE", "EXCLUSIVE", "NONE"])),
    ("PurchasesDefaultLineAmountType", Kind::Word(&["INCLUSIVE", "EXCLUSIVE", "NONE"])),
    ("PaymentTerms", Kind::Object(TERMS)),
    ("MergedToContactID", Kind::ReadOnly),
    ("UpdatedDateUTC", Kind::ReadOnly),
    ("ContactGroups", Kind::ReadOnly),
    ("Website", Kind::ReadOnly),
    ("Discount", Kind::ReadOnly),
    ("Balances", Kind::ReadOnly),
    ("HasAttachments", Kind::ReadOnly),
    ("HasValidationErrors", Kind::ReadOnly),
    ("ValidationErrors", Kind::ReadOnly),
    ("TaxNumberType", Kind::NotModelled),
    ("XeroNetworkKey", Kind::NotModelled),
    ("SalesTrackingCategories", Kind::NotModelled),
    ("PurchasesTrackingCategories", Kind::NotModelled),
    ("TrackingCategoryName", Kind::NotModelled),
    ("TrackingCategoryOption", Kind::NotModelled),
    ("BrandingTheme", Kind::NotModelled),
    ("BatchPayments", Kind::NotModelled),
    ("Attachments", Kind::NotModelled),
];

/// Members that are kept as they are sent.
pub(super) const KEPT: &[&str] = &[
    "FirstName",
    "LastName",
    "CompanyNumber",
    "EmailAddress",
    "BankAccountDetails",
    "TaxNumber",
    "AccountsReceivableTaxType",
    "AccountsPayableTaxType",
    "DefaultCurrency",
    "SalesDefaultAccountCode",
    "PurchasesDefaultAccountCode",
    "SalesDefaultLineAmountType",
    "PurchasesDefaultLineAmountType",
    "PaymentTerms",
    "ContactPersons",
];

const PERSON: &[Member] = &[
    ("FirstName", Kind::Text(255)),
    ("LastName", Kind::Text(255)),
    ("EmailAddress", Kind::Text(255)),
    ("IncludeInEmails", Kind::Flag),
];

const ADDRESS: &[Member] = &[
    ("AddressType", Kind::Word(&["POBOX", "STREET"])),
    ("AddressLine1", Kind::Text(500)),
    ("AddressLine2", Kind::Text(500)),
    ("AddressLine3", Kind::Text(500)),
    ("AddressLine4", Kind::Text(500)),
    ("City", Kind::Text(255)),
    ("Region", Kind::Text(255)),
    ("PostalCode", Kind::Text(50)),
    ("Country", Kind::Text(50)),
    ("AttentionTo", Kind::Text(255)),
];

const PHONE: &[Member] = &[
    ("PhoneType", Kind::Word(PHONE_TYPES)),
    ("PhoneNumber", Kind::Text(50)),
    ("PhoneAreaCode", Kind::Text(10)),
    ("PhoneCountryCode", Kind::Text(20)),
];

const PHONE_TYPES: &[&str] = &["DEFAULT", "DDI", "FAX", "MOBILE", "OFFICE"];

const TERMS: &[Member] = &[("Bills", Kind::Object(TERM)), ("Sales", Kind::Object(TERM))];

const TERM: &[Member] = &[
    ("Day", Kind::Whole),
    ("Type", Kind::Word(&["DAYSAFTERBILLDATE", "DAYSAFTERBILLMONTH", "OFCURRENTMONTH", "OFFOLLOWINGMONTH"])),
];

/// A contact.
#[derive(Debug, Clone)]
pub(super) struct Contact {
    pub(super) id: Id,
    pub(super) name: String,
    pub(super) number: String,
    pub(super) account_number: String,
    pub(super) is_active: bool,
    pub(super) merged_into: Option<Id>,
    /// By `AddressType` and `PhoneType`.
    pub(super) addresses: Vec<Map<String, Value>>,
    pub(super) phones: Vec<Map<String, Value>>,
    /// All else that is kept.
    pub(super) others: Map<String, Value>,
    pub(super) updated: Timestamp,
}

impl Contact {
    pub(super) fn new(id: Id) -> Self {
        let of = |name: &str, value: &str| Map::from_iter([(name.to_owned(), json!(value))]);
        Self {
            id,
            name: String::new(),
            number: String::new(),
            account_number: String::new(),
            is_active: true,
            merged_into: None,
            addresses: ["STREET", "POBOX"].iter().map(|kind| of("AddressType", kind)).collect(),
            phones: ["DEFAULT", "DDI", "FAX", "MOBILE"].iter().map(|kind| of("PhoneType", kind)).collect(),
            others: Map::new(),
            updated: Timestamp::UNIX_EPOCH,
        }
    }

    pub(super) fn email(&self) -> &str {
        self.others.get("EmailAddress").and_then(Value::as_str).unwrap_or_default()
    }

    /// What customers owe, and what is overdue; the same of what is owed to suppliers.
    fn balances(&self, company: &Company, today: Date) -> [[Decimal; 2]; 2] {
        let mut sums = [[Decimal::ZERO; 2]; 2];
        for document in company.documents_of(self.id).filter(|one| one.status == Status::Authorised) {
            let sign = if document.kind.is_credit() { Decimal::NEGATIVE_ONE } else { Decimal::ONE };
            let amount = money::cents(sign * document.due_amount() / document.rate);
            let side = &mut sums[usize::from(!document.kind.is_sale())];
            side[0] += amount;
            if document.due.is_some_and(|due| due < today) {
                side[1] += amount;
            }
        }
        sums
    }

    pub(super) fn show(&self, company: &Company, detail: Detail, today: Date) -> Value {
        let mut shown = Map::new();
        let mut set = |name: &str, value: Value| drop(shown.insert(name.to_owned(), value));
        set("ContactID", self.id.json());
        set("ContactStatus", json!(if self.is_active { "ACTIVE" } else { "ARCHIVED" }));
        set("Name", json!(self.name));
        for (name, text) in [("ContactNumber", &self.number), ("AccountNumber", &self.account_number)] {
            if !text.is_empty() {
                set(name, json!(text));
            }
        }
        for (name, value) in &self.others {
            // Source: <https://developer.xero.com/documentation/api/accounting/contacts>: these come with pages and single
            // reads only.
            let is_rich = matches!(
                name.as_str(),
                "ContactPersons" | "BankAccountDetails" | "TaxNumber" | "PaymentTerms" | "DefaultCurrency"
            );
            if detail == Detail::Full || !is_rich {
                set(name, value.clone());
            }
        }
        let is_kind = |wanted: fn(Of) -> bool| {
            company
                .documents_of(self.id)
                .any(|one| wanted(one.kind) && !matches!(one.status, Status::Deleted | Status::Voided))
        };
        set("IsCustomer", json!(is_kind(Of::is_sale)));
        set("IsSupplier", json!(is_kind(|kind| !kind.is_sale())));
        set("UpdatedDateUTC", dates::stamp(self.updated));
        if detail != Detail::Summary {
            let whole = |members: &[&str], one: &Map<String, Value>| {
                let mut whole: Map<String, Value> = members.iter().map(|name| ((*name).to_owned(), json!(""))).collect();
                whole.extend(one.clone());
                Value::Object(whole)
            };
            let address = ["City", "Region", "PostalCode", "Country"];
            let phone = ["PhoneNumber", "PhoneAreaCode", "PhoneCountryCode"];
            set("Addresses", self.addresses.iter().map(|one| whole(&address, one)).collect());
            set("Phones", self.phones.iter().map(|one| whole(&phone, one)).collect());
            set(
                "ContactGroups",
                company
                    .groups
                    .values()
                    .filter(|one| one.members.contains(&self.id))
                    .map(|one| one.show(company, false))
                    .collect(),
            );
            set("HasAttachments", json!(false));
            set("HasValidationErrors", json!(false));
        }
        if detail == Detail::Full {
            let [receivable, payable] = self.balances(company, today);
            let show = |[outstanding, overdue]: [Decimal; 2]| json!({"Outstanding": money::json(outstanding), "Overdue": money::json(overdue)});
            if let Some(survivor) = self.merged_into {
                set("MergedToContactID", survivor.json());
            }
            if !self.others.contains_key("ContactPersons") {
                set("ContactPersons", json!([]));
            }
            set("SalesTrackingCategories", json!([]));
            set("PurchasesTrackingCategories", json!([]));
            set("Balances", json!({"AccountsReceivable": show(receivable), "AccountsPayable": show(payable)}));
        }
        Value::Object(shown)
    }
}
