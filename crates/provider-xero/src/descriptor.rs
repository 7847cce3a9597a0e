//! What Xero is, as data.

use std::time::Duration;

use sync_core::{
    AuthScheme, Collection, Descriptor, EndSign, Endpoint, Feed, FieldKind, FieldOwner, FieldSelection, FieldSpec, Kind,
    Matching, OAuthClientAuth, OAuthServer, Quota, QuotaScope, Resource, ResourceName, Safety, SignInEnd, SignInWords, Span,
    SyncType, UpdateNeeds,
};

/// People and companies.
pub(crate) const CONTACTS: ResourceName = ResourceName::from_static("contacts");
/// Sales invoices, and credit notes to customers.
pub(crate) const INVOICES: ResourceName = ResourceName::from_static("invoices");
/// Money received on invoices, and refunded on credit notes.
pub(crate) const PAYMENTS: ResourceName = ResourceName::from_static("payments");
/// The endpoint of all calls but sign-in.
pub(crate) const API: &str = "api";

/// Longest time that one call may take. Xero publishes none; the gateway of a call that takes longer gives up.
const CALL_TIMEOUT: Duration = Duration::from_secs(60);

/// How long after we gave up on it Xero may still carry a call out: as long as a call may take.
const SETTLE: Duration = CALL_TIMEOUT;

/// How long Xero remembers the key of a call.
/// Source: <https://developer.xero.com/documentation/guides/idempotent-requests/idempotency> (read 2026-11-22): six minutes
/// from the first call.
const KEY_LIVES: Duration = Duration::from_secs(6 * 60);

/// How long a call that is repeated may wait for its turn and for its answer: what is left of the key's life then must
/// not be nothing, or the repetition would count as a new call.
const ON_ITS_WAY: Duration = Duration::from_secs(2 * 60);

/// What makes an unanswered write safe: repeated whole under its key while Xero surely remembers it, looked up afterwards.
pub(crate) const KEYED: Safety =
    Safety::Key { lives: Duration::from_secs(KEY_LIVES.as_secs() - ON_ITS_WAY.as_secs()), settle: SETTLE };

/// Calls at once for one organisation.
const AT_ONCE: u32 = 5;

/// What is left for people who wait, and for other programs on the same organisation, in percent.
const RESERVE_PERCENT: u32 = 10;

/// Where the limits are published (read 2026-11-22).
const LIMITS: &str = "https://developer.xero.com/documentation/guides/oauth2/limits/";

const fn field(name: &'static str, owner: FieldOwner) -> FieldSpec {
    FieldSpec::scalar(name, owner)
}

const fn atomic(name: &'static str, owner: FieldOwner) -> FieldSpec {
    FieldSpec { name, kind: FieldKind::Atomic, owner }
}

const CONTACT_FIELDS: &[FieldSpec] = &[
    field("name", FieldOwner::Both),
    field("first_name", FieldOwner::Both),
    field("last_name", FieldOwner::Both),
    field("email", FieldOwner::Both),
    atomic("phones", FieldOwner::Both),
    atomic("addresses", FieldOwner::Both),
    // The bookkeeper's; ours goes with the create alone.
    field("tax_number", FieldOwner::Remote),
];

/// What is compared of lines. The rest is Xero's own: its id of a line, account, tax.
pub(crate) const LINE_FIELDS: &[&str] = &["description", "quantity", "unit_amount", "discount_percent"];

const INVOICE_FIELDS: &[FieldSpec] = &[
    field("number", FieldOwner::Local),
    field("kind", FieldOwner::Local),
    FieldSpec { name: "customer", kind: FieldKind::Reference, owner: FieldOwner::Local },
    field("date", FieldOwner::Local),
    // Ours goes with the create alone: terms are the bookkeeper's.
    field("due_date", FieldOwner::Remote),
    field("currency", FieldOwner::Local),
    field("amounts", FieldOwner::Local),
    FieldSpec { name: "lines", kind: FieldKind::Lines(LINE_FIELDS), owner: FieldOwner::Local },
    field("total", FieldOwner::Local),
    field("reference", FieldOwner::Local),
    FieldSpec { name: "credits", kind: FieldKind::Reference, owner: FieldOwner::Local },
    // The ledger's own figures, never sums of ours.
    field("status", FieldOwner::Remote),
    field("status_word", FieldOwner::Remote),
    field("amount_due", FieldOwner::Remote),
    field("sent", FieldOwner::Remote),
    field("cancelled_at", FieldOwner::Local),
];

