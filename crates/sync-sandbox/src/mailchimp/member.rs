//! A member and how it is shown.

use std::fmt;

use jiff::Timestamp;
use md5::{Digest, Md5};
use serde::{
    Serialize, Serializer,
    ser::{SerializeMap, SerializeSeq},
};
use serde_json::{Value, json};

use super::audience::Audience;
use crate::mask::Mask;

/// 16 bytes that name a member: the MD5 of its lowercase address, or its contact id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Key([u8; 16]);

impl Key {
    /// Source: <https://mailchimp.com/developer/marketing/docs/methods-parameters/>, `subscriber_hash`.
    pub(super) fn of_email(email: &str) -> Self {
        Self::of(email.trim().to_lowercase().as_bytes())
    }

    pub(super) fn of(bytes: &[u8]) -> Self {
        Self(Md5::digest(bytes).into())
    }

    pub(super) fn parse(text: &str) -> Option<Self> {
        let bytes = text.as_bytes();
        let mut key = [0; 16];
        if bytes.len() != 32 {
            return None;
        }
        for (byte, pair) in key.iter_mut().zip(bytes.chunks_exact(2)) {
            *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
        }
        Some(Self(key))
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Status {
    Subscribed,
    Unsubscribed,
    Cleaned,
    Pending,
    Transactional,
    Archived,
}

/// What can be read and filtered by. Source: `status` of
/// <https://mailchimp.com/developer/marketing/api/list-members/list-members-info/>.
pub(super) const READ: &[&str] = &["subscribed", "unsubscribed", "cleaned", "pending", "transactional", "archived"];

impl Status {
    pub(super) fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "subscribed" => Self::Subscribed,
            "unsubscribed" => Self::Unsubscribed,
            "cleaned" => Self::Cleaned,
            "pending" => Self::Pending,
            "transactional" => Self::Transactional,
            "archived" => Self::Archived,
            _ => return None,
        })
    }

    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Subscribed => "subscribed",
            Self::Unsubscribed => "unsubscribed",
            Self::Cleaned => "cleaned",
            Self::Pending => "pending",
            Self::Transactional => "transactional",
            Self::Archived => "archived",
        }
    }
}

/// What stands against writing to a member again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stop {
    /// The person unsubscribed.
    Person,
    /// Mail came back.
    Bounce,
}

#[derive(Debug, Clone)]
pub(super) struct Member {
    pub(super) email: String,
    pub(super) key: Key,
    pub(super) contact: Key,
    pub(super) web_id: u32,
    pub(super) status: Status,
    pub(super) stop: Option<Stop>,
    pub(super) reason: String,
    pub(super) merge: Vec<(u32, Value)>,
    pub(super) email_type: String,
    pub(super) language: String,
    pub(super) vip: bool,
    pub(super) location: Option<(f64, f64)>,
    pub(super) ip_signup: String,
    pub(super) timestamp_signup: Option<i64>,
    pub(super) ip_opt: String,
    pub(super) timestamp_opt: Option<i64>,
    pub(super) changed: i64,
    pub(super) tags: Vec<(u32, i64)>,
    pub(super) source: &'static str,
}

impl Member {
    pub(super) fn new(email: &str, web_id: u32, list: &str, status: Status, now: i64) -> Self {
        Self {
            email: email.trim().to_owned(),
            key: Key::of_email(email),
            contact: Key::of(format!("{list}/{web_id}").as_bytes()),
            web_id,
            status,
            stop: None,
            reason: String::new(),
            merge: Vec::new(),
            email_type: "html".into(),
            language: String::new(),
            vip: false,
            location: None,
            ip_signup: String::new(),
            timestamp_signup: None,
            ip_opt: String::new(),
            timestamp_opt: (status == Status::Subscribed).then_some(now),
            changed: now,
            tags: Vec::new(),
            source: "API - Generic",
        }
    }
}

/// A time as answers spell it.
pub(super) fn time(seconds: i64) -> String {
    Timestamp::from_second(seconds).map(|at| at.strftime("%Y-%m-%dT%H:%M:%S+00:00").to_string()).unwrap_or_default()
}

fn time_or_empty(seconds: Option<i64>) -> String {
    seconds.map(time).unwrap_or_default()
}

/// Which of a member's fields an answer has. Each is a list of its own in the reference.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    /// Members of a list, one member.
    Full,
    /// What batch calls answer.
    Batch,
    /// Members of a segment.
    OfSegment,
}

impl Shape {
    fn has(self, name: &str) -> bool {
        match self {
            Self::Full => true,
            Self::Batch => !matches!(
                name,
                "full_name" | "web_id" | "unsubscribe_reason" | "consents_to_one_to_one_messaging" | "source"
            ),
            Self::OfSegment => !matches!(
                name,
                "contact_id"
                    | "web_id"
                    | "unsubscribe_reason"
                    | "consents_to_one_to_one_messaging"
                    | "source"
                    | "tags"
                    | "tags_count"
            ),
        }
    }
}

/// A member as an answer shows it.
pub(super) struct View<'a> {
    pub(super) member: &'a Member,
    pub(super) audience: &'a Audience,
    pub(super) root: &'a str,
    pub(super) mask: &'a Mask,
    pub(super) shape: Shape,
}

/// At most so many tags are shown with a member; the rest is read by the tags call.
/// Source: `tags` of <https://mailchimp.com/developer/marketing/api/list-members/list-members-info/>.
const MAX_TAGS_SHOWN: usize = 50;

