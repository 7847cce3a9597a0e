//! Invoices and bills. I stands for <https://developer.xero.com/documentation/api/accounting/invoices>, T for
//! <https://developer.xero.com/documentation/api/accounting/types>, M for
//! <https://developer.xero.com/documentation/guides/how-to-guides/rounding-in-xero/>, spec for Xero's API description
//! (<https://github.com/XeroAPI/Xero-OpenAPI>).

#![allow(clippy::expect_used, reason = "helpers of tests")]

mod support;

use jiff::civil::date;
use serde_json::{Value, json};
use support::xero::{Lab, ZERO, errors, sale, seed_of, shop};
use sync_sandbox::{SandboxOptions, XeroQuirks};

fn with(number: &str, changes: &Value) -> Value {
    let mut body = sale(number);
    for (name, value) in changes.as_object().expect("an object") {
        body[name] = value.clone();
    }
    body
}

fn line(changes: &Value) -> Value {
    let mut line = json!({"Description": "Dive", "Quantity": 1, "UnitAmount": 100, "AccountCode": "200"});
    for (name, value) in changes.as_object().expect("an object") {
        line[name] = value.clone();
    }
    line
}

fn refused(lab: &Lab, body: &Value) -> Vec<String> {
    let (status, answer) = lab.put("Invoices", body);
    assert_eq!(status, 400, "{answer}");
    errors(&answer).into_iter().map(str::to_owned).collect()
}

fn amounts(invoice: &Value) -> [&Value; 3] {
    [&invoice["SubTotal"], &invoice["TotalTax"], &invoice["Total"]]
}

// I, "POST Invoices"; spec, example of PUT /Invoices.
#[test]
fn an_invoice_is_worked_out_and_shown() {
    let lab = Lab::new();
    let made = lab.invoice(&sale("A-1"));
    assert_eq!(amounts(&made), [&json!(100.0), &json!(21.0), &json!(121.0)]);
    assert_eq!(
        (&made["AmountDue"], &made["AmountPaid"], &made["AmountCredited"]),
        (&json!(121.0), &json!(0.0), &json!(0.0))
    );
    assert_eq!((made["Status"].as_str(), made["Type"].as_str()), (Some("AUTHORISED"), Some("ACCREC")));
    assert_eq!(made["LineAmountTypes"], "Exclusive", "unless it is said");
    assert_eq!((&made["CurrencyCode"], &made["CurrencyRate"]), (&json!("EUR"), &json!(1.0)));
    // 2026-03-01 and 2026-04-01 at midnight UTC.
    assert_eq!((&made["Date"], &made["DateString"]), (&json!("/Date(1772323200000+0000)/"), &json!("2026-03-01T00:00:00")));
    assert_eq!(made["DueDate"], "/Date(1775001600000+0000)/");
    assert_eq!(made["UpdatedDateUTCString"], "2026-03-01T12:00:00Z");
    let line = &made["LineItems"][0];
    assert_eq!((&line["LineAmount"], &line["TaxAmount"], &line["TaxType"]), (&json!(100.0), &json!(21.0), &json!("OUTPUT")));
    assert_ne!(line["LineItemID"], ZERO);
    let read = lab.get(&format!("Invoices/{}", made["InvoiceID"].as_str().expect("an id")));
    assert_eq!((read.0, &read.1["Invoices"][0]["Total"]), (200, &json!(121.0)));
    assert_eq!(lab.get(&format!("Invoices/{ZERO}")).0, 404);
    assert_eq!(lab.refused(), Vec::<String>::new());
}

