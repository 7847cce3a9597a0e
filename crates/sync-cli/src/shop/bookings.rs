//! Bookings: what was sold and what was paid for it, as the shop's own program wrote it down.

use std::collections::{HashMap, HashSet};

use jiff::{ToSpan as _, civil::Date};
use rust_decimal::Decimal;
use sync_core::{
    Collection, LocalId, Record, Ref,
    model::{
        Allocation, Currency, Invoice, InvoiceKind, InvoiceLine, Model as _, Payment, PaymentKind, PaymentStatus, TaxMode,
    },
};

use super::{
    Customer, Shop,
    seed::{Document, Rng},
};

/// The bookings of the sample: their invoices, and what was paid on them.
#[derive(Clone, Default, PartialEq)]
pub struct Bookings {
    /// Invoices and credits, in the order in which they were written.
    pub invoices: Vec<(LocalId, Invoice)>,
    /// Payments and refunds.
    pub payments: Vec<(LocalId, Payment)>,
}

/// Records as the store keeps them.
pub(super) type Stored = Vec<(LocalId, Record)>;

/// Prints no content.
impl std::fmt::Debug for Bookings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Bookings")
            .field("n_invoices", &self.invoices.len())
            .field("n_payments", &self.payments.len())
            .finish_non_exhaustive()
    }
}

/// What became of a booking.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    /// They came, and paid.
    Plain,
    /// They took gear on the day.
    Gear,
    /// It was called off after it was paid, and paid back.
    Refunded,
    /// Nobody came, and the deposit is kept.
    NoShow,
    /// Somebody bought something at the till, and left no name.
    Till,
}

impl Bookings {
    /// What was paid on an invoice.
    pub fn paid_on<'a>(&'a self, invoice: &'a LocalId) -> impl Iterator<Item = &'a (LocalId, Payment)> {
        self.payments.iter().filter(move |(_, payment)| pays(payment) == Some(invoice))
    }

    /// The customers who were invoiced on this day or later.
    pub fn customers_since(&self, day: Date) -> HashSet<&LocalId> {
        let since = self.invoices.iter().filter(|(_, invoice)| invoice.date >= Some(day));
        since.filter_map(|(_, invoice)| local(invoice.customer.as_ref())).collect()
    }

    /// As the store keeps them: invoices, then payments.
    pub fn into_rows(self) -> (Stored, Stored) {
        let invoices = self.invoices.into_iter().map(|(id, invoice)| (id, invoice.into_record())).collect();
        (invoices, self.payments.into_iter().map(|(id, payment)| (id, payment.into_record())).collect())
    }
}

/// The host's record that a reference names.
pub(super) fn local(to: Option<&Ref>) -> Option<&LocalId> {
    match to {
        Some(Ref::Local { id, .. }) => Some(id),
        _ => None,
    }
}

/// The invoice that a payment is on.
fn pays(payment: &Payment) -> Option<&LocalId> {
    local(payment.allocations.first()?.invoice.as_ref())
}

impl Shop {
    /// Its bookings up to the day on which the sample ends.
    pub fn bookings(&self) -> Bookings {
        let document = &self.document;
        let rng = Rng::new(document.seed ^ 0x736f_6c64);
        let mut writer = Writer { document, rng, guests: Guests::of(self), bookings: Bookings::default() };
        writer.write();
        writer.bookings
    }
}

/// Who books. All have addresses of their own.
struct Guests<'s> {
    /// Those whom the bookkeeper has in the books under their names and addresses.
    known: Vec<&'s LocalId>,
    /// Those whose names are not in the books.
    new: Vec<&'s LocalId>,
    /// Those who have the name of somebody else there.
    namesakes: Vec<&'s LocalId>,
}

impl<'s> Guests<'s> {
    fn of(shop: &'s Shop) -> Self {
        let mut n_of: HashMap<&str, usize> = HashMap::new();
        for email in shop.customers.iter().filter_map(|customer| customer.contact.email.as_deref()) {
            *n_of.entry(email).or_default() += 1;
        }
        let in_the_books = shop.customers_in_the_books();
        let known: HashSet<&LocalId> = in_the_books.iter().map(|(_, customer)| &customer.id).collect();
        let names: HashSet<String> = in_the_books.iter().map(|(name, _)| name.to_lowercase()).collect();
        let mut guests = Self { known: Vec::new(), new: Vec::new(), namesakes: Vec::new() };
        for customer in &shop.customers {
            let has_own =
                customer.contact.email.as_deref().is_some_and(|email| email.is_ascii() && n_of.get(email) == Some(&1));
            let Some(name) = full_name(customer).filter(|_| has_own) else { continue };
            if known.contains(&customer.id) {
                guests.known.push(&customer.id);
            } else if names.contains(&name.to_lowercase()) {
                guests.namesakes.push(&customer.id);
            } else {
                guests.new.push(&customer.id);
            }
        }
        guests
    }

