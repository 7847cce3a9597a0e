//! Calls of payments, one by one and in batches.

use std::sync::Arc;

use serde_json::Value;

use super::{Answer, Call};
use crate::xero::{
    World, batches,
    bulk::{self, write},
    company::Company,
    id::Id,
    input::Element,
    listing::list,
    payment::Payment,
    payments,
    problem::Problem,
    settings,
};

impl Call<'_> {
    pub(super) fn payments(&self, company: &mut Company, world: &mut World) -> Answer {
        let show = |company: &Company, id: Id| company.payments.get(&id).map_or(Value::Null, |one| one.show(company));
        match self.name {
            "payments.list" => {
                let query = self.query(&["where", "order", "page", "pageSize"])?;
                let records = company.payments.values().map(Arc::as_ref);
                let listed = list(&query, self.request.headers(), company, records, |one: &Payment, _| one.show(company))?;
                self.answer(world, "Payments", listed)
            }
            "payments.get" => {
                self.query(&[])?;
                let id = self.id(0)?;
                let shown = company.payments.get(&id).ok_or_else(Problem::not_found)?.show(company);
                self.items(world, "Payments", vec![shown])
            }
            "payments.delete" => {
                self.query(&[])?;
                let id = self.id(0)?;
                if !company.payments.contains_key(&id) {
                    return Err(Problem::not_found());
                }
                let Ok(Value::Object(element)) = serde_json::from_slice(self.request.body()) else {
                    return Err(Problem::post_data("The request body could not be read as JSON"));
                };
                let save =
                    |company: &mut Company, world: &mut World, one: &Element| payments::delete(company, world, id, one);
                let query = self.query(&[])?;
                let items = write(company, world, &query, &bulk::PAYMENT, &[element], save, show)?;
                self.items(world, "Payments", items)
            }
            name => {
                let query = self.query(if name == "payments.create" { &["summarizeErrors"] } else { &[] })?;
                let elements = self.elements("Payments", payments::MEMBERS)?;
                if name == "payments.createOne" && elements.len() > 1 {
                    return Err(Problem::ours(400, "POST /Payments is described for one payment"));
                }
                let items = write(company, world, &query, &bulk::PAYMENT, &elements, payments::create, show)?;
                self.items(world, "Payments", items)
            }
        }
    }

    pub(super) fn batches(&self, company: &mut Company, world: &mut World) -> Answer {
        let show = |company: &Company, id: Id| company.batches.get(&id).map_or(Value::Null, |one| one.show(company));
        match self.name {
            "batchPayments.list" => {
                let since = settings::since(self.request.headers());
                let is_meant = |one: &&batches::Batch| since.is_none_or(|since| one.updated >= since);
                let items = company.batches.values().filter(is_meant).map(|one| one.show(company)).collect();
                let fields = ["BatchPaymentID", "Status", "Type", "Reference", "TotalAmount"];
                let listed = settings::plain(&self.query(&["where", "order"])?, items, &fields)?;
                self.answer(world, "BatchPayments", listed)
            }
            "batchPayments.create" => {
                let query = self.query(&["summarizeErrors"])?;
                let elements = self.elements("BatchPayments", batches::MEMBERS)?;
                let items = write(company, world, &query, &bulk::BATCH, &elements, batches::create, show)?;
                self.items(world, "BatchPayments", items)
            }
            name => {
                let (query, id) = (self.query(&[])?, self.id(0)?);
                if !company.batches.contains_key(&id) {
                    return Err(Problem::not_found());
                }
                if name == "batchPayments.get" {
                    let shown = show(company, id);
                    return self.items(world, "BatchPayments", vec![shown]);
                }
                let elements = self.elements("BatchPayments", batches::MEMBERS)?;
                let save =
                    |company: &mut Company, world: &mut World, one: &Element| batches::delete(company, world, id, one);
                let items = write(company, world, &query, &bulk::BATCH, &elements, save, show)?;
                self.items(world, "BatchPayments", items)
            }
        }
    }
}
