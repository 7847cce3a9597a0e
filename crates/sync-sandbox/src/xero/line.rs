//! Lines of a document: what is sent, what is kept, what is worked out.
//! Sources: the schema `LineItem` of Xero's API description,
//! <https://developer.xero.com/documentation/guides/how-to-guides/rounding-in-xero/>.

use rust_decimal::Decimal;
use serde_json::{Value, json};

use super::{
    World,
    chart::Tracking,
    company::Company,
    document::{Kind as Of, LineAmounts, Status},
    id::Id,
    input::{Element, Kind, Member, text},
    money,
};

/// Members of a line.
pub(super) const MEMBERS: &[Member] = &[
    ("LineItemID", Kind::Id),
    ("Description", Kind::Text(4_000)),
    ("Quantity", Kind::Amount),
    ("UnitAmount", Kind::Amount),
    ("ItemCode", Kind::Text(30)),
    ("AccountCode", Kind::Text(10)),
    ("AccountID", Kind::Id),
    ("TaxType", Kind::Text(50)),
    ("TaxAmount", Kind::Amount),
    ("LineAmount", Kind::Amount),
    ("DiscountRate", Kind::Amount),
    ("DiscountAmount", Kind::Amount),
    ("Tracking", Kind::List(TRACKING)),
    ("Item", Kind::ReadOnly),
    ("ValidationErrors", Kind::ReadOnly),
    ("RepeatingInvoiceID", Kind::NotModelled),
    ("Taxability", Kind::NotModelled),
    ("SalesTaxCodeId", Kind::NotModelled),
    ("TaxBreakdown", Kind::NotModelled),
];

const TRACKING: &[Member] = &[
    ("TrackingCategoryID", Kind::Id),
    ("TrackingOptionID", Kind::Id),
    ("Name", Kind::Text(100)),
    ("Option", Kind::Text(100)),
];

/// Largest amount of a line. Source: <https://developer.xero.com/documentation/api/accounting/invoices>.
const LARGEST: Decimal = Decimal::from_parts(0xd4a5_0fff, 0xe8, 0, false, 2);

/// A line.
#[derive(Debug, Clone)]
pub(super) struct Line {
    pub(super) id: Id,
    pub(super) description: String,
    pub(super) quantity: Option<Decimal>,
    pub(super) unit: Option<Decimal>,
    pub(super) account: Option<Id>,
    pub(super) account_code: String,
    pub(super) tax_type: String,
    pub(super) tax: Decimal,
    pub(super) amount: Decimal,
    pub(super) discount_rate: Option<Decimal>,
    pub(super) discount: Option<Decimal>,
    /// Category and option by id and name.
    pub(super) tracking: Vec<[(Id, String); 2]>,
}

/// What the document says of all its lines.
#[derive(Debug, Clone, Copy)]
pub(super) struct Terms {
    pub(super) kind: Of,
    pub(super) status: Status,
    pub(super) amounts: LineAmounts,
    /// Places of unit amounts.
    pub(super) places: u32,
}

impl Line {
    pub(super) fn is_discounted(&self) -> bool {
        self.discount_rate.is_some_and(|rate| !rate.is_zero()) || self.discount.is_some_and(|amount| !amount.is_zero())
    }

