//! What is known of the limits that a budget pays, to set against what a plan costs.

use jiff::Timestamp;
use sync_core::{AccountId, Descriptor, QuotaScope, Result, Scope, Span};

use super::{Ledger, Payer, day};
use crate::{Client, oauth::client_id};

/// A limit, and what this day has left of it where that is counted.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct QuotaLeft {
    /// The budget that it limits; `""` limits every call.
    pub budget: &'static str,
    /// Among whom it is shared.
    pub scope: QuotaScope,
    /// Over which time.
    pub span: Span,
    /// How much there is: cost units per span, or calls at once.
    pub limit: u32,
    /// What is left of it, and until when that counts. `None` for a limit that renews by itself within a minute: it makes
    /// a plan slower, and stops none.
    pub left: Option<(u32, Timestamp)>,
}

impl QuotaLeft {
    /// A limit as it stands.
    pub fn new(budget: &'static str, scope: QuotaScope, span: Span, limit: u32, left: Option<(u32, Timestamp)>) -> Self {
        Self { budget, scope, span, limit, left }
    }
}

impl Client {
    /// The limits of a connection, as they stand for a person who waits. Empty where limits are off.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn quotas(&self, scope: &Scope, descriptor: &'static Descriptor) -> Result<Vec<QuotaLeft>> {
        let grant = self.0.grants.load(scope).await?;
        let own = grant.as_ref().and_then(|grant| client_id(grant)).map(str::to_owned);
        let app = own.unwrap_or_else(|| self.0.oauth_client(descriptor).map_or("", |client| client.id()).to_owned());
        let account = grant.as_ref().and_then(|grant| grant.account.as_ref()).map(AccountId::as_str);
        self.0.shared(descriptor).ledger.left(scope, &app, account).await
    }
}

impl Ledger {
    async fn left(&self, scope: &Scope, app: &str, account: Option<&str>) -> Result<Vec<QuotaLeft>> {
        let mut all = Vec::new();
        if self.off {
            return Ok(all);
        }
        for (quota, limit) in &self.quotas {
            let Some(limit) = *limit else { continue };
            let mut left = None;
            if quota.span == Span::Day {
                let payer = Payer { scope, app, account, budget: quota.budget, cost: 0 };
                let (start, end) = day(self.clock.now());
                let (used, _) = self.counters.take(&self.counter(quota, &payer), start, 0, u32::MAX).await?;
                left = Some((limit.saturating_sub(used), end));
            }
            all.push(QuotaLeft::new(quota.budget, quota.scope, quota.span, limit, left));
        }
        Ok(all)
    }
}
