//! Contacts. C stands for <https://developer.xero.com/documentation/api/accounting/contacts>, R for
//! <https://developer.xero.com/documentation/api/accounting/requests-and-responses>, spec for Xero's API description
//! (<https://github.com/XeroAPI/Xero-OpenAPI>).

#![allow(clippy::expect_used, reason = "helpers of tests")]

mod support;

use http::Method;
use serde_json::{Value, json};
use support::xero::{Lab, SHOP, ZERO, errors, escaped, shop};
use sync_sandbox::{XeroQuirks, XeroTenantSeed};

fn made(lab: &Lab, body: Value) -> Value {
    let (status, answer) = lab.put("Contacts", &body);
    assert_eq!(status, 200, "{answer}");
    answer["Contacts"][0].clone()
}

// R, "PUT and POST": PUT makes, POST makes or changes; one element or several.
#[test]
fn put_makes_contacts_and_post_changes_the_one_that_matches() {
    let lab = Lab::new();
    let ada = made(&lab, json!({"Name": "Ada Lovelace", "ContactNumber": "C-2", "EmailAddress": "ada@example.com"}));
    assert_ne!(ada["ContactID"], ZERO);
    let id = ada["ContactID"].as_str().expect("an id");
    for element in [
        json!({"ContactID": id, "FirstName": "Ada"}),
        json!({"ContactNumber": "C-2", "FirstName": "Augusta"}),
        json!({"Name": "ADA LOVELACE", "FirstName": "Ada A."}),
    ] {
        let (status, answer) = lab.post("Contacts", &json!({"Contacts": [element]}));
        assert_eq!((status, answer["Contacts"][0]["ContactID"].as_str()), (200, Some(id)), "{answer}");
        assert_eq!(answer["Contacts"][0]["FirstName"], element["FirstName"]);
        assert_eq!(answer["Contacts"][0]["EmailAddress"], "ada@example.com", "what is not sent stays");
    }
    assert_eq!(lab.counts("contacts"), 2);
    let (_, answer) = lab.post("Contacts", &json!({"Name": "Ben Bakker"}));
    assert_ne!(answer["Contacts"][0]["ContactID"].as_str(), Some(id));
    assert_eq!(lab.counts("contacts"), 3);
    assert_eq!(lab.refused(), Vec::<String>::new());
}

// spec, answer 400 of PUT /Contacts; C, "Name"; GitHub calcinai/xero-php issue 880.
#[test]
fn names_and_numbers_belong_to_one_contact() {
    let lab = Lab::new();
    made(&lab, json!({"Name": "Ada", "ContactNumber": "C-2", "AccountNumber": "A-2"}));
    let (status, answer) = lab.put("Contacts", &json!({"Name": "ada"}));
    let element = &answer["Elements"][0];
    assert_eq!(
        (status, answer["ErrorNumber"].as_u64(), answer["Type"].as_str()),
        (400, Some(10), Some("ValidationException"))
    );
    assert_eq!(answer["Message"], "A validation exception occurred");
    assert_eq!((element["ContactID"].as_str(), element["HasValidationErrors"].as_bool()), (Some(ZERO), Some(true)));
    assert_eq!(
        errors(&answer),
        [
            "The contact name ada is already assigned to another contact. The contact name must be unique across all active contacts."
        ]
    );
    for body in [json!({"Name": "Eve", "ContactNumber": "c-2"}), json!({"Name": "Eve", "AccountNumber": "A-2"})] {
        assert_eq!(lab.put("Contacts", &body).0, 400, "{body}");
    }
    // The name of an archived contact is free.
    lab.act(json!({"do": "archive-contact", "contact": "Ada"}));
    made(&lab, json!({"Name": "Ada"}));
    let (_, answer) = lab.post("Contacts", &json!({"ContactNumber": "C-2", "ContactStatus": "ACTIVE"}));
    assert_eq!(errors(&answer).len(), 1, "the name is taken meanwhile: {answer}");
}

