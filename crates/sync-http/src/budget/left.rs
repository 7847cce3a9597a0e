//! What is known of the limits that a budget pays, to set against what a plan costs.

use jiff::Timestamp;
use sync_core::{AccountId, Descriptor, QuotaScope, Result, Scope, Span};

use super::{Ledger, MINUTE, Payer, SECOND, day};
use crate::{Client, oauth::client_id, time::later};

/// A limit, and what is left of it now where that is counted.
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
    /// What is left of it, and until when that counts: by day as the store counts it for all processes, by minute and
    /// second as this process did and the provider's answers told. `None` for a limit of calls at once.
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
        for (idx, (quota, limit)) in self.quotas.iter().enumerate() {
            let Some(limit) = *limit else { continue };
            let payer = Payer { scope, app, account, budget: quota.budget, cost: 0 };
            let now = self.clock.now();
            let used = match quota.span {
                Span::Day => {
                    let (start, end) = day(now);
                    let (used, _) = self.counters.take(&self.counter(quota, &payer), start, 0, u32::MAX).await?;
                    Some((used, end))
                }
                Span::Minute => Some((self.book().used(&(idx, payer.holder(quota.scope)), now), later(now, MINUTE))),
                Span::Second => Some((self.book().used(&(idx, payer.holder(quota.scope)), now), later(now, SECOND))),
                _ => None,
            };
            let left = used.map(|(used, until)| (limit.saturating_sub(used), until));
            all.push(QuotaLeft::new(quota.budget, quota.scope, quota.span, limit, left));
        }
        Ok(all)
    }
}
