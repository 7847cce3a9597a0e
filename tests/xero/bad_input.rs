//! Each bad record is one item's outcome with an owner and a remedy; the rest goes through.

use serde_json::json;
use sync_core::{Owner, Stop, Value, model::Invoice};
use sync_sandbox::XeroTenantSeed;
use sync_tests::{
    Books,
    books::{COMPANY, line, lines},
};

/// A world with one bad document among good ones.
fn among_others(books: &Books, bad: Invoice) {
    books.customer("1", "Ada", "Lovelace");
    books.put("bad", bad);
    books.put("good", books.invoice("1", "D-2", 60));
    books.agree();
    assert_eq!(books.document("D-2")["Total"], 60.0, "the rest goes through");
    assert!(books.all("documents").iter().all(|one| one["InvoiceNumber"] != "D-1"));
}

fn assert_explained(books: &Books, resource: &'static str, id: &str, word: &str) {
    let outcome = books.outcome(resource, id).expect("it stands");
    let remedy = outcome.remedy.clone().expect("a remedy");
    assert_eq!(outcome.owner, Owner::EndUserData, "{outcome:?}");
    assert!(outcome.message.contains(word), "{}: {remedy}", outcome.message);
}

#[test]
fn lines_that_do_not_add_up() {
    let books = Books::new(json!({}));
    among_others(&books, Invoice { total: Some(99.into()), ..books.invoice("1", "D-1", 60) });
    assert_explained(&books, "invoices", "bad", "do not add up");
}

#[test]
fn a_currency_that_the_organization_has_not_enabled() {
    let books = Books::new(json!({}));
    among_others(&books, Invoice { currency: Some("GBP".into()), ..books.invoice("1", "D-1", 60) });
    assert_explained(&books, "invoices", "bad", "currency");
}

#[test]
fn an_account_that_is_gone_is_one_problem_of_the_connection() {
    let books = Books::new(json!({}));
    books.act(json!({"do": "archive-account", "account": "200"}));
    books.customer("1", "Ada", "Lovelace");
    books.put("i1", books.invoice("1", "D-1", 60));
    let result = books.agree();
    assert!(!result.success);
    let errors = result.errors.unwrap();
    // One line says what is wrong, the others what waits for it: no item is told to have failed.
    assert!(errors[0].contains("account 200"), "{errors:?}");
    assert!(errors[1..].iter().all(|line| line.contains("blocked")), "{errors:?}");
    assert_eq!(result.failed, 0);
    assert!(books.wire.log().iter().all(|sent| !sent.is_write()));
}

#[test]
fn a_locked_period() {
    let clockless = Books::new(json!({}));
    let locked = clockless.day(-30);
    let books = Books::of(XeroTenantSeed::new(COMPANY).locked_to(locked), json!({}), 3);
    among_others(&books, Invoice { date: Some(locked), ..books.invoice("1", "D-1", 60) });
    assert_explained(&books, "invoices", "bad", "locked");
}

#[test]
fn a_contact_name_with_two_spaces_or_an_angle_bracket() {
    let books = Books::new(json!({}));
    books.customer("1", "Ada", "Love  lace");
    books.customer("2", "Bob", "Marlin > Sons");
    books.customer("3", "Cleo", "Coral");
    books.agree();
    assert_eq!(books.contact("Ada Love lace")["LastName"], "Love lace", "doubled spaces are folded");
    books.contact("Cleo Coral");
    assert_explained(&books, "contacts", "2", "does not take");
}

#[test]
fn a_payment_larger_than_the_balance() {
    let books = Books::new(json!({}));
    books.customer("1", "Ada", "Lovelace");
    books.put("i1", books.invoice("1", "D-1", 60));
    books.put("i2", books.invoice("1", "D-2", 60));
    books.pay("p1", "i1", 61);
    books.pay("p2", "i2", 60);
    books.agree();
    assert_eq!(books.payments().len(), 1);
    assert_explained(&books, "payments", "p1", "larger than what is open");
}

#[test]
fn an_invoice_number_taken_by_someone_elses_invoice() {
    let company = XeroTenantSeed::new(COMPANY).with_contact(json!({"Name": "Somebody"})).with_invoice(json!({"Type": "ACCREC",
        "InvoiceNumber": "D-1", "Contact": {"Name": "Somebody"}, "Status": "AUTHORISED", "Date": "2025-11-02", "DueDate": "2025-11-30",
        "LineAmountTypes": "Inclusive", "LineItems": [{"Description": "Other", "Quantity": 1, "UnitAmount": 5, "AccountCode": "200"}]}));
    let books = Books::of(company, json!({}), 3);
    books.customer("1", "Ada", "Lovelace");
    books.put("bad", books.invoice("1", "D-1", 60));
    books.put("good", books.invoice("1", "D-2", 60));
    books.agree();
    let theirs = books.document("D-1");
    assert_eq!(
        (&theirs["Total"], &theirs["LineItems"][0]["Description"]),
        (&json!(5.0), &json!("Other")),
        "never written over"
    );
    assert_eq!(books.document("D-2")["Total"], 60.0);
    let stands = books.outcome("invoices", "bad").expect("it stands");
    assert!(stands.remedy.is_some() || !books.questions().is_empty(), "{stands:?}");
}

#[test]
fn a_paid_invoice_edited_locally() {
    let books = Books::new(json!({}));
    books.customer("1", "Ada", "Lovelace");
    books.put("i1", books.invoice("1", "D-1", 60));
    books.pay("p1", "i1", 60);
    books.agree();
    books.edit("i1", "lines", lines(vec![line("1", "Two dives", 60), line("2", "Mask", 20)]));
    books.edit("i1", "total", Value::Decimal(80.into()));
    let result = books.sync_through();
    assert!(result.success, "{result:?}");
    let (paid, further) = (books.document("D-1"), books.document("D-1/2"));
    assert_eq!((&paid["Total"], &paid["Status"]), (&json!(60.0), &json!("PAID")), "never unapplied, edited and reapplied");
    assert_eq!((&further["Total"], &further["AmountDue"]), (&json!(20.0), &json!(20.0)));
    books.settle();
}

#[test]
fn a_tenant_disconnected_at_xero() {
    let books = Books::new(json!({}));
    books.customer("1", "Ada", "Lovelace");
    books.agree();
    books.act(json!({"do": "disconnect"}));
    books.customer("2", "Bob", "Marlin");
    let result = books.sync();
    assert!(!result.success);
    let error = &result.errors.unwrap()[0];
    assert!(error.contains("Connect Xero again"), "{error}");
}

#[test]
fn the_day_limit_exhausted_in_mid_run() {
    let books = Books::new(json!({}));
    for n in 0..120 {
        books.customer(&format!("c{n}"), "Penelope", &format!("Cousteau {n}"));
    }
    books.act(json!({"do": "trouble", "operation": "contacts.create", "status": 429, "after": 1}));
    let result = books.agree();
    assert_eq!((result.success, result.synced), (false, 50), "{result:?}");
    let details = result.details.as_ref().unwrap();
    assert_eq!((details.stopped.unwrap_or(Stop::Fault), details.resume_at.is_some()), (Stop::Later, true), "{details:?}");
    books.act(json!({"do": "no-trouble"}));
    let result = books.sync_through();
    assert!(result.success, "{result:?}");
    assert_eq!(books.all("contacts").len(), 120, "what was done is counted and not done again");
}
