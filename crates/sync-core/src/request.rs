//! The one request: `{organizationId, integrationId, itemIds?, direction?, dryRun?, types?}`.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::{Error, ErrorKind, IntegrationId, OrganizationId, Scope};

/// Asks for one sync. These names are public and stable.
///
/// ```
/// let request = sync_core::SyncRequest::new("blue-manta", "mailchimp");
/// ```
///
/// Nothing is synced without saying whose records:
///
/// ```compile_fail,E0061
/// let request = sync_core::SyncRequest::new("mailchimp");
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[non_exhaustive]
pub struct SyncRequest {
    /// Whose records.
    pub organization_id: OrganizationId,
    /// With which provider.
    pub integration_id: IntegrationId,
    /// Only these items: `invoices:42`, plain `42` when only one type can be meant, `remote:invoices:…` for the other
    /// side. Needs of an item go with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub item_ids: Option<Vec<String>>,
    /// Which side may be written. None given: both where the connection allows it, else push.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub direction: Option<Direction>,
    /// Only say what would be done.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub dry_run: bool,
    /// Only these sync types; all when `None`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub types: Option<Vec<String>>,
}

impl SyncRequest {
    /// A sync of everything.
    pub fn new(organization: impl Into<OrganizationId>, integration: impl Into<IntegrationId>) -> Self {
        Self {
            organization_id: organization.into(),
            integration_id: integration.into(),
            item_ids: None,
            direction: None,
            dry_run: false,
            types: None,
        }
    }

    /// Only these items.
    #[must_use]
    pub fn items<S: Into<String>>(mut self, items: impl IntoIterator<Item = S>) -> Self {
        self.item_ids = Some(items.into_iter().map(Into::into).collect());
        self
    }

    /// Only this direction.
    #[must_use]
    pub fn direction(mut self, direction: Direction) -> Self {
        self.direction = Some(direction);
        self
    }

    /// Only say what would be done.
    #[must_use]
    pub fn dry_run(mut self) -> Self {
        self.dry_run = true;
        self
    }

    /// Only these sync types.
    #[must_use]
    pub fn types<S: Into<String>>(mut self, types: impl IntoIterator<Item = S>) -> Self {
        self.types = Some(types.into_iter().map(Into::into).collect());
        self
    }

    /// Organization and integration.
    pub fn scope(&self) -> Scope {
        Scope { organization: self.organization_id.clone(), integration: self.integration_id.clone() }
    }
}

/// Which side may be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Direction {
    /// The provider's.
    Push,
    /// The host's.
    Pull,
    /// Either.
    Both,
}

impl Direction {
    /// The name in JSON and on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Push => "push",
            Self::Pull => "pull",
            Self::Both => "both",
        }
    }
}

impl fmt::Display for Direction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Direction {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "push" => Ok(Self::Push),
            "pull" => Ok(Self::Pull),
            "both" => Ok(Self::Both),
            _ => Err(Error::new(ErrorKind::Invalid, "unknown direction").with_remedy("Use push, pull or both.")),
        }
    }
}

/// One entry of `itemIds`, parsed.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ItemRef {
    /// True for `remote:…`: the id is the provider's.
    pub remote: bool,
    /// The sync type or resource, where one is named.
    pub of: Option<String>,
    /// The id.
    pub id: String,
}

impl ItemRef {
    /// Parses an entry. A prefix counts as a type only if it is one of `known`, so ids may hold colons.
    pub fn parse(text: &str, known: &[&str]) -> Self {
        let (remote, rest) = match text.strip_prefix("remote:") {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        match rest.split_once(':') {
            Some((of, id)) if known.contains(&of) => Self { remote, of: Some(of.to_owned()), id: id.to_owned() },
            _ => Self { remote, of: None, id: rest.to_owned() },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_json_names_are_the_public_ones() {
        let request = SyncRequest::new("blue-manta", "xero").items(["invoices:42"]).direction(Direction::Push).dry_run();
        assert_eq!(
            serde_json::to_value(request).unwrap(),
            serde_json::json!({"organizationId": "blue-manta", "integrationId": "xero", "itemIds": ["invoices:42"], "direction": "push", "dryRun": true}),
        );
    }

    #[test]
    fn a_member_that_is_not_known_is_refused() {
        let json = r#"{"organizationId":"a","integrationId":"b","dryrun":true}"#;
        assert!(serde_json::from_str::<SyncRequest>(json).is_err());
    }

    #[test]
    fn items_parse_with_type_without_and_for_the_other_side() {
        let known = ["invoices"];
        let item = |text: &str| ItemRef::parse(text, &known);
        assert_eq!(item("invoices:42"), ItemRef { remote: false, of: Some("invoices".into()), id: "42".into() });
        assert_eq!(item("42"), ItemRef { remote: false, of: None, id: "42".into() });
        assert_eq!(item("a:b"), ItemRef { remote: false, of: None, id: "a:b".into() });
        assert_eq!(item("remote:invoices:x:y"), ItemRef { remote: true, of: Some("invoices".into()), id: "x:y".into() });
    }
}