/// What is compared of what a payment pays.
const ALLOCATION_FIELDS: &[&str] = &["invoice", "amount"];

const PAYMENT_FIELDS: &[FieldSpec] = &[
    field("kind", FieldOwner::Local),
    FieldSpec { name: "customer", kind: FieldKind::Reference, owner: FieldOwner::Remote },
    field("date", FieldOwner::Local),
    field("currency", FieldOwner::Local),
    field("amount", FieldOwner::Local),
    FieldSpec { name: "allocations", kind: FieldKind::Lines(ALLOCATION_FIELDS), owner: FieldOwner::Local },
    field("method", FieldOwner::Local),
    field("reference", FieldOwner::Local),
    field("status", FieldOwner::Remote),
    field("status_word", FieldOwner::Remote),
];

/// Xero.
pub(crate) static DESCRIPTOR: Descriptor = Descriptor {
    id: "xero",
    name: "Xero",
    description: "Sync invoices, payments, and customer contacts with Xero",
    kind: Kind::Sync,
    sync_types: &[
        SyncType { name: "invoices", resource: INVOICES, fields: FieldSelection::All },
        SyncType { name: "payments", resource: PAYMENTS, fields: FieldSelection::All },
        SyncType { name: "contacts", resource: CONTACTS, fields: FieldSelection::All },
    ],
    supports_direction: true,
    feeds: &[
        Feed { name: "contacts", covers: &[CONTACTS], carries_consent: false, budget: "" },
        Feed { name: "invoices", covers: &[INVOICES], carries_consent: false, budget: "" },
        Feed { name: "payments", covers: &[PAYMENTS], carries_consent: false, budget: "" },
    ],
    resources: &[
        Resource {
            name: CONTACTS,
            nouns: ("contact", "contacts"),
            known_by: &["company", "first_name", "last_name", "email"],
            collection: Collection::CUSTOMERS,
            model: "contact",
            fields: CONTACT_FIELDS,
            groups: &[],
            consent: None,
            // A write reads the records just before, since Xero keeps no versions of its own.
            update_needs: UpdateNeeds::Nothing,
            // A contact number or a name that is there is refused.
            matching: Matching::Taken,
            find_max: FIND_MAX,
            depends_on: &[],
            pullable: true,
        },
        Resource {
            name: INVOICES,
            nouns: ("invoice", "invoices"),
            known_by: &["number", "date", "total"],
            collection: Collection::INVOICES,
            model: "invoice",
            fields: INVOICE_FIELDS,
            groups: &[],
            consent: None,
            update_needs: UpdateNeeds::Nothing,
            // A number that is there is refused.
            matching: Matching::Taken,
            find_max: FIND_MAX,
            depends_on: &[CONTACTS],
            pullable: true,
        },
        Resource {
            name: PAYMENTS,
            nouns: ("payment", "payments"),
            known_by: &["date", "amount", "reference"],
            collection: Collection::PAYMENTS,
            model: "payment",
            fields: PAYMENT_FIELDS,
            groups: &[],
            consent: None,
            update_needs: UpdateNeeds::Nothing,
            // Xero would book it twice.
            matching: Matching::Find,
            find_max: FIND_MAX,
            depends_on: &[INVOICES],
            pullable: true,
        },
    ],
    endpoints: &[
        Endpoint { name: API, url: "https://api.xero.com", fallback: None },
        Endpoint { name: "login", url: "https://login.xero.com", fallback: None },
        Endpoint { name: "identity", url: "https://identity.xero.com", fallback: None },
    ],
    quotas: &[
        Quota {
            budget: "",
            scope: QuotaScope::Account,
            span: Span::Concurrent,
            limit: AT_ONCE,
            // A slot is free again within seconds: nothing needs to be kept back.
            reserve_percent: 0,
            remaining_header: None,
            source: LIMITS,
        },
        Quota {
            budget: "",
            scope: QuotaScope::Account,
            span: Span::Minute,
            limit: 60,
            reserve_percent: RESERVE_PERCENT,
            remaining_header: Some("x-minlimit-remaining"),
            source: LIMITS,
        },
        // Of the larger tiers. Those that have less say so in each answer, and are counted accordingly.
        Quota {
            budget: "",
            scope: QuotaScope::Account,
            span: Span::Day,
            limit: 5_000,
            reserve_percent: RESERVE_PERCENT,
            remaining_header: Some("x-daylimit-remaining"),
            source: LIMITS,
        },
        Quota {
            budget: "",
            scope: QuotaScope::App,
            span: Span::Minute,
            limit: 10_000,
            reserve_percent: RESERVE_PERCENT,
            remaining_header: Some("x-appminlimit-remaining"),
            source: LIMITS,
        },
    ],
    auth: &[AuthScheme::OAuth(OAuthServer {
        endpoint: "login",
        authorize_path: "/identity/connect/authorize",
        token_endpoint: "identity",
        token_path: "/connect/token",
        // Revoking one token ends all connections of the person who signed in: organisations are let go of one by one.
        revoke_path: None,
        metadata: None,
        scopes: &[OFFLINE, CONTACTS_SCOPE, "accounting.invoices", "accounting.payments", SETTINGS_SCOPE],
        client_auth: OAuthClientAuth::Basic,
        pkce: false,
        // Ways back are `https`, or `http` on localhost.
        // Source: <https://developer.xero.com/documentation/guides/oauth2/auth-flow/> (read 2026-11-22).
        loopback_host: "localhost",
        authorize_params: &[],
        expires: true,
    })],
    call_timeout: CALL_TIMEOUT,
    settle: SETTLE,
    concurrency: AT_ONCE as usize,
    effects: &[],
};

