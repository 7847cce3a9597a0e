//! An audience: its members with the indexes that keep calls on large ones cheap.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use serde_json::Value;

use super::{
    Ids,
    member::{Key, Member, Status},
    merge::MergeField,
};

/// Position of a member in its audience; never used again after the member is gone.
pub(super) type Seat = u32;

#[derive(Debug)]
pub(super) struct Audience {
    pub(super) id: String,
    pub(super) web_id: u32,
    pub(super) name: String,
    pub(super) double_optin: bool,
    pub(super) created: i64,
    pub(super) merge_fields: Vec<MergeField>,
    pub(super) segments: BTreeMap<u32, Segment>,
    pub(super) webhooks: BTreeMap<String, Value>,
    pub(super) forgotten: HashSet<Key>,
    seats: Vec<Option<Member>>,
    by_key: HashMap<Key, Seat>,
    by_contact: HashMap<Key, Seat>,
    by_changed: BTreeSet<(i64, Seat)>,
    by_signup: BTreeSet<(Option<i64>, Seat)>,
    n_by_status: BTreeMap<Status, usize>,
}

/// A static segment, which is what a tag is.
#[derive(Debug)]
pub(super) struct Segment {
    pub(super) id: u32,
    pub(super) name: String,
    pub(super) created: i64,
    pub(super) updated: i64,
    pub(super) members: BTreeSet<Seat>,
}

impl Audience {
    pub(super) fn new(id: String, web_id: u32, name: String, double_optin: bool, created: i64) -> Self {
        Self {
            id,
            web_id,
            name,
            double_optin,
            created,
            merge_fields: Vec::new(),
            segments: BTreeMap::new(),
            webhooks: BTreeMap::new(),
            forgotten: HashSet::new(),
            seats: Vec::new(),
            by_key: HashMap::new(),
            by_contact: HashMap::new(),
            by_changed: BTreeSet::new(),
            by_signup: BTreeSet::new(),
            n_by_status: BTreeMap::new(),
        }
    }

    pub(super) fn get(&self, seat: Seat) -> Option<&Member> {
        self.seats.get(seat as usize).and_then(Option::as_ref)
    }

    fn get_mut(&mut self, seat: Seat) -> Option<&mut Member> {
        self.seats.get_mut(seat as usize).and_then(Option::as_mut)
    }

    pub(super) fn by_email(&self, email: &str) -> Option<Seat> {
        self.by_key.get(&Key::of_email(email)).copied()
    }

    /// The member that a path names: by the hash of its address, its contact id, or its address.
    /// Source: <https://mailchimp.com/developer/marketing/api/list-members/get-member-info/>, `subscriber_hash`.
    pub(super) fn named(&self, name: &str) -> Option<Seat> {
        if name.contains('@') {
            return self.by_email(name);
        }
        let key = Key::parse(name)?;
        self.by_key.get(&key).or_else(|| self.by_contact.get(&key)).copied()
    }

    pub(super) fn by_hash(&self, name: &str) -> Option<Seat> {
        self.by_key.get(&Key::parse(name)?).copied()
    }

    /// Members in the order they came.
    pub(super) fn members(&self) -> impl Iterator<Item = (Seat, &Member)> {
        self.seats.iter().enumerate().filter_map(|(seat, member)| Some((seat as Seat, member.as_ref()?)))
    }

    /// Members by the time they changed last, all strictly between these bounds.
    pub(super) fn changed_between(&self, since: Option<i64>, before: Option<i64>) -> impl DoubleEndedIterator<Item = Seat> {
        let from = since.map_or((i64::MIN, 0), |since| (since.saturating_add(1), 0));
        let to = before.map_or((i64::MAX, Seat::MAX), |before| (before, 0)).max(from);
        self.by_changed.range(from..to).map(|(_, seat)| *seat)
    }

    /// Members by the time they signed up, those without one first.
    pub(super) fn by_signup(&self) -> impl DoubleEndedIterator<Item = Seat> {
        self.by_signup.iter().map(|(_, seat)| *seat)
    }

    pub(super) fn n_with(&self, status: Status) -> usize {
        self.n_by_status.get(&status).copied().unwrap_or(0)
    }