// M: tax is rounded on each line to two places, then summed; inclusive prices hold their tax.
#[test]
fn totals_follow_from_lines_to_the_cent() {
    let lab = Lab::new();
    let three = vec![line(&json!({"UnitAmount": 0.05})); 3];
    let made = lab.invoice(&with("A-1", &json!({"LineItems": three})));
    assert_eq!(amounts(&made), [&json!(0.15), &json!(0.03), &json!(0.18)], "three cents, not 0.0315");
    let made = lab
        .invoice(&with("A-2", &json!({"LineItems": [line(&json!({"UnitAmount": 180}))], "LineAmountTypes": "Inclusive"})));
    assert_eq!(amounts(&made), [&json!(148.76), &json!(31.24), &json!(180.0)]);
    let made = lab.invoice(&with("A-3", &json!({"LineAmountTypes": "NoTax"})));
    assert_eq!(amounts(&made), [&json!(100.0), &json!(0.0), &json!(100.0)]);
    // An amount of tax that is sent counts.
    let made = lab.invoice(&with("A-4", &json!({"LineItems": [line(&json!({"TaxAmount": 20.99}))]})));
    assert_eq!(amounts(&made), [&json!(100.0), &json!(20.99), &json!(120.99)]);
    let made = lab.invoice(&with(
        "A-5",
        &json!({"LineItems": [line(&json!({"TaxType": "NONE"})), line(&json!({"DiscountRate": 10}))]}),
    ));
    assert_eq!(amounts(&made), [&json!(190.0), &json!(18.9), &json!(208.9)]);
    let made = lab.invoice(&with("A-6", &json!({"LineItems": [line(&json!({"DiscountAmount": 5.5}))]})));
    assert_eq!(made["SubTotal"], json!(94.5));
    // spec, LineItem.LineAmount: "If the line amount is sent it is compared".
    let wrong = refused(&lab, &with("A-7", &json!({"LineItems": [line(&json!({"LineAmount": 99}))]})));
    assert_eq!(wrong, ["The line total 99 does not match the expected line total 100"]);
    let text_only = json!([line(&json!({})), {"Description": "Thank you"}]);
    assert_eq!(lab.invoice(&with("A-8", &json!({"LineItems": text_only})))["SubTotal"], json!(100.0));
}

// spec, parameter unitdp: "You can opt in to use four decimal places for unit amounts".
#[test]
fn unit_amounts_have_two_places_unless_four_are_asked_for() {
    let lab = Lab::new();
    let body = |number: &str| with(number, &json!({"LineItems": [line(&json!({"UnitAmount": 0.1234, "Quantity": 1000}))]}));
    let (_, coarse) = lab.put("Invoices", &body("A-1"));
    assert_eq!(
        (&coarse["Invoices"][0]["SubTotal"], &coarse["Invoices"][0]["LineItems"][0]["UnitAmount"]),
        (&json!(120.0), &json!(0.12))
    );
    let (_, fine) = lab.put("Invoices?unitdp=4", &body("A-2"));
    assert_eq!(
        (&fine["Invoices"][0]["SubTotal"], &fine["Invoices"][0]["LineItems"][0]["UnitAmount"]),
        (&json!(123.4), &json!(0.1234))
    );
    let unit = |path: &str| lab.get(path).1["Invoices"][0]["LineItems"][0]["UnitAmount"].clone();
    assert_eq!((unit("Invoices/A-2"), unit("Invoices/A-2?unitdp=4")), (json!(0.12), json!(0.1234)));
}

