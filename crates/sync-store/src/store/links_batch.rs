//! Links: writes of a commit. What is there is read first, in one statement, and everything is decided here; so indexes are
//! written only where their columns change, and the rest goes by row number.

use std::collections::HashMap;

use sync_core::{AccountId, CallKey, ContainerId, Error, ErrorKind, LocalId, RemoteId, ResourceName, Result, Role, Scope};
use sync_engine::{Link, LinkState};

use super::{
    links::{of_resource, set_id, state, state_number},
    sql::{from_json, list, short_hash, to_json},
};
use crate::db::{Conn, Insert, Value, Values, query};
use crate::error::{corrupt, database};

/// Changes of links in the order in which they were asked for.
#[derive(Default)]
pub(super) struct Links(Vec<Asked>);

enum Asked {
    Open(Link),
    Put(Link),
    Drop(AccountId, ResourceName, Role, LocalId),
}

impl Asked {
    fn key(&self) -> (&AccountId, &ResourceName, &Role, &LocalId) {
        match self {
            Self::Open(link) | Self::Put(link) => (&link.account, &link.resource, &link.role, &link.local),
            Self::Drop(account, resource, role, local) => (account, resource, role, local),
        }
    }
}

/// A link as it is stored, and as it shall be.
struct Slot<'a> {
    set: i64,
    stored: Option<Stored>,
    /// `None`: as it is stored.
    shall: Option<Option<&'a Link>>,
}

struct Stored {
    id: i64,
    state: LinkState,
    remote_hash: Option<i64>,
    key_hash: Option<i64>,
}

impl Slot<'_> {
    fn state(&self) -> Option<LinkState> {
        match self.shall {
            Some(link) => link.map(|link| link.state),
            None => self.stored.as_ref().map(|stored| stored.state),
        }
    }
}

impl Links {
    pub(super) fn open(&mut self, link: Link) {
        self.0.push(Asked::Open(link));
    }

    pub(super) fn put(&mut self, link: Link) {
        self.0.push(Asked::Put(link));
    }

    pub(super) fn drop(&mut self, account: AccountId, resource: ResourceName, role: Role, local: LocalId) {
        self.0.push(Asked::Drop(account, resource, role, local));
    }

    pub(super) async fn write(&self, conn: &mut Conn, scope: &Scope) -> Result<()> {
        if self.0.is_empty() {
            return Ok(());
        }
        let mut slots = self.slots(conn, scope).await?;
        let mut numbers = HashMap::with_capacity(self.0.len());
        let n_slots = slots.len();
        for asked in &self.0 {
            let next = numbers.len();
            let slot = *numbers.entry(asked.key()).or_insert(next);
            let slot = slots.get_mut(slot).ok_or_else(|| corrupt("link"))?;
            if let Asked::Open(link) = asked
                && matches!(slot.state(), Some(LinkState::Open | LinkState::Live | LinkState::Detached))
            {
                return Err(Error::new(ErrorKind::Taken, "this record has a counterpart already, or a create on its way")
                    .with_context("resource", &link.resource)
                    .with_context("local", &link.local));
            }
            slot.shall = Some(match asked {
                Asked::Open(link) | Asked::Put(link) => Some(link),
                Asked::Drop(..) => None,
            });
        }
        debug_assert_eq!(numbers.len(), n_slots);
        apply(conn, &slots).await
    }

