//! Calls and answers against Xero's own descriptions: parameters and bodies that the double takes, answers that it gives, and
//! the deliveries of its webhook. What a description has and our answers lack stands in a named list beside
//! the comparison, as does what its examples have and its schemas lack.

#![allow(clippy::expect_used, reason = "helpers of tests")]

mod support;

use std::collections::BTreeSet;

use http::Method;
use serde_json::{Value, json};
use support::{
    openapi::Spec,
    xero::{Lab, sale, seed_of, shop},
};
use sync_sandbox::{SandboxOptions, XeroWebhookSeed};

/// Every modelled operation with all parameters and members that it takes: method, path of the description without its slash,
/// path and query of the call, body. Words after a dollar sign are replaced by ids.
fn calls() -> Vec<(Method, &'static str, &'static str, Option<Value>)> {
    let (get, put, post, delete) = (Method::GET, Method::PUT, Method::POST, Method::DELETE);
    let contact = json!({
        "Name": "Ada Lovelace", "FirstName": "Ada", "LastName": "Lovelace", "ContactNumber": "C-2", "AccountNumber": "A-2",
        "ContactStatus": "ACTIVE", "CompanyNumber": "1", "EmailAddress": "ada@example.com", "BankAccountDetails": "ES00",
        "TaxNumber": "X1", "AccountsReceivableTaxType": "OUTPUT", "AccountsPayableTaxType": "INPUT", "DefaultCurrency": "EUR",
        "SalesDefaultAccountCode": "200", "PurchasesDefaultAccountCode": "420", "SalesDefaultLineAmountType": "INCLUSIVE",
        "PurchasesDefaultLineAmountType": "EXCLUSIVE",
        "ContactPersons": [{"FirstName": "P", "LastName": "Q", "EmailAddress": "p@example.com", "IncludeInEmails": false}],
        "Addresses": [{"AddressType": "STREET", "AddressLine1": "1", "City": "Palma", "Region": "PM", "PostalCode": "07001",
                       "Country": "ES", "AttentionTo": "A"}],
        "Phones": [{"PhoneType": "MOBILE", "PhoneNumber": "5550100", "PhoneAreaCode": "1", "PhoneCountryCode": "34"}],
        "PaymentTerms": {"Sales": {"Day": 14, "Type": "DAYSAFTERBILLDATE"}, "Bills": {"Day": 15, "Type": "OFCURRENTMONTH"}},
    });
    let line = json!({
        "Description": "Dive", "Quantity": 1, "UnitAmount": 100.1234, "AccountCode": "200", "TaxType": "OUTPUT", "TaxAmount": 21.02,
        "LineAmount": 100.12, "DiscountRate": 0, "Tracking": [{"Name": "Boat", "Option": "Manta"}],
    });
    let mut invoice = sale("B-1");
    for (name, value) in [
        ("LineItems", json!([line])),
        ("LineAmountTypes", json!("Exclusive")),
        ("Reference", json!("D-1")),
        ("Url", json!("https://shop.example.com/")),
        ("CurrencyCode", json!("EUR")),
        ("SentToContact", json!(false)),
        ("ExpectedPaymentDate", json!("2026-04-02")),
    ] {
        invoice[name] = value;
    }
    let credit = json!({
        "Type": "ACCRECCREDIT", "CreditNoteNumber": "CN-1", "Contact": {"ContactNumber": "C-1"}, "Date": "2026-03-01",
        "Status": "AUTHORISED", "LineItems": [{"Description": "Refund", "Quantity": 1, "UnitAmount": 50, "AccountCode": "200"}],
    });
    let payment = json!({
        "Invoice": {"InvoiceID": "$INVOICE"}, "Account": {"Code": "090"}, "Date": "2026-03-01", "Amount": 10, "Reference": "R",
        "IsReconciled": false,
    });
    let batch = json!({"Account": {"AccountID": "$BANK"}, "Date": "2026-03-01", "Reference": "till",
                       "Payments": [{"Invoice": {"InvoiceID": "$INVOICE"}, "Amount": 5}]});
    let allocation = json!({"Allocations": [{"Invoice": {"InvoiceID": "$INVOICE"}, "Amount": 1, "Date": "2026-03-01"}]});
    let account = json!({"Code": "201", "Name": "Night dives", "Type": "REVENUE", "TaxType": "OUTPUT", "Description": "d"});
    let listing = "page=1&pageSize=1000&order=UpdatedDateUTC%20ASC";
    let with = |path: &'static str, query: &str| -> &'static str { Box::leak(format!("{path}?{query}").into_boxed_str()) };
    vec![
        (get.clone(), "Organisation", "Organisation", None),
        (get.clone(), "Organisation/Actions", "Organisation/Actions", None),
        (get.clone(), "Accounts", "Accounts?where=Status%3D%3D%22ACTIVE%22&order=Code%20ASC", None),
        (put.clone(), "Accounts", "Accounts", Some(account)),
        (get.clone(), "Accounts/{AccountID}", "Accounts/$BANK", None),
        (post.clone(), "Accounts/{AccountID}", "Accounts/$ACCOUNT", Some(json!({"Accounts": [{"Description": "e"}]}))),
        (get.clone(), "TaxRates", "TaxRates?order=Name", None),
        (get.clone(), "TaxRates/{TaxType}", "TaxRates/OUTPUT", None),
        (get.clone(), "Currencies", "Currencies", None),
        (put.clone(), "Currencies", "Currencies", Some(json!({"Code": "GBP"}))),
        (get.clone(), "TrackingCategories", "TrackingCategories?includeArchived=true", None),
        (get.clone(), "TrackingCategories/{TrackingCategoryID}", "TrackingCategories/$TRACKING", None),
        (get.clone(), "BrandingThemes", "BrandingThemes", None),
        (get.clone(), "BrandingThemes/{BrandingThemeID}", "BrandingThemes/$THEME", None),
        (get.clone(), "Users", "Users", None),
        (get.clone(), "Users/{UserID}", "Users/$USER", None),
        (put.clone(), "Contacts", "Contacts?summarizeErrors=false", Some(json!({"Contacts": [contact]}))),
        (post.clone(), "Contacts", "Contacts?summarizeErrors=true", Some(json!({"Contacts": [contact]}))),
        (
            get.clone(),
            "Contacts",
            with("Contacts", &format!("{listing}&includeArchived=true&summaryOnly=false&searchTerm=a")),
            None,
        ),
        (get.clone(), "Contacts/{ContactID}", "Contacts/$CONTACT", None),
        (get.clone(), "Contacts/{ContactNumber}", "Contacts/C-2", None),
        (post.clone(), "Contacts/{ContactID}", "Contacts/$CONTACT", Some(json!({"Contacts": [{"FirstName": "A"}]}))),
        (put.clone(), "Invoices", "Invoices?summarizeErrors=false&unitdp=4", Some(json!({"Invoices": [invoice]}))),
        (post.clone(), "Invoices", "Invoices?summarizeErrors=false&unitdp=4", Some(json!({"Invoices": [invoice]}))),
        (
            get.clone(),
            "Invoices",
            with(
                "Invoices",
                &format!(
                    "{listing}&unitdp=4&Statuses=AUTHORISED,PAID&InvoiceNumbers=B-1&includeArchived=true&createdByMyApp=true&summaryOnly=false&searchTerm=B&ContactIDs=$CUSTOMER&IDs=$INVOICE"
                ),
            ),
            None,
        ),
        (get.clone(), "Invoices/{InvoiceID}", "Invoices/$INVOICE?unitdp=4", None),
        (
            post.clone(),
            "Invoices/{InvoiceID}",
            "Invoices/$INVOICE?unitdp=4",
            Some(json!({"Invoices": [{"Reference": "D-2"}]})),
        ),
        (post.clone(), "Invoices/{InvoiceID}/Email", "Invoices/$INVOICE/Email", Some(json!({}))),
        (put.clone(), "Payments", "Payments?summarizeErrors=false", Some(json!({"Payments": [payment]}))),
        (post.clone(), "Payments", "Payments", Some(payment)),
        (get.clone(), "Payments", with("Payments", listing), None),
        (get.clone(), "Payments/{PaymentID}", "Payments/$PAYMENT", None),
        (post.clone(), "Payments/{PaymentID}", "Payments/$PAYMENT", Some(json!({"Status": "DELETED"}))),
        (put.clone(), "CreditNotes", "CreditNotes?summarizeErrors=false&unitdp=4", Some(json!({"CreditNotes": [credit]}))),
        (post.clone(), "CreditNotes", "CreditNotes?summarizeErrors=false", Some(json!({"CreditNotes": [credit]}))),
        (get.clone(), "CreditNotes", with("CreditNotes", &format!("{listing}&unitdp=4")), None),
        (get.clone(), "CreditNotes/{CreditNoteID}", "CreditNotes/$CREDIT?unitdp=4", None),
        (
            post.clone(),
            "CreditNotes/{CreditNoteID}",
            "CreditNotes/$CREDIT",
            Some(json!({"CreditNotes": [{"Reference": "x"}]})),
        ),
        (
            put.clone(),
            "CreditNotes/{CreditNoteID}/Allocations",
            "CreditNotes/$CREDIT/Allocations?summarizeErrors=false",
            Some(allocation),
        ),
        (
            delete.clone(),
            "CreditNotes/{CreditNoteID}/Allocations/{AllocationID}",
            "CreditNotes/$CREDIT/Allocations/$ALLOCATION",
            None,
        ),
        (put.clone(), "ContactGroups", "ContactGroups", Some(json!({"ContactGroups": [{"Name": "Divers"}]}))),
        (get.clone(), "ContactGroups", "ContactGroups?order=Name", None),
        (get.clone(), "ContactGroups/{ContactGroupID}", "ContactGroups/$GROUP", None),
        (
            post.clone(),
            "ContactGroups/{ContactGroupID}",
            "ContactGroups/$GROUP",
            Some(json!({"ContactGroups": [{"Name": "Dry"}]})),
        ),
        (
            put.clone(),
            "ContactGroups/{ContactGroupID}/Contacts",
            "ContactGroups/$GROUP/Contacts",
            Some(json!({"Contacts": [{"ContactID": "$CUSTOMER"}]})),
        ),
        (
            delete.clone(),
            "ContactGroups/{ContactGroupID}/Contacts/{ContactID}",
            "ContactGroups/$GROUP/Contacts/$CUSTOMER",
            None,
        ),
        (delete, "ContactGroups/{ContactGroupID}/Contacts", "ContactGroups/$GROUP/Contacts", None),
        (put.clone(), "BatchPayments", "BatchPayments?summarizeErrors=true", Some(json!({"BatchPayments": [batch]}))),
        (get.clone(), "BatchPayments", "BatchPayments?where=Status%3D%3D%22AUTHORISED%22", None),
        (get, "BatchPayments/{BatchPaymentID}", "BatchPayments/$BATCH", None),
        (post, "BatchPayments/{BatchPaymentID}", "BatchPayments/$BATCH", Some(json!({"Status": "DELETED"}))),
    ]
}