// spec, example of a refused invoice: "Invoice # must be unique."; I: numbers of bills repeat.
#[test]
fn a_number_of_a_sale_is_unique_and_one_of_a_bill_is_not() {
    let lab = Lab::new();
    lab.invoice(&sale("A-1"));
    assert_eq!(refused(&lab, &sale("a-1")), ["Invoice # must be unique."]);
    let bill =
        with("S-1", &json!({"Type": "ACCPAY", "LineItems": [line(&json!({"AccountCode": "420", "TaxType": "INPUT"}))]}));
    lab.invoice(&bill);
    lab.invoice(&bill);
    let mut nameless = sale("");
    nameless.as_object_mut().expect("an object").remove("InvoiceNumber");
    assert_eq!(lab.invoice(&nameless)["InvoiceNumber"], "INV-0001", "the service gives one");
    let body = json!({"Invoices": [sale("A-2"), sale("A-2")]});
    let (status, answer) = lab.put("Invoices?summarizeErrors=false", &body);
    let [first, second] = [0, 1].map(|n| answer["Invoices"][n].clone());
    assert_eq!(
        (status, first["StatusAttributeString"].as_str(), second["StatusAttributeString"].as_str()),
        (200, Some("OK"), Some("ERROR"))
    );
    assert_eq!((second["HasErrors"].as_bool(), errors(&second)), (Some(true), vec!["Invoice # must be unique."]));
    assert!(
        second["InvoiceID"] != ZERO && second["InvoiceID"] != first["InvoiceID"],
        "an id of nothing, as in the spec's example"
    );
    // A deleted draft gives its number back; a voided invoice does so as the quirk says.
    let draft = lab.invoice(&with("A-3", &json!({"Status": "DRAFT"})));
    lab.post(&format!("Invoices/{}", draft["InvoiceID"].as_str().expect("an id")), &json!({"Status": "DELETED"}));
    lab.invoice(&sale("A-3"));
    for frees in [true, false] {
        let quirks: XeroQuirks = serde_json::from_value(json!({"void_frees_number": frees})).expect("quirks");
        let lab = Lab::with(seed_of(shop()).with_quirks(quirks), SandboxOptions::default());
        lab.invoice(&sale("A-1"));
        lab.act(json!({"do": "void-invoice", "invoice": "A-1"}));
        assert_eq!(lab.put("Invoices", &sale("A-1")).0, if frees { 200 } else { 400 });
    }
}

// GitHub freakboy3742/pyxero issue 328: POST with a number that is taken overwrites that invoice.
#[test]
fn post_by_number_changes_what_is_there() {
    let lab = Lab::new();
    let made = lab.invoice(&sale("A-1"));
    let other = with("A-1", &json!({"LineItems": [line(&json!({"UnitAmount": 7}))]}));
    let (status, answer) = lab.post("Invoices", &other);
    let after = &answer["Invoices"][0];
    assert_eq!((status, &after["InvoiceID"], &after["SubTotal"]), (200, &made["InvoiceID"], &json!(7.0)));
    assert_eq!(lab.counts("invoices"), 1);
    let (_, answer) = lab.post("Invoices", &sale("A-2"));
    assert_ne!(answer["Invoices"][0]["InvoiceID"], made["InvoiceID"]);
}

// T, "Invoice status codes".
#[test]
fn statuses_move_as_the_table_says() {
    let all = ["DRAFT", "SUBMITTED", "AUTHORISED", "PAID", "VOIDED", "DELETED"];
    let allowed = [
        ("DRAFT", vec!["DRAFT", "SUBMITTED", "AUTHORISED", "DELETED"]),
        ("SUBMITTED", vec!["DRAFT", "SUBMITTED", "AUTHORISED", "DELETED"]),
        ("AUTHORISED", vec!["AUTHORISED", "VOIDED"]),
    ];
    let lab = Lab::new();
    let mut n = 0;
    for (from, to) in allowed {
        for status in all {
            n += 1;
            let made = lab.invoice(&with(&format!("A-{n}"), &json!({"Status": from})));
            let path = format!("Invoices/{}", made["InvoiceID"].as_str().expect("an id"));
            let (code, answer) = lab.post(&path, &json!({"Status": status}));
            assert_eq!(code == 200, to.contains(&status), "{from} to {status}: {answer}");
            if code != 200 {
                assert_eq!(errors(&answer), ["Invoice not of valid status for modification"]);
            }
        }
    }
    for gone in ["VOIDED", "DELETED"] {
        let from = if gone == "VOIDED" { "AUTHORISED" } else { "DRAFT" };
        let made = lab.invoice(&with(gone, &json!({"Status": from})));
        let path = format!("Invoices/{}", made["InvoiceID"].as_str().expect("an id"));
        assert_eq!(lab.post(&path, &json!({"Status": gone})).0, 200);
        assert_eq!(lab.post(&path, &json!({"Status": "AUTHORISED"})).0, 400, "{gone} is the end");
        assert_eq!(lab.get(&path).1["Invoices"][0]["Status"], gone, "it can still be read");
    }
    for status in ["PAID", "VOIDED", "DELETED"] {
        assert_eq!(refused(&lab, &with("B-1", &json!({"Status": status}))), ["Invoice not of valid status for creation"]);
    }
}

