//! The other side: the company "Blue Manta Diving" in Xero, as its bookkeeper left it.

use jiff::{ToSpan as _, civil::Date, tz::TimeZone};
use rust_decimal::Decimal;
use serde_json::{Value, json};
use sync_core::{
    LocalId,
    model::{Invoice, InvoiceKind, InvoiceLine, Payment},
};
use sync_sandbox::{XeroSeed, XeroTenantSeed};

use super::{
    Customer, Shop,
    bookings::{full_name, local},
    seed::{Books, Rng},
};

/// The person with a login there.
pub const BOOKKEEPER: &str = "bookkeeper@example.com";

/// Bank account, card terminal and dollar account of the chart.
const INTO: [&str; 3] = ["090", "091", "092"];

/// Sales, courses and gear of the chart, by the shop's word for what is sold.
pub const SOLD: [(&str, &str, &str); 3] = [("trip", "Dives", "200"), ("course", "Course", "210"), ("gear", "Gear", "220")];

/// Where the bookkeeper puts lines that do not belong to sales.
pub const RECODED_TO: &str = "260";

impl Shop {
    /// The company as the sandbox takes it: prices with tax, euros and dollars, years of paid invoices, bills, a locked
    /// quarter, merged contacts; and some of the shop's bookings, entered by hand.
    pub fn xero(&self) -> XeroSeed {
        let books = &self.document.books;
        let mut writer = Writer { books, today: self.today, rng: Rng::new(self.document.seed ^ 0x626f_6f6b) };
        let mut company = XeroTenantSeed::new(&self.name)
            .with_tracking("Boat", &self.document.trips.boats.iter().map(String::as_str).collect::<Vec<_>>())
            .locked_to(books.locked_to);
        let people = self.customers_in_the_books();
        company.contacts.extend(people.iter().filter_map(|(name, customer)| person(name, customer).as_object().cloned()));
        let names: Vec<&str> = people.iter().map(|(name, _)| name.as_str()).collect();
        let others = books.suppliers.iter().chain([&books.walk_in]);
        company = others.fold(company, |company, name| company.with_contact(json!({"Name": name})));
        for n in 0..books.invoices {
            company = writer.sale(company, n, &names);
        }
        for n in 0..books.bills {
            company = company.with_invoice(writer.bill(n));
        }
        company = self.entered_by_hand(company, &people);
        // A person whom somebody wrote down again, and found out.
        for n in 0..books.merged {
            let (twin, into) = (twin(&names, n), names.get(n * 7).copied().unwrap_or_default());
            company = company
                .with_contact(json!({"Name": twin}))
                .with_act(json!({"do": "merge-contacts", "contact": twin, "into": into}));
        }
        let mut seed = XeroSeed::new(BOOKKEEPER, company);
        let opened = self.today.checked_sub(i64::from(books.years).years().days(30)).ok();
        if let Some(opened) = opened.and_then(|day| day.to_zoned(TimeZone::UTC).ok()) {
            seed.created = opened.timestamp();
        }
        seed
    }

    /// The quarter up to this day is closed there.
    pub fn locked_to(&self) -> Date {
        self.document.books.locked_to
    }

    /// The contact of sales at the till there.
    pub fn walk_in_contact(&self) -> &str {
        &self.document.books.walk_in
    }

    /// Customers whom the bookkeeper has invoiced by hand: under their names, without a number of ours.
    pub(super) fn customers_in_the_books(&self) -> Vec<(String, &Customer)> {
        let mut taken = std::collections::BTreeSet::new();
        let named = self.customers.iter().filter_map(|customer| Some((full_name(customer)?, customer)));
        named.filter(|(name, _)| taken.insert(name.to_lowercase())).take(self.document.books.contacts).collect()
    }

    /// Bookings that she entered, some of their lines on another account, and some of their payments.
    fn entered_by_hand(&self, mut company: XeroTenantSeed, people: &[(String, &Customer)]) -> XeroTenantSeed {
        let books = &self.document.books;
        let bookings = self.bookings();
        let name_of = |invoice: &Invoice| {
            let id = local(invoice.customer.as_ref())?;
            people.iter().find(|(_, customer)| customer.id == *id).map(|(name, _)| name.as_str())
        };
        // What is open to her: of this quarter, in euros, of somebody who is in the books, neither called off nor changed.
        let is_for_her = |invoice: &&(LocalId, Invoice)| {
            let (id, invoice) = invoice;
            invoice.date > Some(books.locked_to)
                && invoice.currency.as_deref() == Some("EUR")
                && invoice.kind == Some(InvoiceKind::Sale)
                && invoice.lines.len() == 1
                && name_of(invoice).is_some()
                && !bookings.invoices.iter().any(|(_, other)| local(other.credits.as_ref()) == Some(id))
        };
        let theirs = bookings.invoices.iter().filter(is_for_her);
        let with_payments = |wanted: fn(&Payment, &Invoice) -> bool| {
            let bookings = &bookings;
            move |(id, invoice): &&(LocalId, Invoice)| {
                bookings.paid_on(id).next().is_some_and(|(_, payment)| wanted(payment, invoice))
            }
        };
        let n_in_full = books.paid_by_hand.saturating_sub(books.deposits_by_hand);
        let in_full =
            theirs.clone().filter(with_payments(|payment, invoice| payment.amount == invoice.total)).take(n_in_full);
        let in_part = theirs
            .filter(with_payments(|payment, invoice| payment.amount < invoice.total))
            .take(books.entered.saturating_sub(n_in_full));
        for (n, (id, invoice)) in in_full.chain(in_part).enumerate() {
            let number = invoice.number.as_deref().unwrap_or_default();
            let is_mistyped = n >= books.entered.saturating_sub(books.mistyped);
            let name = name_of(invoice).unwrap_or_default();
            company = company.with_invoice(copied(name, invoice, is_mistyped));
            if n < books.recoded {
                company = company.with_act(json!({"do": "recode-line", "invoice": number, "account": RECODED_TO}));
            }
            if let Some((_, payment)) = bookings.paid_on(id).next().filter(|_| n < books.paid_by_hand) {
                company = company.with_act(json!({
                    "do": "record-payment", "invoice": number, "amount": payment.amount, "reference": BY_HAND,
                    "date": payment.date.map(|day| day.to_string()),
                }));
            }
        }
        company
    }
}