    /// Reads a line, over what was there when it is sent with the id of a line; adds what is wrong.
    pub(super) fn read(
        element: &Element,
        before: Option<&Self>,
        terms: Terms,
        company: &Company,
        world: &mut World,
        wrong: &mut Vec<String>,
    ) -> Self {
        let amount = |name: &str| element.get(name).and_then(money::read);
        let sent = |name: &str| text(element, name).filter(|text| !text.is_empty()).map(str::to_owned);
        let account = Self::account(element, before, terms, company, wrong);
        let quantity = amount("Quantity").or(before.and_then(|line| line.quantity)).map(|one| money::round(one, 4));
        let unit = amount("UnitAmount").map(|unit| money::round(unit, terms.places)).or(before.and_then(|line| line.unit));
        let discount_rate = amount("DiscountRate").or(before.and_then(|line| line.discount_rate));
        let discount = amount("DiscountAmount").or(before.and_then(|line| line.discount));
        let has_discount = discount_rate.is_some_and(|rate| !rate.is_zero()) || discount.is_some_and(|one| !one.is_zero());
        if has_discount && terms.kind != Of::Sale {
            wrong.push("Discounts can only be applied to ACCREC invoices and quotes".into());
        }
        // Source: <https://developer.xero.com/documentation/api/accounting/invoices>: DiscountRate and DiscountAmount of ACCREC.
        let full = quantity.zip(unit).map(|(quantity, unit)| quantity * unit);
        let expected = full.map(|full| {
            let off = discount_rate.map_or(discount.unwrap_or_default(), |rate| full * rate / Decimal::ONE_HUNDRED);
            money::cents(full - off)
        });
        let given = amount("LineAmount").map(money::cents);
        let line_amount = match (given, expected) {
            (Some(given), Some(expected)) if given != expected => {
                wrong.push(format!("The line total {given} does not match the expected line total {expected}"));
                expected
            }
            (given, expected) => expected.or(given).or(before.map(|line| line.amount)).unwrap_or_default(),
        };
        let unit = match (unit, given, quantity) {
            (None, Some(given), quantity) => {
                let quantity = quantity.filter(|one| !one.is_zero()).unwrap_or(Decimal::ONE);
                Some(money::round(given / quantity, terms.places))
            }
            (unit, ..) => unit,
        };
        if line_amount.abs() > LARGEST {
            wrong.push("The line amount is too large".into());
        }
        if sent("ItemCode").is_some() {
            wrong.push(format!("Item code '{}' is not valid", text(element, "ItemCode").unwrap_or_default()));
        }
        let description = sent("Description").or_else(|| before.map(|line| line.description.clone())).unwrap_or_default();
        if description.is_empty() && terms.status != Status::Draft {
            wrong.push("Description must be at least 1 character".into());
        }
        let has_money = quantity.is_some() || unit.is_some() || given.is_some();
        let tax_type = Self::tax_type(element, before, account, has_money, terms, company, wrong);
        let tax = match amount("TaxAmount") {
            _ if terms.amounts == LineAmounts::NoTax => Decimal::ZERO,
            Some(given) => money::cents(given),
            None => {
                tax_of(line_amount, company.tax_rate(&tax_type).map(|rate| rate.rate).unwrap_or_default(), terms.amounts)
            }
        };
        Self {
            id: before.map_or_else(|| world.fresh_id("line"), |line| line.id),
            description,
            quantity: quantity.or(has_money.then_some(Decimal::ONE)),
            unit: unit.or(has_money.then_some(Decimal::ZERO)),
            account: account.map(|account| account.id),
            account_code: account.map(|account| account.code.clone()).unwrap_or_default(),
            tax_type,
            tax,
            amount: line_amount,
            discount_rate,
            discount,
            tracking: Self::tracking(element, before, company, wrong),
        }
    }

