//! What a Mailchimp account starts with.

use std::{collections::BTreeMap, fmt};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// An account as a document.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct MailchimpSeed {
    /// Who it belongs to.
    #[serde(default)]
    pub account: AccountSeed,
    /// Keys that open it, each ending in `-` and the data centre.
    #[serde(default)]
    pub api_keys: Vec<String>,
    /// Apps that people can connect to it.
    #[serde(default)]
    pub oauth_clients: Vec<OAuthClientSeed>,
    /// Its audiences.
    #[serde(default)]
    pub audiences: Vec<AudienceSeed>,
    /// True when automations listen for new subscribers and for tags; what starts one is counted.
    #[serde(default)]
    pub automations: bool,
    /// Addresses (`ada@example.com`) or domains (`@example.com`) that are refused.
    #[serde(default)]
    pub refusals: BTreeMap<String, RefusalSeed>,
    /// What the documentation leaves open.
    #[serde(default)]
    pub quirks: Quirks,
    /// When it was made; members without a time of their own changed last then.
    #[serde(default = "default_created")]
    pub created: Timestamp,
}

/// 2025-01-01, before any test's clock.
fn default_created() -> Timestamp {
    Timestamp::from_second(1_735_689_600).unwrap_or(Timestamp::UNIX_EPOCH)
}

/// Who an account belongs to.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct AccountSeed {
    /// `account_id`.
    pub id: String,
    /// `account_name`.
    pub name: String,
    /// `login_id`.
    pub login_id: String,
    /// `email`.
    pub email: String,
    /// `role`, of which `owner`, `admin` and `manager` may write audiences.
    pub role: String,
    /// The data centre, as in `us19`.
    pub data_center: String,
    /// `account_timezone`.
    pub time_zone: String,
}

impl Default for AccountSeed {
    fn default() -> Self {
        Self {
            id: "8d3a3db4d97663a9074efcc16".into(),
            name: "Blue Manta Diving".into(),
            login_id: "158".into(),
            email: "owner@example.com".into(),
            role: "owner".into(),
            data_center: "us19".into(),
            time_zone: "Europe/Madrid".into(),
        }
    }
}

/// An app registered for OAuth.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct OAuthClientSeed {
    /// `client_id`.
    pub id: String,
    /// `client_secret`.
    pub secret: String,
    /// Where people may be sent back to; any loopback address when empty.
    #[serde(default)]
    pub redirect_uris: Vec<String>,
}

impl OAuthClientSeed {
    /// An app that sends people back to loopback addresses.
    pub fn new(id: impl Into<String>, secret: impl Into<String>) -> Self {
        Self { id: id.into(), secret: secret.into(), redirect_uris: Vec::new() }
    }
}

impl fmt::Debug for OAuthClientSeed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OAuthClientSeed").field("id", &self.id).finish_non_exhaustive()
    }
}

/// Why an address is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RefusalSeed {
    /// "… looks fake or invalid, please enter a real email address."
    LooksFake,
    /// "… has signed up to a lot of lists very recently; we're not allowing more signups for now."
    TooManySignups,
}

/// What the documentation leaves open, and what this double does about it.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct Quirks {
    /// What becomes of `tags` in the members of a batch call, which the reference does not list.
    pub batch_tags: BatchTags,
    /// True when a batch call's existing member without `status` keeps its own; false when it is refused.
    pub batch_without_status_is_neutral: bool,
    /// True when a tag moves the member's `last_changed`.
    pub tags_move_last_changed: bool,
    /// True when a batch call passes over members in a compliance state in silence instead of reporting them.
    pub batch_hides_compliance: bool,
}

impl Default for Quirks {
    fn default() -> Self {
        Self {
            batch_tags: BatchTags::WithSyncTags,
            batch_without_status_is_neutral: true,
            tags_move_last_changed: false,
            batch_hides_compliance: false,
        }
    }
}

/// What becomes of `tags` in a batch call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BatchTags {
    /// They replace all tags when `sync_tags` is true, and are ignored otherwise.
    WithSyncTags,
    /// They replace all tags when `sync_tags` is true, and are added otherwise.
    Always,
    /// They are refused as an unknown field.
    Refused,
}

