//! What a request asks for, checked against the descriptor.

use sync_core::{
    Collection, Descriptor, Direction, FieldSet, ItemRef, Kind, LocalVerb, Resource, Rules, SyncHandler, SyncRequest,
};

use super::session::Session;
use crate::plan::Policy;

/// A request, checked.
#[derive(Debug)]
pub(crate) struct Ask {
    /// The resources, in dependency order.
    pub(crate) resources: Vec<ResourceAsk>,
    /// Single items, where only these are asked for.
    pub(crate) items: Option<Vec<ItemAsk>>,
}

/// One resource of a request.
#[derive(Debug)]
pub(crate) struct ResourceAsk {
    pub(crate) resource: &'static Resource,
    pub(crate) collection: Collection,
    pub(crate) rules: Rules,
    /// The fields that may be written: those of the sync types that were asked for.
    pub(crate) fields: FieldSet,
    /// True when all of the resource's sync types were asked for.
    pub(crate) is_whole: bool,
    /// The sides that this run may write: what the connection allows, narrowed by the request.
    pub(crate) direction: Direction,
    /// True when both sides are compared, whatever may be written.
    pub(crate) is_audit: bool,
    /// The name of the local cursor.
    pub(crate) stream: String,
}

/// The stream of local changes to a resource, for runs that sync all of it.
fn stream_of(resource: &Resource) -> String {
    format!("local:{}:{}", resource.collection, resource.name)
}

impl ResourceAsk {
    /// The streams of local changes whose positions this run's writes can overtake: its own, and that of runs that sync all.
    pub(crate) fn streams(&self) -> Vec<String> {
        let mut streams = vec![self.stream.clone(), stream_of(self.resource)];
        streams.dedup();
        streams
    }

    /// True when the provider's side counts too: its feed is read, whatever this run may write.
    pub(crate) fn is_two_way(&self) -> bool {
        self.rules.direction != Direction::Push || self.is_audit
    }

    /// What records of this resource are decided by in this run, under these rules.
    pub(crate) fn policy<'p>(&'p self, s: &Session<'_>, rules: &'p Rules) -> Policy<'p> {
        let can_create_here = self.resource.pullable
            && s.engine.records.writing().is_some_and(|records| records.can(&self.collection, LocalVerb::Create));
        // An audit compares whatever either side could be given.
        let direction = if self.is_audit { rules.direction } else { self.direction };
        Policy { resource: self.resource, rules, fields: &self.fields, direction, can_create_here }
    }

    /// True when the request allows less than the connection: what differs on the other side is left for the next run, so
    /// that cursors over it must not move.
    pub(crate) fn is_narrowed(&self) -> bool {
        self.direction != self.rules.direction
    }
}

/// One item of a request.
#[derive(Debug)]
pub(crate) struct ItemAsk {
    pub(crate) resource_idx: usize,
    pub(crate) remote: bool,
    pub(crate) id: String,
}

impl Ask {
    /// Checks a request; an error says what is wrong with it.
    pub(crate) fn of(
        descriptor: &'static Descriptor,
        handler: &dyn SyncHandler,
        request: &SyncRequest,
        is_audit: bool,
    ) -> Result<Self, String> {
        let refused = |text: String| Err(text);
        if descriptor.kind != Kind::Sync {
            return refused(format!("{} has no records to sync", descriptor.name));
        }
        match request.direction {
            Some(Direction::Pull) if !descriptor.supports_direction => {
                return refused(format!(
                    "{} only takes records: direction \"pull\" is not possible. Leave the direction out, or ask for \"push\".",
                    descriptor.name
                ));
            }
            _ => {}
        }
        let known = || descriptor.sync_types.iter().map(|sync_type| sync_type.name).collect::<Vec<_>>().join(", ");
        let mut types = Vec::new();
        match &request.types {
            None => types.extend(descriptor.sync_types),
            Some(names) => {
                for name in names {
                    match descriptor.sync_type(name) {
                        Some(sync_type) => types.push(sync_type),
                        None => {
                            return refused(format!(
                                "{} has no sync type \"{name}\" (there are: {})",
                                descriptor.name,
                                known()
                            ));
                        }
                    }
                }
                if types.is_empty() {
                    return refused(format!("no sync type was asked for (there are: {})", known()));
                }
            }
        }

        let mut resources = Vec::new();
        for resource in descriptor.resources {
            let of_it = |sync_type: &&&sync_core::SyncType| sync_type.resource == resource.name;
            let asked: Vec<_> = types.iter().filter(of_it).collect();
            if asked.is_empty() {
                continue;
            }
            let rules = handler.rules(&resource.name);
            let direction = narrowed(request.direction.filter(|_| descriptor.supports_direction), rules.direction).ok_or_else(|| {
                let (asked, allowed) = (request.direction.unwrap_or(Direction::Both), rules.direction);
                format!(
                    "direction \"{asked}\" is not possible: the connection's setting for {} is \"{allowed}\". Ask for \"{allowed}\", or change the setting.",
                    resource.nouns.1
                )
            })?;
            let fields = asked.iter().flat_map(|sync_type| sync_type.fields.of(&rules.fields)).collect();
            let mut names: Vec<_> = asked.iter().map(|sync_type| sync_type.name).collect();
            names.sort_unstable();
            names.dedup();
            let n_types = descriptor.sync_types.iter().filter(|sync_type| sync_type.resource == resource.name).count();
            let is_whole = names.len() == n_types;
            let mut stream = stream_of(resource);
            if !is_whole {
                stream = format!("{stream}:{}", names.join("+"));
            }
            resources.push(ResourceAsk {
                resource,
                collection: resource.collection.clone(),
                rules,
                fields,
                is_whole,
                direction,
                is_audit,
                stream,
            });
        }
        let items = match &request.item_ids {
            None => None,
            Some(ids) => Some(parse_items(descriptor, &resources, ids)?),
        };
        Ok(Self { resources, items })
    }
}

/// What a request may write of what a connection allows; `None` when it asks for more.
fn narrowed(asked: Option<Direction>, allowed: Direction) -> Option<Direction> {
    match (asked, allowed) {
        (None, allowed) => Some(allowed),
        (Some(asked), Direction::Both) => Some(asked),
        (Some(asked), allowed) => (asked == allowed).then_some(allowed),
    }
}

fn parse_items(descriptor: &Descriptor, resources: &[ResourceAsk], ids: &[String]) -> Result<Vec<ItemAsk>, String> {
    let mut known: Vec<&str> = descriptor.sync_types.iter().map(|sync_type| sync_type.name).collect();
    known.extend(descriptor.resources.iter().map(|resource| resource.name.as_str()));
    let mut items = Vec::new();
    for id in ids {
        let item = ItemRef::parse(id, &known);
        let of = item.of.as_deref();
        let resource = of.map(|of| descriptor.sync_type(of).map_or(of, |sync_type| sync_type.resource.as_str()));
        let mut fitting = resources
            .iter()
            .enumerate()
            .filter(|(_, ask)| resource.is_none_or(|name| ask.resource.name.as_str() == name))
            .map(|(resource_idx, _)| resource_idx);
        match (fitting.next(), fitting.next()) {
            (Some(resource_idx), None) => items.push(ItemAsk { resource_idx, remote: item.remote, id: item.id }),
            (Some(_), Some(_)) => {
                return Err(format!(
                    "item \"{id}\" may mean several types; write it as TYPE:{id} with one of: {}",
                    known.join(", ")
                ));
            }
            (None, _) => return Err(format!("item \"{id}\" is of a type that was not asked for")),
        }
    }
    Ok(items)
}
