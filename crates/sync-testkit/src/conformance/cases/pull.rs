//! Feeds: pages, tokens, cursors, changes.

use std::{collections::BTreeSet, time::Duration};

use sync_core::{Complete, ConsentState, Cursor, ErrorKind, Found, From, Next, PageToken, RemoteId, RemoteState, Resource};

use crate::conformance::{Act, Harness, Verdict, bench::Bench, operation::consent_there};

/// Longer than any feed keeps what is fresh in suspense.
const HOUR: Duration = Duration::from_secs(60 * 60);

/// Plants so many records of each resource with a feed, and looks.
macro_rules! for_each_fed {
    ($harness:ident, $n:expr, |$bench:ident, $resource:ident, $ids:ident| $body:block) => {{
        let $bench = Bench::new($harness).await;
        let mut n_seen = 0;
        for $resource in $bench.resources().iter().filter(|resource| $bench.feed(resource).is_some()) {
            let $ids = plant(&$bench, $resource, $n).await;
            n_seen += 1;
            $body
        }
        if n_seen == 0 { Verdict::Spared("nothing has a feed") } else { Verdict::Held }
    }};
}

async fn plant(bench: &Bench<'_>, resource: &Resource, n: usize) -> BTreeSet<RemoteId> {
    let records: Vec<_> = (0..n).map(|n| bench.harness.record(resource, n)).collect();
    let ids = bench.harness.plant(resource, &records).await;
    bench.clock.advance(HOUR);
    bench.forget();
    ids.into_iter().collect()
}

pub(super) async fn every_page_is_followed_and_no_token_is_given_twice(harness: &dyn Harness) -> Verdict {
    for_each_fed!(harness, 3 * harness.page_size() + 1, |bench, resource, ids| {
        let listing = bench.list(resource, From::Start).await;
        assert!(listing.pages.len() >= 4, "{} pages", listing.pages.len());
        let tokens: BTreeSet<&str> = listing.tokens.iter().map(PageToken::as_str).collect();
        assert_eq!(tokens.len(), listing.tokens.len(), "a token came twice");
        let folded = listing.folded();
        assert!(ids.iter().all(|id| folded.contains_key(id)), "records are missing");
        let asked: Vec<String> = bench.wire.log().iter().map(|sent| sent.uri.to_string()).collect();
        let different: BTreeSet<&String> = asked.iter().collect();
        assert_eq!(different.len(), asked.len(), "the same page was asked for twice");
    })
}

pub(super) async fn a_page_holds_no_more_than_was_configured_and_costs_at_most_two_calls(harness: &dyn Harness) -> Verdict {
    for_each_fed!(harness, 3 * harness.page_size() + 1, |bench, resource, _ids| {
        let listing = bench.list(resource, From::Start).await;
        for page in &listing.pages {
            assert!(page.len() <= harness.page_size(), "a page of {}", page.len());
        }
        assert!(bench.n_sent() <= 2 * listing.pages.len(), "{} calls", bench.n_sent());
        assert_eq!(bench.n_writes(), 0);
    })
}

pub(super) async fn a_full_listing_says_so_and_a_delta_too(harness: &dyn Harness) -> Verdict {
    for_each_fed!(harness, harness.page_size() + 1, |bench, resource, _ids| {
        let listing = bench.list(resource, From::Start).await;
        assert!(listing.completes.iter().all(|complete| *complete == Complete::Full));
        bench.clock.advance(HOUR);
        let delta = bench.list(resource, From::Cursor(&listing.cursor)).await;
        assert!(delta.completes.iter().all(|complete| *complete == Complete::Delta));
    })
}

pub(super) async fn a_token_can_be_stored_and_asked_again(harness: &dyn Harness) -> Verdict {
    for_each_fed!(harness, 2 * harness.page_size() + 1, |bench, resource, _ids| {
        let first = bench.pull(resource, From::Start).await.expect("a page");
        let Next::More(token) = first.next else { panic!("more than one page is there") };
        let stored = PageToken::new(token.as_str().to_owned());
        let pages = [
            bench.pull(resource, From::Page(&stored)).await.expect("a page"),
            bench.pull(resource, From::Page(&stored)).await.expect("a page"),
        ];
        let ids = pages.each_ref().map(|page| page.changes.iter().map(change_id).collect::<Vec<_>>());
        assert_eq!(ids[0], ids[1], "the same token names the same page");
    })
}

