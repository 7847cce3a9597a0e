//! What an organisation is set to: itself, its chart, its rates.
//! Source: <https://developer.xero.com/documentation/api/accounting/organisation> and the pages beside it.

use http::HeaderMap;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::{
    World,
    bulk::Refused,
    chart::Account,
    company::Company,
    dates,
    filter::{Field, Filter},
    id::Id,
    input::{Element, Kind, Member, Query, text, too_long},
    listing::Listed,
    problem::Problem,
};

/// Account types. Source: <https://developer.xero.com/documentation/api/accounting/types#account-types>.
const TYPES: &[&str] = &[
    "BANK",
    "CURRENT",
    "CURRLIAB",
    "DEPRECIATN",
    "DIRECTCOSTS",
    "EQUITY",
    "EXPENSE",
    "FIXED",
    "INVENTORY",
    "LIABILITY",
    "NONCURRENT",
    "OTHERINCOME",
    "OVERHEADS",
    "PREPAYMENT",
    "REVENUE",
    "SALES",
    "TERMLIAB",
    "PAYG",
];

/// Members of an account in a body.
pub(super) const ACCOUNT: &[Member] = &[
    ("AccountID", Kind::Id),
    ("Code", Kind::Text(10)),
    ("Name", Kind::Text(150)),
    ("Type", Kind::Word(TYPES)),
    ("TaxType", Kind::Text(50)),
    ("Description", Kind::Text(4_000)),
    ("EnablePaymentsToAccount", Kind::Flag),
    ("ShowInExpenseClaims", Kind::Flag),
    ("Status", Kind::Word(&["ACTIVE", "ARCHIVED"])),
    ("CurrencyCode", Kind::Text(3)),
    ("BankAccountNumber", Kind::Text(50)),
    ("BankAccountType", Kind::Word(&["BANK", "CREDITCARD", "PAYPAL"])),
    ("Class", Kind::ReadOnly),
    ("SystemAccount", Kind::ReadOnly),
    ("UpdatedDateUTC", Kind::ReadOnly),
    ("ReportingCode", Kind::NotModelled),
    ("AddToWatchlist", Kind::NotModelled),
];

/// Members of a currency in a body.
pub(super) const CURRENCY: &[Member] = &[("Code", Kind::Text(3)), ("Description", Kind::ReadOnly)];

pub(super) fn organisation(company: &Company, created: Timestamp) -> Value {
    let mut shown = json!({
        "OrganisationID": company.id.json(), "Name": company.name, "LegalName": company.name, "PaysTax": true,
        "Version": "GLOBAL", "OrganisationType": "COMPANY", "OrganisationEntityType": "COMPANY",
        "BaseCurrency": company.base, "CountryCode": "ES", "IsDemoCompany": false, "OrganisationStatus": "ACTIVE",
        "FinancialYearEndDay": 31, "FinancialYearEndMonth": 12, "SalesTaxBasis": "ACCRUALS", "SalesTaxPeriod": "QUARTERLY1",
        "DefaultSalesTax": company.sales_tax, "DefaultPurchasesTax": "Tax Exclusive", "CreatedDateUTC": dates::stamp(created),
        "Timezone": zone_word(&company.zone_name), "ShortCode": "!sand1", "Edition": "BUSINESS", "Class": "PREMIUM",
        "Addresses": [], "Phones": [], "ExternalLinks": [], "PaymentTerms": {},
    });
    for (name, lock) in [("PeriodLockDate", company.period_lock), ("EndOfYearLockDate", company.year_lock)] {
        if let Some(lock) = lock {
            shown[name] = dates::day(lock);
        }
    }
    shown
}

/// Zones as the service names them. Source: <https://developer.xero.com/documentation/api/accounting/types#time-zones>.
fn zone_word(zone: &str) -> &'static str {
    match zone {
        "Europe/London" => "GMTSTANDARDTIME",
        "Pacific/Auckland" => "NEWZEALANDSTANDARDTIME",
        "America/New_York" => "EASTERNSTANDARDTIME",
        "UTC" => "UTC",
        _ => "ROMANCESTANDARDTIME",
    }
}

/// What the connecting user may do, as far as it matters here.
pub(super) fn actions(company: &Company) -> Vec<Value> {
    let action =
        |name: &str, is_allowed: bool| json!({"Name": name, "Status": if is_allowed { "ALLOWED" } else { "NOT-ALLOWED" }});
    vec![
        action("CreateApprovedInvoice", true),
        action("CreateApprovedBill", true),
        action("CreateDraftInvoice", true),
        action("UseMulticurrency", !company.rates.is_empty()),
        action("ApproveTransactionsBeforePeriodLockDate", company.is_adviser),
    ]
}

/// The currencies that an organisation is subscribed to.
pub(super) fn currencies(company: &Company) -> Vec<Value> {
    let codes = std::iter::once(&company.base).chain(company.rates.keys());
    codes.map(|code| json!({"Code": code, "Description": name_of(code)})).collect()
}

fn name_of(code: &str) -> &str {
    match code {
        "EUR" => "Euro",
        "USD" => "United States Dollar",
        "GBP" => "British Pound",
        "NZD" => "New Zealand Dollar",
        other => other,
    }
}

pub(super) fn users(names: &[String], created: Timestamp) -> Vec<Value> {
    names
        .iter()
        .map(|email| {
            json!({
                "UserID": Id::of(email).json(), "EmailAddress": email, "FirstName": email.split('@').next(), "LastName": "",
                "UpdatedDateUTC": dates::stamp(created), "IsSubscriber": names.first() == Some(email),
                "OrganisationRole": "STANDARD",
            })
        })
        .collect()
}