/// The ids that answers named so far, by the words that stand for them.
#[derive(Default)]
struct Named(Vec<(&'static str, String)>);

impl Named {
    fn learn(&mut self, answer: &Value) {
        for (plural, member, word) in [
            ("Contacts", "ContactID", "$CONTACT"),
            ("Invoices", "InvoiceID", "$INVOICE"),
            ("Payments", "PaymentID", "$PAYMENT"),
            ("CreditNotes", "CreditNoteID", "$CREDIT"),
            ("Allocations", "AllocationID", "$ALLOCATION"),
            ("BatchPayments", "BatchPaymentID", "$BATCH"),
            ("TrackingCategories", "TrackingCategoryID", "$TRACKING"),
            ("BrandingThemes", "BrandingThemeID", "$THEME"),
            ("Users", "UserID", "$USER"),
            ("ContactGroups", "ContactGroupID", "$GROUP"),
        ] {
            if let Some(id) = answer[plural][0][member].as_str() {
                self.0.retain(|(known, _)| *known != word);
                self.0.push((word, id.to_owned()));
            }
        }
        for account in answer["Accounts"].as_array().into_iter().flatten() {
            let word = match account["Code"].as_str() {
                Some("090") => "$BANK",
                Some("201") => "$ACCOUNT",
                _ => continue,
            };
            self.0.push((word, account["AccountID"].as_str().expect("an id").to_owned()));
        }
        if let Some(id) = answer["Invoices"][0]["Contact"]["ContactID"].as_str() {
            self.0.push(("$CUSTOMER", id.to_owned()));
        }
    }

    fn fill(&self, text: &str) -> String {
        self.0.iter().fold(text.to_owned(), |text, (word, id)| text.replace(word, id))
    }
}

#[test]
fn every_operation_agrees_with_the_description_both_ways() {
    let Some(spec) = Spec::read("xero_accounting.yaml") else { return };
    let lab = Lab::of(shop().with_tracking("Boat", &["Manta"]));
    let (mut wrong, mut named, mut seen) = (BTreeSet::new(), Named::default(), BTreeSet::new());
    for (method, described, call, body) in calls() {
        let name = format!("{method} {described}");
        let operation = &spec.0["paths"][format!("/{described}")][method.as_str().to_lowercase()];
        assert!(operation.is_object(), "{name} is not described");
        let key = operation["operationId"].as_str().expect("an id").to_owned();
        seen.insert(key.clone());
        let call = named.fill(call);
        let parameters = spec.parameters(operation);
        let query = call.split_once('?').map(|(_, query)| query).unwrap_or_default();
        for (parameter, _) in url::form_urlencoded::parse(query.as_bytes()) {
            assert!(parameters.contains(&*parameter), "{name} has no parameter {parameter}");
        }
        let body = body.map(|body| serde_json::from_str::<Value>(&named.fill(&body.to_string())).expect("JSON"));
        if let Some(body) = &body {
            let schema = &spec.resolve(&operation["requestBody"])["content"]["application/json"]["schema"];
            spec.compare(schema, &as_described(&spec, schema, body, described), &format!("{name} body"), false, &mut wrong);
        }
        let (status, answer) = lab.send_with(method, &call, &[("idempotency-key", &key)], body.as_ref());
        assert!(status < 300, "{name}: {status} {answer}");
        named.learn(&answer);
        let described = &operation["responses"][status.to_string()];
        assert!(described.is_object(), "{name}: no answer {status} is described");
        match described["content"]["application/json"].get("schema") {
            Some(schema) => {
                let mut answer = answer.clone();
                if let Some(members) = answer.as_object_mut() {
                    // What is around every answer is not in the schemas.
                    members.retain(|name, _| !matches!(name.as_str(), "Id" | "Status" | "ProviderName" | "DateTimeUTC"));
                }
                spec.compare(schema, &answer, &name, true, &mut wrong);
            }
            None => assert_eq!(answer, json!(""), "{name}"),
        }
    }
    assert_eq!(wrong, BTreeSet::new());
    assert_eq!(seen.len(), 51, "every modelled operation is here");
    assert_eq!(lab.refused(), Vec::<String>::new());
}

/// A body of one element is as good as a list: the description may have either.
fn as_described(spec: &Spec, schema: &Value, body: &Value, path: &str) -> Value {
    let plural = path.split('/').next().expect("a resource");
    let has_list = spec.resolve(schema)["properties"].get(plural).is_some();
    if has_list && body.get(plural).is_none() { json!({plural: [body]}) } else { body.clone() }
}

#[test]
fn refusals_agree_with_the_description() {
    let Some(spec) = Spec::read("xero_accounting.yaml") else { return };
    let lab = Lab::new();
    let (status, answer) = lab.put("Contacts", &json!({"Name": "Maria Garcia"}));
    assert_eq!(status, 400);
    let mut wrong = BTreeSet::new();
    let schema = json!({"$ref": "#/components/schemas/Error"});
    for name in ["ErrorNumber", "Type", "Message", "Elements"] {
        assert!(spec.resolve(&schema)["properties"].get(name).is_some() && answer.get(name).is_some(), "{name}");
    }
    let element = json!({"$ref": "#/components/schemas/Contact"});
    spec.compare(&element, &answer["Elements"][0], "Contact", false, &mut wrong);
    assert_eq!(wrong, BTreeSet::new());
}

#[test]
fn connections_agree_with_the_description() {
    let Some(spec) = Spec::read("xero-identity.yaml") else { return };
    let lab = Lab::new();
    let (status, answer) = lab.get("/connections");
    assert_eq!(status, 200);
    let mut wrong = BTreeSet::new();
    let schema = &spec.0["paths"]["/Connections"]["get"]["responses"]["200"]["content"]["application/json"]["schema"];
    spec.compare(schema, &answer, "connections", true, &mut wrong);
    assert_eq!(wrong, BTreeSet::new());
}

#[test]
fn deliveries_agree_with_the_description() {
    let Some(spec) = Spec::read("xero-webhooks.yaml") else { return };
    let hook = XeroWebhookSeed::new("https://hooks.example.org/xero", "key");
    let lab = Lab::with(seed_of(shop()).with_webhook(hook), SandboxOptions::default());
    lab.put("Contacts", &json!({"Name": "Ada"}));
    lab.invoice(&sale("A-1"));
    let schema = spec.0["components"]["schemas"]["WebhookEvent"].clone();
    let item = &schema["properties"]["events"]["items"];
    let sent = lab.sandbox.take_outbound();
    assert_eq!(sent.len(), 2);
    for request in sent {
        let body: Value = serde_json::from_slice(request.body()).expect("JSON");
        for name in schema["required"].as_array().expect("a list") {
            assert!(body.get(name.as_str().expect("a name")).is_some(), "{name} is missing");
        }
        for event in body["events"].as_array().expect("a list") {
            for name in item["required"].as_array().expect("a list") {
                assert!(event.get(name.as_str().expect("a name")).is_some(), "{name} is missing");
            }
            for (name, value) in event.as_object().expect("an object") {
                let described = &item["properties"][name];
                let words: Vec<&Value> =
                    described["oneOf"].as_array().into_iter().flatten().map(|one| &one["const"]).collect();
                assert!(described.is_object() && (words.is_empty() || words.contains(&value)), "{name}: {value}");
            }
        }
    }
}
