//! Customers as contacts.

use serde_json::json;
use sync_core::{Collection, Value};
use sync_sandbox::XeroTenantSeed;
use sync_tests::{Books, ORG, books::COMPANY};

#[test]
fn customers_go_in_batches_with_our_mark_and_a_second_run_writes_nothing() {
    let books = Books::new(json!({}));
    for n in 0..120 {
        books.customer(&format!("c{n}"), "Penelope", &format!("Cousteau {n}"));
    }
    let result = books.agree();
    assert_eq!((result.success, result.synced), (true, 120), "{result:?}");
    let writes = books.wire.log().iter().filter(|sent| sent.is_write()).count();
    assert_eq!(writes, 3, "50 in a call");
    assert!(books.all("contacts").iter().all(|one| one["ContactNumber"].as_str().unwrap().len() == 32));
    books.settle();
    books.nobody_was_sent_anything();
}

#[test]
fn two_of_one_name_are_two_contacts_and_nobody_is_written_over_by_name() {
    let books = Books::new(json!({}));
    books.customer("1041", "Maria", "Garcia");
    books.agree();
    books.customer("D-1042", "Maria", "Garcia");
    let result = books.agree();
    assert!(result.success, "{result:?} {:?}", books.questions());
    let first = books.contact("Maria Garcia");
    assert_eq!(first["EmailAddress"], "maria.1041@example.com");
    let second = books.contact("Maria Garcia (D-1042)");
    assert_eq!(second["EmailAddress"], "maria.D-1042@example.com");
    books.settle();
}

#[test]
fn names_phones_and_addresses_go_both_ways() {
    let books = Books::new(json!({}));
    books.customer("1", "Ada", "Lovelace");
    books.agree();
    books.act(json!({"do": "edit-contact", "contact": "Ada Lovelace", "body": {"EmailAddress": "ada@new.example.com"}}));
    books.shop.edit(ORG, &Collection::CUSTOMERS, "1", |record| {
        record.set("last_name", Value::text("King"));
    });
    let result = books.sync();
    assert_eq!((result.success, result.synced), (true, 1), "{result:?}");
    let contact = books.contact("Ada King");
    assert_eq!((&contact["LastName"], &contact["EmailAddress"]), (&json!("King"), &json!("ada@new.example.com")));
    let rows = books.shop.rows(ORG, &Collection::CUSTOMERS);
    assert_eq!(rows.values().next().unwrap().text("email"), Some("ada@new.example.com"));
    books.settle();
}

#[test]
fn a_supplier_of_the_same_address_is_never_taken_over() {
    let company = XeroTenantSeed::new(COMPANY)
        .with_contact(json!({"Name": "Tank Rental Lovelace", "EmailAddress": "ada.1@example.com"}))
        .with_invoice(json!({"Type": "ACCPAY", "InvoiceNumber": "B-1", "Contact": {"Name": "Tank Rental Lovelace"}, "Status": "AUTHORISED",
            "Date": "2025-11-02", "DueDate": "2025-11-30", "LineItems": [{"Description": "Tanks", "Quantity": 1, "UnitAmount": 50, "AccountCode": "310"}]}));
    let books = Books::of(company, json!({}), 3);
    books.customer("1", "Ada", "Lovelace");
    let result = books.agree();
    assert_eq!((result.success, result.synced), (true, 1), "{result:?}");
    assert!(books.questions().is_empty());
    assert_eq!(books.contact("Tank Rental Lovelace")["ContactNumber"].as_str().unwrap_or_default(), "");
    assert_eq!(books.contact("Ada Lovelace")["EmailAddress"], "ada.1@example.com");
    assert_eq!(books.shop.rows(ORG, &Collection::CUSTOMERS).len(), 1);
}

#[test]
fn who_is_deleted_here_is_archived_there_unless_something_is_open() {
    let books = Books::new(json!({}));
    books.customer("1", "Ada", "Lovelace");
    books.customer("2", "Bob", "Marlin");
    books.put("i1", books.invoice("2", "D-1", 120));
    books.agree();
    books.shop.delete(ORG, &Collection::CUSTOMERS, "1");
    books.shop.delete(ORG, &Collection::CUSTOMERS, "2");
    books.sync();
    assert_eq!(books.contact("Ada Lovelace")["ContactStatus"], "ARCHIVED");
    assert_eq!(books.contact("Bob Marlin")["ContactStatus"], "ACTIVE");
    assert_eq!(books.outcome("contacts", "2").unwrap().code, "open-balance");
}
