//! A connection's settings: chosen from live lists, stored only when they are right.

use serde::Serialize;
use sync_core::{Check, Choice, Choices, Error, ErrorKind, IntegrationId, MakesChoice, Problem, Result, Scope};
use sync_engine::StandingGrant;

use crate::{Dispatcher, schema};

/// What came of [`Dispatcher::configure`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "outcome", content = "problems")]
pub enum Configured {
    /// The settings are stored. What they change goes with the next sync.
    Stored,
    /// They are not stored, since these are wrong.
    Refused(Vec<Problem>),
}

impl Dispatcher {
    /// Stores a connection's settings if they fit the integration's schema and the provider has what they name.
    ///
    /// # Errors
    /// When the provider can't be asked, and [`ErrorKind::LeaseHeld`] while a run is under way.
    pub async fn configure(&self, scope: &Scope, settings: serde_json::Value) -> Result<Configured> {
        let integration = self.0.registry.built(&scope.integration)?;
        let row = self.connection(scope).await?;
        let problems = schema::problems(&integration.settings_schema(), &settings);
        if !problems.is_empty() {
            return Ok(Configured::Refused(problems));
        }
        let grant = self.grant(scope).await?;
        let session = match self.session_with(integration, &row, grant.as_ref(), settings.clone()) {
            Ok(session) => session,
            Err(error) if error.kind() == ErrorKind::Config => {
                let remedy = error.remedy().unwrap_or("Correct it.").to_owned();
                let message = error.message().to_owned();
                return Ok(Configured::Refused(vec![Problem { setting: "settings".to_owned(), message, remedy }]));
            }
            Err(error) => return Err(error),
        };
        let checked = session.handler.check(&session.look(self.0.clock.now()), Check::Settings).await?;
        if !checked.problems.is_empty() {
            return Ok(Configured::Refused(checked.problems));
        }
        self.exclusively(scope, "configure", async {
            self.update_connection(scope, |row| row.settings.clone_from(&settings)).await
        })
        .await?;
        Ok(Configured::Stored)
    }

    /// What the integration can make where a setting has nothing to name yet, such as a calendar of our own.
    pub fn makes(&self, integration: &IntegrationId) -> Option<&'static MakesChoice> {
        self.0.registry.makes(integration.as_str())
    }

    /// Makes what a setting shall name, and returns it as a choice; the setting is still to be stored. Not safe to repeat:
    /// a second call makes a second one.
    ///
    /// # Errors
    /// [`ErrorKind::Unsupported`] where nothing can be made, [`ErrorKind::Invalid`] for a name that can't be one; what the
    /// provider says otherwise.
    pub async fn make_choice(&self, scope: &Scope, name: &str, settings: &serde_json::Value) -> Result<Choice> {
        let integration = self.0.registry.built(&scope.integration)?;
        let Some(makes) = self.makes(&scope.integration) else {
            return Err(Error::new(
                ErrorKind::Unsupported,
                format!("{} makes nothing that a setting names", integration.descriptor().name),
            )
            .with_remedy("Make it there, then choose it."));
        };
        let row = self.connection(scope).await?;
        let grant = self.grant(scope).await?;
        // The settings may name what is still to be made: they are not needed for making it.
        let session = self.session_with(integration, &row, grant.as_ref(), serde_json::Value::Null)?;
        (makes.make)(&session.look(self.0.clock.now()), name, settings).await
    }

    /// What a setting may name at the provider: the word of the schema's `x-choices`.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] for an unknown word, and when the provider can't be asked.
    pub async fn choices(&self, scope: &Scope, of: &str, query: Option<&str>) -> Result<Vec<Choice>> {
        let integration = self.0.registry.built(&scope.integration)?;
        let row = self.connection(scope).await?;
        let grant = self.grant(scope).await?;
        let session = match self.session_with(integration, &row, grant.as_ref(), row.settings.clone()) {
            // Settings that can't be read any more must not keep anybody from choosing better ones.
            Err(error) if error.kind() == ErrorKind::Config => {
                self.session_with(integration, &row, grant.as_ref(), serde_json::Value::Null)?
            }
            session => session?,
        };
        session.handler.choices(&session.look(self.0.clock.now()), Choices::new(of, query)).await
    }

    /// Allows a side effect once and for all, on the word of a person. It never applies to first syncs and recoveries.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] lists the side effects that there are.
    pub async fn grant_effect(&self, scope: &Scope, effect: &str, by: &str) -> Result<()> {
        self.known_effect(scope, effect)?;
        let granted = StandingGrant { effect: effect.to_owned(), by: by.to_owned(), at: self.0.clock.now() };
        self.change_effects(scope, |grants| {
            grants.retain(|grant| grant.effect != effect);
            grants.push(granted.clone());
        })
        .await
    }

    /// Takes an allowance back.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] lists the side effects that there are.
    pub async fn revoke_effect(&self, scope: &Scope, effect: &str) -> Result<()> {
        self.known_effect(scope, effect)?;
        self.change_effects(scope, |grants| grants.retain(|grant| grant.effect != effect)).await
    }

    async fn change_effects(&self, scope: &Scope, change: impl Fn(&mut Vec<StandingGrant>)) -> Result<()> {
        self.exclusively(scope, "side effects", async {
            self.update_connection(scope, |row| change(&mut row.standing_grants)).await
        })
        .await?;
        Ok(())
    }

    fn known_effect(&self, scope: &Scope, effect: &str) -> Result<()> {
        let effects = self.0.registry.built(&scope.integration)?.descriptor().effects;
        if effects.iter().any(|known| known.name == effect) {
            return Ok(());
        }
        let names: Vec<_> = effects.iter().map(|effect| effect.name).collect();
        let remedy = match names.is_empty() {
            true => "This integration has none.".to_owned(),
            false => format!("Use one of: {}.", names.join(", ")),
        };
        Err(Error::new(ErrorKind::NotFound, format!("there is no side effect {effect:?}")).with_remedy(remedy))
    }
}
