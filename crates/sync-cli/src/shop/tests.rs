use std::collections::{BTreeMap, BTreeSet, HashMap};

use sync_core::{
    Channel,
    model::{Invoice, InvoiceKind, Model as _, PaymentKind},
};

use super::*;
use crate::import::{ColumnRules, ConsentRules, ImportOptions, Source};

fn addresses(shop: &Shop) -> HashMap<&str, usize> {
    let mut addresses: HashMap<&str, usize> = HashMap::new();
    for email in shop.customers.iter().filter_map(|customer| customer.contact.email.as_deref()) {
        *addresses.entry(email).or_default() += 1;
    }
    addresses
}

#[test]
fn the_shop_has_the_numbers_that_it_promises() {
    let shop = Shop::open().unwrap();
    assert_eq!(shop.customers.len(), 10_000);
    let agreed: Vec<&Customer> = shop.customers.iter().filter(|customer| customers::opted_in(&customer.contact)).collect();
    assert_eq!(agreed.len(), 4_600);
    for customer in agreed {
        let consent = &customer.contact.consent[&Channel::Email];
        assert!(consent.at.is_some() && consent.source.is_some() && customer.contact.email.is_some());
    }
    assert_eq!(shop.customers.iter().filter(|customer| customer.contact.email.is_none()).count(), 300);
    let addresses = addresses(&shop);
    assert_eq!(addresses["walkin@example.com"], 31);
    assert_eq!(addresses.iter().filter(|(email, n)| **n > 1 && **email != "walkin@example.com").count(), 220);
    let named = |first: &str, last: &str| {
        let is = |customer: &&Customer| {
            customer.contact.first_name.as_deref() == Some(first) && customer.contact.last_name.as_deref() == Some(last)
        };
        shop.customers.iter().filter(is).count()
    };
    assert_eq!(named("Maria", "Garcia"), 2);
    assert!(shop.customers.is_sorted_by(|a, b| a.id < b.id));
}

#[test]
fn names_come_in_six_scripts_and_addresses_under_example_domains() {
    let shop = Shop::open().unwrap();
    let script = |name: &str| match name.chars().next() {
        Some('\u{0370}'..='\u{03ff}') => "greek",
        Some('\u{0400}'..='\u{04ff}') => "cyrillic",
        Some('\u{0600}'..='\u{06ff}') => "arabic",
        Some('\u{4e00}'..='\u{9fff}') => "han",
        Some('\u{ac00}'..='\u{d7af}') => "hangul",
        _ => "latin",
    };
    let scripts: BTreeSet<&str> =
        shop.customers.iter().filter_map(|customer| customer.contact.last_name.as_deref()).map(script).collect();
    assert_eq!(scripts.len(), 6);
    assert!(addresses(&shop).keys().all(|email| {
        let domain = email.rsplit_once('@').unwrap().1;
        ["example.com", "example.org", "example.net"].contains(&domain)
    }));
}

#[test]
fn the_canary_is_one_customers_and_in_no_field_that_is_mapped() {
    let shop = Shop::open().unwrap();
    let with: Vec<&Customer> =
        shop.customers.iter().filter(|customer| customer.contact.extra.contains_key("medical_notes")).collect();
    assert_eq!(with.len(), 1);
    assert!(customers::opted_in(&with[0].contact), "it goes, and its notes must not");
    let text = serde_json::to_string(&with[0].contact.clone().into_record()).unwrap();
    assert_eq!(text.matches("CANARY-").count(), 1);
    let other_side = serde_json::to_string(&shop.mailchimp("k-us1")).unwrap();
    assert!(!other_side.contains("CANARY-"));
}

#[test]
fn the_audience_has_the_numbers_that_it_promises() {
    let shop = Shop::open().unwrap();
    let seed = shop.mailchimp("k-us1");
    let audience = &seed.audiences[0];
    let mut statuses: BTreeMap<&str, usize> = BTreeMap::new();
    audience.members.iter().for_each(|member| *statuses.entry(&member.status).or_default() += 1);
    assert_eq!(statuses, BTreeMap::from([("archived", 18), ("cleaned", 63), ("subscribed", 3_100), ("unsubscribed", 412)]));
    let emails: BTreeSet<String> = audience.members.iter().map(|member| member.email.to_lowercase()).collect();
    assert_eq!(emails.len(), audience.members.len(), "every address is there once");
    assert!(!emails.contains("walkin@example.com"));
    assert_eq!(audience.merge_fields.iter().filter(|field| field.required).count(), 1);
    let tags: BTreeSet<&String> = audience.members.iter().flat_map(|member| &member.tags).collect();
    assert_eq!(tags.len(), 9);
    let known = shop.consenting_addresses();
    let overlap = emails.iter().filter(|email| known.contains(*email)).count();
    assert!((3_000..3_593).contains(&overlap), "{overlap}");
}