/// An audience.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct AudienceSeed {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// True when new members must confirm.
    #[serde(default)]
    pub double_optin: bool,
    /// Its merge fields.
    #[serde(default = "default_merge_fields")]
    pub merge_fields: Vec<MergeFieldSeed>,
    /// Tags that exist without a member.
    #[serde(default)]
    pub tags: Vec<String>,
    /// Its members; a later one with the same address replaces an earlier one.
    #[serde(default)]
    pub members: Vec<MemberSeed>,
}

/// FNAME, LNAME, ADDRESS and PHONE are there by default.
/// Source: <https://mailchimp.com/developer/marketing/docs/merge-fields/>.
fn default_merge_fields() -> Vec<MergeFieldSeed> {
    vec![
        MergeFieldSeed::new("FNAME", "First Name", "text"),
        MergeFieldSeed::new("LNAME", "Last Name", "text"),
        MergeFieldSeed::new("ADDRESS", "Address", "address"),
        MergeFieldSeed::new("PHONE", "Phone Number", "phone"),
    ]
}

/// A merge field.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct MergeFieldSeed {
    /// Its tag, such as `FNAME`.
    pub tag: String,
    /// Its name.
    pub name: String,
    /// Its type, such as `text`.
    #[serde(rename = "type")]
    pub kind: String,
    /// True when members must have it.
    #[serde(default)]
    pub required: bool,
    /// True when it is on the signup form.
    #[serde(default)]
    pub public: bool,
    /// Its default value.
    #[serde(default)]
    pub default_value: String,
    /// What a `radio` or `dropdown` field may hold.
    #[serde(default)]
    pub choices: Vec<String>,
}

impl MergeFieldSeed {
    /// An optional field.
    pub fn new(tag: impl Into<String>, name: impl Into<String>, kind: impl Into<String>) -> Self {
        Self {
            tag: tag.into(),
            name: name.into(),
            kind: kind.into(),
            required: false,
            public: false,
            default_value: String::new(),
            choices: Vec::new(),
        }
    }

    /// The same, required.
    #[must_use]
    pub fn required(mut self) -> Self {
        self.required = true;
        self
    }

    /// The same, with these choices.
    #[must_use]
    pub fn with_choices(mut self, choices: &[&str]) -> Self {
        self.choices = choices.iter().map(|&choice| choice.to_owned()).collect();
        self
    }
}

/// A member.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct MemberSeed {
    /// The address.
    pub email: String,
    /// `subscribed`, `unsubscribed` (by the person), `cleaned`, `pending`, `transactional` or `archived`.
    #[serde(default = "default_status")]
    pub status: String,
    /// Values by merge tag.
    #[serde(default)]
    pub merge_fields: Map<String, Value>,
    /// Names of tags.
    #[serde(default)]
    pub tags: Vec<String>,
    /// When it changed last; else when the account was made.
    #[serde(default)]
    pub last_changed: Option<Timestamp>,
    /// True when an unsubscribed member was unsubscribed by the account's own people, not by the person.
    #[serde(default)]
    pub by_admin: bool,
    /// The language.
    #[serde(default)]
    pub language: String,
    /// True for a VIP.
    #[serde(default)]
    pub vip: bool,
}

fn default_status() -> String {
    "subscribed".into()
}

impl MemberSeed {
    /// A member with this status.
    pub fn new(email: impl Into<String>, status: impl Into<String>) -> Self {
        Self {
            email: email.into(),
            status: status.into(),
            merge_fields: Map::new(),
            tags: Vec::new(),
            last_changed: None,
            by_admin: false,
            language: String::new(),
            vip: false,
        }
    }

    /// With this merge field.
    #[must_use]
    pub fn with_field(mut self, tag: impl Into<String>, value: impl Into<Value>) -> Self {
        self.merge_fields.insert(tag.into(), value.into());
        self
    }

    /// With this tag.
    #[must_use]
    pub fn with_tag(mut self, name: impl Into<String>) -> Self {
        self.tags.push(name.into());
        self
    }
}

