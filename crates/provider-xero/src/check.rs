//! A look at the connection: tenants in reach, settings against the books, facts.

use jiff::tz::TimeZone;
use sync_core::{AccountId, Check, Checked, Context, Error, ErrorKind, Owner, Problem, Result};

use crate::{
    choices, client,
    descriptor::PAYMENTS,
    error::{bad_answer, parse},
    handler::Handler,
    ledger::{self, Ledger},
    model::{Accounts, Currencies, Organisations, TaxRates, Tenant},
    settings::{DONT_SEND, Ways},
};

/// The kind of tenant that has books. Practices and the like have none.
const ORGANISATION: &str = "ORGANISATION";

/// Tenants in reach, problems of settings, facts.
pub(crate) async fn check(handler: &Handler, cx: &Context<'_>, check: Check) -> Result<Checked> {
    let mut checked = Checked::default();
    if check == Check::Account || handler.account.is_none() {
        checked.accounts = accounts(handler, cx).await?;
    }
    if check == Check::Account || !handler.settings.has_money() {
        return Ok(checked);
    }
    let tenant = handler.tenant()?;
    let organisations: Organisations = parse(&cx.send(client::organisation(tenant)?).await?, "organisation.get")?;
    let organisation =
        organisations.organisations.into_iter().next().ok_or_else(|| bad_answer("Xero's answer names no organisation"))?;
    let accounts: Accounts = parse(&cx.send(client::accounts(tenant)?).await?, "accounts.list")?;
    let rates: TaxRates = parse(&cx.send(client::tax_rates(tenant)?).await?, "tax_rates.list")?;
    let currencies: Currencies = parse(&cx.send(client::currencies(tenant)?).await?, "currencies.list")?;
    let today = cx.now.to_zoned(TimeZone::UTC).date();
    checked.facts = ledger::facts(&organisation, &accounts.accounts, &rates.tax_rates, &currencies.currencies, today);
    let ledger = Ledger(&checked.facts);
    checked.problems = problems(handler, ledger);
    if let Some(theme) = &handler.settings.branding_theme
        && !choices::branding_themes(handler, cx).await?.iter().any(|choice| choice.value == *theme)
    {
        checked.problems.push(problem("branding_theme", "the branding theme does not exist any more", "Branding theme"));
    }
    if !handler.settings.tracking.is_empty() {
        let known = choices::tracking(handler, cx).await?;
        for (category, option) in &handler.settings.tracking {
            let category_known = known.iter().find(|(id, ..)| id == category);
            if category_known.is_none_or(|(_, _, options)| !options.iter().any(|(id, _)| id == option)) {
                let setting = format!("tracking.{category}");
                checked.problems.push(problem(&setting, "the tracking category or its option is gone", "Tracking"));
            }
        }
    }
    Ok(checked)
}

fn problems(handler: &Handler, ledger: Ledger<'_>) -> Vec<Problem> {
    let settings = &handler.settings;
    let mut problems = Vec::new();
    for (setting, code) in settings.named_accounts() {
        if ledger.account(code).is_none() {
            problems.push(problem(
                &setting,
                &format!("the account {code} is archived in Xero, or does not exist any more"),
                "Accounts",
            ));
        }
    }
    let rates = settings.tax_rates.iter().map(|(word, rate)| (format!("tax_rates.{word}"), rate));
    for (setting, rate) in settings.tax_rate.iter().map(|rate| ("tax_rate".to_owned(), rate)).chain(rates) {
        if ledger.rate(rate).is_none() {
            problems.push(problem(&setting, &format!("the tax rate {rate} is not in use in Xero any more"), "Tax rates"));
        }
    }
    if settings.ways(&PAYMENTS) != Ways::Off {
        for (method, account) in settings.payment_accounts.iter().filter(|(_, account)| *account != DONT_SEND) {
            if !ledger.account(account).is_some_and(|account| account.takes_payments) {
                problems.push(problem(
                    &format!("payment_accounts.{method}"),
                    &format!("the account {account} is gone in Xero, or takes no payments"),
                    "Payment accounts",
                ));
            }
        }
    }
    problems
}

/// Organisations in reach, the connection's own first.
async fn accounts(handler: &Handler, cx: &Context<'_>) -> Result<Vec<(AccountId, String)>> {
    let tenants: Vec<Tenant> = parse(&cx.send(client::connections()).await?, "connections.list")?;
    let mut accounts: Vec<(AccountId, String)> = tenants
        .into_iter()
        .filter(|tenant| tenant.tenant_type.eq_ignore_ascii_case(ORGANISATION))
        .map(|tenant| {
            let name = if tenant.tenant_name.trim().is_empty() { tenant.tenant_id.clone() } else { tenant.tenant_name };
            (AccountId::new(tenant.tenant_id), name)
        })
        .collect();
    let Some(own) = &handler.account else { return Ok(accounts) };
    match accounts.iter().position(|(id, _)| id == own) {
        Some(idx) => {
            let own = accounts.remove(idx);
            accounts.insert(0, own);
            Ok(accounts)
        }
        None => Err(Error::new(ErrorKind::Forbidden, "the organisation was disconnected in Xero")
            .with_owner(Owner::EndUserReconnect)
            .with_remedy(
                "Connect Xero again and choose the organisation. In Xero, Settings > Connected apps shows who is connected. \
                 Nothing was taken for deleted.",
            )),
    }
}

/// Takes one organisation off what the sign-in reaches. Its others stay: revoking the token would end them all.
/// Source: <https://developer.xero.com/documentation/guides/oauth2/tenants> (read 2026-11-22).
pub(crate) async fn leave(cx: &Context<'_>, tenant: &AccountId) -> Result<()> {
    let tenants: Vec<Tenant> = parse(&cx.send(client::connections()).await?, "connections.list")?;
    if let Some(connected) = tenants.iter().find(|one| one.tenant_id == tenant.as_str()) {
        cx.send(client::disconnect(&connected.id)).await?;
    }
    Ok(())
}

fn problem(setting: &str, message: &str, page: &str) -> Problem {
    Problem {
        setting: setting.to_owned(),
        message: message.to_owned(),
        remedy: format!("Choose another under Settings > Xero > {page}. What waits for it goes with the next sync."),
    }
}
