//! What Mailchimp is, as data.

use std::time::Duration;

use sync_core::{
    AuthScheme, Channel, Collection, CredentialField, Descriptor, Endpoint, Feed, FieldKind, FieldOwner, FieldSelection,
    FieldSpec, Kind, Matching, OAuthClientAuth, OAuthServer, Quota, QuotaScope, Resource, ResourceName, SideEffect, Span,
    SyncType, UpdateNeeds,
};

/// Mailchimp mails each person a request to confirm.
pub const CONFIRMATION_MAIL: SideEffect = SideEffect {
    name: "confirmation-mail",
    description: "Mailchimp mails each person a request to confirm the subscription",
};

/// Automations of the audience may start. Whether bulk calls start them is not documented, so it counts as if they did.
pub const AUTOMATION: SideEffect = SideEffect {
    name: "automation",
    description: "Automations of the audience that wait for new subscribers or tags may start, and may send",
};

/// A person who is taken away is erased, not archived.
/// Source: "Delete list member" (<https://mailchimp.com/developer/marketing/api/list-members/delete-list-member/>, read
/// 2026-11-22): personally identifiable information goes, and re-importing the member is impossible.
pub const PERMANENT_DELETION: SideEffect = SideEffect {
    name: "permanent-deletion",
    description: "Mailchimp erases the person for good; no sync can ever add them again",
};

/// The only kind of record.
pub(crate) const CONTACTS: ResourceName = ResourceName::from_static("contacts");
/// The field of the address.
pub(crate) const EMAIL: &str = "email";
/// The field of the consent.
pub(crate) const CONSENT: &str = "consent.email";
/// The field of the tags.
pub(crate) const TAGS: &str = "tags";
/// The only feed.
pub(crate) const MEMBERS: &str = "members";
/// The endpoint of all calls but sign-in.
pub(crate) const API: &str = "api";

/// How long Mailchimp lets a call run.
/// Source: <https://mailchimp.com/developer/marketing/docs/fundamentals/#api-limits>: 120 seconds.
const PROVIDER_TIMEOUT: Duration = Duration::from_secs(120);

const fn local(name: &'static str, kind: FieldKind) -> FieldSpec {
    FieldSpec { name, kind, owner: FieldOwner::Local }
}

/// Mailchimp.
pub(crate) static DESCRIPTOR: Descriptor = Descriptor {
    id: "mailchimp",
    name: "Mailchimp",
    description: "Push customer contacts and tags to Mailchimp audience",
    kind: Kind::Sync,
    sync_types: &[
        SyncType { name: "contacts", resource: CONTACTS, fields: FieldSelection::Except(&[TAGS]) },
        SyncType { name: "tags", resource: CONTACTS, fields: FieldSelection::Only(&[TAGS]) },
    ],
    supports_direction: false,
    feeds: &[Feed { name: MEMBERS, covers: &[CONTACTS], carries_consent: true, budget: "" }],
    resources: &[Resource {
        name: CONTACTS,
        nouns: ("contact", "contacts"),
        known_by: &["first_name", "last_name", "email"],
        collection: Collection::CUSTOMERS,
        model: "contact",
        fields: &[
            local(EMAIL, FieldKind::Scalar),
            local("first_name", FieldKind::Scalar),
            local("last_name", FieldKind::Scalar),
            local("name", FieldKind::Scalar),
            local("company", FieldKind::Scalar),
            local("language", FieldKind::Scalar),
            local("phones", FieldKind::Atomic),
            local("addresses", FieldKind::Atomic),
            FieldSpec { name: TAGS, kind: FieldKind::OwnedSet, owner: FieldOwner::Both },
            FieldSpec { name: CONSENT, kind: FieldKind::Consent, owner: FieldOwner::Both },
        ],
        groups: &[],
        consent: Some((Channel::Email, CONSENT, EMAIL)),
        update_needs: UpdateNeeds::Nothing,
        // An address that exists is refused as taken: no look-up is needed beforehand.
        matching: Matching::Taken,
        // No call looks up several addresses at once.
        find_max: 1,
        depends_on: &[],
        pullable: false,
    }],
    endpoints: &[
        // The second form serves every data centre (default of Mailchimp's own client libraries since 2026).
        Endpoint { name: API, url: "https://{dc}.api.mailchimp.com/3.0", fallback: Some("https://api.mailchimp.com/3.0") },
        Endpoint { name: "login", url: "https://login.mailchimp.com", fallback: None },
    ],
    quotas: &[Quota {
        budget: "",
        scope: QuotaScope::Account,
        span: Span::Concurrent,
        limit: 10,
        // Leaves two of ten to other programs with the same account: the limit counts all of them together.
        reserve_percent: 20,
        remaining_header: None,
        source: "https://mailchimp.com/developer/marketing/docs/fundamentals/#api-limits: 10 simultaneous connections",
    }],
    auth: &[
        AuthScheme::ApiKey {
            fields: &[CredentialField {
                name: "api_key",
                label: "API key",
                help: "Mailchimp > Account & billing > Extras > API keys. It ends in a dash and the data centre, such as -us19.",
            }],
            basic_user: Some("sync"),
            var_from_suffix: Some(("dc", '-')),
        },
        AuthScheme::OAuth(OAuthServer {
            endpoint: "login",
            authorize_path: "/oauth2/authorize",
            token_endpoint: "login",
            token_path: "/oauth2/token",
            revoke_path: None,
            metadata: Some(("/oauth2/metadata", "OAuth", &[("dc", "dc"), ("api_endpoint", "api_endpoint")])),
            scopes: &[],
            client_auth: OAuthClientAuth::Form,
            pkce: false,
            loopback_host: "127.0.0.1",
            authorize_params: &[],
            expires: false,
        }),
    ],
    // Five seconds more than Mailchimp takes, so that its own refusal is heard instead of guessed at.
    call_timeout: Duration::from_secs(125),
    // A call that we gave up on for another reason (a broken line) may run on for as long as Mailchimp lets it.
    settle: PROVIDER_TIMEOUT,
    // Eight of the ten connections: the quota's reserve.
    concurrency: 8,
    effects: &[CONFIRMATION_MAIL, AUTOMATION, PERMANENT_DELETION],
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_writes_under_way_stay_within_the_quota_and_its_reserve() {
        let quota = &DESCRIPTOR.quotas[0];
        let ours = quota.limit * (100 - quota.reserve_percent) / 100;
        assert!(DESCRIPTOR.concurrency <= ours as usize);
    }

    #[test]
    fn the_two_sync_types_share_all_fields_between_them_and_overlap_in_none() {
        for field in ["email", "first_name", "tags", "consent.email", "extra.level"] {
            let chosen = DESCRIPTOR.sync_types.iter().filter(|sync_type| sync_type.fields.contains(field)).count();
            assert_eq!(chosen, 1, "{field}");
        }
    }

    #[test]
    fn we_hear_mailchimps_own_timeout() {
        assert!(DESCRIPTOR.call_timeout > PROVIDER_TIMEOUT);
        assert!(DESCRIPTOR.settle >= PROVIDER_TIMEOUT);
    }
}
