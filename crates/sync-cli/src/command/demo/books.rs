//! The third part: bookings go to the bookkeeper's company in Xero.

use std::{collections::BTreeSet, sync::Arc};

use jiff::{ToSpan as _, civil::Date};
use rust_decimal::Decimal;
use serde::Serialize;
use serde_json::{Value, json};
use sync_core::{
    Collection, Error, ErrorKind, LocalId, LocalVerb, LocalWrite, OperationId, Origin, Record, Ref, Result, Scope,
    SyncResult, WritableRecords,
    model::{Invoice, InvoiceKind, Model as _, Payment, PaymentKind},
};
use sync_dispatch::{
    Configured, ConnectOptions,
    http::{LimitOverride, Limits, system_clock},
};
use sync_engine::Question;
use sync_sandbox::{Sandbox, SandboxOptions, Xero, XeroClientSeed, XeroConsentSeed};

use super::{
    super::{sandbox::xero, sync},
    ledger::{self, Ledger},
    stage::{Answers, Stage},
};
use crate::{
    app::{App, Workbench},
    output::count,
    shop::{BY_HAND, Bookings, SOLD, Shop, line},
};

/// The integration that is shown.
pub(super) const INTEGRATION: &str = "xero";

/// What it came to, as JSON.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Shown {
    before: Ledger,
    plan: SyncResult,
    first_sync: SyncResult,
    /// What was asked, and what the bookkeeper said.
    questions: Answers,
    answered: SyncResult,
    next_days: SyncResult,
    pub(super) again: SyncResult,
    pub(super) again_message: String,
    /// What taking the days back would do. Nothing is taken back.
    undo: SyncResult,
    after: Ledger,
    story: Vec<String>,
}

impl Shown {
    /// The runs, in order.
    pub(super) fn runs(&self) -> [&SyncResult; 6] {
        [&self.plan, &self.first_sync, &self.answered, &self.next_days, &self.again, &self.undo]
    }
}

/// The bookkeeper's side, on this machine.
pub(super) fn sandbox(shop: &Shop) -> Sandbox {
    let seed = shop
        .xero()
        .with_oauth_client(XeroClientSeed::new(xero::CLIENT_ID, xero::CLIENT_SECRET))
        .with_consent(XeroConsentSeed::default());
    Sandbox::new(Xero::new(seed), SandboxOptions::default(), Arc::new(system_clock()))
}

/// Xero's limits but for the one of a minute, which would make everybody wait: the double keeps none.
pub(super) fn limits() -> Limits {
    let minute = LimitOverride {
        integration: INTEGRATION.into(),
        budget: String::new(),
        scope: sync_core::QuotaScope::Account,
        span: sync_core::Span::Minute,
        limit: None,
    };
    Limits::Changed(vec![minute])
}

pub(super) struct Bookkeeper<'a> {
    pub(super) app: &'a App,
    pub(super) bench: &'a Workbench,
    pub(super) shop: &'a Shop,
    pub(super) sandbox: &'a Sandbox,
}

/// The bookings of the story.
struct Cast {
    /// Nothing is paid on it: gear is put onto the invoice itself.
    unpaid: (LocalId, Invoice),
    /// A deposit is paid on it: gear goes onto a further invoice.
    part_paid: (LocalId, Invoice),
    /// Paid, and called off.
    called_off: (LocalId, Invoice),
    /// Its balance is paid at the desk, and the bookkeeper writes it down first.
    at_the_desk: (LocalId, Invoice),
    /// Of days that are closed meanwhile.
    closed: (LocalId, Invoice),
}

