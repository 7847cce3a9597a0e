//! Every request of a whole story against Xero's own description of its API, where that is at hand:
//! <https://github.com/XeroAPI/Xero-OpenAPI>, `xero_accounting.yaml`.

use std::collections::BTreeSet;

use serde_json::{Value as Json, json};
use sync_core::{
    Collection, Value,
    model::{Invoice, InvoiceKind},
};
use sync_tests::{
    Books, ORG,
    books::{line, lines},
};

const SPEC: &str = "../../shared/specs/xero/xero_accounting.yaml";

/// A block of the document: lines deeper than the key that it belongs to.
struct Block<'s>(Vec<&'s str>);

fn depth(line: &str) -> usize {
    line.len() - line.trim_start().len()
}

impl<'s> Block<'s> {
    fn of(text: &'s str) -> Self {
        Self(text.lines().filter(|line| !line.trim().is_empty()).collect())
    }

    /// What lies under a key.
    fn under(&self, key: &str) -> Option<Block<'s>> {
        let own = self.0.first().map(|line| depth(line))?;
        let is_it = |line: &&str| {
            depth(line) == own && line.trim().trim_matches('"').starts_with(key) && line.trim_end().ends_with(':')
        };
        let at = self.0.iter().position(|line| is_it(line) && line.trim().trim_end_matches(':').trim_matches('"') == key)?;
        let inner = self.0[at + 1..].iter().take_while(|line| depth(line) > own).copied().collect();
        Some(Block(inner))
    }

    fn keys(&self) -> BTreeSet<String> {
        let Some(own) = self.0.first().map(|line| depth(line)) else { return BTreeSet::new() };
        let of = self.0.iter().filter(|line| depth(line) == own);
        of.filter_map(|line| Some(line.trim().split_once(':')?.0.trim_matches('"').to_owned())).collect()
    }

    /// Names of parameters that are given or referred to here.
    fn parameters(&self, all: &Block<'s>) -> BTreeSet<String> {
        let shared = all.under("components").and_then(|components| components.under("parameters"));
        let mut names = BTreeSet::new();
        for line in &self.0 {
            let line = line.trim().trim_start_matches("- ");
            if let Some(name) = line.strip_prefix("name: ") {
                names.insert(name.trim_matches(['"', '\'']).to_owned());
            }
            if let Some(name) = line.split("#/components/parameters/").nth(1) {
                let name = name.trim_matches(['"', '\'']);
                names.extend(
                    shared.as_ref().and_then(|shared| shared.under(name)).map(|one| one.parameters(all)).unwrap_or_default(),
                );
            }
        }
        names
    }

    fn members(&self, schema: &str) -> BTreeSet<String> {
        let found = self.under("components").and_then(|all| all.under("schemas")?.under(schema)?.under("properties"));
        found.unwrap_or_else(|| panic!("no schema {schema}")).keys()
    }
}

/// A story with every call of ours.
fn story() -> Books {
    let books = Books::new(json!({"invoices": {"direction": "both"}, "payments": {"direction": "both"}}));
    for n in 0..3 {
        books.customer(&format!("c{n}"), "Penelope", &format!("Cousteau {n}"));
        books.put(&format!("i{n}"), books.invoice(&format!("c{n}"), &format!("D-{n}"), 60));
    }
    books.customer("c9", "Penelope", "Cousteau 0");
    books.pay("p0", "i0", 60);
    books.pay("p1", "i1", 20);
    books.agree();
    let credits = Some(sync_core::Ref::Local { collection: Collection::INVOICES, id: "i1".into() });
    books.put("k1", Invoice { kind: Some(InvoiceKind::Credit), credits, ..books.invoice("c1", "K-1", 10) });
    books.edit("i2", "lines", lines(vec![line("1", "Two dives", 60), line("2", "Mask", 20)]));
    books.edit("i2", "total", Value::Decimal(80.into()));
    books.agree();
    books.shop.delete(ORG, &Collection::PAYMENTS, "p1");
    books.shop.delete(ORG, &Collection::INVOICES, "i2");
    books.shop.delete(ORG, &Collection::CUSTOMERS, "c9");
    books.sync_through();
    books
}

#[test]
fn every_call_and_every_member_is_one_that_xero_describes() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(SPEC);
    let Ok(text) = std::fs::read_to_string(path) else {
        println!("skipped: Xero's description is not at hand");
        return;
    };
    let spec = Block::of(&text);
    let paths = spec.under("paths").unwrap();
    let templates = paths.keys();
    let books = story();
    let log = books.wire.log();
    let mut seen = BTreeSet::new();
    for sent in &log {
        let Some(path) = sent.uri.path().strip_prefix("/api.xro/2.0") else { continue };
        let segments: Vec<&str> = path.split('/').collect();
        let fits = |template: &&String| {
            let theirs: Vec<&str> = template.split('/').collect();
            theirs.len() == segments.len()
                && theirs.iter().zip(&segments).all(|(theirs, ours)| theirs.starts_with('{') || theirs == ours)
        };
        let exact = templates.get(path).or_else(|| templates.iter().find(fits));
        let template = exact.unwrap_or_else(|| panic!("{path} is no path of Xero's"));
        let of_path = paths.under(template).unwrap();
        let method = sent.method.as_str().to_lowercase();
        let operation = of_path.under(&method).unwrap_or_else(|| panic!("{method} {template}"));
        seen.insert(format!("{method} {template}"));
        let known: BTreeSet<String> = operation.parameters(&spec).union(&of_path.parameters(&spec)).cloned().collect();
        for (name, _) in url::form_urlencoded::parse(sent.uri.query().unwrap_or_default().as_bytes()) {
            assert!(known.contains(name.as_ref()), "{method} {template} takes no {name}: {known:?}");
        }
        if sent.body.is_empty() {
            continue;
        }
        let body: Json = serde_json::from_slice(&sent.body).unwrap();
        for (list, elements) in body.as_object().unwrap() {
            let Some(elements) = elements.as_array() else {
                assert_eq!(body, json!({"Status": "DELETED"}), "a payment's deletion takes nothing else");
                continue;
            };
            let schema = list.strip_suffix('s').unwrap();
            let members = spec.members(schema);
            for element in elements {
                for (name, value) in element.as_object().unwrap() {
                    assert!(members.contains(name), "{schema} has no {name}");
                    assert_ne!((name.as_str(), value), ("SentToContact", &json!(true)));
                    let lines = spec.members("LineItem");
                    for line in value.as_array().into_iter().flatten().filter(|_| name == "LineItems") {
                        assert!(line.as_object().unwrap().keys().all(|member| lines.contains(member)), "{line}");
                    }
                }
            }
        }
    }
    for call in [
        "put /Contacts",
        "post /Contacts",
        "put /Invoices",
        "post /Invoices",
        "put /CreditNotes",
        "put /CreditNotes/{CreditNoteID}/Allocations",
        "put /Payments",
        "post /Payments/{PaymentID}",
        "get /Invoices",
        "get /CreditNotes",
    ] {
        assert!(seen.contains(call), "{call} was not part of the story: {seen:?}");
    }
    assert!(seen.iter().all(|call| !call.contains("Email")), "{seen:?}");
    books.nobody_was_sent_anything();
}
