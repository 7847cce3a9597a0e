//! One connection's settings.

use std::{collections::BTreeMap, fmt};

use serde::Deserialize;
use sync_core::{
    ContainerId, Error, FieldName, FieldOwner, FieldSet, Filter, Hash, OutOfScope, Result, Rules, SharedKey,
    settings::wrong_setting,
};

use crate::descriptor::{CONSENT, EMAIL, TAGS};

/// What the merge fields hold unless the connection says otherwise: the two that Mailchimp gives every new audience and
/// that fit any customer. Where an audience has lost one of them, it is left out.
const DEFAULT_MERGE_FIELDS: [(&str, &str); 2] = [("FNAME", "first_name"), ("LNAME", "last_name")];

/// Longest tag, in characters. Mailchimp documents no limit; its pages refuse longer names.
pub(crate) const MAX_TAG_CHARS: usize = 100;

/// What stands for the field's value in a [`TagTemplate`].
const PLACEHOLDER: &str = "{value}";

/// What one organization decided about its contacts.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct MailchimpSettings {
    /// The audience. Nothing is synced without one.
    pub audience: Option<ContainerId>,
    /// Merge tag to the host's field. Default: `FNAME` and `LNAME` from `first_name` and `last_name`.
    pub merge_fields: Option<BTreeMap<MergeTag, FieldName>>,
    /// Whether the host's `tags` go. Default: yes.
    pub tags: Option<bool>,
    /// What our tags start with in Mailchimp, such as `shop:`. Default: nothing.
    pub tag_prefix: String,
    /// Tags made of other fields, such as `extra.level` to `level:{value}`.
    pub tag_rules: BTreeMap<FieldName, TagTemplate>,
    /// When new subscribers are asked to confirm.
    pub double_optin: DoubleOptin,
    /// What happens to customers who were never asked.
    pub without_consent: WithoutConsent,
    /// What happens when several customers share an address.
    pub same_address: SharedKey,
    /// Which customers go at all.
    pub filter: Option<Filter>,
    /// What happens to the contact of a customer who leaves the filter.
    pub out_of_scope: OutOfScope,
    /// Whether tags of new members go inside the call that adds them, which saves calls; only where automations are
    /// allowed. Mailchimp's reference does not have it, so it is off by default.
    pub tags_in_create: bool,
    /// How members who are there already are written.
    pub known_members: KnownMembers,
    /// Whether contacts go although they lack a merge field that the audience requires.
    pub skip_merge_validation: bool,
}

/// The tag of a merge field, such as `FNAME`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(transparent)]
pub struct MergeTag(String);

impl MergeTag {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for MergeTag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A tag made of a field's value. With `{value}` each value makes a tag of its own; without it, the tag is there while
/// the field is neither blank nor no. All tags of this form are the rule's: when the value changes, its old tag goes.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct TagTemplate(String);

impl TagTemplate {
    /// The tag for a value, or the fixed tag.
    pub(crate) fn tag(&self, value: &str) -> String {
        self.0.replace(PLACEHOLDER, value)
    }

    /// The value inside a tag of this form; all of it for a fixed tag.
    pub(crate) fn value_of<'a>(&self, tag: &'a str) -> Option<&'a str> {
        let Some((start, end)) = self.0.trim().split_once(PLACEHOLDER) else {
            return (tag.to_lowercase() == self.0.trim().to_lowercase()).then_some(tag);
        };
        let same = |part: Option<&str>, wanted: &str| part.is_some_and(|part| part.eq_ignore_ascii_case(wanted));
        let last = tag.len().checked_sub(end.len()).filter(|last| *last > start.len())?;
        (same(tag.get(..start.len()), start) && same(tag.get(last..), end)).then(|| tag.get(start.len()..last)).flatten()
    }

    /// True when the value is part of the tag.
    pub(crate) fn has_value(&self) -> bool {
        self.0.contains(PLACEHOLDER)
    }
}

/// When new subscribers are asked to confirm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DoubleOptin {
    /// When the audience says so.
    #[default]
    Audience,
    /// Always.
    Always,
}

/// What happens to customers who were never asked. Who refused, or whose mail bounces, never goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WithoutConsent {
    /// They stay out, since members who can't be mailed cost money all the same.
    #[default]
    Skip,
    /// They go as transactional contacts, to whom no campaign is sent.
    Transactional,
}

