//! The other side: the company "Blue Manta Diving" in Xero, as its bookkeeper left it.

use jiff::{ToSpan as _, civil::Date, tz::TimeZone};
use serde_json::{Value, json};
use sync_sandbox::{XeroSeed, XeroTenantSeed};

use super::{
    Shop,
    seed::{Books, Rng},
};

/// The person with a login there.
pub const BOOKKEEPER: &str = "bookkeeper@example.com";

/// Bank account, card terminal and dollar account of the chart.
const INTO: [&str; 3] = ["090", "091", "092"];

/// Sales, courses and gear of the chart, by what is sold.
const SOLD: [(&str, &str); 3] = [("Dives", "200"), ("Course", "210"), ("Gear", "220")];

/// Where the bookkeeper puts lines that do not belong to sales.
const RECODED_TO: &str = "260";

impl Shop {
    /// The company as the sandbox takes it: prices with tax, euros and dollars, years of paid invoices, bills, a locked
    /// quarter, lines on other accounts, payments by hand, merged contacts.
    pub fn xero(&self) -> XeroSeed {
        let books = &self.document.books;
        let mut writer =
            Writer { books, today: self.today, rng: Rng::new(self.document.seed ^ 0x626f_6f6b), invoices: Vec::new() };
        let mut company = XeroTenantSeed::new(&self.name)
            .with_tracking("Boat", &self.document.trips.boats.iter().map(String::as_str).collect::<Vec<_>>())
            .locked_to(books.locked_to);
        let people = self.people_in_the_books();
        company.contacts.extend(people.iter().filter_map(|person| person.as_object().cloned()));
        let names: Vec<&str> = people.iter().filter_map(|person| person["Name"].as_str()).collect();
        company = books.suppliers.iter().fold(company, |company, name| company.with_contact(json!({"Name": name})));
        for n in 0..books.invoices {
            company = writer.sale(company, n, &names);
        }
        for n in 0..books.bills {
            company = company.with_invoice(writer.bill(n));
        }
        for act in writer.acts(&names) {
            company = company.with_act(act);
        }
        // A person whom somebody wrote down again.
        for n in 0..books.merged {
            company = company.with_contact(json!({"Name": twin(&names, n)}));
        }
        let mut seed = XeroSeed::new(BOOKKEEPER, company);
        let opened = self.today.checked_sub(i64::from(books.years).years().days(30)).ok();
        if let Some(opened) = opened.and_then(|day| day.to_zoned(TimeZone::UTC).ok()) {
            seed.created = opened.timestamp();
        }
        seed
    }

    /// Customers whom the bookkeeper has invoiced by hand: under their names, without a number of ours.
    fn people_in_the_books(&self) -> Vec<Value> {
        let mut taken = std::collections::BTreeSet::new();
        let mut people = Vec::new();
        for customer in &self.customers {
            let contact = &customer.contact;
            let (Some(first), Some(last)) = (&contact.first_name, &contact.last_name) else { continue };
            let name = format!("{first} {last}");
            if people.len() == self.document.books.contacts || !taken.insert(name.to_lowercase()) {
                continue;
            }
            let mut person = json!({"Name": name, "FirstName": first, "LastName": last});
            if let Some(email) = contact.email.as_deref().filter(|email| email.is_ascii()) {
                person["EmailAddress"] = json!(email);
            }
            people.push(person);
        }
        people
    }
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
    /// Numbers of invoices that are still open.
    invoices: Vec<String>,
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
        let (what, account) = SOLD[self.rng.below(SOLD.len())];
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
            self.invoices.push(number);
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

    /// What the bookkeeper did with what is open: other accounts, payments by hand, contacts merged.
    fn acts(&self, names: &[&str]) -> Vec<Value> {
        let recoded = self.invoices.iter().rev().take(self.books.recoded);
        let mut acts: Vec<Value> =
            recoded.map(|number| json!({"do": "recode-line", "invoice": number, "account": RECODED_TO})).collect();
        let day = self.today.checked_sub(1.days()).unwrap_or(self.today).to_string();
        let by_hand = self.invoices.iter().take(self.books.paid_by_hand);
        acts.extend(
            by_hand.map(|number| json!({"do": "record-payment", "invoice": number, "date": day, "reference": "by hand"})),
        );
        acts.extend((0..self.books.merged).map(|n| {
            json!({"do": "merge-contacts", "contact": twin(names, n), "into": names.get(n * 7).copied().unwrap_or_default()})
        }));
        acts
    }
}
