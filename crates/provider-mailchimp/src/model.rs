//! The wire types, as Mailchimp spells them. Empty texts stand for missing values in its answers.
//!
//! What an answer is about (the list of a listing, the id of a record) has no default: an answer without it is none.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};

/// `GET /`.
#[derive(Deserialize)]
pub(crate) struct Root {
    pub(crate) account_id: String,
    #[serde(default)]
    pub(crate) account_name: String,
}

/// `GET /lists`.
#[derive(Deserialize)]
pub(crate) struct Audiences {
    pub(crate) lists: Vec<Audience>,
    pub(crate) total_items: Option<u64>,
}

/// One audience.
#[derive(Deserialize)]
pub(crate) struct Audience {
    pub(crate) id: String,
    #[serde(default)]
    pub(crate) name: String,
    #[serde(default)]
    pub(crate) double_optin: bool,
    #[serde(default)]
    pub(crate) has_welcome: bool,
    #[serde(default)]
    pub(crate) stats: AudienceStats,
}

/// The numbers of an audience.
#[derive(Deserialize, Default)]
pub(crate) struct AudienceStats {
    #[serde(default)]
    pub(crate) member_count: u64,
}

/// `GET /lists/{id}/merge-fields`.
#[derive(Deserialize)]
pub(crate) struct MergeFields {
    pub(crate) merge_fields: Vec<MergeField>,
    pub(crate) total_items: Option<u64>,
}

/// The definition of one merge field. Kept in the run's facts, so it is written too.
#[derive(Deserialize, Serialize)]
pub(crate) struct MergeField {
    pub(crate) tag: String,
    #[serde(default)]
    pub(crate) name: String,
    #[serde(default, rename = "type")]
    pub(crate) kind: String,
    #[serde(default)]
    pub(crate) required: bool,
    #[serde(default)]
    pub(crate) options: MergeOptions,
}

/// What a merge field allows.
#[derive(Deserialize, Serialize, Default)]
pub(crate) struct MergeOptions {
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) choices: Vec<String>,
}

/// `GET /lists/{id}/segments`.
#[derive(Deserialize)]
pub(crate) struct Segments {
    pub(crate) segments: Vec<Segment>,
    pub(crate) total_items: Option<u64>,
}

/// A static segment, which is what a tag is. Also what `tag-search` gives.
#[derive(Deserialize)]
pub(crate) struct Segment {
    pub(crate) id: u64,
    #[serde(default)]
    pub(crate) name: String,
}

/// `GET /lists/{id}/tag-search`.
#[derive(Deserialize)]
pub(crate) struct TagSearch {
    pub(crate) tags: Vec<Segment>,
}

/// `GET /lists/{id}/members`.
#[derive(Deserialize)]
pub(crate) struct Members {
    pub(crate) members: Vec<Member>,
    pub(crate) total_items: Option<u64>,
}

/// One member. Has no `Debug`: it is record content.
#[derive(Deserialize)]
pub(crate) struct Member {
    #[serde(default, deserialize_with = "or_default")]
    pub(crate) id: String,
    #[serde(default, deserialize_with = "or_default")]
    pub(crate) email_address: String,
    #[serde(default, deserialize_with = "or_default")]
    pub(crate) status: String,
    #[serde(default, deserialize_with = "or_default")]
    pub(crate) merge_fields: Value,
    #[serde(default, deserialize_with = "or_default")]
    pub(crate) timestamp_signup: String,
    #[serde(default, deserialize_with = "or_default")]
    pub(crate) timestamp_opt: String,
    #[serde(default, deserialize_with = "or_default")]
    pub(crate) last_changed: String,
    #[serde(default, deserialize_with = "or_default")]
    pub(crate) tags: Vec<TagName>,
}

/// A tag inside a member; at most 50 of them are shown there.
#[derive(Deserialize)]
pub(crate) struct TagName {
    #[serde(default)]
    pub(crate) name: String,
}