    /// Mostly people who came before; one in so many is somebody's namesake.
    fn pick(&self, n: usize, rng: &mut Rng) -> Option<LocalId> {
        let from = match n {
            n if n % ONE_NAMESAKE_IN == 11 => &self.namesakes,
            _ if rng.percent(70) => &self.known,
            _ => &self.new,
        };
        rng.pick(from).copied().cloned()
    }
}

/// How many bookings there are for one of somebody whose name is another's in the books.
const ONE_NAMESAKE_IN: usize = 50;

/// First and last name.
pub(super) fn full_name(customer: &Customer) -> Option<String> {
    let contact = &customer.contact;
    Some(format!("{} {}", contact.first_name.as_ref()?, contact.last_name.as_ref()?))
}

struct Writer<'s> {
    document: &'s Document,
    rng: Rng,
    guests: Guests<'s>,
    bookings: Bookings,
}

impl Writer<'_> {
    fn write(&mut self) {
        let sample = &self.document.bookings;
        let rest = sample.total.saturating_sub(sample.gear_added + sample.refunded + sample.no_shows + sample.till_sales);
        let mut fates: Vec<Fate> = [
            (Fate::Plain, rest),
            (Fate::Gear, sample.gear_added),
            (Fate::Refunded, sample.refunded),
            (Fate::NoShow, sample.no_shows),
            (Fate::Till, sample.till_sales),
        ]
        .into_iter()
        .flat_map(|(fate, n)| std::iter::repeat_n(fate, n))
        .collect();
        self.rng.shuffle(&mut fates);
        for (n, fate) in fates.into_iter().enumerate() {
            self.booking(n, fate);
        }
    }

    /// The day of the n-th booking: as many each day, the last ones yesterday.
    fn day(&self, n: usize) -> Date {
        let sample = &self.document.bookings;
        let days = i64::from(sample.days);
        let left = i64::try_from(sample.total - n - 1).unwrap_or(0) * days / i64::try_from(sample.total.max(1)).unwrap_or(1);
        self.document.today.saturating_sub((left + 1).days())
    }

    /// When what was booked on a day is settled at the latest: the quarter was closed with nothing open.
    fn settled_by(&self, day: Date) -> Date {
        let closed = self.document.books.locked_to;
        if day <= closed { closed } else { self.document.today.saturating_sub(1.days()) }
    }

    fn booking(&mut self, n: usize, fate: Fate) {
        let day = self.day(n);
        let is_dollar = n % 12 == 5 && fate != Fate::Till;
        let currency = if is_dollar { "USD" } else { "EUR" };
        let customer = if fate == Fate::Till { None } else { self.guests.pick(n, &mut self.rng) };
        let customer = customer.map(|id| Ref::Local { collection: Collection::CUSTOMERS, id });
        let mut lines = self.lines(fate);
        let mut total = sum(&lines, currency);
        // Everything for three in ten is asked for when a trip is booked, in whole tens.
        let deposit = (total * Decimal::new(3, 1) / Decimal::TEN).ceil() * Decimal::TEN;
        if fate == Fate::NoShow {
            lines = vec![line("1", "No-show: the deposit is kept", Decimal::ONE, deposit, "trip")];
            total = deposit;
        }
        let trip = if fate == Fate::Till { day } else { day.saturating_add((1 + self.rng.below(18) as i64).days()) };
        let id = LocalId::new(format!("B-{:05}", n + 1));
        let number = format!("D-{}", 10_001 + n);
        let invoice = Invoice {
            number: Some(number.clone()),
            kind: Some(InvoiceKind::Sale),
            customer: customer.clone(),
            date: Some(day),
            due_date: Some(trip),
            currency: Some(currency.to_owned()),
            amounts: Some(TaxMode::Inclusive),
            lines,
            total: Some(total),
            ..Invoice::default()
        };
        let is_late = day > self.document.books.locked_to;
        let method = self.method(is_dollar);
        let pay = Pay { on: &id, customer: customer.as_ref(), currency, method };
        // The rest is paid on the day of the trip.
        let settled_by = self.settled_by(day);
        let rest_on = if is_late { trip } else { trip.min(settled_by) };
        let is_over = rest_on <= settled_by;
        match fate {
            Fate::Till => self.pay(&pay, day, total, false),
            Fate::NoShow => self.pay(&pay, day, deposit, true),
            Fate::Refunded => self.pay(&pay, day, total, false),
            // Some pay at once, some by and by, and a few owe it.
            Fate::Plain if self.rng.percent(45) => self.pay(&pay, day, total, false),
            Fate::Plain if is_late && self.rng.percent(15) => {}
            Fate::Plain | Fate::Gear => {
                self.pay(&pay, day, deposit, true);
                if is_over && total > deposit {
                    self.pay(&pay, rest_on, total - deposit, false);
                }
            }
        }
        let credit = (fate == Fate::Refunded).then(|| self.credit(n, &id, &invoice));
        self.bookings.invoices.push((id, invoice));
        if let Some((id, credit)) = credit {
            let (day, customer) = (credit.date.unwrap_or(day), credit.customer.clone());
            let back = Pay { on: &id, customer: customer.as_ref(), currency, method };
            self.refund(&back, day, total);
            self.bookings.invoices.push((id, credit));
        }
    }

    /// The credit of a booking that was called off a few days later.
    fn credit(&mut self, n: usize, id: &LocalId, invoice: &Invoice) -> (LocalId, Invoice) {
        let day = invoice.date.unwrap_or(self.document.today).saturating_add((1 + self.rng.below(6) as i64).days());
        let credit = Invoice {
            number: Some(format!("K-{}", 10_001 + n)),
            kind: Some(InvoiceKind::Credit),
            date: Some(day.min(self.settled_by(invoice.date.unwrap_or(day)))),
            due_date: None,
            reference: invoice.number.clone(),
            credits: Some(Ref::Local { collection: Collection::INVOICES, id: id.clone() }),
            ..invoice.clone()
        };
        (LocalId::new(format!("K-{:05}", n + 1)), credit)
    }

    fn lines(&mut self, fate: Fate) -> Vec<InvoiceLine> {
        let sites = &self.document.trips.sites;
        let mut lines = Vec::new();
        if fate != Fate::Till {
            if self.rng.percent(18) {
                let course = self.rng.text(&self.document.bookings.courses);
                let price = Decimal::from(260 + 20 * self.rng.below(10));
                lines.push(line("1", &course, Decimal::ONE, price, "course"));
            } else {
                let (dives, price) = (1 + self.rng.below(4), Decimal::from(45 + 5 * self.rng.below(4)));
                let site = self.rng.text(sites);
                lines.push(line("1", &format!("Dives: {site}"), Decimal::from(dives), price, "trip"));
            }
        }
        if matches!(fate, Fate::Gear | Fate::Till) {
            let gear = self.rng.text(&self.document.bookings.gear);
            // Prices end in 95 and 50 cents.
            let cents = 600 + 100 * self.rng.below(60) as i64 + if self.rng.percent(50) { 95 } else { 50 };
            lines.push(line("2", &gear, Decimal::ONE, Decimal::new(cents, 2), "gear"));
        }
        lines
    }

    fn method(&mut self, is_dollar: bool) -> &'static str {
        match self.rng.below(100) {
            _ if is_dollar => "dollar-card",
            0..62 => "card",
            62..85 => "cash",
            85..97 => "transfer",
            _ => "voucher",
        }
    }

    fn pay(&mut self, pay: &Pay<'_>, day: Date, amount: Decimal, deposit: bool) {
        // What a card's processor keeps: 1.4 %.
        let fee = pay.method.ends_with("card").then(|| (amount * Decimal::new(14, 3)).round_dp(2));
        self.put(pay, Payment { deposit: Some(deposit), fee, ..pay.payment(PaymentKind::Received, day, amount) });
    }

    fn refund(&mut self, pay: &Pay<'_>, day: Date, amount: Decimal) {
        self.put(pay, pay.payment(PaymentKind::Refund, day, amount));
    }

    fn put(&mut self, pay: &Pay<'_>, mut payment: Payment) {
        let n = self.bookings.payments.len() + 1;
        payment.reference = (pay.method != "cash").then(|| format!("ch_{n:05}"));
        self.bookings.payments.push((LocalId::new(format!("P-{n:05}")), payment));
    }
}