impl View<'_> {
    fn merge_fields(&self, mask: &Mask) -> Value {
        let of = |id: u32| self.member.merge.iter().find(|(known, _)| *known == id).map(|(_, value)| value.clone());
        // A field without a value is an empty text, whatever its type.
        Value::Object(
            self.audience
                .merge_fields
                .iter()
                .filter(|field| mask.child(&field.seed.tag).is_some())
                .map(|field| (field.seed.tag.clone(), of(field.id).unwrap_or_else(|| Value::String(String::new()))))
                .collect(),
        )
    }

    fn full_name(&self) -> String {
        let of = |tag: &str| {
            let field = self.audience.merge_fields.iter().find(|field| field.seed.tag == tag)?;
            self.member.merge.iter().find(|(id, _)| *id == field.id)?.1.as_str()
        };
        [of("FNAME"), of("LNAME")].into_iter().flatten().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ")
    }

    fn tags(&self) -> Value {
        self.member
            .tags
            .iter()
            .take(MAX_TAGS_SHOWN)
            .filter_map(|(id, _)| Some(json!({"id": id, "name": self.audience.segments.get(id)?.name})))
            .collect()
    }
}

impl Serialize for View<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let member = self.member;
        let mut map = serializer.serialize_map(None)?;
        macro_rules! put {
            ($name:literal, $value:expr) => {
                if self.shape.has($name) && self.mask.child($name).is_some() {
                    map.serialize_entry($name, &$value)?;
                }
            };
        }
        macro_rules! put_masked {
            ($name:literal, $value:expr) => {
                if self.shape.has($name)
                    && let Some(mask) = self.mask.child($name)
                {
                    map.serialize_entry($name, &mask.apply($value))?;
                }
            };
        }
        put!("id", Text(format_args!("{}", member.key)));
        put!("email_address", member.email);
        put!("unique_email_id", Text(format_args!("{:010x}", member.web_id)));
        put!("contact_id", Text(format_args!("{}", member.contact)));
        put!("full_name", self.full_name());
        put!("web_id", member.web_id);
        put!("email_type", member.email_type);
        put!("status", member.status.as_str());
        if member.status == Status::Unsubscribed {
            put!("unsubscribe_reason", member.reason);
        }
        put!("consents_to_one_to_one_messaging", true);
        if let Some(mask) = self.mask.child("merge_fields") {
            map.serialize_entry("merge_fields", &self.merge_fields(mask))?;
        }
        put_masked!("interests", json!({}));
        put_masked!("stats", json!({"avg_open_rate": 0, "avg_click_rate": 0}));
        put!("ip_signup", member.ip_signup);
        put!("timestamp_signup", time_or_empty(member.timestamp_signup));
        put!("ip_opt", member.ip_opt);
        put!("timestamp_opt", time_or_empty(member.timestamp_opt));
        put!("member_rating", 2);
        put!("last_changed", time(member.changed));
        put!("language", member.language);
        put!("vip", member.vip);
        put!("email_client", "");
        put_masked!("location", {
            let (latitude, longitude) = member.location.unwrap_or_default();
            json!({
                "latitude": latitude, "longitude": longitude, "gmtoff": 0, "dstoff": 0, "country_code": "", "timezone": "",
            })
        });
        put!("source", member.source);
        put!("tags_count", member.tags.len());
        put_masked!("tags", self.tags());
        put!("list_id", self.audience.id);
        put!("_links", Links { root: self.root, list: &self.audience.id, key: member.key });
        map.end()
    }
}

/// A formatted text that needs no allocation.
struct Text<'a>(fmt::Arguments<'a>);

impl Serialize for Text<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

/// A member's `_links`.
struct Links<'a> {
    root: &'a str,
    list: &'a str,
    key: Key,
}

impl Serialize for Links<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Link<'a> {
            rel: &'a str,
            href: Text<'a>,
            method: &'a str,
        }
        let Self { root, list, key } = self;
        let mut links = serializer.serialize_seq(None)?;
        links.serialize_element(&Link {
            rel: "parent",
            href: Text(format_args!("{root}/lists/{list}/members")),
            method: "GET",
        })?;
        for (rel, method, tail) in [
            ("self", "GET", ""),
            ("update", "PATCH", ""),
            ("upsert", "PUT", ""),
            ("delete", "DELETE", ""),
            ("activity", "GET", "/activity"),
            ("goals", "GET", "/goals"),
            ("notes", "GET", "/notes"),
            ("events", "POST", "/events"),
            ("delete_permanent", "POST", "/actions/delete-permanent"),
        ] {
            let href = Text(format_args!("{root}/lists/{list}/members/{key}{tail}"));
            links.serialize_element(&Link { rel, href, method })?;
        }
        links.end()
    }
}

/// `_links` of other resources: pairs of a name and a path below the root; the first is the parent.
pub(super) fn links(root: &str, links: &[(&str, &str, &str)]) -> Value {
    links.iter().map(|(rel, method, path)| json!({"rel": rel, "href": format!("{root}{path}"), "method": method})).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    // The reference: "The MD5 hash of the lowercase version of the list member's email address."
    #[test]
    fn a_hash_is_the_md5_of_the_lowercase_address() {
        assert_eq!(Key::of_email("Ada.Lovelace@Example.COM").to_string(), "2b9150605ac374d671a306b5fcee60a0");
        assert_eq!(Key::of_email("jörg@example.com").to_string(), "1020b8f7b35fa04503bbb1a6c0182ca9");
        assert_eq!(Key::parse("2b9150605ac374d671a306b5fcee60a0"), Some(Key::of_email("ada.lovelace@example.com")));
        assert_eq!(Key::parse("ada"), None);
    }
}