#[test]
fn whoever_left_did_so_after_every_opt_in() {
    let shop = Shop::open().unwrap();
    let seed = shop.mailchimp("k-us1");
    let newest = shop.customers.iter().filter_map(|c| c.contact.consent.get(&Channel::Email)?.at).max();
    let left = seed.audiences[0].members.iter().filter(|member| member.status != "subscribed");
    assert!(left.map(|member| member.last_changed).min() > Some(newest));
}

#[test]
fn the_same_document_gives_the_same_shop() {
    let (one, two) = (Shop::open().unwrap(), Shop::open().unwrap());
    assert_eq!(one.customers, two.customers);
    assert_eq!(one.next_day(), two.next_day());
    let text = |shop: &Shop| serde_json::to_string(&shop.mailchimp("k-us1")).unwrap();
    assert_eq!(text(&one), text(&two));
}

#[test]
fn the_next_day_changes_some_and_brings_new_ones() {
    let shop = Shop::open().unwrap();
    let next = shop.next_day();
    assert_eq!(next.len(), customers::N_CHANGED + customers::N_NEW);
    let known: HashMap<&LocalId, &Customer> = shop.customers.iter().map(|customer| (&customer.id, customer)).collect();
    let n_new = next.iter().filter(|customer| !known.contains_key(&customer.id)).count();
    assert_eq!(n_new, customers::N_NEW);
    assert!(next.iter().all(|customer| known.get(&customer.id).is_none_or(|before| *before != customer)));
}

#[test]
fn the_file_that_is_written_imports_to_the_same_customers() {
    let shop = Shop::open().unwrap();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("customers.csv");
    shop.write_csv(std::fs::File::create(&path).unwrap()).unwrap();
    let options = ImportOptions {
        columns: ColumnRules { consent: Some("Newsletter".into()), ..ColumnRules::default() },
        consent: Some(ConsentRules::new("2026-06-01T00:00:00Z".parse().unwrap())),
        ..ImportOptions::default()
    };
    let source = Source::open(&path, options).unwrap();
    let mut n_rows = 0;
    for (row, customer) in source.rows().unwrap().zip(&shop.customers) {
        let (id, record) = row.unwrap().unwrap();
        let contact = Contact::from_record(&record).unwrap();
        assert_eq!(id, customer.id);
        assert_eq!(contact.tags, customer.contact.tags);
        assert_eq!(contact.email, customer.contact.email);
        assert_eq!(contact.extra, customer.contact.extra);
        assert_eq!(contact.addresses, customer.contact.addresses);
        if let Some(consent) = customer.contact.consent.get(&Channel::Email) {
            assert_eq!(contact.consent.get(&Channel::Email), Some(consent));
        } else {
            assert!(!customers::opted_in(&contact));
        }
        n_rows += 1;
    }
    assert_eq!(n_rows, 10_000);
}

#[test]
fn trips_and_sessions_lie_around_the_day_and_every_one_has_a_time() {
    let shop = Shop::open().unwrap();
    let today = jiff::civil::date(2027, 3, 1);
    let (trips, sessions) = (shop.trips(today), shop.sessions(today));
    assert_eq!((trips.len(), sessions.len()), (400, 60));
    assert_eq!(trips, shop.trips(today), "the same each time");
    let defaults = sync_core::model::EventDefaults { zone: "UTC", minutes: 60 };
    for outing in trips.iter().chain(&sessions) {
        assert!(outing.event.when(defaults).is_ok(), "{}", outing.id);
    }
    let cancelled = |outing: &&Outing| outing.event.status == Some(sync_core::model::EventStatus::Cancelled);
    assert_eq!(trips.iter().filter(cancelled).count(), 1, "the storm");
    let night = |outing: &&Outing| outing.event.end_time < outing.event.start_time;
    assert!(trips.iter().filter(night).count() > 40);
    let (boat, day) = shop.yard(today);
    assert_eq!((boat, day), ("Manta", jiff::civil::date(2027, 3, 21)));
}