    /// One slot for each link, in the order in which they are named first.
    async fn slots(&self, conn: &mut Conn, scope: &Scope) -> Result<Vec<Slot<'_>>> {
        let mut slots = Vec::with_capacity(self.0.len());
        // Links of one account, resource and role, mostly all of them, with their slots.
        type Group<'a> = (&'a AccountId, &'a ResourceName, &'a Role);
        let mut groups: HashMap<Group<'_>, (Vec<&LocalId>, Vec<usize>)> = HashMap::new();
        let mut known = HashMap::with_capacity(self.0.len());
        for asked in &self.0 {
            if known.insert(asked.key(), ()).is_none() {
                let (account, resource, role, local) = asked.key();
                let (locals, places) = groups.entry((account, resource, role)).or_default();
                locals.push(local);
                places.push(slots.len());
                slots.push(Slot { set: 0, stored: None, shall: None });
            }
        }
        for ((account, resource, role), (locals, places)) in groups {
            let set = number_set(conn, scope, account, resource).await?;
            for place in &places {
                if let Some(slot) = slots.get_mut(*place) {
                    slot.set = set;
                }
            }
            for (i, stored) in find(conn, set, role, &locals).await? {
                let slot = places.get(i).and_then(|place| slots.get_mut(*place));
                slot.ok_or_else(|| corrupt("link"))?.stored = Some(stored);
            }
        }
        Ok(slots)
    }
}

/// The number of what links belong to, which is given where it has none yet.
async fn number_set(conn: &mut Conn, scope: &Scope, account: &AccountId, resource: &ResourceName) -> Result<i64> {
    const FIND: &str = concat!("select ", set_id!());
    const INSERT: &str = "insert into link_set (org, integration, account, resource) values ($1, $2, $3, $4) returning id";
    let found = of_resource(FIND, scope, account, resource).fetch_one(&mut *conn).await.map_err(database)?;
    if let Some(number) = found.opt_int(0)? {
        return Ok(number);
    }
    of_resource(INSERT, scope, account, resource).fetch_one(conn).await.map_err(database)?.int(0)
}

/// What is stored of links, each with its place among `locals`. In one row: a row for each would take longer to hand over
/// than to find.
async fn find(conn: &mut Conn, set: i64, role: &Role, locals: &[&LocalId]) -> Result<Vec<(usize, Stored)>> {
    const FIND: &str = "select group_concat(json_array(e.key, l.id, l.state, l.remote_hash, l.key_hash) || '', char(10)) \
        from json_each($3) e cross join link l where l.set_id = $1 and l.local_id = e.value and l.role = $2";
    let query = query(FIND).bind(set).bind(role.as_str()).bind(list(locals));
    let row = query.fetch_one(conn).await.map_err(database)?;
    type Found = (usize, i64, i64, Option<i64>, Option<i64>);
    let stored = |line: &str| {
        let (place, id, number, remote_hash, key_hash): Found = from_json("link", line)?;
        Ok((place, Stored { id, state: state(number)?, remote_hash, key_hash }))
    };
    row.packed(0)?.as_deref().into_iter().flat_map(str::lines).map(stored).collect()
}

const INSERT: Insert = Insert {
    head: "insert into link (id, set_id, local_id, role, container, remote_id, remote_hash, state, natural_key, key_hash, \
        hash, call_key, has_base)",
    n_values: 13,
    tail: "",
};
/// What no index holds.
const UPDATE: Insert = Insert {
    head: "update link set container = v.column2, state = v.column3, hash = v.column4, call_key = v.column5, \
        has_base = v.column6 from (",
    n_values: 6,
    tail: ") v where link.id = v.column1",
};
const UPDATE_REMOTE: Insert = Insert {
    head: "update link set remote_id = v.column2, remote_hash = v.column3 from (",
    n_values: 3,
    tail: ") v where link.id = v.column1",
};
const UPDATE_KEY: Insert = Insert {
    head: "update link set natural_key = v.column2, key_hash = v.column3 from (",
    n_values: 3,
    tail: ") v where link.id = v.column1",
};
const BASES: Insert = Insert {
    head: "insert into link_base (id, body)",
    n_values: 2,
    tail: "on conflict (id) do update set body = excluded.body",
};

