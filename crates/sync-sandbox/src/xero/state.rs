//! Xero as tests and people look at it. Tokens and codes are not shown.

use serde_json::{Map, Value, json};

use super::{
    Xero,
    company::Company,
    document::{Detail, Document, Status},
    money,
};

pub(super) fn of(this: &Xero, has_records: bool) -> Value {
    let tenants: Map<String, Value> =
        this.companies.values().map(|company| (company.name.clone(), one(this, company, has_records))).collect();
    let counts = this.oauth.counts;
    json!({
        "provider": "xero",
        "tenants": tenants,
        "mails_sent": this.world.mails_sent,
        "reminders_sent": this.world.reminders_sent,
        "operations": this.world.operations,
        "over_quota": this.meter.n_refused,
        "replays": this.keys.n_replays,
        "notifications": this.world.n_notifications,
        "connections": this.oauth.connections.iter().map(|one| json!({
            "id": one.id.json(), "client": one.client, "user": one.user, "tenantId": one.tenant.json(),
        })).collect::<Vec<_>>(),
        "oauth": {
            "pages": counts.pages,
            "codes": counts.codes,
            "exchanges": counts.exchanges,
            "refreshes": counts.refreshes,
            "failed_refreshes": counts.failed_refreshes,
            "revocations": counts.revocations,
            "grants": this.oauth.n_grants(),
        },
        "refused": this.world.refused,
    })
}

fn one(this: &Xero, company: &Company, has_records: bool) -> Value {
    let sum = |wanted: &dyn Fn(&Document) -> bool| {
        let amounts = company.documents.values().filter(|one| wanted(one)).map(|one| one.due_amount());
        money::json(amounts.sum())
    };
    let n_with = |status: Status| company.documents.values().filter(|one| one.status == status).count();
    let mut shown = json!({
        "id": company.id.json(),
        "counts": {
            "contacts": company.contacts.values().filter(|one| one.is_active).count(),
            "archived_contacts": company.contacts.values().filter(|one| !one.is_active).count(),
            "invoices": company.documents.values().filter(|one| !one.kind.is_credit()).count(),
            "credit_notes": company.documents.values().filter(|one| one.kind.is_credit()).count(),
            "payments": company.payments.values().filter(|one| !one.is_deleted).count(),
            "deleted_payments": company.payments.values().filter(|one| one.is_deleted).count(),
            "draft": n_with(Status::Draft), "authorised": n_with(Status::Authorised), "paid": n_with(Status::Paid),
            "voided": n_with(Status::Voided), "deleted": n_with(Status::Deleted),
        },
        "receivable": sum(&|one| one.status == Status::Authorised && one.kind.is_sale() && !one.kind.is_credit()),
    });
    if has_records {
        let today = company.today(this.world.now);
        shown["contacts"] = company
            .contacts
            .iter()
            .map(|(id, one)| (id.to_string(), one.show(company, Detail::Full, today)))
            .collect::<Map<_, _>>()
            .into();
        shown["documents"] = company
            .documents
            .iter()
            .map(|(id, one)| (id.to_string(), one.show(company, Detail::Full, 4)))
            .collect::<Map<_, _>>()
            .into();
        shown["payments"] =
            company.payments.iter().map(|(id, one)| (id.to_string(), one.show(company))).collect::<Map<_, _>>().into();
    }
    shown
}
