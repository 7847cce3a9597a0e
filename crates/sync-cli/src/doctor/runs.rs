//! Runs that died: leases they still hold, calls that have no answer.

use jiff::Timestamp;
use sync_core::{Result, Scope};

use super::Finding;
use crate::{app::Workbench, command::host, output::count};

pub(super) async fn look(bench: &Workbench, scope: &Scope) -> Vec<Finding> {
    match look_in(bench, scope).await {
        Ok(findings) => findings,
        Err(error) => vec![Finding::of_error("runs", &error)],
    }
}

async fn look_in(bench: &Workbench, scope: &Scope) -> Result<Vec<Finding>> {
    let mut findings = Vec::new();
    let time = |at: Timestamp| at.strftime("%Y-%m-%d %H:%M:%SZ").to_string();
    let sync = format!("syncctl sync {} --org {}", scope.integration, scope.organization);
    let mut under_way = false;
    if let Some(lease) = bench.dispatcher.lease(scope).await? {
        if lease.expires_at > lease.now {
            under_way = !is_gone(&lease.owner);
            if !under_way {
                findings.push(Finding::warning(
                    "lease",
                    format!("{scope}: {} held the lease since {} and is gone", lease.owner, time(lease.since)),
                    format!(
                        "Nothing to do: it is free at {}. To go on then by itself: {sync} --wait",
                        time(lease.expires_at)
                    ),
                ));
            }
        // A lease that was given back ends at the beginning of time.
        } else if lease.expires_at > Timestamp::UNIX_EPOCH {
            findings.push(Finding::warning(
                "lease",
                format!("{scope}: the run of {} that began {} never ended", lease.owner, time(lease.since)),
                format!("Sync again; it takes up where that one stopped: {sync}"),
            ));
        }
    }
    let calls = bench.dispatcher.open_calls(scope).await?;
    if let Some(first) = calls.first()
        && !under_way
    {
        findings.push(Finding::warning(
            "open-calls",
            format!(
                "{scope}: {} since {}",
                count(calls.len() as u64, "call has had no answer", "calls have had no answer"),
                time(first.opened_at)
            ),
            format!("Sync again; what became of them is looked up before anything is sent: {sync}"),
        ));
    }
    if findings.is_empty() {
        findings.push(Finding::fine(
            "runs",
            format!("{scope}: {}", if under_way { "one is under way" } else { "all ended well" }),
        ));
    }
    Ok(findings)
}

/// True when the owner was a process of this machine that is no more; false when it can't be told.
fn is_gone(owner: &str) -> bool {
    let Some((pid, on)) = owner.strip_prefix("syncctl, pid ").and_then(|rest| rest.split_once(" on ")) else { return false };
    if on != host() {
        return false;
    }
    #[cfg(unix)]
    {
        let pid = pid.parse().ok().and_then(rustix::process::Pid::from_raw);
        pid.is_some_and(|pid| rustix::process::test_kill_process(pid) == Err(rustix::io::Errno::SRCH))
    }
    #[cfg(not(unix))]
    {
        let _ = pid;
        false
    }
}