// GitHub XeroAPI/Xero-Java issue 336, XeroAPI/Xero-NetStandard issue 364; I, "DiscountRate", "Tracking"; T, "Account types".
#[test]
fn lines_that_make_no_sense_are_refused() {
    let lab = Lab::of(shop().with_tracking("Boat", &["Manta", "Nemo"]));
    lab.act(json!({"do": "archive-account", "account": "260"}));
    let boat = |option: &str| json!({"Name": "Boat", "Option": option});
    for (changes, words) in [
        (json!({"AccountCode": "999"}), "Account code '999' is not a valid code for this document."),
        (json!({"AccountCode": "090"}), "Account code '090' is not a valid code for this document."),
        (json!({"AccountCode": "610"}), "Account code '610' is not a valid code for this document."),
        (
            json!({"AccountCode": "260"}),
            "Account code '260' has been archived, or has been deleted. Each line item must reference a valid account.",
        ),
        (json!({"AccountCode": null}), "Account code must be specified"),
        (json!({"TaxType": "GST"}), "The TaxType code GST does not exist or cannot be used for this type of transaction."),
        (json!({"TaxType": "INPUT"}), "The TaxType code 'INPUT' cannot be used with account code '200'."),
        (json!({"ItemCode": "X"}), "Item code 'X' is not valid"),
        (json!({"Description": "d".repeat(4001)}), "The Description must be at most 4000 characters long."),
        (json!({"UnitAmount": 10_000_000_000_u64}), "The line amount is too large"),
        (json!({"Tracking": [boat("Dory")]}), "The tracking category or option does not exist or is archived"),
    ] {
        let wrong = refused(&lab, &with("A-1", &json!({"LineItems": [line(&changes)]})));
        assert!(wrong.iter().any(|one| one == words), "{changes}: {wrong:?}");
    }
    let bill = with(
        "S-1",
        &json!({"Type": "ACCPAY", "LineItems": [line(&json!({"AccountCode": "420", "TaxType": "INPUT", "DiscountRate": 10}))]}),
    );
    assert_eq!(refused(&lab, &bill), ["Discounts can only be applied to ACCREC invoices and quotes"]);
    let made = lab.invoice(&with("A-1", &json!({"LineItems": [line(&json!({"Tracking": [boat("Manta")]}))]})));
    assert_eq!(made["LineItems"][0]["Tracking"][0]["Option"], "Manta");
    // A draft needs no account.
    lab.invoice(&with("A-2", &json!({"Status": "DRAFT", "LineItems": [{"Description": "Dive", "UnitAmount": 5}]})));
}

#[test]
fn documents_that_make_no_sense_are_refused() {
    let lab = Lab::new();
    for (changes, words) in [
        (json!({"Contact": null}), "A Contact must be specified for this type of transaction"),
        (json!({"Contact": {"ContactID": ZERO}}), "A Contact must be specified for this type of transaction"),
        (json!({"LineItems": []}), "One or more line items must be specified"),
        (json!({"DueDate": null}), "The due date must be specified"),
        (json!({"CurrencyCode": "GBP"}), "Organisation is not subscribed to currency GBP"),
        (json!({"BrandingThemeID": "7f2b9a3e-0f0e-4d57-8d1c-0a2f6f1f4c11"}), "The branding theme could not be found"),
        (
            json!({"LineItems": [line(&json!({"UnitAmount": -1}))]}),
            "The total amount of the document must be greater than or equal to zero",
        ),
    ] {
        let wrong = refused(&lab, &with("A-1", &changes));
        assert_eq!(wrong, [words], "{changes}");
    }
    for (changes, kind) in
        [(json!({"Type": "SALE"}), 14), (json!({"Date": "01/03/2026"}), 14), (json!({"LineItems": "none"}), 14)]
    {
        let (status, answer) = lab.put("Invoices", &with("A-1", &changes));
        assert_eq!((status, answer["ErrorNumber"].as_u64()), (400, Some(kind)), "{answer}");
    }
    assert_eq!(lab.counts("invoices"), 0);
    assert_eq!(lab.refused(), Vec::<String>::new());
}

