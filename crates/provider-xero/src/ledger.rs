//! What is known of the organisation's books: accounts, rates, currencies, locks. Read once in a run, kept in its facts.

use std::collections::BTreeMap;

use jiff::{ToSpan, civil::Date};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use sync_core::Facts;

use crate::{date, model};

/// Members of the facts.
const ORGANISATION: &str = "organisation";
const ACCOUNTS: &str = "accounts";
const RATES: &str = "rates";
const CURRENCIES: &str = "currencies";

/// One account, as the facts keep it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct AccountFact {
    pub(crate) id: String,
    pub(crate) code: String,
    pub(crate) name: String,
    /// The tax type of lines on it that name none.
    pub(crate) tax: String,
    /// Of bank accounts.
    pub(crate) currency: String,
    /// True when payments can go there.
    pub(crate) takes_payments: bool,
}

/// The books as far as they were read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ledger<'a>(pub(crate) &'a Facts);

impl<'a> Ledger<'a> {
    /// The organisation's name.
    pub(crate) fn name(self) -> Option<&'a str> {
        self.0.value(ORGANISATION)?.get("name")?.as_str().filter(|name| !name.is_empty())
    }

    /// The currency of the books.
    pub(crate) fn currency(self) -> Option<&'a str> {
        self.0.value(ORGANISATION)?.get("currency")?.as_str().filter(|code| !code.is_empty())
    }

    /// The last day that is locked.
    pub(crate) fn locked_until(self) -> Option<Date> {
        self.0.value(ORGANISATION)?.get("locked_until")?.as_str()?.parse().ok()
    }

    /// The day on which the books were read.
    pub(crate) fn today(self) -> Option<Date> {
        self.0.value(ORGANISATION)?.get("today")?.as_str()?.parse().ok()
    }

    /// True when the day lies in a period that is locked.
    pub(crate) fn is_locked(self, day: Date) -> bool {
        self.locked_until().is_some_and(|until| day <= until)
    }

    /// The first day that is open.
    pub(crate) fn first_open_day(self) -> Option<Date> {
        self.locked_until()?.checked_add(1.day()).ok()
    }

    /// True when documents may have this currency; where nobody looked, Xero tells.
    pub(crate) fn has_currency(self, code: &str) -> bool {
        match self.0.value(CURRENCIES).and_then(Value::as_array) {
            Some(codes) => codes.iter().any(|known| known.as_str().is_some_and(|known| known.eq_ignore_ascii_case(code))),
            None => true,
        }
    }

    /// An account that is in use, by its code or id.
    pub(crate) fn account(self, code_or_id: &str) -> Option<AccountFact> {
        let account = self.0.value(ACCOUNTS)?.get(code_or_id)?;
        serde_json::from_value(account.clone()).ok()
    }

    /// The rate of a tax type, in percent.
    pub(crate) fn rate(self, tax_type: &str) -> Option<Decimal> {
        self.0.value(RATES)?.get(tax_type)?.as_str()?.parse().ok()
    }

    /// True when the books were read.
    pub(crate) fn is_known(self) -> bool {
        self.0.value(ACCOUNTS).is_some()
    }
}

/// Facts of what was read. Archived accounts and rates count as gone.
pub(crate) fn facts(
    organisation: &model::Organisation,
    accounts: &[model::Account],
    rates: &[model::TaxRate],
    currencies: &[model::Currency],
    today: Date,
) -> Facts {
    let locks = [&organisation.period_lock_date, &organisation.end_of_year_lock_date];
    let locked_until = locks.into_iter().filter_map(|text| date::day(text)).max();
    let mut facts = Facts::of(
        ORGANISATION,
        json!({
            "name": organisation.name,
            "currency": organisation.base_currency,
            "locked_until": locked_until.map(|day| day.to_string()),
            "today": today.to_string(),
        }),
    );
    let mut by_name = Map::new();
    for account in accounts.iter().filter(|account| is_in_use(&account.status)) {
        let fact = json!(AccountFact {
            id: account.account_id.clone(),
            code: account.code.clone(),
            name: account.name.clone(),
            tax: account.tax_type.clone(),
            currency: account.currency_code.clone(),
            takes_payments: takes_payments(account),
        });
        // Bank accounts may have no code: they go by their id.
        for name in [&account.code, &account.account_id] {
            if !name.is_empty() {
                by_name.insert(name.clone(), fact.clone());
            }
        }
    }
    facts.learn(Facts::of(ACCOUNTS, Value::Object(by_name)));
    let rates: BTreeMap<&str, String> = rates
        .iter()
        .filter(|rate| is_in_use(&rate.status))
        .map(|rate| (rate.tax_type.as_str(), rate.effective_rate.to_string()))
        .collect();
    facts.learn(Facts::of(RATES, json!(rates)));
    let codes: Vec<&str> = currencies.iter().map(|currency| currency.code.as_str()).collect();
    facts.learn(Facts::of(CURRENCIES, json!(codes)));
    facts
}

/// True for what can be chosen.
pub(crate) fn is_in_use(status: &str) -> bool {
    status.is_empty() || status.eq_ignore_ascii_case("ACTIVE")
}

/// True when payments can go to an account: a bank account, or one that is switched on for it.
/// Source: <https://developer.xero.com/documentation/api/accounting/payments> (read 2026-11-22), `Account`.
pub(crate) fn takes_payments(account: &model::Account) -> bool {
    account.kind.eq_ignore_ascii_case("BANK") || account.enable_payments_to_account
}

/// True when lines of a sale can go to an account: not to banks and the system's own.
pub(crate) fn takes_sales(account: &model::Account) -> bool {
    let is_systems = matches!(account.system_account.as_str(), "DEBTORS" | "CREDITORS");
    !account.kind.eq_ignore_ascii_case("BANK") && !is_systems && !account.code.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_later_lock_counts_and_what_is_archived_is_gone() {
        let organisation = model::Organisation {
            period_lock_date: "/Date(1767139200000+0000)/".into(),
            end_of_year_lock_date: "/Date(1735603200000+0000)/".into(),
            base_currency: "EUR".into(),
            ..Default::default()
        };
        let account = |code: &str, status: &str| model::Account {
            code: code.into(),
            account_id: format!("id-{code}"),
            status: status.into(),
            ..Default::default()
        };
        let rate = |tax_type: &str, status: &str| model::TaxRate {
            tax_type: tax_type.into(),
            status: status.into(),
            effective_rate: "21".parse().unwrap(),
            ..Default::default()
        };
        let accounts = [account("200", "ACTIVE"), account("201", "ARCHIVED")];
        let currencies = [model::Currency { code: "EUR".into() }];
        let facts = facts(
            &organisation,
            &accounts,
            &[rate("OUTPUT", "ACTIVE"), rate("OLD", "DELETED")],
            &currencies,
            jiff::civil::date(2026, 11, 22),
        );
        let ledger = Ledger(&facts);
        assert_eq!(ledger.locked_until(), Some(jiff::civil::date(2025, 12, 31)));
        assert!(ledger.is_locked(jiff::civil::date(2025, 12, 31)) && !ledger.is_locked(jiff::civil::date(2026, 1, 1)));
        assert_eq!(ledger.first_open_day(), Some(jiff::civil::date(2026, 1, 1)));
        assert!(ledger.account("200").is_some() && ledger.account("id-200").is_some() && ledger.account("201").is_none());
        assert_eq!((ledger.rate("OUTPUT"), ledger.rate("OLD")), (Some("21".parse().unwrap()), None));
        assert!(ledger.has_currency("eur") && !ledger.has_currency("USD"));
    }
}