impl Bookkeeper<'_> {
    /// Shows it.
    pub(super) async fn show(&self) -> Result<Shown> {
        let out = self.app.out;
        let scope = Scope::new(self.shop.organization.clone(), INTEGRATION);
        let stage = Stage { app: self.app, bench: self.bench, scope: scope.clone() };
        let bookings = self.shop.bookings();
        out.say(format!(
            "\nIts bookkeeper works in Xero. The shop wrote {} and {}; since the first quarter was closed she has entered \
             some of them by hand.\n",
            count(bookings.invoices.len() as u64, "invoice and credit", "invoices and credits"),
            count(bookings.payments.len() as u64, "payment", "payments")
        ));
        self.import(&scope, &bookings).await?;
        let before = Ledger::of(self.sandbox, self.shop);
        let entered = ledger::numbers(self.sandbox, self.shop);
        self.connect(&stage).await?;
        out.say(format!(
            "14. Signed in at Xero, chose the organisation, the accounts of dives, courses and gear, and where money arrives. \
             There are {} and {} already.",
            count(before.documents, "document", "documents"),
            count(before.payments, "payment", "payments")
        ));
        let plan = stage.run(true, None).await;
        out.say("15. The plan, as an accountant reads it:");
        sync::tell(out, &plan);
        let hash = plan.details.as_ref().and_then(|details| details.plan_hash.clone());
        let first_sync = stage.run(false, hash).await;
        out.say("16. The first sync, with that plan approved:");
        stage.tell(&first_sync);

        let questions = stage.answer(17, "bookkeeper", answer_of).await?;
        let answered = stage.run(false, None).await;
        out.say("18. With these answers:");
        stage.tell(&answered);

        let cast = self.cast(&bookings, &entered)?;
        let lines = self.days_go_on(&scope, &bookings, &cast).await?;
        out.say("19. Some days later:");
        lines.iter().for_each(|line| out.say(format!("  {line}")));
        let next_days = stage.run(false, None).await;
        stage.tell(&next_days);

        let again = stage.run(false, None).await;
        let again_message = stage.message(&again).unwrap_or_default();
        out.say(format!("20. And once more: {again_message}"));
        let run = next_days.details.as_ref().and_then(|details| details.run_id.clone());
        let run = run.ok_or_else(|| Error::new(ErrorKind::Internal, "a run has no id"))?;
        let undo = stage.undo(run).await;
        out.say("21. What taking these days back would do; nothing is taken back:");
        sync::tell(out, &undo);
        out.say("");

        let after = Ledger::of(self.sandbox, self.shop);
        let story = ledger::story(&before, &after);
        story.iter().for_each(|line| out.say(line));
        let shown =
            Shown { before, plan, first_sync, questions, answered, next_days, again, again_message, undo, after, story };
        Ok(shown)
    }

    /// The day from which on documents go: the first after the quarter that is closed.
    fn start(&self) -> Date {
        self.shop.locked_to().saturating_add(1.days())
    }

    /// Writes the bookings, and on their customers that they were here this season.
    async fn import(&self, scope: &Scope, bookings: &Bookings) -> Result<()> {
        let records = &self.bench.records;
        let came = bookings.customers_since(self.start());
        let origin = Origin { integration: INTEGRATION.into(), run: "import".into() };
        let season = sync_core::Value::text(self.start().year().to_string());
        let mark = |id: &LocalId| LocalWrite {
            operation: OperationId::new(format!("season {id}")),
            id: Some(id.clone()),
            expect: None,
            verb: LocalVerb::Update,
            fields: Record::new().with(format!("extra.{SEASON}"), season.clone()),
            origin: origin.clone(),
        };
        let marks: Vec<LocalWrite> = came.into_iter().map(mark).collect();
        WritableRecords::write(records, &scope.organization, &Collection::CUSTOMERS, &marks).await?;
        let (invoices, payments) = bookings.clone().into_rows();
        records.upsert(&scope.organization, &Collection::INVOICES, invoices).await?;
        records.upsert(&scope.organization, &Collection::PAYMENTS, payments).await?;
        Ok(())
    }

    /// Signs in, and chooses what a person would choose from the lists.
    async fn connect(&self, stage: &Stage<'_>) -> Result<()> {
        stage.sign_in("http://localhost:9/callback", ConnectOptions::new()).await?;
        let dispatcher = &self.bench.dispatcher;
        let walk_in = dispatcher.choices(&stage.scope, "contacts", Some(self.shop.walk_in_contact())).await?;
        let accounts: serde_json::Map<String, Value> =
            SOLD.iter().map(|(word, _, account)| ((*word).to_owned(), json!(account))).collect();
        let settings = json!({
            "account": SOLD[0].2,
            "accounts": accounts,
            "payment_accounts": {"card": "091", "cash": "880", "transfer": "090", "dollar-card": "092", "voucher": "dont-send"},
            "walk_in_contact": walk_in.first().map(|choice| &choice.value),
            "rounding_account": "860",
            // Who was here this season; ten thousand contacts are of no use to a bookkeeper.
            "contacts": {"filter": {"field": format!("extra.{SEASON}"), "present": true}},
            "start": self.start().to_string(),
        });
        match dispatcher.configure(&stage.scope, settings).await? {
            Configured::Stored => Ok(()),
            Configured::Refused(problems) => {
                let problem = problems.into_iter().next();
                let (message, remedy) = problem.map(|problem| (problem.message, problem.remedy)).unwrap_or_default();
                Err(Error::new(ErrorKind::Internal, message).with_remedy(remedy))
            }
        }
    }

    /// Bookings of this quarter of one line, in euros, and none that she entered or that was called off.
    fn cast(&self, bookings: &Bookings, entered: &BTreeSet<String>) -> Result<Cast> {
        let closed = self.closed_to();
        let paid = |id: &LocalId| bookings.paid_on(id).filter_map(|(_, payment)| payment.amount).sum::<Decimal>();
        let is_free = |(id, invoice): &&(LocalId, Invoice)| {
            invoice.date >= Some(self.start())
                && invoice.kind == Some(InvoiceKind::Sale)
                && invoice.currency.as_deref() == Some("EUR")
                && invoice.lines.len() == 1
                && invoice.customer.is_some()
                && !invoice.number.as_ref().is_some_and(|number| entered.contains(number))
                && bookings.paid_on(id).all(|(_, payment)| payment.method.as_deref() != Some("voucher"))
                && !bookings
                    .invoices
                    .iter()
                    .any(|(_, other)| matches!(&other.credits, Some(Ref::Local { id: credited, .. }) if credited == id))
        };
        let free: Vec<&(LocalId, Invoice)> = bookings.invoices.iter().filter(is_free).collect();
        let first = |wanted: &dyn Fn(&(LocalId, Invoice)) -> bool| free.iter().find(|one| wanted(one)).copied().cloned();
        let is_late = |invoice: &Invoice| invoice.date > Some(closed);
        let is_part = |id: &LocalId, invoice: &Invoice| !paid(id).is_zero() && Some(paid(id)) < invoice.total;
        let unpaid = first(&|(id, one)| is_late(one) && paid(id).is_zero());
        let part_paid = first(&|(id, one)| is_late(one) && is_part(id, one));
        let taken = part_paid.as_ref().map(|(id, _)| id.clone());
        let at_the_desk = first(&|(id, one)| is_late(one) && is_part(id, one) && Some(id) != taken.as_ref());
        let called_off = first(&|(id, one)| is_late(one) && Some(paid(id)) == one.total);
        let closed = first(&|(id, one)| !is_late(one) && Some(paid(id)) == one.total);
        match (unpaid, part_paid, at_the_desk, called_off, closed) {
            (Some(unpaid), Some(part_paid), Some(at_the_desk), Some(called_off), Some(closed)) => {
                Ok(Cast { unpaid, part_paid, at_the_desk, called_off, closed })
            }
            _ => Err(Error::new(ErrorKind::Internal, "the sample has too few bookings of this quarter")),
        }
    }

    /// The day up to which the adviser closes the books in the story.
    fn closed_to(&self) -> Date {
        self.start().saturating_add(14.days())
    }

    async fn days_go_on(&self, scope: &Scope, bookings: &Bookings, cast: &Cast) -> Result<Vec<String>> {
        let number = |invoice: &(LocalId, Invoice)| invoice.1.number.clone().unwrap_or_default();
        let light = |price: i64| line("gear", "Dive light", Decimal::ONE, Decimal::from(price), "gear");
        for (booking, price) in [(&cast.unpaid, 12), (&cast.part_paid, 18), (&cast.closed, 15)] {
            let (id, mut invoice) = booking.clone();
            invoice.total = invoice.total.map(|total| total + Decimal::from(price));
            invoice.lines.push(light(price));
            self.put_invoice(scope, id, invoice).await?;
        }
        self.call_off(scope, bookings, &cast.called_off).await?;

        // The rest is paid at the desk. She writes it down at once, and the shop's program that evening.
        let (id, invoice) = &cast.at_the_desk;
        let paid: Decimal = bookings.paid_on(id).filter_map(|(_, payment)| payment.amount).sum();
        let rest = invoice.total.unwrap_or_default() - paid;
        let today = self.shop.today;
        self.bookkeeper(&json!({
            "do": "record-payment", "invoice": number(&cast.at_the_desk), "amount": rest, "date": today.to_string(),
            "reference": BY_HAND,
        }))?;
        let like = bookings.paid_on(id).next().map(|(_, payment)| payment.clone()).unwrap_or_default();
        let payment = Payment { deposit: Some(false), fee: None, ..paid_again(like, today, rest) };
        self.put_payment(scope, "P-DESK", payment).await?;

        let merged = self.name_of(&cast.called_off.1)?;
        let kept = format!("{merged} (club)");
        self.bookkeeper(&json!({"do": "create-contact", "body": {"Name": kept}}))?;
        self.bookkeeper(&json!({"do": "merge-contacts", "contact": merged, "into": kept}))?;
        self.bookkeeper(&json!({"do": "lock", "date": self.closed_to().to_string()}))?;
        Ok(vec![
            format!(
                "gear goes onto {}, on which nothing is paid, and onto {}, which has a deposit",
                number(&cast.unpaid),
                number(&cast.part_paid)
            ),
            format!("{} is called off and paid back", number(&cast.called_off)),
            format!(
                "the rest of {} is paid at the desk, and the bookkeeper has entered it before the shop does",
                number(&cast.at_the_desk)
            ),
            "she merges a contact into another".to_owned(),
            format!(
                "the adviser closes the books up to {}; then gear is found missing on {}",
                self.closed_to(),
                number(&cast.closed)
            ),
        ])
    }

    /// A booking is called off: a credit, and the money goes back.
    async fn call_off(&self, scope: &Scope, bookings: &Bookings, (id, invoice): &(LocalId, Invoice)) -> Result<()> {
        let today = self.shop.today;
        let credit = Invoice {
            number: Some("K-20001".to_owned()),
            kind: Some(InvoiceKind::Credit),
            date: Some(today),
            due_date: None,
            reference: invoice.number.clone(),
            credits: Some(Ref::Local { collection: Collection::INVOICES, id: id.clone() }),
            ..invoice.clone()
        };
        self.put_invoice(scope, "K-20001".into(), credit).await?;
        let like = bookings.paid_on(id).next().map(|(_, payment)| payment.clone()).unwrap_or_default();
        let mut refund = paid_again(like, today, invoice.total.unwrap_or_default());
        refund.kind = Some(PaymentKind::Refund);
        for allocation in &mut refund.allocations {
            allocation.invoice = Some(Ref::Local { collection: Collection::INVOICES, id: "K-20001".into() });
        }
        self.put_payment(scope, "P-BACK", Payment { deposit: None, fee: None, ..refund }).await
    }

    async fn put_invoice(&self, scope: &Scope, id: LocalId, invoice: Invoice) -> Result<()> {
        let rows = vec![(id, invoice.into_record())];
        self.bench.records.upsert(&scope.organization, &Collection::INVOICES, rows).await.map(|_| ())
    }

    async fn put_payment(&self, scope: &Scope, id: &'static str, payment: Payment) -> Result<()> {
        let rows = vec![(LocalId::from_static(id), payment.into_record())];
        self.bench.records.upsert(&scope.organization, &Collection::PAYMENTS, rows).await.map(|_| ())
    }

    /// Who an invoice is for, as Xero has it.
    fn name_of(&self, invoice: &Invoice) -> Result<String> {
        let number = invoice.number.as_deref().unwrap_or_default();
        let name = ledger::contact_of(self.sandbox, self.shop, number);
        name.ok_or_else(|| Error::new(ErrorKind::Internal, format!("Xero has no invoice {number}")))
    }

    /// Somebody does something in Xero itself.
    fn bookkeeper(&self, action: &Value) -> Result<()> {
        self.sandbox.act(action).map(|_| ()).map_err(|why| Error::new(ErrorKind::Internal, why.to_string()))
    }
}

/// A payment like another one.
fn paid_again(like: Payment, day: Date, amount: Decimal) -> Payment {
    let mut payment = Payment { date: Some(day), amount: Some(amount), reference: None, ..like };
    for allocation in &mut payment.allocations {
        allocation.amount = Some(amount);
    }
    payment
}

/// What the bookkeeper says: a namesake is somebody else; a number and a payment that are there are the ones meant.
fn answer_of(question: &Question) -> &'static str {
    match question.resource.as_str() {
        "contacts" => "create",
        _ if question.code == sync_core::code::AMBIGUOUS => "link:",
        _ => "ours",
    }
}

/// What the shop notes on who was here this season.
const SEASON: &str = "season";