/// How members who are there already are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum KnownMembers {
    /// 500 in a call, without a status.
    #[default]
    Batch,
    /// One in a call, without a status: should a batch without a status ever turn out to change one.
    Single,
}

impl MailchimpSettings {
    /// Checks what the types can't.
    ///
    /// # Errors
    /// [`Config`](sync_core::ErrorKind::Config) names the setting.
    pub(crate) fn validate(&self) -> Result<()> {
        if self.audience.as_ref().is_some_and(|audience| !is_id(audience.as_str())) {
            return Err(wrong(
                "audience",
                "is the id of an audience: letters and digits",
                "Choose the audience from the list.",
            ));
        }
        for (tag, field) in self.merge_fields.iter().flatten() {
            let setting = format!("merge_fields.{tag}");
            if !is_merge_tag(tag.as_str()) {
                return Err(wrong(
                    &setting,
                    "is no merge tag: A to Z, digits and _",
                    "Choose the merge field from the list.",
                ));
            }
            if matches!(tag.as_str(), "EMAIL" | "MERGE0") {
                return Err(wrong(&setting, "always holds the e-mail address", "Take it out of the mapping."));
            }
            if field.as_str().trim().is_empty() || matches!(field.as_str(), EMAIL | TAGS) || is_consent(field) {
                return Err(wrong(&setting, "needs a field other than email, tags and consent", "Name another field."));
            }
        }
        if self.tag_prefix.chars().count() > MAX_TAG_CHARS / 2 {
            return Err(wrong("tag_prefix", "has at most 50 characters", "Choose a shorter prefix."));
        }
        for (field, template) in &self.tag_rules {
            let setting = format!("tag_rules.{field}");
            if matches!(field.as_str(), EMAIL | TAGS) || is_consent(field) || field.as_str().trim().is_empty() {
                return Err(wrong(&setting, "needs a field other than email, tags and consent", "Name another field."));
            }
            let text = template.0.trim();
            if text.is_empty() || text == PLACEHOLDER && self.tag_prefix.is_empty() {
                return Err(wrong(
                    &setting,
                    "needs a text of its own beside {value}, so that a marketer's tags are never meant",
                    "Write it like level:{value}, or set a tag_prefix.",
                ));
            }
            if text.matches(PLACEHOLDER).count() > 1 || text.chars().count() > MAX_TAG_CHARS {
                return Err(wrong(&setting, "has {value} at most once and at most 100 characters", "Write it shorter."));
            }
        }
        Ok(())
    }

    /// True when the host's own tags go.
    pub(crate) fn own_tags(&self) -> bool {
        self.tags.unwrap_or(true)
    }

    /// Merge tag and field, the defaults included.
    pub(crate) fn mapping(&self) -> impl Iterator<Item = (&str, &str)> {
        let chosen = self.merge_fields.iter().flatten().map(|(tag, field)| (tag.as_str(), field.as_str()));
        let default = self.merge_fields.is_none().then_some(DEFAULT_MERGE_FIELDS).into_iter().flatten();
        chosen.chain(default)
    }

    /// True when nobody chose the mapping.
    pub(crate) fn has_default_mapping(&self) -> bool {
        self.merge_fields.is_none()
    }

    /// Changes when the same customer would look different there.
    fn mapping_digest(&self) -> String {
        let mut hash = Hash::start();
        for (tag, field) in self.mapping() {
            hash.text(tag);
            hash.text(field);
        }
        hash.text(&self.tag_prefix);
        for (field, template) in &self.tag_rules {
            hash.text(field.as_str());
            hash.text(&template.0);
        }
        hash.finish().to_string()
    }

    /// The policies for the engine.
    pub(crate) fn rules(&self) -> Rules {
        let mut fields: FieldSet = [EMAIL, CONSENT].into_iter().map(FieldName::from_static).collect();
        let mut local: Vec<FieldName> = self.mapping().map(|(_, field)| FieldName::new(field)).collect();
        local.extend(self.tag_rules.keys().cloned());
        fields.extend(local.iter().cloned());
        if self.own_tags() {
            fields.insert(FieldName::from_static(TAGS));
        }
        fields.extend(self.filter.iter().map(|filter| filter.field.clone()));
        local.push(FieldName::from_static(EMAIL));
        local.sort();
        local.dedup();
        let mut rules = Rules::new(fields);
        rules.match_on = vec![FieldName::from_static(EMAIL)];
        rules.match_is_proof = true;
        rules.mapping = self.mapping_digest();
        rules.filter.clone_from(&self.filter);
        rules.out_of_scope = self.out_of_scope;
        rules.shared_key = self.same_address;
        rules.owners = local.into_iter().map(|field| (field, FieldOwner::Local)).collect();
        rules
    }
}