    pub(super) fn insert(&mut self, member: Member) -> Seat {
        let seat = Seat::try_from(self.seats.len()).unwrap_or(Seat::MAX);
        self.by_key.insert(member.key, seat);
        self.by_contact.insert(member.contact, seat);
        self.by_changed.insert((member.changed, seat));
        self.by_signup.insert((member.timestamp_signup, seat));
        *self.n_by_status.entry(member.status).or_default() += 1;
        for (tag, _) in &member.tags {
            if let Some(segment) = self.segments.get_mut(tag) {
                segment.members.insert(seat);
            }
        }
        self.seats.push(Some(member));
        seat
    }

    /// Changes a member in place, keeping the indexes. The address is changed by [`Self::rename`], tags by [`Self::tag`].
    pub(super) fn update(&mut self, seat: Seat, now: i64, change: impl FnOnce(&mut Member)) {
        let Some(member) = self.get_mut(seat) else { return };
        let (changed, signup, status) = (member.changed, member.timestamp_signup, member.status);
        change(member);
        member.changed = now;
        let (new_signup, new_status) = (member.timestamp_signup, member.status);
        self.by_changed.remove(&(changed, seat));
        self.by_changed.insert((now, seat));
        if new_signup != signup {
            self.by_signup.remove(&(signup, seat));
            self.by_signup.insert((new_signup, seat));
        }
        if new_status != status {
            if let Some(n) = self.n_by_status.get_mut(&status) {
                *n -= 1;
            }
            *self.n_by_status.entry(new_status).or_default() += 1;
        }
    }

    /// Gives a member another address; its contact id stays.
    pub(super) fn rename(&mut self, seat: Seat, email: &str) {
        let key = Key::of_email(email);
        let Some(member) = self.get_mut(seat) else { return };
        let old = std::mem::replace(&mut member.key, key);
        email.clone_into(&mut member.email);
        self.by_key.remove(&old);
        self.by_key.insert(key, seat);
    }

    /// Erases a member.
    pub(super) fn forget(&mut self, seat: Seat) {
        let Some(member) = self.seats.get_mut(seat as usize).and_then(Option::take) else { return };
        self.by_key.remove(&member.key);
        self.by_contact.remove(&member.contact);
        self.by_changed.remove(&(member.changed, seat));
        self.by_signup.remove(&(member.timestamp_signup, seat));
        if let Some(n) = self.n_by_status.get_mut(&member.status) {
            *n -= 1;
        }
        for (tag, _) in &member.tags {
            if let Some(segment) = self.segments.get_mut(tag) {
                segment.members.remove(&seat);
            }
        }
        self.forgotten.insert(member.key);
    }

    /// The segment with this name, whatever its case.
    pub(super) fn segment_named(&self, name: &str) -> Option<u32> {
        let name = name.to_lowercase();
        self.segments.values().find(|segment| segment.name.to_lowercase() == name).map(|segment| segment.id)
    }

    /// The segment with this name, made if there is none.
    pub(super) fn segment_for(&mut self, name: &str, ids: &mut Ids, now: i64) -> u32 {
        if let Some(id) = self.segment_named(name) {
            return id;
        }
        let id = ids.number();
        self.segments
            .insert(id, Segment { id, name: name.to_owned(), created: now, updated: now, members: BTreeSet::new() });
        id
    }

    /// Adds a member to a segment; false when it was there.
    pub(super) fn tag(&mut self, seat: Seat, segment: u32, now: i64) -> bool {
        let (Some(of), Some(member)) =
            (self.segments.get_mut(&segment), self.seats.get_mut(seat as usize).and_then(Option::as_mut))
        else {
            return false;
        };
        let is_new = of.members.insert(seat);
        if is_new {
            of.updated = now;
            member.tags.push((segment, now));
        }
        is_new
    }

    /// Takes a member from a segment; false when it was not there.
    pub(super) fn untag(&mut self, seat: Seat, segment: u32, now: i64) -> bool {
        let (Some(of), Some(member)) =
            (self.segments.get_mut(&segment), self.seats.get_mut(seat as usize).and_then(Option::as_mut))
        else {
            return false;
        };
        let was_there = of.members.remove(&seat);
        if was_there {
            of.updated = now;
            member.tags.retain(|(tag, _)| *tag != segment);
        }
        was_there
    }

    /// Removes a segment and its tag from all members.
    pub(super) fn drop_segment(&mut self, segment: u32) {
        let Some(segment) = self.segments.remove(&segment) else { return };
        for seat in segment.members {
            if let Some(member) = self.get_mut(seat) {
                member.tags.retain(|(tag, _)| *tag != segment.id);
            }
        }
    }
}
