//! Short ways to call a Xero.

use std::sync::Arc;

use bytes::Bytes;
use http::{Method, Request, Response};
use serde_json::{Value, json};
use sync_sandbox::{Sandbox, SandboxOptions, Xero, XeroClientSeed, XeroSeed, XeroTenantSeed, XeroTokenSeed};

use super::{TestClock, whole};

pub(crate) const BOOKKEEPER: &str = "bookkeeper@example.com";
pub(crate) const TOKEN: &str = "bookkeepers-token";
pub(crate) const CLIENT: &str = "SHOPCLIENT";
pub(crate) const SHOP: &str = "Blue Manta Diving";
pub(crate) const ZERO: &str = "00000000-0000-0000-0000-000000000000";

/// A sandboxed Xero with its clock.
pub(crate) struct Lab {
    pub(crate) sandbox: Sandbox,
    pub(crate) clock: TestClock,
    tenant: String,
}

pub(crate) fn shop() -> XeroTenantSeed {
    XeroTenantSeed::new(SHOP)
        .with_contact(json!({"Name": "Maria Garcia", "ContactNumber": "C-1", "EmailAddress": "maria@example.com"}))
}

pub(crate) fn seed_of(shop: XeroTenantSeed) -> XeroSeed {
    XeroSeed::new(BOOKKEEPER, shop)
        .with_token(XeroTokenSeed::new(TOKEN))
        .with_oauth_client(XeroClientSeed::new(CLIENT, "secret"))
}

/// A sale of one line of 100.00 before tax of 21 %, to be paid in April.
pub(crate) fn sale(number: &str) -> Value {
    json!({
        "Type": "ACCREC", "InvoiceNumber": number, "Contact": {"ContactNumber": "C-1"}, "Date": "2026-03-01",
        "DueDate": "2026-04-01", "Status": "AUTHORISED",
        "LineItems": [{"Description": "Two dives", "Quantity": 2, "UnitAmount": 50, "AccountCode": "200"}],
    })
}

impl Lab {
    pub(crate) fn new() -> Self {
        Self::with(seed_of(shop()), SandboxOptions::default())
    }

    pub(crate) fn of(shop: XeroTenantSeed) -> Self {
        Self::with(seed_of(shop), SandboxOptions::default())
    }

    pub(crate) fn with(seed: XeroSeed, options: SandboxOptions) -> Self {
        let clock = TestClock::new();
        let tenant = seed.tenants[0].id();
        let sandbox = Sandbox::new(Xero::new(seed), options, Arc::new(clock.clone()));
        Self { sandbox, clock, tenant }
    }

    pub(crate) fn reply(&self, request: Request<Bytes>) -> Response<Bytes> {
        whole(self.clock.run(self.sandbox.handle(request)))
    }

    pub(crate) fn request(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<&Value>,
    ) -> Request<Bytes> {
        let uri = if path.starts_with('/') {
            format!("https://api.xero.com{path}")
        } else {
            format!("https://api.xero.com/api.xro/2.0/{path}")
        };
        let mut request = Request::builder().method(method).uri(uri);
        let mut all = vec![
            ("authorization", format!("Bearer {TOKEN}")),
            ("accept", "application/json".to_owned()),
            ("xero-tenant-id", self.tenant.clone()),
        ];
        all.extend(headers.iter().map(|(name, value)| (*name, (*value).to_owned())));
        for (name, value) in &all {
            request.headers_mut().expect("headers").insert(
                http::HeaderName::try_from(*name).expect("a name"),
                http::HeaderValue::from_str(value).expect("a value"),
            );
        }
        request.body(body.map(|body| Bytes::from(body.to_string())).unwrap_or_default()).expect("a request")
    }

    /// Sends with more headers, or with others.
    pub(crate) fn send_with(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<&Value>,
    ) -> (u16, Value) {
        read(self.reply(self.request(method, path, headers, body)))
    }

    pub(crate) fn get(&self, path: &str) -> (u16, Value) {
        self.send_with(Method::GET, path, &[], None)
    }

    pub(crate) fn put(&self, path: &str, body: &Value) -> (u16, Value) {
        self.send_with(Method::PUT, path, &[], Some(body))
    }

    pub(crate) fn post(&self, path: &str, body: &Value) -> (u16, Value) {
        self.send_with(Method::POST, path, &[], Some(body))
    }

    pub(crate) fn act(&self, action: Value) -> Value {
        self.sandbox.act(&action).expect("an action that can be done")
    }

    pub(crate) fn count(&self, name: &str) -> u64 {
        self.sandbox.summary()[name].as_u64().expect("a number")
    }

    pub(crate) fn counts(&self, name: &str) -> u64 {
        self.sandbox.summary()["tenants"][SHOP]["counts"][name].as_u64().expect("a number")
    }

    pub(crate) fn refused(&self) -> Vec<String> {
        serde_json::from_value(self.sandbox.summary()["refused"].clone()).expect("texts")
    }

    /// Makes an invoice; answers it.
    pub(crate) fn invoice(&self, body: &Value) -> Value {
        let (status, answer) = self.put("Invoices?unitdp=4", body);
        assert_eq!(status, 200, "{answer}");
        answer["Invoices"][0].clone()
    }

    /// An invoice by its number.
    pub(crate) fn invoice_named(&self, number: &str) -> Value {
        self.get(&format!("Invoices/{number}")).1["Invoices"][0].clone()
    }

    /// Pays an invoice into the bank account.
    pub(crate) fn pay(&self, invoice: &Value, amount: f64) -> (u16, Value) {
        let payment = json!({"Invoice": {"InvoiceID": invoice["InvoiceID"]}, "Account": {"Code": "090"}, "Amount": amount});
        self.put("Payments", &payment)
    }
}

pub(crate) fn read(response: Response<Bytes>) -> (u16, Value) {
    let (parts, body) = response.into_parts();
    let json = serde_json::from_slice(&body).unwrap_or_else(|_| Value::String(String::from_utf8_lossy(&body).into_owned()));
    (parts.status.as_u16(), json)
}

/// The validation errors of a refused call, or of an element.
pub(crate) fn errors(answer: &Value) -> Vec<&str> {
    let elements = answer["Elements"].as_array().map_or(std::slice::from_ref(answer), Vec::as_slice);
    let errors = elements.iter().flat_map(|element| element["ValidationErrors"].as_array().into_iter().flatten());
    errors.map(|error| error["Message"].as_str().expect("a message")).collect()
}

pub(crate) fn escaped(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect()
}