fn is_consent(field: &FieldName) -> bool {
    field.as_str().starts_with("consent.")
}

fn is_id(text: &str) -> bool {
    !text.is_empty() && text.len() <= 64 && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

fn is_merge_tag(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_')
}

fn wrong(setting: &str, what: &str, remedy: &'static str) -> Error {
    wrong_setting("Mailchimp", setting, what, remedy)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use sync_core::FilterTest;

    use super::*;

    fn read(settings: Value) -> Result<MailchimpSettings, String> {
        let settings: MailchimpSettings = serde_json::from_value(settings).map_err(|error| error.to_string())?;
        settings.validate().map_err(|error| error.message().to_owned())?;
        Ok(settings)
    }

    #[test]
    fn no_settings_at_all_are_valid_and_map_the_names() {
        let settings = read(json!({})).unwrap();
        assert_eq!(settings.mapping().collect::<Vec<_>>(), DEFAULT_MERGE_FIELDS);
        let rules = settings.rules();
        let fields: Vec<&str> = rules.fields.iter().map(FieldName::as_str).collect();
        assert_eq!(fields, ["consent.email", "email", "first_name", "last_name", "tags"]);
        assert!(rules.match_is_proof);
    }

    #[test]
    fn only_what_is_mapped_is_asked_for() {
        let settings = read(json!({
            "audience": "a1b2c3d4e5",
            "merge_fields": {"LASTTRIP": "extra.last_trip"},
            "tags": false,
            "tag_rules": {"extra.level": "level:{value}"},
            "filter": {"field": "extra.kind", "any-of": ["diver"]},
            "same_address": "union-of-tags",
            "out_of_scope": "archive",
        }))
        .unwrap();
        let rules = settings.rules();
        let fields: Vec<&str> = rules.fields.iter().map(FieldName::as_str).collect();
        assert_eq!(fields, ["consent.email", "email", "extra.kind", "extra.last_trip", "extra.level"]);
        assert_eq!(rules.shared_key, SharedKey::UnionOfTags);
        assert_eq!(rules.out_of_scope, OutOfScope::Archive);
        assert_eq!(rules.filter.unwrap().test, FilterTest::AnyOf(vec!["diver".into()]));
    }

    #[test]
    fn what_customers_look_like_there_has_a_digest() {
        let digest = |settings| read(settings).unwrap().rules().mapping;
        let default = digest(json!({}));
        assert_eq!(default, digest(json!({"merge_fields": {"FNAME": "first_name", "LNAME": "last_name"}})));
        assert_eq!(default, digest(json!({"double_optin": "always", "same_address": "oldest"})));
        for other in [json!({"merge_fields": {}}), json!({"tag_prefix": "x"}), json!({"tag_rules": {"extra.a": "a"}})] {
            assert_ne!(default, digest(other));
        }
    }

    #[test]
    fn a_wrong_setting_is_named() {
        for (settings, word) in [
            (json!({"audience": "a/b"}), "audience"),
            (json!({"audience": ""}), "audience"),
            (json!({"merge_fields": {"fname": "first_name"}}), "merge_fields.fname"),
            (json!({"merge_fields": {"EMAIL": "first_name"}}), "merge_fields.EMAIL"),
            (json!({"merge_fields": {"X": "consent.email"}}), "merge_fields.X"),
            (json!({"tag_prefix": "x".repeat(51)}), "tag_prefix"),
            (json!({"tag_rules": {"extra.level": "{value}"}}), "tag_rules.extra.level"),
            (json!({"tag_rules": {"extra.level": "{value}{value}x"}}), "tag_rules.extra.level"),
            (json!({"tag_rules": {"tags": "x"}}), "tag_rules.tags"),
            (json!({"double_optin": "never"}), "never"),
            (json!({"audiense": "x"}), "audiense"),
        ] {
            let message = read(settings.clone()).unwrap_err();
            assert!(message.contains(word), "{settings}: {message}");
        }
    }
}