fn change_id(change: &sync_core::Change) -> RemoteId {
    match change {
        sync_core::Change::Upsert(remote) => remote.id.clone(),
        sync_core::Change::Gone { id, .. } => id.clone(),
    }
}

pub(super) async fn a_cursor_or_token_of_somebody_else_asks_for_a_full_pass(harness: &dyn Harness) -> Verdict {
    for_each_fed!(harness, 1, |bench, resource, _ids| {
        for text in ["", "nonsense", "a&b#c+d /e?f=g", "-1", "99999999999999999999999999", "\u{0}", "é"] {
            let cursor = bench.pull(resource, From::Cursor(&Cursor::new(text))).await.err();
            let cursor = cursor.unwrap_or_else(|| panic!("the cursor {text:?} is taken"));
            assert_eq!(cursor.kind(), ErrorKind::CursorExpired, "cursor {text:?}");
            let token = bench.pull(resource, From::Page(&PageToken::new(text))).await.err();
            let token = token.unwrap_or_else(|| panic!("the token {text:?} is taken"));
            assert_eq!(token.kind(), ErrorKind::CursorExpired, "token {text:?}");
        }
    })
}

pub(super) async fn a_delta_shows_what_changed_and_little_else(harness: &dyn Harness) -> Verdict {
    for_each_fed!(harness, 3 * harness.page_size(), |bench, resource, ids| {
        let listing = bench.list(resource, From::Start).await;
        bench.clock.advance(HOUR);
        let id = ids.first().expect("records");
        if !harness.act(resource, id, Act::Edit).await {
            continue;
        }
        bench.clock.advance(HOUR);
        let delta = bench.list(resource, From::Cursor(&listing.cursor)).await.folded();
        assert!(delta.contains_key(id), "the change is not shown");
        assert!(delta.len() <= 1 + harness.page_size(), "{} records are shown for one change", delta.len());
    })
}

pub(super) async fn a_delta_without_news_is_empty_and_costs_little(harness: &dyn Harness) -> Verdict {
    for_each_fed!(harness, 2 * harness.page_size(), |bench, resource, _ids| {
        let listing = bench.list(resource, From::Start).await;
        bench.clock.advance(HOUR);
        let first = bench.list(resource, From::Cursor(&listing.cursor)).await;
        bench.clock.advance(HOUR);
        bench.forget();
        let second = bench.list(resource, From::Cursor(&first.cursor)).await;
        assert!(second.folded().is_empty(), "{} records without a change", second.folded().len());
        assert!(bench.n_sent() <= 3, "{} calls for nothing", bench.n_sent());
    })
}

pub(super) async fn what_changed_in_the_second_of_the_cursor_is_not_lost(harness: &dyn Harness) -> Verdict {
    for_each_fed!(harness, 2, |bench, resource, ids| {
        let listing = bench.list(resource, From::Start).await;
        // No time passes between the listing's end and the edit.
        let id = ids.first().expect("records");
        if !harness.act(resource, id, Act::Edit).await {
            continue;
        }
        bench.clock.advance(HOUR);
        let delta = bench.list(resource, From::Cursor(&listing.cursor)).await.folded();
        assert!(delta.contains_key(id), "an edit right after the listing is lost");
    })
}

pub(super) async fn a_change_in_mid_listing_pushes_nobody_over_the_edge(harness: &dyn Harness) -> Verdict {
    for_each_fed!(harness, 4 * harness.page_size(), |bench, resource, ids| {
        let start = bench.list(resource, From::Start).await;
        // A delta in which every record is shown, while people go on editing, where the provider lets them.
        let mut can_edit = true;
        for id in &ids {
            bench.clock.advance(Duration::from_secs(2));
            can_edit &= harness.act(resource, id, Act::Edit).await;
        }
        if !can_edit {
            continue;
        }
        let first = ids.first().expect("records").clone();
        let delta = bench
            .list_with(resource, From::Cursor(&start.cursor), async |n_pages| {
                bench.clock.advance(Duration::from_secs(2));
                if n_pages <= 2 {
                    harness.act(resource, &first, Act::Edit).await;
                }
            })
            .await
            .folded();
        let missing: Vec<_> = ids.iter().filter(|id| !delta.contains_key(*id)).collect();
        assert!(missing.is_empty(), "{} of {} records were passed over", missing.len(), ids.len());
    })
}

