//! Why a sign-in ended, as far as can be told, in words that help.

use jiff::{SignedDuration, Timestamp};
use sync_core::{EndSign, Grant, Scope, SignInEnd, SignInWords, SyncResult};
use sync_engine::ConnectionStatus;
use sync_http::GrantHistory;

use crate::{Dispatcher, health::explained};

/// Ends are noticed by the next refresh, some time after they came.
const SLACK: SignedDuration = SignedDuration::from_hours(2);

impl Dispatcher {
    /// The likely reason for which a connection's sign-in is dead, as sentences; `None` where it lives, or nobody can tell.
    pub(crate) async fn why_it_ended(&self, scope: &Scope) -> Option<String> {
        // Best effort: the sign-in is dead either way.
        let grant = self.0.store.load(scope).await.ok()??;
        let end = likely(self.0.registry.words(scope.integration.as_str()), &grant)?;
        let mut text = format!("The likely reason: {}.", end.reason);
        if !end.remedy.is_empty() {
            text.push(' ');
            text.push_str(end.remedy);
        }
        Some(text)
    }

    /// Adds the likely reason to a result that a dead sign-in stopped, and to the connection.
    pub(crate) async fn explain(&self, scope: &Scope, result: &mut SyncResult) {
        let Some(why) = self.why_it_ended(scope).await else { return };
        let noted = self
            .update_connection(scope, |row| {
                if let ConnectionStatus::Reconnect { reason, .. } = &mut row.status
                    && !reason.contains(&why)
                {
                    *reason = explained(reason, &why);
                }
            })
            .await;
        if let Err(error) = noted {
            tracing::warn!(%scope, %error, "why a sign-in ended could not be stored");
        }
        result.errors.get_or_insert_default().push(why);
    }
}

/// The first reason that fits what the grant remembers.
fn likely(words: &'static SignInWords, grant: &Grant) -> Option<&'static SignInEnd> {
    let dead_since = grant.dead_since?;
    let history = GrantHistory::of(grant);
    words.ends.iter().find(|end| fits(end.sign, &history, dead_since))
}

fn fits(sign: EndSign, history: &GrantHistory, dead_since: Timestamp) -> bool {
    let days = |days: u32| SignedDuration::from_hours(24 * i64::from(days)) - SLACK;
    let used_at = history.refreshed_at.or(history.connected_at);
    match sign {
        EndSign::Code(code) => history.end.as_deref() == Some(code),
        // It was renewed while it was younger, and no more when it was older.
        EndSign::DaysOld(age) => history.connected_at.zip(used_at).is_some_and(|(connected_at, used_at)| {
            used_at.duration_since(connected_at) < days(age) + SLACK && dead_since.duration_since(connected_at) >= days(age)
        }),
        EndSign::DaysUnused(idle) => used_at.is_some_and(|used_at| dead_since.duration_since(used_at) >= days(idle)),
        EndSign::Any => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: i64 = 3_600;

    fn history(connected: i64, refreshed: Option<i64>, end: Option<&str>) -> GrantHistory {
        let at = |seconds: i64| Timestamp::from_second(seconds).unwrap();
        let mut history = GrantHistory::default();
        history.connected_at = Some(at(connected));
        history.refreshed_at = refreshed.map(at);
        history.end = end.map(str::to_owned);
        history
    }

    fn dead(seconds: i64) -> Timestamp {
        Timestamp::from_second(seconds).unwrap()
    }

    #[test]
    fn a_sign_in_that_died_with_its_age_is_told_from_one_that_was_withdrawn() {
        let week = EndSign::DaysOld(7);
        assert!(fits(week, &history(0, Some(167 * HOUR), None), dead(168 * HOUR)));
        assert!(fits(week, &history(0, None, None), dead(240 * HOUR)), "nobody looked before");
        assert!(!fits(week, &history(0, Some(48 * HOUR), None), dead(49 * HOUR)), "it was younger");
        assert!(!fits(week, &history(0, Some(300 * HOUR), None), dead(301 * HOUR)), "it outlived that age");
    }

    #[test]
    fn disuse_counts_from_the_last_renewal() {
        let half_a_year = EndSign::DaysUnused(180);
        assert!(fits(half_a_year, &history(0, Some(HOUR), None), dead(181 * 24 * HOUR)));
        assert!(!fits(half_a_year, &history(0, Some(100 * 24 * HOUR), None), dead(181 * 24 * HOUR)));
    }

    #[test]
    fn a_code_is_the_surest_sign() {
        assert!(fits(EndSign::Code("invalid_rapt"), &history(0, None, Some("invalid_rapt")), dead(HOUR)));
        assert!(!fits(EndSign::Code("invalid_rapt"), &history(0, None, Some("invalid_grant")), dead(HOUR)));
    }
}