#[test]
fn bookings_have_the_numbers_that_they_promise_and_refer_to_customers() {
    let shop = Shop::open().unwrap();
    let bookings = shop.bookings();
    let sample = &shop.document.bookings;
    let of_kind = |wanted: InvoiceKind| bookings.invoices.iter().filter(move |(_, one)| one.kind == Some(wanted.clone()));
    assert_eq!((of_kind(InvoiceKind::Sale).count(), of_kind(InvoiceKind::Credit).count()), (2_000, sample.refunded));
    let starts = |word: &str| {
        let is_it = |one: &Invoice| one.lines[0].description.as_deref().unwrap().starts_with(word);
        of_kind(InvoiceKind::Sale).filter(|(_, one)| is_it(one)).count()
    };
    assert_eq!(starts("No-show"), sample.no_shows);
    assert_eq!(of_kind(InvoiceKind::Sale).filter(|(_, one)| one.customer.is_none()).count(), sample.till_sales);
    assert_eq!(of_kind(InvoiceKind::Sale).filter(|(_, one)| one.lines.len() == 2).count(), sample.gear_added);
    let customers: BTreeSet<&LocalId> = shop.customers.iter().map(|customer| &customer.id).collect();
    let mut numbers = BTreeSet::new();
    for (id, invoice) in &bookings.invoices {
        assert!(invoice.date < Some(shop.today) && numbers.insert(&invoice.number), "{id}");
        assert!(bookings::local(invoice.customer.as_ref()).is_none_or(|id| customers.contains(id)), "{id}");
        let currency = sync_core::model::Currency::parse(invoice.currency.as_deref().unwrap()).unwrap();
        assert_eq!(invoice.sum(currency), invoice.total, "{id} comes to what its lines do");
        let paid: rust_decimal::Decimal = bookings.paid_on(id).filter_map(|(_, payment)| payment.amount).sum();
        assert!(
            Some(paid) <= invoice.total && bookings.paid_on(id).all(|(_, one)| one.currency == invoice.currency),
            "{id}"
        );
    }
    assert!(
        bookings.invoices.is_sorted_by_key(|(_, one)| one
            .number
            .as_deref()
            .unwrap()
            .trim_start_matches(['D', 'K', '-'])
            .to_owned())
    );
    let refunds = bookings.payments.iter().filter(|(_, one)| one.kind == Some(PaymentKind::Refund)).count();
    assert_eq!(refunds, sample.refunded);
    assert!(bookings.payments.iter().any(|(_, one)| one.deposit == Some(true)));
    assert_eq!(bookings, shop.bookings(), "the same each time");
}

#[test]
fn the_company_in_xero_is_as_the_document_says() {
    let shop = Shop::open().unwrap();
    let seed = shop.xero();
    let sandbox = sync_sandbox::Sandbox::new(
        sync_sandbox::Xero::new(seed),
        sync_sandbox::SandboxOptions::default(),
        std::sync::Arc::new(sync_dispatch::http::system_clock()),
    );
    let summary = sandbox.summary();
    assert_eq!(summary["refused"], serde_json::json!([]), "all of it makes sense");
    let counts = &summary["tenants"][&shop.name]["counts"];
    let books = &shop.document.books;
    assert_eq!(counts["invoices"], books.invoices + books.bills + books.entered);
    assert_eq!(
        (&counts["archived_contacts"], &counts["contacts"]),
        (&4.into(), &(books.contacts + books.suppliers.len() + 1).into())
    );
    let state = sandbox.state();
    let tenant = &state["tenants"][&shop.name];
    let documents: Vec<_> = tenant["documents"].as_object().unwrap().values().collect();
    let n = |wanted: &dyn Fn(&serde_json::Value) -> bool| documents.iter().filter(|one| wanted(one)).count();
    assert_eq!(n(&|one| one["LineItems"][0]["AccountCode"] == "260"), 20, "recoded");
    assert_eq!(n(&|one| one["CurrencyCode"] == "USD"), 200);
    let payments: Vec<_> = tenant["payments"].as_object().unwrap().values().collect();
    let by_hand: Vec<_> = payments.iter().filter(|one| one["Reference"] == BY_HAND).collect();
    assert_eq!(by_hand.len(), 30);
    // What she entered are the shop's own bookings: most of them to the cent, some with a slip of the pen.
    let bookings = shop.bookings();
    let mut n_equal = 0;
    for (_, booking) in &bookings.invoices {
        let number = booking.number.as_deref().unwrap();
        let Some(entered) = documents.iter().find(|one| one["InvoiceNumber"] == number) else { continue };
        let total: rust_decimal::Decimal = entered["Total"].to_string().parse().unwrap();
        n_equal += usize::from(Some(total) == booking.total);
        assert_eq!(entered["LineItems"][0]["Description"].as_str(), booking.lines[0].description.as_deref());
        assert!(booking.date > Some(books.locked_to));
    }
    assert_eq!(n_equal, books.entered - books.mistyped);
    assert_eq!((&summary["mails_sent"], &summary["reminders_sent"]), (&0.into(), &0.into()));
}