// C, "Name", "EmailAddress", "ContactPersons"; spec lengths.
#[test]
fn contacts_that_make_no_sense_are_refused() {
    let lab = Lab::new();
    let person = json!({"FirstName": "P"});
    for body in [
        json!({"FirstName": "No name"}),
        json!({"Name": "Two  spaces"}),
        json!({"Name": " leading"}),
        json!({"Name": "trailing "}),
        json!({"Name": "arrow -> here"}),
        json!({"Name": "n".repeat(256)}),
        json!({"Name": "Eve", "EmailAddress": "no address"}),
        json!({"Name": "Eve", "EmailAddress": "ümlaut@example.com"}),
        json!({"Name": "Eve", "ContactNumber": "n".repeat(51)}),
        json!({"Name": "Eve", "Phones": [{"PhoneType": "MOBILE", "PhoneAreaCode": "12345678901"}]}),
        json!({"Name": "Eve", "ContactPersons": vec![person; 6]}),
        json!({"Name": "Eve", "DefaultCurrency": "GBP"}),
        json!({"ContactID": "7f2b9a3e-0f0e-4d57-8d1c-0a2f6f1f4c11", "Name": "Eve", "ContactStatus": "GDPRREQUEST"}),
    ] {
        let (status, answer) = lab.put("Contacts", &body);
        assert_eq!((status, errors(&answer).len()), (400, 1), "{body}: {answer}");
    }
    assert_eq!(lab.counts("contacts"), 1);
    assert_eq!(lab.refused(), Vec::<String>::new());
}

// R, "summarizeErrors"; GitHub XeroAPI/xero-php-oauth2 issue 179: the default is true.
#[test]
fn one_bad_element_spoils_the_call_unless_errors_are_not_summarized() {
    let lab = Lab::new();
    let body = json!({"Contacts": [{"Name": "Ada"}, {"Name": "Maria Garcia"}, {"Name": "Ben"}]});
    for query in ["", "?summarizeErrors=true"] {
        let (status, answer) = lab.put(&format!("Contacts{query}"), &body);
        assert_eq!((status, answer["Elements"].as_array().map(Vec::len)), (400, Some(1)), "{answer}");
        assert_eq!(lab.counts("contacts"), 1, "nothing is saved");
    }
    let (status, answer) = lab.put("Contacts?summarizeErrors=false", &body);
    assert_eq!(status, 200);
    let statuses: Vec<&Value> =
        answer["Contacts"].as_array().expect("a list").iter().map(|one| &one["StatusAttributeString"]).collect();
    assert_eq!(statuses, ["OK", "ERROR", "OK"], "in the order of the call");
    assert_eq!((answer["Contacts"][1]["ContactID"].as_str(), errors(&answer["Contacts"][1]).len()), (Some(ZERO), 1));
    assert_eq!(lab.counts("contacts"), 3);
}

// GitHub calcinai/xero-php issue 171: other members stay; lists that are sent replace those that were.
#[test]
fn an_update_touches_what_it_sends() {
    let lab = Lab::new();
    let ada = made(
        &lab,
        json!({
            "Name": "Ada", "ContactPersons": [{"FirstName": "P"}, {"FirstName": "Q"}],
            "Phones": [{"PhoneType": "MOBILE", "PhoneNumber": "1"}, {"PhoneType": "DEFAULT", "PhoneNumber": "2"}],
            "Addresses": [{"AddressType": "STREET", "City": "Palma"}],
        }),
    );
    let id = ada["ContactID"].as_str().expect("an id");
    let change = json!({"ContactPersons": [{"FirstName": "R"}], "Phones": [{"PhoneType": "MOBILE", "PhoneNumber": "3"}]});
    let (status, answer) = lab.post(&format!("Contacts/{id}"), &change);
    let after = &answer["Contacts"][0];
    assert_eq!((status, after["ContactPersons"].as_array().map(Vec::len)), (200, Some(1)));
    let phone = |kind: &str| {
        after["Phones"].as_array().expect("a list").iter().find(|one| one["PhoneType"] == kind).expect("one")["PhoneNumber"]
            .clone()
    };
    assert_eq!((phone("MOBILE"), phone("DEFAULT")), (json!("3"), json!("2")));
    assert_eq!(after["Addresses"][0]["City"], "Palma");
    assert_eq!(lab.post("Contacts/7f2b9a3e-0f0e-4d57-8d1c-0a2f6f1f4c11", &json!({"Name": "X"})).0, 404);
}