/// What she writes on payments that she enters.
pub const BY_HAND: &str = "by hand";

/// A customer as the bookkeeper wrote it down.
fn person(name: &str, customer: &Customer) -> Value {
    let contact = &customer.contact;
    let mut person = json!({"Name": name, "FirstName": contact.first_name, "LastName": contact.last_name});
    if let Some(email) = contact.email.as_deref().filter(|email| email.is_ascii()) {
        person["EmailAddress"] = json!(email);
    }
    person
}

/// A booking's invoice as she copied it, perhaps with a slip of the pen.
fn copied(name: &str, invoice: &Invoice, is_mistyped: bool) -> Value {
    let account = |line: &InvoiceLine| {
        let sold = SOLD.iter().find(|(word, ..)| line.line_type.as_deref() == Some(word));
        sold.map_or(SOLD[0].2, |(.., account)| account)
    };
    let slip = Decimal::from(if is_mistyped { 9 } else { 0 });
    let lines: Vec<Value> = invoice
        .lines
        .iter()
        .map(|line| {
            let price = line.unit_amount.map(|price| price + slip);
            json!({"Description": line.description, "Quantity": line.quantity, "UnitAmount": price, "AccountCode": account(line)})
        })
        .collect();
    json!({
        "Type": "ACCREC", "InvoiceNumber": invoice.number, "Contact": {"Name": name}, "LineAmountTypes": "Inclusive",
        "Date": invoice.date.map(|day| day.to_string()), "DueDate": invoice.due_date.map(|day| day.to_string()),
        "CurrencyCode": invoice.currency, "Status": "AUTHORISED", "LineItems": lines,
    })
}

/// A second entry of somebody: "GARCIA Maria".
fn twin(names: &[&str], n: usize) -> String {
    let name = names.get(n * 7).copied().unwrap_or("Nobody");
    name.split_once(' ').map_or_else(|| name.to_owned(), |(first, last)| format!("{} {first}", last.to_uppercase()))
}

struct Writer<'b> {
    books: &'b Books,
    today: Date,
    rng: Rng,
}

impl Writer<'_> {
    /// The day of the n-th of so many documents, spread over the years, the last ones yesterday.
    fn day(&self, n: usize, of: usize) -> Date {
        let days = i64::from(self.books.years) * 365;
        let back = days - i64::try_from(n + 1).unwrap_or(0) * days / i64::try_from(of.max(1)).unwrap_or(1) + 1;
        self.today.checked_sub(back.days()).unwrap_or(self.today)
    }

    /// An invoice, paid if it is old.
    fn sale(&mut self, company: XeroTenantSeed, n: usize, names: &[&str]) -> XeroTenantSeed {
        let day = self.day(n, self.books.invoices);
        let due = day.checked_add(14.days()).unwrap_or(day);
        let is_dollar = n % 12 == 5;
        let number = format!("M-{:05}", n + 1);
        let (_, what, account) = SOLD[self.rng.below(SOLD.len())];
        let quantity = 1 + self.rng.below(4);
        // Prices in whole tens, with tax.
        let price = 40 + 10 * self.rng.below(12);
        let name = names.get(self.rng.below(names.len().max(1))).copied().unwrap_or("Walk-in");
        let invoice = json!({
            "Type": "ACCREC", "InvoiceNumber": number, "Contact": {"Name": name}, "Date": day.to_string(),
            "DueDate": due.to_string(), "LineAmountTypes": "Inclusive", "CurrencyCode": if is_dollar { "USD" } else { "EUR" },
            "Status": "AUTHORISED",
            "LineItems": [{"Description": what, "Quantity": quantity, "UnitAmount": price, "AccountCode": account}],
        });
        let company = company.with_invoice(invoice);
        let is_old = day < self.today.checked_sub(45.days()).unwrap_or(day);
        if !is_old {
            return company;
        }
        let into = if is_dollar { INTO[2] } else { INTO[self.rng.below(2)] };
        let paid = day.checked_add((1 + self.rng.below(13) as i64).days()).unwrap_or(day);
        company.with_payment(json!({
            "Invoice": {"InvoiceNumber": number}, "Account": {"Code": into}, "Date": paid.to_string(),
            "Amount": quantity * price,
        }))
    }

    /// A supplier's bill.
    fn bill(&mut self, n: usize) -> Value {
        let day = self.day(n, self.books.bills);
        let due = day.checked_add(30.days()).unwrap_or(day);
        let supplier = self.rng.text(&self.books.suppliers);
        json!({
            "Type": "ACCPAY", "InvoiceNumber": format!("{}", 1000 + n), "Contact": {"Name": supplier}, "Date": day.to_string(),
            "DueDate": due.to_string(), "LineAmountTypes": "Exclusive", "Status": "AUTHORISED",
            "LineItems": [{"Description": "Fuel and service", "Quantity": 1, "UnitAmount": 90 + 5 * self.rng.below(40),
                           "AccountCode": "420"}],
        })
    }
}
