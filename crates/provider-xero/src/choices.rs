//! What a setting may name.

use sync_core::{Choice, Choices, Context, Error, ErrorKind, Result};

use crate::{
    check, client,
    client::Listing,
    error::parse,
    handler::Handler,
    ledger::{is_in_use, takes_payments, takes_sales},
    model::{Account, Accounts, BrandingThemes, Contacts, TaxRates, TrackingCategories},
    settings::DONT_SEND,
};

/// A tracking category: id, name, and its options as id and name.
type Category = (String, String, Vec<(String, String)>);

/// Contacts that are offered to choose from: a person looks for one, and reads no list of thousands.
const MAX_CONTACTS: u32 = 100;

/// What a setting may name.
pub(crate) async fn choices(handler: &Handler, cx: &Context<'_>, request: Choices<'_>) -> Result<Vec<Choice>> {
    let wanted = request.query.map(str::to_lowercase);
    let mut choices = match request.of {
        "tenants" => tenants(handler, cx).await?,
        "accounts" => accounts(handler, cx, takes_sales, |account| account.code.clone()).await?,
        "payment-accounts" => {
            let by =
                |account: &Account| if account.code.is_empty() { account.account_id.clone() } else { account.code.clone() };
            let mut choices = accounts(handler, cx, takes_payments, by).await?;
            choices.push(choice(DONT_SEND.to_owned(), "Don't send".to_owned()));
            choices
        }
        "tax-rates" => tax_rates(handler, cx).await?,
        "tracking-categories" => tracking(handler, cx).await?.into_iter().map(|(id, name, _)| choice(id, name)).collect(),
        "tracking-options" => {
            let categories = tracking(handler, cx).await?;
            let of = |(_, category, options): Category| {
                options.into_iter().map(move |(id, name)| Choice { group: Some(category.clone()), ..choice(id, name) })
            };
            categories.into_iter().flat_map(of).collect()
        }
        "branding-themes" => branding_themes(handler, cx).await?,
        "contacts" => contacts(handler, cx, request.query).await?,
        other => {
            return Err(Error::new(ErrorKind::NotFound, format!("Xero has no choices called {other}")).with_remedy(
                "Ask for tenants, accounts, payment-accounts, tax-rates, tracking-categories, tracking-options, \
                 branding-themes or contacts.",
            ));
        }
    };
    choices.retain(|choice| wanted.as_ref().is_none_or(|wanted| choice.label.to_lowercase().contains(wanted)));
    Ok(choices)
}

async fn tenants(handler: &Handler, cx: &Context<'_>) -> Result<Vec<Choice>> {
    let accounts = check::check(handler, cx, sync_core::Check::Account).await?.accounts;
    let default = |id: &str| handler.account.as_ref().is_some_and(|own| own.as_str() == id);
    let choice = |(id, name): (sync_core::AccountId, String)| Choice {
        default: default(id.as_str()),
        ..choice(id.to_string(), name)
    };
    Ok(accounts.into_iter().map(choice).collect())
}

async fn accounts(
    handler: &Handler,
    cx: &Context<'_>,
    fits: fn(&Account) -> bool,
    value: impl Fn(&Account) -> String,
) -> Result<Vec<Choice>> {
    let read: Accounts = parse(&cx.send(client::accounts(handler.tenant()?)?).await?, "accounts.list")?;
    let mut choices: Vec<Choice> = Vec::new();
    for account in read.accounts.iter().filter(|account| fits(account) && is_in_use(&account.status)) {
        let value = value(account);
        if value.is_empty() || choices.iter().any(|known| known.value == value) {
            continue;
        }
        let label =
            if account.code.is_empty() { account.name.clone() } else { format!("{} {}", account.code, account.name) };
        let group = Some(account.class.clone()).filter(|class| !class.is_empty());
        choices.push(Choice { group, ..choice(value, label) });
    }
    Ok(choices)
}

async fn tax_rates(handler: &Handler, cx: &Context<'_>) -> Result<Vec<Choice>> {
    let read: TaxRates = parse(&cx.send(client::tax_rates(handler.tenant()?)?).await?, "tax_rates.list")?;
    let fits = |rate: &&crate::model::TaxRate| {
        is_in_use(&rate.status) && rate.can_apply_to_revenue != Some(false) && !rate.tax_type.is_empty()
    };
    let mut choices: Vec<Choice> = Vec::new();
    for rate in read.tax_rates.iter().filter(fits) {
        if !choices.iter().any(|known| known.value == rate.tax_type) {
            choices.push(choice(rate.tax_type.clone(), format!("{} ({} %)", rate.name, rate.effective_rate.normalize())));
        }
    }
    Ok(choices)
}

/// Tracking categories with their options.
pub(crate) async fn tracking(handler: &Handler, cx: &Context<'_>) -> Result<Vec<Category>> {
    let call = client::tracking_categories(handler.tenant()?)?;
    let read: TrackingCategories = parse(&cx.send(call).await?, "tracking_categories.list")?;
    let categories = read.tracking_categories.into_iter().filter(|category| is_in_use(&category.status));
    let of = |category: crate::model::TrackingCategory| {
        let options = category.options.into_iter().filter(|option| is_in_use(&option.status));
        (category.id, category.name, options.map(|option| (option.id, option.name)).collect())
    };
    Ok(categories.map(of).collect())
}

/// Branding themes, the default one first.
pub(crate) async fn branding_themes(handler: &Handler, cx: &Context<'_>) -> Result<Vec<Choice>> {
    let call = client::branding_themes(handler.tenant()?)?;
    let mut themes = parse::<BrandingThemes>(&cx.send(call).await?, "branding_themes.list")?.branding_themes;
    themes.sort_by_key(|theme| theme.sort_order);
    let of = |(idx, theme): (usize, crate::model::BrandingTheme)| {
        let name = if theme.name.is_empty() { theme.id.clone() } else { theme.name };
        Choice { default: idx == 0, ..choice(theme.id, name) }
    };
    Ok(themes.into_iter().enumerate().map(of).collect())
}

/// Contacts, looked for in Xero where somebody says what they are called: a listing shows the first of thousands.
async fn contacts(handler: &Handler, cx: &Context<'_>, called: Option<&str>) -> Result<Vec<Choice>> {
    let tenant = handler.tenant()?;
    let call = match called.map(str::trim).filter(|called| !called.is_empty()) {
        Some(called) => client::contacts_called(tenant, called, MAX_CONTACTS)?,
        None => client::contacts(tenant, &Listing { page: 1, size: MAX_CONTACTS, since: None })?,
    };
    let read: Contacts = parse(&cx.send(call).await?, "contacts.list")?;
    let fits = |contact: &&crate::model::Contact| is_in_use(&contact.contact_status) && !contact.contact_id.is_empty();
    Ok(read.contacts.iter().filter(fits).map(|contact| choice(contact.contact_id.clone(), contact.name.clone())).collect())
}

fn choice(value: String, label: String) -> Choice {
    let label = if label.trim().is_empty() { value.clone() } else { label };
    Choice { value, label, group: None, unavailable: None, default: false }
}