// spec, Organisation.PeriodLockDate and EndOfYearLockDate; GitHub waynerobinson/xeroizer issue 92.
#[test]
fn a_locked_period_takes_nothing_new_and_no_change() {
    let lab = Lab::new();
    let made = lab.invoice(&sale("A-1"));
    let path = format!("Invoices/{}", made["InvoiceID"].as_str().expect("an id"));
    lab.act(json!({"do": "lock", "date": "2026-03-31"}));
    let words = "The document date cannot be before the period lock date, currently set at 31-Mar-2026";
    assert_eq!(refused(&lab, &sale("A-2")), [words]);
    for change in [json!({"Status": "VOIDED"}), json!({"Reference": "x"}), json!({"Date": "2026-04-02"})] {
        let (status, answer) = lab.post(&path, &change);
        assert_eq!((status, errors(&answer)), (400, vec![words]), "{change}");
    }
    let (_, shown) = lab.get("Organisation");
    assert_eq!(shown["Organisations"][0]["PeriodLockDate"], "/Date(1774915200000+0000)/");
    lab.invoice(&with("A-3", &json!({"Date": "2026-04-01"})));
    lab.act(json!({"do": "lock", "date": "2026-03-31", "end_of_year": true}));
    assert!(refused(&lab, &sale("A-4"))[0].contains("end of year lock date"));
    lab.act(json!({"do": "unlock"}));
    lab.invoice(&sale("A-4"));
    // An adviser may write before the period's lock, not before the year's.
    let mut tenant = shop().locked_to(date(2026, 3, 31));
    tenant.is_adviser = true;
    let lab = Lab::of(tenant);
    lab.invoice(&sale("A-1"));
    lab.act(json!({"do": "lock", "date": "2026-03-31", "end_of_year": true}));
    refused(&lab, &sale("A-2"));
}

// I, "Updating line items"; GitHub XeroAPI/Xero-NetStandard issue 374.
#[test]
fn lines_are_matched_by_their_ids() {
    let lab = Lab::new();
    let made = lab.invoice(&with(
        "A-1",
        &json!({"LineItems": [line(&json!({"Description": "a"})), line(&json!({"Description": "b"}))]}),
    ));
    let path = format!("Invoices/{}", made["InvoiceID"].as_str().expect("an id"));
    let kept = made["LineItems"][1]["LineItemID"].clone();
    let lines = json!([{"LineItemID": kept, "UnitAmount": 7}, line(&json!({"Description": "c"}))]);
    let (status, answer) = lab.post(&path, &json!({"LineItems": lines}));
    let after = answer["Invoices"][0]["LineItems"].as_array().expect("lines").clone();
    let texts: Vec<&Value> = after.iter().map(|one| &one["Description"]).collect();
    assert_eq!((status, texts), (200, vec![&json!("c"), &json!("b")]), "new lines first, the one not sent is gone");
    assert_eq!((&after[1]["LineItemID"], &after[1]["LineAmount"]), (&kept, &json!(7.0)));
    let (_, answer) = lab.post(&path, &json!({"Reference": "only this"}));
    assert_eq!(answer["Invoices"][0]["LineItems"].as_array().map(Vec::len), Some(2), "lines that are not sent stay");
    let unknown = json!({"LineItems": [{"LineItemID": "7f2b9a3e-0f0e-4d57-8d1c-0a2f6f1f4c11", "UnitAmount": 1}]});
    assert_eq!(lab.post(&path, &unknown).0, 400);
}

