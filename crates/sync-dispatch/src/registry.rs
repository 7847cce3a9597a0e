//! The one table: which integrations there are, and which of them this build has.
//!
//! No other file of this crate holds a provider's name.

use std::{borrow::Cow, collections::BTreeMap, fmt, sync::Arc};

use serde::Serialize;
use sync_core::{
    Capabilities, Descriptor, Error, ErrorKind, Integration, IntegrationId, Kind, LeaveAccount, MakesChoice, Registration,
    Result, SignInWords,
};

/// An integration of the public contract, whether or not this build has it.
#[derive(Debug)]
#[non_exhaustive]
pub struct Known {
    /// Its id, which is also the name of the Cargo feature that compiles it in.
    pub id: &'static str,
    /// The name that people read.
    pub name: &'static str,
    /// What kind of integration it is.
    pub kind: Kind,
    /// The public sync types, in order.
    pub sync_types: &'static [&'static str],
    /// True when a request may choose the direction.
    pub supports_direction: bool,
    /// The public text of the capabilities.
    pub description: &'static str,
}

/// What a sync of a real-time integration answers.
const IN_REAL_TIME: Kind = Kind::RealTime { message: "Communication integrations sync messages in real-time" };

/// The public contract, row by row: names and texts are stable.
pub const KNOWN: &[Known] = &[
    Known {
        id: "google-calendar",
        name: "Google Calendar",
        kind: Kind::Sync,
        sync_types: &["trips", "training-sessions"],
        supports_direction: true,
        description: "Sync dive trips and training sessions to Google Calendar",
    },
    Known {
        id: "xero",
        name: "Xero",
        kind: Kind::Sync,
        sync_types: &["invoices", "payments", "contacts"],
        supports_direction: true,
        description: "Sync invoices, payments, and customer contacts with Xero",
    },
    Known {
        id: "quickbooks",
        name: "QuickBooks",
        kind: Kind::Sync,
        sync_types: &["invoices", "payments", "customers"],
        supports_direction: true,
        description: "Sync invoices, payments, and customers with QuickBooks",
    },
    Known {
        id: "mailchimp",
        name: "Mailchimp",
        kind: Kind::Sync,
        sync_types: &["contacts", "tags"],
        supports_direction: false,
        description: "Push customer contacts and tags to Mailchimp audience",
    },
    Known {
        id: "zapier",
        name: "Zapier",
        kind: Kind::Outbox,
        sync_types: &["webhooks"],
        supports_direction: false,
        description: "Trigger Zapier webhooks for automated workflows",
    },
    Known {
        id: "twilio",
        name: "Twilio",
        kind: IN_REAL_TIME,
        sync_types: &[],
        supports_direction: false,
        description: "Real-time SMS messaging - no sync needed",
    },
    Known {
        id: "whatsapp",
        name: "WhatsApp",
        kind: IN_REAL_TIME,
        sync_types: &[],
        supports_direction: false,
        description: "Real-time WhatsApp messaging - no sync needed",
    },
];

/// The providers that this build has: one line per feature.
pub const ENABLED: &[Registration] = &[
    #[cfg(feature = "google-calendar")]
    provider_google_calendar::REGISTRATION,
    #[cfg(feature = "mailchimp")]
    provider_mailchimp::REGISTRATION,
    #[cfg(feature = "xero")]
    provider_xero::REGISTRATION,
];

/// What is said of an integration that can't be used.
const NOT_AVAILABLE: &str = "Sync not available for this integration";

impl Known {
    /// The row of an id.
    pub fn of(id: &str) -> Option<&'static Self> {
        KNOWN.iter().find(|known| known.id == id)
    }

    /// What it can do once it is compiled in.
    pub fn capabilities(&self) -> Capabilities {
        Capabilities {
            can_sync: can_sync(self.kind),
            sync_types: self.sync_types.iter().copied().map(Cow::Borrowed).collect(),
            supports_direction: self.supports_direction,
            description: Cow::Borrowed(self.description),
        }
    }
}

fn can_sync(kind: Kind) -> bool {
    !matches!(kind, Kind::RealTime { .. })
}

/// What a descriptor says that its integration can do.
fn capabilities_of(descriptor: &'static Descriptor) -> Capabilities {
    Capabilities {
        can_sync: can_sync(descriptor.kind),
        sync_types: descriptor.sync_types.iter().map(|sync_type| Cow::Borrowed(sync_type.name)).collect(),
        supports_direction: descriptor.supports_direction,
        description: Cow::Borrowed(descriptor.description),
    }
}