/// Most records in one look-up: 50 ids make a URL of 2,000 characters.
pub(crate) const FIND_MAX: usize = 50;

/// Gives a refresh token.
const OFFLINE: &str = "offline_access";
const CONTACTS_SCOPE: &str = "accounting.contacts";
const SETTINGS_SCOPE: &str = "accounting.settings.read";

/// The scopes of apps that were made before 2026-03-02: newer ones have the finer ones alone, and these end on 2027-09-13.
/// Source: <https://developer.xero.com/documentation/guides/oauth2/scopes/> (read 2026-11-22).
pub const BROAD_SCOPES: &[&str] = &[OFFLINE, CONTACTS_SCOPE, "accounting.transactions", SETTINGS_SCOPE];

/// What the sign-in means in people's words.
/// Reasons of ends: <https://developer.xero.com/documentation/guides/oauth2/token-types> (read 2026-11-22).
pub(crate) const SIGN_IN: SignInWords = SignInWords {
    scopes: &[
        (OFFLINE, "stay connected while nobody is signed in"),
        (CONTACTS_SCOPE, "see and change contacts"),
        ("accounting.invoices", "see and change invoices and credit notes"),
        ("accounting.payments", "see, record and delete payments"),
        ("accounting.transactions", "see and change invoices, credit notes, payments and bank transactions"),
        (SETTINGS_SCOPE, "see accounts, tax rates, currencies, tracking and lock dates"),
    ],
    ends: &[
        SignInEnd { sign: EndSign::DaysUnused(60), reason: "Xero ends a sign-in that was not used for 60 days", remedy: "" },
        SignInEnd {
            sign: EndSign::Any,
            reason: "the app was disconnected in Xero, or the person who connected it lost access to the organisation",
            remedy: "In Xero, Settings > Connected apps shows who is connected.",
        },
    ],
};

#[cfg(test)]
mod tests {
    use sync_core::model::{Contact, Invoice, Model, Payment};

    use super::*;

    #[test]
    fn the_fields_are_those_of_the_models() {
        for resource in DESCRIPTOR.resources {
            let known: &[&str] = match resource.model {
                Contact::NAME => Contact::FIELDS,
                Invoice::NAME => Invoice::FIELDS,
                Payment::NAME => Payment::FIELDS,
                other => panic!("{other}"),
            };
            assert!(resource.fields.iter().all(|field| known.contains(&field.name)), "{}", resource.name);
        }
    }

    #[test]
    fn a_call_is_never_repeated_when_its_key_may_be_forgotten() {
        let Safety::Key { lives, settle } = KEYED else { panic!("a key") };
        assert!(lives + ON_ITS_WAY <= KEY_LIVES);
        // The lease is 30 s longer than a call; a call that was given up on settles before its key dies.
        assert!(CALL_TIMEOUT + Duration::from_secs(30) + settle < lives);
    }

    #[test]
    fn broad_and_fine_scopes_are_both_explained() {
        let AuthScheme::OAuth(server) = &DESCRIPTOR.auth[0] else { panic!("OAuth") };
        for scope in server.scopes.iter().chain(BROAD_SCOPES) {
            assert_ne!(SIGN_IN.scope(scope), *scope);
        }
    }
}