// I, "Contact": a name that nobody has makes a contact; other members change it, and persons that are not sent are gone.
#[test]
fn a_contact_inside_an_invoice_is_made_or_changed() {
    let lab =
        Lab::of(shop().with_contact(json!({"Name": "Ada", "ContactNumber": "C-2", "ContactPersons": [{"FirstName": "P"}]})));
    let made = lab.invoice(&with("A-1", &json!({"Contact": {"Name": "Nobody Yet"}})));
    assert_eq!((lab.counts("contacts"), &made["Contact"]["Name"]), (3, &json!("Nobody Yet")));
    lab.invoice(&with("A-2", &json!({"Contact": {"Name": "nobody yet"}})));
    assert_eq!(lab.counts("contacts"), 3);
    lab.invoice(&with("A-3", &json!({"Contact": {"ContactNumber": "C-2"}})));
    let persons = || lab.get("Contacts/C-2").1["Contacts"][0]["ContactPersons"].as_array().map(Vec::len);
    assert_eq!(persons(), Some(1));
    lab.invoice(&with("A-4", &json!({"Contact": {"ContactNumber": "C-2", "FirstName": "Ada"}})));
    assert_eq!(persons(), Some(0));
}

// I, "CurrencyRate"; spec, Invoice.CurrencyRate: "If no rate is specified, the XE.com day rate is used".
#[test]
fn foreign_invoices_have_the_rate_of_the_day_or_their_own() {
    let lab = Lab::new();
    assert_eq!(lab.invoice(&with("A-1", &json!({"CurrencyCode": "USD"})))["CurrencyRate"], json!(1.1));
    let made = lab.invoice(&with("A-2", &json!({"CurrencyCode": "USD", "CurrencyRate": 1.2345678})));
    assert_eq!((&made["CurrencyRate"], &made["Total"]), (&json!(1.234568), &json!(121.0)));
}

// A reminder goes out for what is marked as sent and overdue; a mail when it is asked for. No sync may cause either.
#[test]
fn mails_and_reminders_are_counted() {
    let lab = Lab::new();
    lab.invoice(&with("A-1", &json!({"DueDate": "2026-03-10"})));
    let sent = lab.invoice(&with("A-2", &json!({"DueDate": "2026-03-10", "SentToContact": true})));
    lab.clock.advance(std::time::Duration::from_secs(20 * 86_400));
    lab.get("Organisation");
    assert_eq!((lab.count("reminders_sent"), lab.count("mails_sent")), (1, 0));
    let path = format!("Invoices/{}/Email", sent["InvoiceID"].as_str().expect("an id"));
    assert_eq!(lab.post(&path, &json!({})).0, 204);
    assert_eq!((lab.count("reminders_sent"), lab.count("mails_sent")), (1, 1));
}

// What the bookkeeper does is seen like any change.
#[test]
fn the_bookkeeper_recodes_lines_and_voids() {
    let lab = Lab::new();
    lab.invoice(&sale("A-1"));
    let before = lab.invoice_named("A-1")["UpdatedDateUTC"].clone();
    lab.clock.advance(std::time::Duration::from_secs(60));
    lab.act(json!({"do": "recode-line", "invoice": "A-1", "account": "210"}));
    let after = lab.invoice_named("A-1");
    assert_eq!((&after["LineItems"][0]["AccountCode"], &after["Total"]), (&json!("210"), &json!(121.0)));
    assert_ne!(after["UpdatedDateUTC"], before);
    lab.act(json!({"do": "void-invoice", "invoice": "A-1"}));
    let voided = lab.invoice_named("A-1");
    assert_eq!((&voided["Status"], &voided["AmountDue"], &voided["Total"]), (&json!("VOIDED"), &json!(0.0), &json!(121.0)));
}