/// One integration as [`crate::Dispatcher::integrations`] lists it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct IntegrationInfo {
    /// Its id.
    pub id: IntegrationId,
    /// The name that people read.
    pub name: Cow<'static, str>,
    /// True when this process has it.
    pub built: bool,
    /// The Cargo feature that compiles it in; `None` for the host's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub feature: Option<&'static str>,
    /// What it can do, once it is built.
    pub capabilities: Capabilities,
}

/// An integration that was asked for.
pub(crate) enum Entry<'a> {
    /// This process has it.
    Built(&'a Arc<dyn Integration>),
    /// The contract has it, this build hasn't.
    NotBuilt(&'static Known),
    /// Nobody knows it.
    Unknown,
}

/// The integrations of one dispatcher: those compiled in and the host's own.
pub(crate) struct Registry {
    built: BTreeMap<&'static str, Arc<dyn Integration>>,
    words: BTreeMap<&'static str, &'static SignInWords>,
    makes: BTreeMap<&'static str, &'static MakesChoice>,
    leaves: BTreeMap<&'static str, LeaveAccount>,
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.built.keys()).finish()
    }
}

impl Registry {
    /// Builds what is compiled in, each with its configuration, and adds the host's own.
    pub(crate) fn build(
        enabled: &[Registration],
        mut configs: BTreeMap<String, serde_json::Value>,
        own: Vec<Arc<dyn Integration>>,
    ) -> Result<Self> {
        let mut registry =
            Self { built: BTreeMap::new(), words: BTreeMap::new(), makes: BTreeMap::new(), leaves: BTreeMap::new() };
        for registration in enabled {
            let config = configs.remove(registration.descriptor.id).unwrap_or(serde_json::Value::Null);
            registry.add((registration.build)(config)?)?;
            registry.speak(registration);
        }
        for integration in own {
            registry.add(integration)?;
        }
        if let Some(id) = configs.into_keys().next() {
            let error = Error::new(ErrorKind::Config, format!("there is a configuration for {id}, which this build hasn't"));
            return Err(match Known::of(&id) {
                Some(known) => error.with_remedy(format!("Build with the feature `{}`, or remove it.", known.id)),
                None => error.with_remedy(format!("Remove it, or correct the name (enabled: {}).", registry.names())),
            });
        }
        Ok(registry)
    }

    fn add(&mut self, integration: Arc<dyn Integration>) -> Result<()> {
        let descriptor = integration.descriptor();
        if matches!(descriptor.kind, Kind::Outbox) {
            return Err(Error::new(
                ErrorKind::Unsupported,
                format!("{} delivers events, and this version has no outbox to deliver them from", descriptor.id),
            )
            .with_remedy("Leave it out, or register it as an integration that syncs records."));
        }
        if descriptor.id.is_empty() {
            return Err(Error::new(ErrorKind::Config, "an integration has no id").with_remedy("Give its descriptor one."));
        }
        if self.built.insert(descriptor.id, integration).is_some() {
            return Err(Error::new(ErrorKind::Config, format!("the integration {} is registered twice", descriptor.id))
                .with_remedy("Give one of the two another id."));
        }
        Ok(())
    }

    /// Knows what a registration says beside its integration.
    pub(crate) fn speak(&mut self, registration: &Registration) {
        self.words.insert(registration.descriptor.id, registration.sign_in);
        if let Some(makes) = registration.makes {
            self.makes.insert(registration.descriptor.id, makes);
        }
        if let Some(leave) = registration.leaves {
            self.leaves.insert(registration.descriptor.id, leave);
        }
    }

    /// How an integration lets go of one account, where its sign-ins reach several.
    pub(crate) fn leaves(&self, id: &str) -> Option<LeaveAccount> {
        self.leaves.get(id).copied()
    }

