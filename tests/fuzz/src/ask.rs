//! Asks a provider for one thing, and says what must hold of what it makes of the answers.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::FutureExt as _;
use jiff::{SignedDuration, Timestamp};
use sync_core::{
    CallKey, CallSet, Cancel, Change, Check, Choices, Context, Cursor, EffectGrants, Find, FindBy, From, Lane, Marker, Next,
    Operation, Page, PageToken, PartRef, Prepare, Prepared, Pull, Push, Reason, Refs, Remote, RemoteId, Result, Verb, Watch,
};

use crate::{Place, Script, sound};

const NOW: &str = "2026-11-22T12:00:00Z";

/// Asks for what the first byte says; the answers follow in the line after it.
///
/// # Panics
/// When an answer makes the provider break what it promises.
pub fn answers(place: &Place, data: &[u8]) {
    let Some((what, rest)) = data.split_first() else { return };
    let script = Script::read(rest.strip_prefix(b"\n").unwrap_or(rest));
    let asking = Asking { place, script: &script, cancel: Cancel::new(), grants: grants(place) };
    match what {
        b'p' => asking.pull(),
        b'i' => asking.find(FindBy::Ids(&[place.remote.clone()])),
        b'j' => asking.find(FindBy::Ids(&[place.remote.clone(), RemoteId::from_static("other")])),
        b'k' => asking.find(FindBy::Keys(&place.keys)),
        b'm' => asking.find(FindBy::Markers(&[Marker::new("0123456789abcdef0123456789abcdef")])),
        b'a' => asking.check(Check::Account),
        b's' => asking.check(Check::Settings),
        b'0'..=b'9' => asking.choices(usize::from(what - b'0')),
        b'c' => asking.push(&[asking.operation(Verb::Create)]),
        b'C' => asking.push(&[asking.operation(Verb::Create), second(asking.operation(Verb::Create))]),
        b'u' => asking.push(&[asking.operation(Verb::Update)]),
        b'U' => asking.push(&[asking.operation(Verb::Update), second(asking.operation(Verb::Update))]),
        b'r' => asking.push(&[asking.operation(Verb::Remove)]),
        b'w' => asking.watch(),
        b'n' => asking.make(),
        _ => {}
    }
}

/// Goes on at a position: its text up to the first `%%` line is a cursor, or a page token after `>`; answers follow.
///
/// # Panics
/// When the position or an answer makes the provider break what it promises.
pub fn position(place: &Place, data: &[u8]) {
    const END: &[u8] = b"\n%%\n";
    let end = data.windows(END.len()).position(|window| window == END);
    let (text, rest) = match end {
        Some(end) => (&data[..end], &data[end + END.len()..]),
        None => (data, &b""[..]),
    };
    let text = String::from_utf8_lossy(text).replace("{of}", &place.digest);
    let script = Script::read(rest);
    let asking = Asking { place, script: &script, cancel: Cancel::new(), grants: grants(place) };
    match text.strip_prefix('>') {
        Some(token) => asking.page(From::Page(&PageToken::new(token))),
        None => asking.page(From::Cursor(&Cursor::new(text))),
    };
}

/// The digest of its settings that a provider writes into its cursors, where it does.
pub(crate) fn digest(place: &Place) -> String {
    let script = Script::read(br#"{"items":[],"nextSyncToken":"s"}"#);
    let asking = Asking { place, script: &script, cancel: Cancel::new(), grants: grants(place) };
    let Some(Next::Done(cursor)) = asking.page(From::Start).map(|page| page.next) else { return String::new() };
    let cursor: serde_json::Value = serde_json::from_str(cursor.as_str()).unwrap_or_default();
    cursor["of"].as_str().unwrap_or_default().to_owned()
}

/// All side effects: what needs one is fuzzed, too.
fn grants(place: &Place) -> EffectGrants {
    EffectGrants::of(place.registration.descriptor.effects.iter().map(|effect| effect.name))
}

/// Another record of the same kind.
fn second(mut op: Operation) -> Operation {
    op.local = "2".into();
    op.marker = Marker::new("fedcba9876543210fedcba9876543210");
    op.fields = op.fields.with("email", sync_core::Value::text("mary@example.com"));
    if let Some(before) = &mut op.before {
        before.id = RemoteId::from_static("fedcba9876543210fedcba9876543210");
    }
    op
}

struct Asking<'a> {
    place: &'a Place,
    script: &'a Script,
    cancel: Cancel,
    grants: EffectGrants,
}