pub(super) async fn a_record_is_shown_with_its_id_keys_container_and_consent(harness: &dyn Harness) -> Verdict {
    for_each_fed!(harness, 2, |bench, resource, ids| {
        let folded = bench.list(resource, From::Start).await.folded();
        let container = bench.container(resource);
        let rules = bench.handler.rules(&resource.name);
        for id in &ids {
            let remote = folded.get(id).and_then(Option::as_ref).expect("it is shown");
            assert_eq!((&remote.resource, &remote.container), (&resource.name, &container));
            assert_eq!(remote.state, RemoteState::Live);
            if let Some(field) = rules.match_on.first() {
                assert!(remote.keys.iter().any(|key| key.field() == field), "it can't be matched by {field}");
            }
            if resource.consent.is_some() {
                assert_eq!(consent_there(resource, remote), Some(ConsentState::Granted));
            }
            for (field, _) in remote.fields.iter() {
                assert!(rules.fields.contains(field), "{field} is read and not mapped");
            }
        }
    })
}

pub(super) async fn what_is_archived_there_is_shown_as_archived(harness: &dyn Harness) -> Verdict {
    let bench = Bench::new(harness).await;
    for resource in bench.resources().iter().filter(|resource| bench.feed(resource).is_some()) {
        let ids = plant(&bench, resource, 3).await;
        let start = bench.list(resource, From::Start).await;
        let id = ids.first().expect("records");
        if !harness.act(resource, id, Act::Archive).await {
            continue;
        }
        bench.clock.advance(HOUR);
        for from in [From::Cursor(&start.cursor), From::Start] {
            let folded = bench.list(resource, from).await.folded();
            let shown = folded.get(id).and_then(Option::as_ref).expect("what is archived is shown");
            assert_eq!(shown.state, RemoteState::Archived);
        }
        return Verdict::Held;
    }
    Verdict::Spared("nothing can be archived there")
}

pub(super) async fn what_is_deleted_there_is_gone_or_at_least_not_shown(harness: &dyn Harness) -> Verdict {
    let bench = Bench::new(harness).await;
    for resource in bench.resources().iter().filter(|resource| bench.feed(resource).is_some()) {
        let ids = plant(&bench, resource, 3).await;
        let start = bench.list(resource, From::Start).await;
        let id = ids.first().expect("records");
        if !harness.act(resource, id, Act::Delete).await {
            continue;
        }
        bench.clock.advance(HOUR);
        let delta = bench.list(resource, From::Cursor(&start.cursor)).await.folded();
        assert!(
            !matches!(delta.get(id), Some(Some(remote)) if remote.state == RemoteState::Live),
            "it is shown as if there"
        );
        let full = bench.list(resource, From::Start).await.folded();
        assert!(!matches!(full.get(id), Some(Some(remote)) if remote.state == RemoteState::Live));
        assert!(matches!(bench.find(resource, id).await, Found::Absent | Found::Gone));
        return Verdict::Held;
    }
    Verdict::Spared("nothing can be deleted there")
}

pub(super) async fn refusals_and_bounces_flow_back(harness: &dyn Harness) -> Verdict {
    let bench = Bench::new(harness).await;
    let mut n_seen = 0;
    for resource in bench.resources().iter().filter(|resource| resource.consent.is_some()) {
        n_seen += 1;
        let ids: Vec<RemoteId> = plant(&bench, resource, 3).await.into_iter().collect();
        let start = bench.list(resource, From::Start).await;
        let acts = [(Act::Refuse, ConsentState::Denied), (Act::Bounce, ConsentState::Undeliverable)];
        for ((act, expected), id) in acts.into_iter().zip(&ids) {
            if !harness.act(resource, id, act).await {
                continue;
            }
            bench.clock.advance(HOUR);
            let folded = bench.list(resource, From::Cursor(&start.cursor)).await.folded();
            let shown = folded.get(id).and_then(Option::as_ref).expect("a change of consent is shown");
            assert_eq!(consent_there(resource, shown), Some(expected));
        }
    }
    if n_seen == 0 { Verdict::Spared("nothing carries consent") } else { Verdict::Held }
}