async fn apply(conn: &mut Conn, slots: &[Slot<'_>]) -> Result<()> {
    const DROP: [&str; 2] = [
        "delete from link_base where id in (select value from json_each($1))",
        "delete from link where id in (select value from json_each($1))",
    ];
    let (mut new, mut changed, mut dropped) = (Vec::new(), Vec::new(), Vec::new());
    for slot in slots {
        match (slot.shall, &slot.stored) {
            (Some(Some(link)), None) => new.push((0, slot.set, link)),
            (Some(Some(link)), Some(stored)) => changed.push((stored.id, stored, link)),
            (Some(None), Some(stored)) => dropped.push(stored.id),
            (Some(None), None) | (None, _) => {}
        }
    }
    if !new.is_empty() {
        let ids = conn.new_link_ids(new.len()).await?;
        new.iter_mut().zip(ids).for_each(|(row, id)| row.0 = id);
    }
    INSERT.rows(&mut *conn, &new, bind_new).await?;
    let bind = |(id, _, link): &(i64, &Stored, &Link), values: &mut Values| {
        values.int(*id);
        bind_plain(link, values);
        Ok(())
    };
    UPDATE.rows(&mut *conn, &changed, bind).await?;
    let moved: Vec<(i64, Option<&str>)> = changed
        .iter()
        .map(|(id, stored, link)| (*id, stored.remote_hash, link.remote.as_ref().map(RemoteId::as_str)))
        .filter(|(_, hash, remote)| remote.map(short_hash) != *hash)
        .map(|(id, _, remote)| (id, remote))
        .collect();
    UPDATE_REMOTE.rows(&mut *conn, &moved, bind_hashed).await?;
    let renamed: Vec<(i64, Option<&str>)> = changed
        .iter()
        .map(|(id, stored, link)| (*id, stored.key_hash, link.key.as_deref()))
        .filter(|(_, hash, key)| key.map(short_hash) != *hash)
        .map(|(id, _, key)| (id, key))
        .collect();
    UPDATE_KEY.rows(&mut *conn, &renamed, bind_hashed).await?;

    let all = new.iter().map(|(id, _, link)| (*id, *link)).chain(changed.iter().map(|(id, _, link)| (*id, *link)));
    let based: Vec<(i64, &Link)> = all.filter(|(_, link)| link.base.is_some()).collect();
    let bind = |(id, link): &(i64, &Link), values: &mut Values| {
        values.int(*id).opt_text(link.base.as_ref().map(to_json).transpose()?);
        Ok(())
    };
    BASES.rows(&mut *conn, &based, bind).await?;
    for sql in DROP.into_iter().filter(|_| !dropped.is_empty()) {
        query(sql).bind(Value::Ints(dropped.clone())).execute(&mut *conn).await.map_err(database)?;
    }
    Ok(())
}

fn bind_new((id, set, link): &(i64, i64, &Link), values: &mut Values) -> Result<()> {
    let (remote, key) = (link.remote.as_ref().map(RemoteId::as_str), link.key.as_deref());
    values
        .int(*id)
        .int(*set)
        .text(link.local.as_str())
        .text(link.role.as_str())
        .opt_text(link.container.as_ref().map(ContainerId::as_str))
        .opt_text(remote)
        .opt_int(remote.map(short_hash))
        .int(state_number(link.state))
        .opt_text(key)
        .opt_int(key.map(short_hash))
        .opt_text(link.hash.map(|hash| hash.to_string()))
        .opt_text(link.call.as_ref().map(CallKey::as_str))
        .int(i64::from(link.base.is_some()));
    Ok(())
}

fn bind_plain(link: &Link, values: &mut Values) {
    values
        .opt_text(link.container.as_ref().map(ContainerId::as_str))
        .int(state_number(link.state))
        .opt_text(link.hash.map(|hash| hash.to_string()))
        .opt_text(link.call.as_ref().map(CallKey::as_str))
        .int(i64::from(link.base.is_some()));
}

fn bind_hashed((id, text): &(i64, Option<&str>), values: &mut Values) -> Result<()> {
    values.int(*id).opt_text(*text).opt_int(text.map(short_hash));
    Ok(())
}