pub(super) fn themes(company: &Company, created: Timestamp) -> Vec<Value> {
    let show = |(n, (id, name)): (usize, &(Id, String))| {
        json!({"BrandingThemeID": id.json(), "Name": name, "SortOrder": n, "Type": "INVOICE",
               "CreatedDateUTC": dates::stamp(created)})
    };
    company.themes.iter().enumerate().map(show).collect()
}

/// Lists what has no pages: filtered by the texts that it shows.
pub(super) fn plain(query: &Query, items: Vec<Value>, fields: &[&str]) -> Result<Listed, Problem> {
    let mut items = items;
    if let Some(text) = query.text("where").filter(|text| !text.trim().is_empty()) {
        let filter = Filter::parse(text, fields)?;
        items.retain(|item| filter.passes(&|name: &str| field(item, name)));
    }
    if let Some(order) = query.text("order").filter(|order| !order.trim().is_empty()) {
        let (name, direction) = order.trim().split_once(' ').unwrap_or((order.trim(), "ASC"));
        if !fields.contains(&name) {
            return Err(Problem::query(format!("No property or field '{name}' exists")));
        }
        items.sort_by(|one, other| field(one, name).compare(&field(other, name)).unwrap_or(std::cmp::Ordering::Equal));
        if direction.eq_ignore_ascii_case("DESC") {
            items.reverse();
        }
    }
    Ok(Listed { items, pagination: None })
}

fn field(item: &Value, name: &str) -> Field {
    match &item[name] {
        Value::String(text) => Id::parse(text).map_or_else(|| Field::Text(text.clone()), Field::Guid),
        Value::Bool(flag) => Field::Flag(*flag),
        Value::Number(number) => number.to_string().parse().map_or(Field::Null, Field::Number),
        _ => Field::Null,
    }
}

/// `If-Modified-Since`, where it can be read.
pub(super) fn since(headers: &HeaderMap) -> Option<Timestamp> {
    headers.get("if-modified-since").and_then(|value| value.to_str().ok()).and_then(dates::modified_since)
}

/// Accounts, changed since a time when asked.
pub(super) fn accounts(company: &Company, headers: &HeaderMap) -> Vec<Value> {
    let since = since(headers);
    let is_meant = |account: &&Account| since.is_none_or(|since| account.updated >= since);
    let mut found: Vec<&Account> = company.accounts.values().filter(is_meant).collect();
    found.sort_by(|one, other| one.code.cmp(&other.code));
    found.into_iter().map(Account::show).collect()
}

/// Makes an account. Source: <https://developer.xero.com/documentation/api/accounting/accounts>.
pub(super) fn create_account(company: &mut Company, world: &mut World, element: &Element) -> Result<Id, Refused> {
    let mut wrong = too_long(element, ACCOUNT);
    let account = Account::read(element, world.fresh_id("account"), world.now);
    if account.code.is_empty() || account.name.is_empty() || account.kind.is_empty() {
        wrong.push("Code, Name and Type must be specified".into());
    }
    if company.account_by_code(&account.code).is_some() {
        wrong.push("Please enter a unique Code.".into());
    }
    if company.accounts.values().any(|other| other.name.eq_ignore_ascii_case(&account.name)) {
        wrong.push("Please enter a unique Name.".into());
    }
    if company.tax_rate(&account.tax_type).is_none() {
        let tax_type = &account.tax_type;
        wrong.push(format!("The TaxType code {tax_type} does not exist or cannot be used for this type of transaction."));
    }
    if !wrong.is_empty() {
        return Err(Refused::Words(wrong));
    }
    let id = account.id;
    company.accounts.insert(id, account);
    Ok(id)
}

/// Changes an account: archives it alone, or anything else.
pub(super) fn update_account(company: &mut Company, world: &mut World, id: Id, element: &Element) -> Result<Id, Refused> {
    let Some(before) = company.accounts.get(&id) else { return Err("The account could not be found".into()) };
    // Source: the page: "you cannot update the status at the same time as other values", system accounts stay.
    let status = text(element, "Status");
    if status.is_some() && element.keys().any(|name| !matches!(name.as_str(), "Status" | "AccountID")) {
        return Err("The status of an account cannot be changed together with other values".into());
    }
    if before.system.is_some() {
        return Err("System accounts cannot be changed".into());
    }
    let mut whole = before.show().as_object().cloned().unwrap_or_default();
    whole.extend(element.clone());
    let mut after = Account::read(&whole, id, world.now);
    after.is_archived = status.map_or(before.is_archived, |status| status == "ARCHIVED");
    company.accounts.insert(id, after);
    Ok(id)
}

/// Subscribes to a currency, for which the double has a rate of one.
pub(super) fn create_currency(company: &mut Company, element: &Element) -> Result<String, Refused> {
    let code = text(element, "Code").unwrap_or_default().to_owned();
    if code.len() != 3 || !code.bytes().all(|byte| byte.is_ascii_uppercase()) {
        return Err(format!("The currency code '{code}' is not valid").into());
    }
    if company.rates.is_empty() {
        return Err("Organisation is not subscribed to multi currency".into());
    }
    if company.has_currency(&code) {
        return Err(format!("The currency {code} has already been added").into());
    }
    company.rates.insert(code.clone(), 1.into());
    Ok(code)
}
