//! Key file, disk, clock.

use std::{path::Path, time::Duration};

use bytes::Bytes;
use jiff::{SignedDuration, Timestamp, fmt::rfc2822};
use sync_core::{Transport, TransportLimits};
use sync_dispatch::{ConnectionRow, ConnectionStatus, ENABLED};
use url::Url;

use super::Finding;
use crate::{
    app::App,
    config::{Config, KeySource},
    output::thousands,
};

/// Skew above which leases of several machines and the order of consents can't be trusted.
const MAX_SKEW: SignedDuration = SignedDuration::from_secs(30);
/// Longest wait for a provider's clock.
const CLOCK_TIMEOUT: Duration = Duration::from_secs(10);

/// The key.
pub(super) fn key(config: &Config) -> Vec<Finding> {
    let path = match &config.key {
        KeySource::Environment(_) => {
            return vec![match config.key.load(false) {
                Ok(_) => Finding::fine("key", "comes from SYNCCTL_KEY"),
                Err(error) => Finding::of_error("key", &error),
            }];
        }
        KeySource::File(path) => path,
    };
    if let Err(error) = config.key.load(false) {
        return vec![Finding::of_error("key", &error)];
    }
    let mut findings = vec![Finding::fine("key", format!("{} can be read", path.display()))];
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = std::fs::metadata(path).map(|metadata| metadata.permissions().mode() & 0o777).unwrap_or(0o600);
        if mode & 0o077 != 0 {
            findings.push(Finding::warning(
                "key-readable",
                format!("{} can be read by others (mode {mode:o})", path.display()),
                format!("Take their rights away: chmod 600 {}", path.display()),
            ));
        }
    }
    findings
}

/// Free space where the database is.
pub(super) fn disk(database: &Path, min_free_mib: u64) -> Option<Finding> {
    let folder = database.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    #[cfg(unix)]
    let free_mib = rustix::fs::statvfs(folder).ok().map(|disk| disk.f_bavail.saturating_mul(disk.f_frsize) >> 20);
    #[cfg(not(unix))]
    let free_mib: Option<u64> = None;
    let free_mib = free_mib?;
    Some(if free_mib < min_free_mib {
        Finding::error(
            "disk",
            format!("{} MiB are free in {}", thousands(free_mib), folder.display()),
            format!("Free at least {} MiB; a full disk stops every sync before it writes.", thousands(min_free_mib)),
        )
    } else {
        Finding::fine("disk", format!("{} MiB are free", thousands(free_mib)))
    })
}

/// This machine's clock against the providers': their answers say what time it is there.
pub(super) async fn clock(app: &App, rows: &[ConnectionRow]) -> Option<Finding> {
    let transport = app.transport().ok()?;
    let mut asked: Vec<Url> = rows
        .iter()
        .filter(|row| !matches!(row.status, ConnectionStatus::Disconnected { .. }))
        .filter_map(|row| url(&app.config, row.scope.integration.as_str()))
        .collect();
    asked.sort();
    asked.dedup();
    for url in asked {
        let Some((there, here)) = time_at(&*transport, &url).await else { continue };
        let skew = here.duration_since(there);
        if skew.abs() > MAX_SKEW {
            let (seconds, direction) = (skew.abs().as_secs(), if skew.is_positive() { "ahead of" } else { "behind" });
            return Some(Finding::error(
                "clock",
                format!("this machine's clock is {seconds} s {direction} {}", url.host_str().unwrap_or_default()),
                "Set the clock, best by a time service such as systemd-timesyncd or chrony.",
            ));
        }
        return Some(Finding::fine("clock", format!("is right, by {}", url.host_str().unwrap_or_default())));
    }
    None
}

/// Where a provider can be asked without sign-in.
fn url(config: &Config, integration: &str) -> Option<Url> {
    let configured = config.providers.get(integration).and_then(|provider| provider.endpoints.values().next().cloned());
    configured.or_else(|| {
        let descriptor = ENABLED.iter().map(|known| known.descriptor).find(|descriptor| descriptor.id == integration)?;
        let endpoint = descriptor.endpoints.first()?;
        endpoint.fallback.unwrap_or(endpoint.url).parse().ok()
    })
}

/// The time there, to the second, and the time here.
async fn time_at(transport: &dyn Transport, url: &Url) -> Option<(Timestamp, Timestamp)> {
    let request = http::Request::head(url.as_str()).body(Bytes::new()).ok()?;
    let limits = TransportLimits { timeout: CLOCK_TIMEOUT, max_answer: 1 << 20 };
    let answer = transport.send(request, limits).await.ok()?;
    let date = answer.headers().get(http::header::DATE)?.to_str().ok()?;
    // HTTP dates are RFC 2822 dates in GMT.
    let there = rfc2822::parse(date).ok()?.timestamp();
    Some((there, Timestamp::now()))
}
