//! A grant that is being tried out: it replaces the stored one only when it was seen to work.

use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use sync_core::{Grant, Grants, Result, Scope, Swapped};

/// Holds the one grant of a connection that is being made.
pub(crate) struct StagedGrants(Mutex<Grant>);

impl StagedGrants {
    pub(crate) fn new(grant: Grant) -> Self {
        Self(Mutex::new(grant))
    }

    /// The grant as it is now.
    pub(crate) fn grant(&self) -> Grant {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[async_trait]
impl Grants for StagedGrants {
    async fn load(&self, _scope: &Scope) -> Result<Option<Grant>> {
        Ok(Some(self.grant()))
    }

    async fn swap(&self, _scope: &Scope, expected: Option<u64>, grant: Option<Grant>) -> Result<Swapped> {
        let mut staged = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match grant {
            Some(grant) if expected == Some(staged.generation) => {
                *staged = grant;
                Ok(Swapped::Stored)
            }
            // Nobody deletes a grant that is being tried out.
            _ => Ok(Swapped::Lost(Some(Box::new(staged.clone())))),
        }
    }
}