    fn account<'c>(
        element: &Element,
        before: Option<&Self>,
        terms: Terms,
        company: &'c Company,
        wrong: &mut Vec<String>,
    ) -> Option<&'c super::chart::Account> {
        let code = text(element, "AccountCode").filter(|code| !code.is_empty());
        let id = Id::read(element.get("AccountID"));
        let account = match (code, id) {
            (Some(code), _) => company.account_by_code(code),
            (None, Some(id)) => company.accounts.get(&id),
            (None, None) => before.and_then(|line| line.account).and_then(|id| company.accounts.get(&id)),
        };
        let named = code.map(str::to_owned).or_else(|| id.map(|id| id.to_string()));
        match account {
            None => {
                match named {
                    // Source: GitHub XeroAPI/Xero-NetStandard issue 364.
                    Some(named) => wrong.push(format!("Account code '{named}' is not a valid code for this document.")),
                    // Source: GitHub benedwards44/Apex-for-Xero issue 9.
                    None if terms.status != Status::Draft && has_money(element) => {
                        wrong.push("Account code must be specified".into());
                    }
                    None => {}
                }
                None
            }
            Some(account) if account.is_archived => {
                let code = &account.code;
                wrong.push(format!(
                    "Account code '{code}' has been archived, or has been deleted. Each line item must reference a valid account."
                ));
                Some(account)
            }
            Some(account) if account.is_bank() || matches!(account.system.as_deref(), Some("DEBTORS" | "CREDITORS")) => {
                wrong.push(format!("Account code '{}' is not a valid code for this document.", account.code));
                Some(account)
            }
            account => account,
        }
    }

    fn tax_type(
        element: &Element,
        before: Option<&Self>,
        account: Option<&super::chart::Account>,
        has_money: bool,
        terms: Terms,
        company: &Company,
        wrong: &mut Vec<String>,
    ) -> String {
        let sent = text(element, "TaxType").filter(|text| !text.is_empty());
        // A line that gets another account keeps its tax; one without any has the account's.
        let tax_type = sent
            .map(str::to_owned)
            .or_else(|| before.map(|line| line.tax_type.clone()).filter(|text| !text.is_empty()))
            .or_else(|| account.map(|account| account.tax_type.clone()))
            .unwrap_or_default();
        if terms.amounts == LineAmounts::NoTax && sent.is_none() {
            return "NONE".into();
        }
        match company.tax_rate(&tax_type).filter(|rate| rate.is_active) {
            // Source of both messages: GitHub XeroAPI/Xero-Java issue 336.
            None if !tax_type.is_empty() => wrong
                .push(format!("The TaxType code {tax_type} does not exist or cannot be used for this type of transaction.")),
            None if has_money && terms.status != Status::Draft => wrong.push("The TaxType field is mandatory".into()),
            Some(rate) => {
                if let Some(account) = account.filter(|account| !rate.fits(account.class())) {
                    let code = &account.code;
                    wrong.push(format!("The TaxType code '{tax_type}' cannot be used with account code '{code}'."));
                }
            }
            None => {}
        }
        tax_type
    }

    fn tracking(
        element: &Element,
        before: Option<&Self>,
        company: &Company,
        wrong: &mut Vec<String>,
    ) -> Vec<[(Id, String); 2]> {
        let Some(sent) = element.get("Tracking").and_then(Value::as_array) else {
            return before.map(|line| line.tracking.clone()).unwrap_or_default();
        };
        // Source: the schema `LineItem`: "Any LineItem can have a maximum of 2 TrackingCategory elements."
        if sent.len() > 2 {
            wrong.push("A line item can have at most 2 tracking categories".into());
        }
        let mut found = Vec::new();
        for one in sent.iter().filter_map(Value::as_object) {
            match Tracking::find(&company.tracking, one) {
                Some((category, option)) => {
                    found.push([(category.id, category.name.clone()), (option.id, option.name.clone())]);
                }
                None => wrong.push("The tracking category or option does not exist or is archived".into()),
            }
        }
        found
    }

    pub(super) fn show(&self, places: u32) -> Value {
        let mut shown = json!({
            "LineItemID": self.id.json(), "Description": self.description, "TaxType": self.tax_type,
            "TaxAmount": money::json(self.tax), "LineAmount": money::json(self.amount), "AccountCode": self.account_code,
            "ValidationErrors": [],
            "Tracking": self.tracking.iter().map(|[category, option]| json!({
                "TrackingCategoryID": category.0.json(), "Name": category.1,
                "TrackingOptionID": option.0.json(), "Option": option.1,
            })).collect::<Vec<_>>(),
        });
        let amounts = [
            ("Quantity", self.quantity),
            ("UnitAmount", self.unit.map(|unit| money::round(unit, places))),
            ("DiscountRate", self.discount_rate),
            ("DiscountAmount", self.discount),
        ];
        for (name, amount) in amounts {
            if let Some(amount) = amount {
                shown[name] = money::json(amount);
            }
        }
        if let Some(account) = self.account {
            shown["AccountID"] = account.json();
        }
        shown
    }
}

/// A line with a description only has no money.
fn has_money(element: &Element) -> bool {
    ["Quantity", "UnitAmount", "LineAmount"].iter().any(|name| element.get(*name).is_some_and(|value| !value.is_null()))
}

/// The tax of a line, to the cent.
pub(super) fn tax_of(amount: Decimal, percent: Decimal, amounts: LineAmounts) -> Decimal {
    let share = percent / Decimal::ONE_HUNDRED;
    match amounts {
        LineAmounts::Exclusive => money::cents(amount * share),
        LineAmounts::Inclusive => money::cents(amount - amount / (Decimal::ONE + share)),
        LineAmounts::NoTax => Decimal::ZERO,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dec(text: &str) -> Decimal {
        text.parse().expect("a number")
    }

    // Rounding in Xero: "Xero calculates tax on each line, rounds it to two places, and sums".
    #[test]
    fn tax_is_rounded_line_by_line() {
        assert_eq!(tax_of(dec("0.05"), dec("21"), LineAmounts::Exclusive), dec("0.01"));
        assert_eq!(tax_of(dec("180"), dec("21"), LineAmounts::Inclusive), dec("31.24"));
        assert_eq!(tax_of(dec("180"), dec("21"), LineAmounts::NoTax), Decimal::ZERO);
        assert_eq!(LARGEST, dec("9999999999.99"));
    }
}
