//! Calls of what an organisation is set to.

use serde_json::Value;

use super::{Answer, Call};
use crate::xero::{
    World,
    bulk::{self, Refused, write},
    company::Company,
    input::Element,
    problem::Problem,
    settings,
};

impl Call<'_> {
    pub(super) fn settings(&self, company: &mut Company, world: &mut World) -> Answer {
        let plain = &["where", "order"];
        match self.name {
            "organisation.get" => {
                self.query(&[])?;
                self.items(world, "Organisations", vec![settings::organisation(company, self.created)])
            }
            "organisation.actions" => {
                self.query(&[])?;
                self.items(world, "Actions", settings::actions(company))
            }
            "accounts.list" => {
                let fields = [
                    "AccountID",
                    "Code",
                    "Name",
                    "Type",
                    "Class",
                    "Status",
                    "TaxType",
                    "SystemAccount",
                    "EnablePaymentsToAccount",
                ];
                let items = settings::accounts(company, self.request.headers());
                let listed = settings::plain(&self.query(plain)?, items, &fields)?;
                self.answer(world, "Accounts", listed)
            }
            "accounts.get" => {
                let items = company.accounts.values().map(|account| account.show()).collect();
                self.one_of(world, "Accounts", items, "AccountID")
            }
            "accounts.create" => {
                let query = self.query(&[])?;
                let elements = self.elements("Accounts", settings::ACCOUNT)?;
                // "One account per request": GitHub XeroAPI/Xero-Net issue 285 says what becomes of the others.
                let first = elements.get(..1).unwrap_or_default();
                let show = |company: &Company, id| company.accounts.get(&id).map_or(Value::Null, |account| account.show());
                let items = write(company, world, &query, &bulk::ACCOUNT, first, settings::create_account, show)?;
                self.items(world, "Accounts", items)
            }
            "accounts.update" => {
                let (query, id) = (self.query(&[])?, self.id(0)?);
                let elements = self.elements("Accounts", settings::ACCOUNT)?;
                let show = |company: &Company, id| company.accounts.get(&id).map_or(Value::Null, |account| account.show());
                let save = |company: &mut Company, world: &mut World, one: &Element| {
                    settings::update_account(company, world, id, one)
                };
                let items = write(company, world, &query, &bulk::ACCOUNT, &elements, save, show)?;
                self.items(world, "Accounts", items)
            }
            "taxRates.list" => {
                let items = company.tax_rates.iter().map(|rate| rate.show()).collect();
                let listed = settings::plain(&self.query(plain)?, items, &["Name", "TaxType", "Status"])?;
                self.answer(world, "TaxRates", listed)
            }
            "taxRates.get" => {
                let items = company.tax_rates.iter().map(|rate| rate.show()).collect();
                self.one_of(world, "TaxRates", items, "TaxType")
            }
            "currencies.list" => {
                let listed = settings::plain(&self.query(plain)?, settings::currencies(company), &["Code", "Description"])?;
                self.answer(world, "Currencies", listed)
            }
            "currencies.create" => {
                self.query(&[])?;
                let elements = self.elements("Currencies", settings::CURRENCY)?;
                let [element] = &elements[..] else { return Err(Problem::ours(400, "one currency at a time is modelled")) };
                let code = settings::create_currency(company, element).map_err(|refused| match refused {
                    Refused::Words(words) => Problem::invalid(words.join(" ")),
                    Refused::Call(problem) => problem,
                })?;
                let items = settings::currencies(company).into_iter().filter(|one| one["Code"] == code.as_str()).collect();
                self.items(world, "Currencies", items)
            }
            "trackingCategories.list" => {
                let query = self.query(&["where", "order", "includeArchived"])?;
                let has_archived = query.flag("includeArchived")?.unwrap_or_default();
                let shown = company.tracking.iter().filter(|one| has_archived || !one.is_archived).map(|one| one.show());
                let listed = settings::plain(&query, shown.collect(), &["TrackingCategoryID", "Name", "Status"])?;
                self.answer(world, "TrackingCategories", listed)
            }
            "trackingCategories.get" => {
                let items = company.tracking.iter().map(|one| one.show()).collect();
                self.one_of(world, "TrackingCategories", items, "TrackingCategoryID")
            }
            "brandingThemes.list" => {
                self.query(&[])?;
                self.items(world, "BrandingThemes", settings::themes(company, self.created))
            }
            "brandingThemes.get" => {
                self.one_of(world, "BrandingThemes", settings::themes(company, self.created), "BrandingThemeID")
            }
            "users.list" => {
                let listed = settings::plain(
                    &self.query(plain)?,
                    settings::users(self.users, self.created),
                    &["UserID", "EmailAddress"],
                )?;
                self.answer(world, "Users", listed)
            }
            "users.get" => self.one_of(world, "Users", settings::users(self.users, self.created), "UserID"),
            other => Err(Problem::ours(404, format!("operation `{other}` is not modelled"))),
        }
    }
}