    /// What an integration can make where a setting has nothing to name yet.
    pub(crate) fn makes(&self, id: &str) -> Option<&'static MakesChoice> {
        self.makes.get(id).copied()
    }

    /// What an integration's sign-in means in people's words.
    pub(crate) fn words(&self, id: &str) -> &'static SignInWords {
        self.words.get(id).copied().unwrap_or(&SignInWords::NONE)
    }

    pub(crate) fn entry(&self, id: &str) -> Entry<'_> {
        match (self.built.get(id), Known::of(id)) {
            (Some(integration), _) => Entry::Built(integration),
            (None, Some(known)) => Entry::NotBuilt(known),
            (None, None) => Entry::Unknown,
        }
    }

    /// An integration that must be built to be of use.
    pub(crate) fn built(&self, id: &IntegrationId) -> Result<&Arc<dyn Integration>> {
        match self.entry(id.as_str()) {
            Entry::Built(integration) => Ok(integration),
            Entry::NotBuilt(known) => {
                Err(Error::new(ErrorKind::Unsupported, self.not_implemented(id.as_str())).with_remedy(build_with(known)))
            }
            Entry::Unknown => Err(Error::new(ErrorKind::NotFound, self.not_implemented(id.as_str()))
                .with_remedy("Use one of the enabled integrations.")),
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Arc<dyn Integration>> {
        self.built.values()
    }

    /// The name that people read; the id where nobody knows another.
    pub(crate) fn name(&self, id: &IntegrationId) -> String {
        match self.entry(id.as_str()) {
            Entry::Built(integration) => integration.descriptor().name.to_owned(),
            Entry::NotBuilt(known) => known.name.to_owned(),
            Entry::Unknown => id.as_str().to_owned(),
        }
    }

    /// The public text about an integration that can't be synced here.
    pub(crate) fn not_implemented(&self, id: &str) -> String {
        format!("Sync not implemented for integration: {id} (enabled: {})", self.names())
    }

    pub(crate) fn capabilities(&self, id: &str) -> Capabilities {
        let none = |description: Cow<'static, str>| Capabilities {
            can_sync: false,
            sync_types: Vec::new(),
            supports_direction: false,
            description,
        };
        match self.entry(id) {
            Entry::Built(integration) => capabilities_of(integration.descriptor()),
            // A real-time integration has nothing to sync wherever it is built: its row says all there is to say.
            Entry::NotBuilt(known) if matches!(known.kind, Kind::RealTime { .. }) => known.capabilities(),
            Entry::NotBuilt(known) => none(Cow::Owned(format!("{NOT_AVAILABLE}. {}", build_with(known)))),
            Entry::Unknown => none(Cow::Borrowed(NOT_AVAILABLE)),
        }
    }

    pub(crate) fn list(&self) -> Vec<IntegrationInfo> {
        let known = KNOWN.iter().map(|known| IntegrationInfo {
            id: IntegrationId::from_static(known.id),
            name: Cow::Borrowed(known.name),
            built: self.built.contains_key(known.id),
            feature: Some(known.id),
            capabilities: known.capabilities(),
        });
        let own = self.built.values().map(|integration| integration.descriptor());
        let own = own.filter(|descriptor| Known::of(descriptor.id).is_none()).map(|descriptor| IntegrationInfo {
            id: IntegrationId::from_static(descriptor.id),
            name: Cow::Borrowed(descriptor.name),
            built: true,
            feature: None,
            capabilities: capabilities_of(descriptor),
        });
        known.chain(own).collect()
    }

    fn names(&self) -> String {
        if self.built.is_empty() {
            return "none".to_owned();
        }
        self.built.keys().copied().collect::<Vec<_>>().join(", ")
    }
}

/// What to do to get an integration that this build hasn't.
pub(crate) fn build_with(known: &Known) -> String {
    format!("Build with the feature `{}` of sync-dispatch.", known.id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_compiled_in_says_of_itself_what_the_contract_says() {
        for registration in ENABLED {
            let descriptor = registration.descriptor;
            let known = Known::of(descriptor.id).expect("a provider of this project has a row");
            assert_eq!(descriptor.name, known.name);
            assert_eq!(descriptor.kind, known.kind);
            assert_eq!(capabilities_of(descriptor), known.capabilities());
        }
    }

    #[test]
    fn the_table_has_seven_rows_and_no_id_twice() {
        let ids: std::collections::BTreeSet<_> = KNOWN.iter().map(|known| known.id).collect();
        assert_eq!((KNOWN.len(), ids.len()), (7, 7));
    }

    #[test]
    fn each_feature_brings_its_provider() {
        let enabled: Vec<_> = ENABLED.iter().map(|registration| registration.descriptor.id).collect();
        assert_eq!(enabled.contains(&"mailchimp"), cfg!(feature = "mailchimp"));
    }

    #[test]
    fn a_configuration_for_what_is_not_there_is_refused_with_the_feature_to_build() {
        let configs = [("xero".to_owned(), serde_json::json!({}))].into();
        let error = Registry::build(&[], configs, Vec::new()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
        assert!(error.remedy().unwrap().contains("`xero`"));

        let configs = [("xerox".to_owned(), serde_json::json!({}))].into();
        let error = Registry::build(&[], configs, Vec::new()).unwrap_err();
        assert_eq!(error.remedy(), Some("Remove it, or correct the name (enabled: none)."));
    }
}