/// What is paid, by whom and how.
struct Pay<'a> {
    on: &'a LocalId,
    customer: Option<&'a Ref>,
    currency: &'a str,
    method: &'static str,
}

impl Pay<'_> {
    fn payment(&self, kind: PaymentKind, day: Date, amount: Decimal) -> Payment {
        let on = Ref::Local { collection: Collection::INVOICES, id: self.on.clone() };
        Payment {
            kind: Some(kind),
            customer: self.customer.cloned(),
            date: Some(day),
            currency: Some(self.currency.to_owned()),
            amount: Some(amount),
            allocations: vec![Allocation { invoice: Some(on), amount: Some(amount), ..Allocation::default() }],
            method: Some(self.method.to_owned()),
            status: Some(PaymentStatus::Settled),
            ..Payment::default()
        }
    }
}

/// A line of something that was sold; prices are with tax.
pub fn line(key: &str, description: &str, quantity: Decimal, price: Decimal, line_type: &str) -> InvoiceLine {
    InvoiceLine {
        key: Some(key.to_owned()),
        description: Some(description.to_owned()),
        quantity: Some(quantity),
        unit_amount: Some(price),
        line_type: Some(line_type.to_owned()),
        ..InvoiceLine::default()
    }
}

/// What lines come to.
fn sum(lines: &[InvoiceLine], currency: &str) -> Decimal {
    let Ok(currency) = Currency::parse(currency) else { return Decimal::ZERO };
    lines.iter().filter_map(|line| line.amount(currency)).sum()
}