// C, "GET Contacts": by number, by id, archived ones only when asked for; members that a bare listing lacks.
#[test]
fn contacts_are_read_by_id_by_number_and_in_pages() {
    let lab = Lab::of(shop().with_contact(json!({"Name": "Old", "TaxNumber": "X1", "ContactStatus": "ARCHIVED"})));
    let (_, by_number) = lab.get("Contacts/C-1");
    let id = by_number["Contacts"][0]["ContactID"].as_str().expect("an id").to_owned();
    assert_eq!(lab.get(&format!("Contacts/{id}")).1["Contacts"][0]["Name"], "Maria Garcia");
    assert_eq!(lab.get("Contacts/C-9").0, 404);
    let names = |path: &str| -> Vec<String> {
        let (status, answer) = lab.get(path);
        assert_eq!(status, 200, "{path}: {answer}");
        answer["Contacts"]
            .as_array()
            .expect("a list")
            .iter()
            .map(|one| one["Name"].as_str().expect("a name").to_owned())
            .collect()
    };
    assert_eq!(names("Contacts"), ["Maria Garcia"]);
    assert_eq!(names("Contacts?includeArchived=true&order=Name%20DESC"), ["Old", "Maria Garcia"]);
    assert_eq!(names(&format!("Contacts?IDs={id}")), ["Maria Garcia"]);
    let by_mail = escaped("EmailAddress==\"maria@example.com\"");
    assert_eq!(names(&format!("Contacts?where={by_mail}")), ["Maria Garcia"]);
    assert_eq!(names("Contacts?searchTerm=garcia"), ["Maria Garcia"]);
    let (_, bare) = lab.get("Contacts?includeArchived=true");
    assert!(bare["Contacts"].as_array().expect("a list").iter().all(|one| one.get("TaxNumber").is_none()));
    assert!(bare.get("pagination").is_none());
    let (_, page) = lab.get("Contacts?includeArchived=true&page=1");
    assert!(page["Contacts"].as_array().expect("a list").iter().any(|one| one["TaxNumber"] == "X1"));
    assert_eq!(page["pagination"], json!({"page": 1, "pageSize": 100, "pageCount": 1, "itemCount": 2}));
    assert_eq!(lab.refused(), Vec::<String>::new());
}

// spec, MergedToContactID; types page, "Contact status".
#[test]
fn a_merged_contact_is_archived_and_points_to_its_survivor() {
    let lab = Lab::of(shop().with_contact(json!({"Name": "M. Garcia", "ContactNumber": "C-2"})));
    let mut theirs = support::xero::sale("A-1");
    theirs["Contact"] = json!({"ContactNumber": "C-2"});
    lab.invoice(&theirs);
    lab.act(json!({"do": "merge-contacts", "contact": "C-2", "into": "C-1"}));
    let survivor = lab.get("Contacts/C-1").1["Contacts"][0].clone();
    let merged = lab.get("Contacts/C-2").1["Contacts"][0].clone();
    assert_eq!((merged["ContactStatus"].as_str(), &merged["MergedToContactID"]), (Some("ARCHIVED"), &survivor["ContactID"]));
    assert_eq!(lab.invoice_named("A-1")["Contact"]["ContactID"], survivor["ContactID"]);
    assert_eq!(
        (&survivor["IsCustomer"], &survivor["Balances"]["AccountsReceivable"]["Outstanding"]),
        (&json!(true), &json!(121.0))
    );
    let (status, answer) = lab.put("Invoices", &theirs);
    assert_eq!(status, 400, "an archived contact is of no use: {answer}");
    assert_eq!(lab.post("Contacts", &json!({"ContactNumber": "C-2", "ContactStatus": "ACTIVE"})).0, 400);
}

#[test]
fn an_archived_contact_comes_back_where_that_is_so() {
    let revive = |unarchives: bool| {
        let quirks: XeroQuirks = serde_json::from_value(json!({"unarchives": unarchives})).expect("quirks");
        let lab = Lab::with(support::xero::seed_of(shop()).with_quirks(quirks), sync_sandbox::SandboxOptions::default());
        lab.act(json!({"do": "archive-contact", "contact": "C-1"}));
        assert_eq!(lab.counts("archived_contacts"), 1);
        lab.post("Contacts", &json!({"ContactNumber": "C-1", "ContactStatus": "ACTIVE"})).0
    };
    assert_eq!((revive(true), revive(false)), (200, 400));
}

#[test]
fn what_is_not_modelled_is_refused_and_noted() {
    let lab = Lab::new();
    assert_eq!(lab.get("Contacts?colour=red").0, 400);
    assert_eq!(lab.put("Contacts", &json!({"Name": "Eve", "ShoeSize": 40})).0, 400);
    assert_eq!(lab.put("Contacts", &json!({"Name": "Eve", "XeroNetworkKey": "K"})).0, 400);
    assert_eq!(lab.get("Reports").0, 404);
    assert_eq!(lab.send_with(Method::DELETE, "Contacts", &[], None).0, 501);
    assert_eq!(lab.send_with(Method::GET, "Contacts", &[("accept", "application/xml")], None).0, 406);
    assert_eq!(lab.refused().len(), 6, "{:?}", lab.refused());
    assert_eq!(lab.counts("contacts"), 1);
}

#[test]
fn a_seed_that_makes_no_sense_is_told() {
    let tenant = XeroTenantSeed::new(SHOP).with_contact(json!({"Name": " odd"})).with_payment(json!({"Amount": 5}));
    assert_eq!(Lab::of(tenant).refused().len(), 2);
}