impl Asking<'_> {
    fn context(&self) -> Context<'_> {
        let now: Timestamp = NOW.parse().unwrap_or_default();
        let deadline = now.saturating_add(SignedDuration::from_hours(1)).unwrap_or(now);
        Context::new(self.script, now, deadline, &self.cancel, Lane::Interactive, &self.grants)
    }

    /// Nothing waits: the script answers at once.
    fn done<T>(&self, asked: impl Future<Output = Result<T>>) -> Option<T> {
        let done = asked.now_or_never().unwrap_or_else(|| panic!("a provider waits by itself"));
        done.inspect_err(sound).ok()
    }

    fn page(&self, from: From<'_>) -> Option<Page> {
        let feed = self.place.feed()?;
        let pull = Pull::new(feed, self.place.container.as_ref(), from);
        let page = self.done(self.place.handler.pull(&self.context(), pull))?;
        for change in &page.changes {
            if let Change::Upsert(remote) = change {
                assert!(!remote.id.as_str().is_empty(), "a record without an id can't be linked");
            }
        }
        Some(page)
    }

    /// A provider reads back what it wrote, whatever the other side put into it.
    fn pull(&self) {
        let Some(first) = self.page(From::Start) else { return };
        let n_asked = self.script.asked();
        match &first.next {
            Next::More(token) => self.page(From::Page(token)),
            Next::Done(cursor) => self.page(From::Cursor(cursor)),
        };
        assert!(self.script.asked() > n_asked, "a position of our own is not read back");
    }

    fn find(&self, by: FindBy<'_>) {
        let find = Find::new(&self.place.resource, self.place.container.as_ref(), by);
        if let Some(found) = self.done(self.place.handler.find(&self.context(), find)) {
            assert_eq!(found.len(), by.len(), "one answer per key");
        }
    }

    fn check(&self, check: Check) {
        self.done(self.place.handler.check(&self.context(), check));
    }

    fn choices(&self, which: usize) {
        if let Some(of) = self.place.choices.get(which) {
            self.done(self.place.handler.choices(&self.context(), Choices::new(of, None)));
        }
    }

    fn watch(&self) {
        let Some(feed) = self.place.feed() else { return };
        let container = self.place.container.as_ref();
        let start = Watch::Start { feed, container, url: "https://hooks.example.org/g", secret: "s3cret" };
        if let Some(watching) = self.done(self.place.handler.watch(&self.context(), start)) {
            let n_asked = self.script.asked();
            self.done(self.place.handler.watch(&self.context(), Watch::Stop(&watching)));
            assert!(self.script.asked() > n_asked, "a channel of our own can't be stopped");
        }
    }

    fn make(&self) {
        if let Some(makes) = self.place.registration.makes {
            self.done((makes.make)(&self.context(), makes.name, &serde_json::Value::Null));
        }
    }

    fn operation(&self, verb: Verb) -> Operation {
        let place = self.place;
        let before = (verb != Verb::Create).then(|| {
            let mut before = Remote::live(place.resource.clone(), place.remote.clone(), place.record.clone());
            before.version = Some("\"7\"".into());
            before.container = place.container.clone();
            Box::new(before)
        });
        let fields = if verb == Verb::Update { place.changed.clone() } else { place.record.clone() };
        let differs = |field: &str| verb == Verb::Create || place.record.value(field) != fields.value(field);
        let changed = fields.iter().map(|(field, _)| field.clone()).filter(|field| differs(field.as_str())).collect();
        Operation {
            id: "op".into(),
            resource: place.resource.clone(),
            local: "1".into(),
            role: place.role.clone(),
            container: place.container.clone(),
            verb,
            fields,
            changed,
            sets: BTreeMap::new(),
            before,
            marker: Marker::new("0123456789abcdef0123456789abcdef"),
            open: BTreeSet::new(),
            agreed: BTreeMap::new(),
            amends: None,
            taken: Vec::new(),
            is_final: false,
            linked_as: None,
            here: None,
            reason: Reason::ChangedHere,
        }
    }

    /// Sends the parts of all operations, group by group, as the engine does: parts of one group in one call.
    fn push(&self, ops: &[Operation]) {
        let (refs, key) = (Refs::new(), CallKey::from_static("key"));
        let mut groups: BTreeMap<(u8, String), Vec<PartRef<'_>>> = BTreeMap::new();
        for op in ops {
            let prepared = self.place.handler.prepare(Prepare::new(&self.place.facts, &self.grants, op));
            let Ok(Prepared::Parts(parts)) = prepared else { continue };
            for (part_idx, part) in parts.iter().enumerate() {
                let before = op.before.as_ref();
                groups.entry((part.stage, part.group.to_string())).or_default().push(PartRef {
                    op,
                    part_idx,
                    remote: before.map(|before| &before.id),
                    version: before.and_then(|before| before.version.as_ref()),
                    refs: &refs,
                });
            }
        }
        for ((_, group), parts) in &groups {
            let push = Push::new(CallSet { group, parts }, &key, &self.place.facts);
            if let Some(receipts) = self.done(self.place.handler.push(&self.context(), push)) {
                assert_eq!(receipts.len(), parts.len(), "one receipt per part");
            }
        }
    }
}