/// What may be written of a member. Only what is set is sent.
#[derive(Serialize, Default)]
pub(crate) struct MemberWrite {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) email_address: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) status_if_new: Option<Status>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) status: Option<Status>,
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub(crate) merge_fields: Map<String, Value>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) tags: Vec<String>,
}

/// The statuses that we ever write.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Status {
    Subscribed,
    Unsubscribed,
    Pending,
    Transactional,
}

/// Body of `POST /lists/{id}`. `sync_tags` replaces all tags of a member, so it is never sent where members may exist:
/// it would take a marketer's tags away.
#[derive(Serialize)]
pub(crate) struct MembersWrite<'a> {
    pub(crate) members: Vec<&'a MemberWrite>,
    pub(crate) update_existing: bool,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(crate) sync_tags: bool,
}

/// Answer of `POST /lists/{id}`.
#[derive(Deserialize)]
pub(crate) struct MembersWritten {
    #[serde(default)]
    pub(crate) new_members: Vec<Member>,
    #[serde(default)]
    pub(crate) updated_members: Vec<Member>,
    #[serde(default)]
    pub(crate) errors: Vec<MemberRefusal>,
}

/// Why one member of `POST /lists/{id}` was refused.
#[derive(Deserialize)]
pub(crate) struct MemberRefusal {
    #[serde(default)]
    pub(crate) email_address: String,
    #[serde(default)]
    pub(crate) error: String,
    #[serde(default)]
    pub(crate) error_code: String,
    #[serde(default)]
    pub(crate) field: String,
}

/// Body of `POST /lists/{id}/members/{hash}/tags`.
#[derive(Serialize)]
pub(crate) struct MemberTags<'a> {
    pub(crate) tags: Vec<MemberTag<'a>>,
    pub(crate) is_syncing: bool,
}

/// One tag of [`MemberTags`].
#[derive(Serialize)]
pub(crate) struct MemberTag<'a> {
    pub(crate) name: &'a str,
    pub(crate) status: &'static str,
}

/// Body of `POST /lists/{id}/segments`.
#[derive(Serialize)]
pub(crate) struct NewSegment<'a> {
    pub(crate) name: &'a str,
    pub(crate) static_segment: &'a [&'a str],
}

/// Body of `POST /lists/{id}/segments/{segment}`.
#[derive(Serialize)]
pub(crate) struct SegmentChange<'a> {
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub(crate) members_to_add: &'a [&'a str],
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub(crate) members_to_remove: &'a [&'a str],
}

/// Answer of `POST /lists/{id}/segments/{segment}`.
#[derive(Deserialize)]
pub(crate) struct SegmentChanged {
    pub(crate) errors: Vec<SegmentRefusal>,
}

/// Why some addresses of a segment call were refused.
#[derive(Deserialize)]
pub(crate) struct SegmentRefusal {
    #[serde(default)]
    pub(crate) email_addresses: Vec<String>,
    #[serde(default)]
    pub(crate) error: String,
}

/// `application/problem+json`. Source: <https://mailchimp.com/developer/marketing/docs/errors/>.
#[derive(Deserialize, Default)]
pub(crate) struct Problem {
    #[serde(default)]
    pub(crate) title: String,
    #[serde(default)]
    pub(crate) detail: String,
    #[serde(default)]
    pub(crate) status: u16,
    #[serde(default)]
    pub(crate) errors: Vec<FieldProblem>,
}

/// What is wrong with one field.
#[derive(Deserialize)]
pub(crate) struct FieldProblem {
    #[serde(default)]
    pub(crate) field: String,
    #[serde(default)]
    pub(crate) message: String,
}

/// Merge tag to definition, as the facts keep it.
pub(crate) type Definitions = BTreeMap<String, MergeField>;

/// Reads `null` as the default: one odd member must not spoil a page.
fn or_default<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(deserializer: D) -> Result<T, D::Error> {
    Ok(Option::<T>::deserialize(deserializer)?.unwrap_or_default())
}