impl fmt::Debug for MemberSeed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemberSeed").field("status", &self.status).finish_non_exhaustive()
    }
}

impl AudienceSeed {
    /// An audience with the merge fields that Mailchimp gives a new one.
    pub fn new(id: impl Into<String>, name: impl Into<String>) -> Self {
        Self {
            id: id.into(),
            name: name.into(),
            double_optin: false,
            merge_fields: default_merge_fields(),
            tags: Vec::new(),
            members: Vec::new(),
        }
    }

    /// With one more merge field.
    #[must_use]
    pub fn with_merge_field(mut self, field: MergeFieldSeed) -> Self {
        self.merge_fields.push(field);
        self
    }

    /// With one more tag.
    #[must_use]
    pub fn with_tag(mut self, name: impl Into<String>) -> Self {
        self.tags.push(name.into());
        self
    }

    /// With one more member.
    #[must_use]
    pub fn with_member(mut self, member: MemberSeed) -> Self {
        self.members.push(member);
        self
    }

    /// With double opt-in.
    #[must_use]
    pub fn with_double_optin(mut self) -> Self {
        self.double_optin = true;
        self
    }
}

impl MailchimpSeed {
    /// An account without audiences, opened by this key. The key's end names the data centre.
    pub fn new(api_key: impl Into<String>) -> Self {
        let api_key = api_key.into();
        let mut account = AccountSeed::default();
        if let Some((_, data_center)) = api_key.rsplit_once('-') {
            account.data_center = data_center.into();
        }
        Self {
            account,
            api_keys: vec![api_key],
            oauth_clients: Vec::new(),
            audiences: Vec::new(),
            automations: false,
            refusals: BTreeMap::new(),
            quirks: Quirks::default(),
            created: default_created(),
        }
    }

    /// Reads a seed document.
    ///
    /// # Errors
    /// It is no JSON, or has a member that is not known.
    pub fn from_json(text: &str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(text)
    }

    /// With one more audience.
    #[must_use]
    pub fn with_audience(mut self, audience: AudienceSeed) -> Self {
        self.audiences.push(audience);
        self
    }

    /// With an app that people can connect.
    #[must_use]
    pub fn with_oauth_client(mut self, client: OAuthClientSeed) -> Self {
        self.oauth_clients.push(client);
        self
    }

    /// With automations that listen for new subscribers and for tags.
    #[must_use]
    pub fn with_automations(mut self) -> Self {
        self.automations = true;
        self
    }

    /// With other answers to what the documentation leaves open.
    #[must_use]
    pub fn with_quirks(mut self, quirks: Quirks) -> Self {
        self.quirks = quirks;
        self
    }

    /// With an address or a domain (`@example.com`) that is refused.
    #[must_use]
    pub fn with_refusal(mut self, address: impl Into<String>, refusal: RefusalSeed) -> Self {
        self.refusals.insert(address.into().to_lowercase(), refusal);
        self
    }
}

impl fmt::Debug for MailchimpSeed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MailchimpSeed")
            .field("account", &self.account)
            .field("n_audiences", &self.audiences.len())
            .field("quirks", &self.quirks)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_no_key_and_no_address() {
        let seed = MailchimpSeed::new("s3cret-us1")
            .with_oauth_client(OAuthClientSeed::new("id", "hush"))
            .with_audience(AudienceSeed::new("l", "L").with_member(MemberSeed::new("ada@example.com", "subscribed")));
        let shown = format!("{seed:?} {:?} {:?}", seed.oauth_clients, seed.audiences);
        assert!(!shown.contains("s3cret") && !shown.contains("hush") && !shown.contains("ada@"), "{shown}");
        assert_eq!(seed.account.data_center, "us1");
    }

    #[test]
    fn a_seed_document_round_trips_and_refuses_unknown_members() {
        let seed = MailchimpSeed::new("k-us1").with_audience(AudienceSeed::new("l", "L"));
        let text = serde_json::to_string(&seed).expect("a document");
        assert_eq!(MailchimpSeed::from_json(&text).expect("the same").audiences[0].merge_fields.len(), 4);
        assert!(MailchimpSeed::from_json(r#"{"api_key": "k"}"#).is_err());
    }
}
