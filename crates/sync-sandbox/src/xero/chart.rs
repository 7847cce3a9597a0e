//! Accounts, tax rates, tracking categories and currencies of an organisation.
//! Source: <https://developer.xero.com/documentation/api/accounting/types>.

use jiff::Timestamp;
use rust_decimal::Decimal;
use serde_json::{Map, Value, json};

use super::{
    dates,
    id::Id,
    input::{Element, text},
    money,
};

/// An account.
#[derive(Debug, Clone)]
pub(super) struct Account {
    pub(super) id: Id,
    pub(super) code: String,
    pub(super) name: String,
    pub(super) kind: String,
    pub(super) tax_type: String,
    pub(super) currency: Option<String>,
    pub(super) takes_payments: bool,
    pub(super) system: Option<String>,
    pub(super) description: String,
    pub(super) is_archived: bool,
    pub(super) updated: Timestamp,
}

impl Account {
    /// Reads what a seed or a call says.
    pub(super) fn read(element: &Element, id: Id, now: Timestamp) -> Self {
        let of = |name: &str| text(element, name).unwrap_or_default().to_owned();
        let some = |name: &str| text(element, name).filter(|text| !text.is_empty()).map(str::to_owned);
        let kind = of("Type");
        Self {
            id,
            code: of("Code"),
            name: of("Name"),
            tax_type: some("TaxType").unwrap_or_else(|| "NONE".into()),
            currency: some("CurrencyCode").filter(|_| kind == "BANK"),
            takes_payments: element.get("EnablePaymentsToAccount").and_then(Value::as_bool).unwrap_or_default(),
            system: some("SystemAccount"),
            description: of("Description"),
            is_archived: text(element, "Status") == Some("ARCHIVED"),
            updated: now,
            kind,
        }
    }

    pub(super) fn is_bank(&self) -> bool {
        self.kind == "BANK"
    }

    /// Where its balance belongs.
    pub(super) fn class(&self) -> &'static str {
        match self.kind.as_str() {
            "REVENUE" | "SALES" | "OTHERINCOME" => "REVENUE",
            "EXPENSE" | "OVERHEADS" | "DIRECTCOSTS" | "DEPRECIATN" => "EXPENSE",
            "CURRLIAB" | "LIABILITY" | "TERMLIAB" | "PAYG" => "LIABILITY",
            "EQUITY" => "EQUITY",
            _ => "ASSET",
        }
    }

    pub(super) fn show(&self) -> Value {
        let mut shown = json!({
            "AccountID": self.id.json(), "Code": self.code, "Name": self.name, "Type": self.kind, "TaxType": self.tax_type,
            "Description": self.description, "EnablePaymentsToAccount": self.takes_payments, "ShowInExpenseClaims": false,
            "Class": self.class(), "Status": if self.is_archived { "ARCHIVED" } else { "ACTIVE" },
            "ReportingCode": "", "HasAttachments": false, "UpdatedDateUTC": dates::stamp(self.updated),
            "AddToWatchlist": false,
        });
        if let Some(system) = &self.system {
            shown["SystemAccount"] = json!(system);
        }
        if self.is_bank() {
            shown["BankAccountType"] = json!("BANK");
            shown["BankAccountNumber"] = json!("");
        }
        if let Some(currency) = &self.currency {
            shown["CurrencyCode"] = json!(currency);
        }
        shown
    }
}

/// A tax rate.
#[derive(Debug, Clone)]
pub(super) struct TaxRate {
    pub(super) tax_type: String,
    pub(super) name: String,
    /// Percent.
    pub(super) rate: Decimal,
    pub(super) is_active: bool,
    pub(super) on_revenue: bool,
    pub(super) on_expenses: bool,
}

impl TaxRate {
    pub(super) fn read(element: &Element) -> Self {
        let flag = |name: &str| element.get(name).and_then(Value::as_bool).unwrap_or_default();
        Self {
            tax_type: text(element, "TaxType").unwrap_or_default().to_owned(),
            name: text(element, "Name").unwrap_or_default().to_owned(),
            rate: element.get("EffectiveRate").and_then(money::read).unwrap_or_default(),
            is_active: !matches!(text(element, "Status"), Some("ARCHIVED" | "DELETED")),
            on_revenue: flag("CanApplyToRevenue"),
            on_expenses: flag("CanApplyToExpenses"),
        }
    }

    /// Whether lines on accounts of this class may have it.
    pub(super) fn fits(&self, class: &str) -> bool {
        match class {
            "REVENUE" => self.on_revenue,
            "EXPENSE" => self.on_expenses,
            _ => true,
        }
    }

    pub(super) fn show(&self) -> Value {
        let rate = money::json(self.rate);
        json!({
            "Name": self.name, "TaxType": self.tax_type,
            "ReportTaxType": if self.on_revenue { "OUTPUT" } else { "INPUT" },
            "CanApplyToAssets": true, "CanApplyToEquity": true, "CanApplyToExpenses": self.on_expenses,
            "CanApplyToLiabilities": true, "CanApplyToRevenue": self.on_revenue, "DisplayTaxRate": rate,
            "EffectiveRate": rate, "Status": if self.is_active { "ACTIVE" } else { "ARCHIVED" },
            "TaxComponents": [{"Name": self.name, "Rate": rate, "IsCompound": false, "IsNonRecoverable": false}],
        })
    }
}

/// A tracking category or one of its options.
#[derive(Debug, Clone)]
pub(super) struct Tracking {
    pub(super) id: Id,
    pub(super) name: String,
    pub(super) is_archived: bool,
    pub(super) options: Vec<Self>,
}

impl Tracking {
    pub(super) fn new(id: Id, name: &str, options: Vec<Self>) -> Self {
        Self { id, name: name.to_owned(), is_archived: false, options }
    }

    pub(super) fn show(&self) -> Value {
        let status = |one: &Self| if one.is_archived { "ARCHIVED" } else { "ACTIVE" };
        let options: Vec<Value> = self
            .options
            .iter()
            .map(|option| {
                json!({"TrackingOptionID": option.id.json(), "Name": option.name, "Status": status(option),
                       "HasValidationErrors": false, "IsDeleted": false, "IsArchived": option.is_archived, "IsActive": !option.is_archived})
            })
            .collect();
        json!({"TrackingCategoryID": self.id.json(), "Name": self.name, "Status": status(self), "Options": options})
    }

    /// The category and the option that a line means, by ids or by names.
    pub(super) fn find<'t>(all: &'t [Self], asked: &Map<String, Value>) -> Option<(&'t Self, &'t Self)> {
        let meant = |one: &&Self, id: &str, name: &str| match (Id::read(asked.get(id)), text(asked, name)) {
            (Some(id), _) => one.id == id,
            (None, Some(name)) => one.name.eq_ignore_ascii_case(name),
            (None, None) => false,
        };
        let category = all.iter().find(|one| meant(one, "TrackingCategoryID", "Name"))?;
        let option = category.options.iter().find(|one| meant(one, "TrackingOptionID", "Option"))?;
        (!category.is_archived && !option.is_archived).then_some((category, option))
    }
}
