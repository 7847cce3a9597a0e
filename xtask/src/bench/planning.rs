//! Deciding alone: records that are ready in memory, one core, no I/O.

use std::{fs, hint::black_box, time::Duration};

use jiff::Timestamp;
use serde_json::json;
use sync_core::{
    AccountId, Connection, Consent, ConsentState, LocalId, Marker, Opened, Record, RemoteId, RemoteState, Rules,
    SyncHandler, Target, Value,
};
use sync_dispatch::ENABLED;
use sync_engine::{
    Base, Link, LinkState,
    plan::{Decision, LocalSide, Policy, RemoteSide, Sides, decide, local_hash, operation_digest},
};

use super::{
    Scale,
    contacts::Contacts,
    report::{Figure, Limit},
};
use crate::Result;

/// At least so many records a second on one core.
const LIMIT: Limit = Limit::AtLeast(200_000.0);

/// Ready to be decided about.
struct Ready {
    id: LocalId,
    target: Target,
    marker: Marker,
    side: LocalSide,
    link: Option<Link>,
}

pub(super) fn run(scale: Scale) -> Result<Vec<Figure>> {
    let registration =
        ENABLED.iter().find(|known| known.descriptor.id == "mailchimp").ok_or("Mailchimp is not compiled in")?;
    let resource = registration.descriptor.resources.first().ok_or("the provider has no resource")?;
    let build = |error: sync_core::Error| error.to_string();
    let integration = (registration.build)(serde_json::Value::Null).map_err(build)?;
    let connection = Connection::new("shop".into(), json!({"audience": "a1b2c3"}));
    let Opened::Sync(handler) = integration.open(connection).map_err(build)? else {
        return Err("the provider does not sync".to_owned());
    };
    let rules = handler.rules(&resource.name);
    let fields = rules.fields.clone();
    let policy =
        Policy { resource, rules: &rules, fields: &fields, direction: sync_core::Direction::Push, can_create_here: false };
    let contacts = Contacts::new(scale.n_contacts());

    let mut figures = Vec::new();
    for (name, agreed, is_linked) in
        [("new", contacts, false), ("unchanged", contacts, true), ("changed", contacts.changed(), true)]
    {
        let ready: Vec<Ready> =
            (0..contacts.n).map(|i| ready(&*handler, &rules, policy, agreed, contacts, i, is_linked)).collect();
        let n_operations = |ready: &[Ready]| ready.iter().filter(|one| plan(policy, one)).count();
        black_box(n_operations(&ready));
        let start = processor_time()?;
        let n = black_box(n_operations(black_box(&ready)));
        let took = processor_time()?.saturating_sub(start);
        let per_second = ready.len() as f64 / took.as_secs_f64();
        let wanted = match name {
            "new" => contacts.n,
            "unchanged" => 0,
            _ => contacts.n_changed(),
        };
        if n != wanted {
            return Err(format!("{name}: {n} operations instead of {wanted}"));
        }
        figures.push(Figure::new(format!("planning alone: {name} records a second"), per_second, "/s", LIMIT));
    }
    Ok(figures)
}

/// What this thread used of its core so far: others on the machine don't count.
/// Source: <https://docs.kernel.org/scheduler/sched-stats.html>, `/proc/PID/schedstat`: nanoseconds on the cpu come first.
fn processor_time() -> Result<Duration> {
    const PATH: &str = "/proc/thread-self/schedstat";
    let text = fs::read_to_string(PATH).map_err(|error| format!("{PATH}: {error}"))?;
    let nanos = text.split_whitespace().next().and_then(|nanos| nanos.parse().ok());
    nanos.map(Duration::from_nanos).ok_or_else(|| format!("{PATH} reads otherwise than expected"))
}

/// True when there is something to do.
fn plan(policy: Policy<'_>, ready: &Ready) -> bool {
    let Ready { id, target, marker, side, link } = ready;
    let sides = Sides {
        id,
        target,
        marker,
        local: side,
        version: None,
        remote: &RemoteSide::Unread,
        link: link.as_ref(),
        suppression: None,
        settle: None,
    };
    match decide(policy, sides) {
        Decision::Write(operation) => {
            black_box(operation_digest(&operation));
            true
        }
        other => {
            black_box(other);
            false
        }
    }
}

/// A record as it is now, with what was agreed on about it.
fn ready(
    handler: &dyn SyncHandler,
    rules: &Rules,
    policy: Policy<'_>,
    agreed: Contacts,
    now: Contacts,
    i: usize,
    is_linked: bool,
) -> Ready {
    let record = record(now, i);
    let id = LocalId::new(now.contact(i).id);
    let target = handler.target(&policy.resource.name, &record);
    let link = is_linked.then(|| {
        let before = self::record(agreed, i);
        Link {
            account: AccountId::from_static("account"),
            resource: policy.resource.name.clone(),
            local: id.clone(),
            role: target.role.clone(),
            container: target.container.clone(),
            remote: Some(RemoteId::new(format!("{i:032x}"))),
            state: LinkState::Live,
            key: before.text("email").map(str::to_owned),
            hash: Some(local_hash(&before, rules)),
            base: Some(Base {
                local: before,
                remote: None,
                version: None,
                state: RemoteState::Live,
                native: None,
                mapping: rules.mapping.clone(),
            }),
            call: None,
        }
    });
    Ready { id, target, marker: Marker::new(format!("{i:032x}")), side: LocalSide::Live(record), link }
}

fn record(contacts: Contacts, i: usize) -> Record {
    let contact = contacts.contact(i);
    let consent = Consent::new(ConsentState::Granted).at(Timestamp::UNIX_EPOCH);
    Record::new()
        .with("email", Value::text(contact.email))
        .with("first_name", Value::text(contact.first_name))
        .with("last_name", Value::text(contact.last_name))
        .with("consent.email", Value::Consent(consent))
        .with("tags", Value::Set(contact.tags.into_iter().collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(target_os = "linux")]
    #[test]
    fn only_what_changed_is_planned() {
        // The case itself refuses figures of a plan that it did not expect.
        let figures = run(Scale { quick: true }).unwrap();
        assert_eq!(figures.len(), 3);
    }
}
