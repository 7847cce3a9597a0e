//! All reads of two stores, compared.

use jiff::Timestamp;
use sync_core::{AccountId, Channel, ResourceName};
use sync_engine::{Due, Item, OutcomeRow, ReadyPart, Store};

use super::{
    make::*,
    random::{ADDRESSES, Dice, scopes},
};

const ALL: usize = 1_000;

/// Asks both the same. `place` says where in the history.
pub(super) async fn compare(reference: &dyn Store, subject: &dyn Store, random: &Dice, place: &str) {
    // The arguments are evaluated twice: nothing random may stand among them.
    macro_rules! same {
        ($scope:expr, $method:ident($($arg:expr),*)) => { same!($scope, $method($($arg),*), |answer| answer) };
        ($scope:expr, $method:ident($($arg:expr),*), $told:expr) => {{
            let told = $told;
            let expected = told(reference.$method($($arg),*).await.must(place));
            let answered = told(subject.$method($($arg),*).await.must(place));
            // The rows are not printed as they are: their `Debug` hides content, and so often what differs.
            if answered != expected {
                panic!("{place}: {} of {} differs:\n{answered:?}\ninstead of\n{expected:?}", stringify!($method), $scope);
            }
        }};
    }
    let (resources, accounts) = (["contacts", "invoices"].map(ResourceName::from), [ACCOUNT, AccountId::from("none")]);
    let keys = texts(&["b@x", "nobody", "a@x", "c@x"]);
    for scope in &scopes() {
        let runs = ["run-1", "run-2"].map(sync_core::RunId::from);
        for account in &accounts {
            same!(scope, link_counts(scope, account));
            for resource in &resources {
                for role in &["main", "second"].map(sync_core::Role::from) {
                    let locals = [random.local(), random.local(), random.local()];
                    same!(scope, links_by_local(scope, account, resource, role, &locals));
                    same!(scope, holders_of_keys(scope, account, resource, role, &keys));
                    same!(scope, link_heads(scope, account, resource, role, None, ALL));
                    same!(scope, link_heads(scope, account, resource, role, Some(&locals[0]), 2));
                }
                let remotes = [random.remote(), random.remote(), random.remote()];
                same!(scope, links_by_remote(scope, account, resource, &remotes));
                for run in &runs {
                    let (container, after) = (random.container(), random.local());
                    let container = container.as_ref();
                    same!(scope, unseen_links(scope, account, run, resource, container, None, ALL));
                    same!(scope, unseen_links(scope, account, run, resource, container, Some(&after), 1));
                }
            }
        }
        for run in &runs {
            let (seq, remote) = (random.0.below(20), random.remote());
            same!(scope, plan_page(scope, run, 0, ALL));
            same!(scope, plan_page(scope, run, seq, 2));
            same!(scope, plan_digests(scope, run, None, ALL));
            same!(scope, plan_calls(scope, run));
            same!(scope, open_parts(scope, run, &[seq, 1, 99]));
            same!(scope, seen_page(scope, run, None, ALL));
            same!(scope, seen_page(scope, run, Some((&resources[0], &remote)), 2));
            let places = [(random.0.below(20), 0), (random.0.below(20), 1), (random.0.below(20), 2)];
            let in_order = |mut parts: Vec<ReadyPart>| {
                parts.sort_by_key(|part| (part.seq, part.part_idx));
                parts
            };
            same!(scope, parts(scope, run, &places), in_order);
            for resource in &resources {
                let container = random.container();
                let remotes = [random.remote(), random.remote(), random.remote()];
                same!(scope, seen_by_key(scope, run, resource, container.as_ref(), &keys));
                same!(scope, seen_by_remote(scope, run, resource, container.as_ref(), &remotes));
                same!(scope, gone_page(scope, run, resource, None, ALL));
                same!(scope, gone_page(scope, run, resource, Some((&remotes[0], container.as_ref())), 2));
                same!(scope, plan_twins(scope, run, resource, None, ALL));
                same!(scope, plan_twins(scope, run, resource, Some("a@x"), 1));
                same!(scope, plan_repeats(scope, run, resource, ALL), |mut rows: Vec<(sync_core::LocalId, Vec<u64>)>| {
                    rows.sort();
                    rows
                });
                same!(scope, ready_stages(scope, run, resource));
                for stage in [0, 1] {
                    same!(scope, ready_parts(scope, run, resource, stage, None, ALL));
                    same!(scope, ready_parts(scope, run, resource, stage, Some(("tag:a", seq, 0)), 2));
                }
            }
            same!(scope, run(scope, run));
            same!(scope, item_counts(scope, Some(run)));
            same!(scope, outcomes(scope, run, 0, ALL), rows);
        }
        let time = random.time();
        let after = random.local();
        let (remote, asked) = (random.remote(), format!("q{}", random.0.below(4)).into());
        same!(scope, item_counts(scope, None));
        same!(scope, items(scope, None, ALL), timeless);
        same!(scope, items(scope, Some((&resources[0], &after)), 2), timeless);
        for resource in &resources {
            let locals = [random.local(), random.local()];
            same!(scope, items_by_local(scope, resource, &locals), |items: Vec<Option<Item>>| {
                items.into_iter().map(|item| timeless(item.into_iter().collect())).collect::<Vec<_>>()
            });
            for run in &runs {
                let due = Due::at(run, time).granting(&["mails"]).blocked(true);
                same!(scope, items_due(scope, resource, &due, None, ALL), timeless);
            }
            same!(scope, items_due(scope, resource, &Due::at(&runs[0], at(99)), Some(&after), 2), timeless);
        }
        same!(scope, open_calls(scope));
        same!(scope, cursor(scope, "local"));
        same!(scope, runs(scope, Some(time), 2));
        same!(scope, runs(scope, None, ALL));
        same!(scope, trail(scope, remote.as_str(), 3));
        same!(scope, trail(scope, after.as_str(), 3));
        same!(scope, links_of(scope, "1"));
        same!(scope, questions(scope, false, None, ALL));
        same!(scope, questions(scope, true, Some(&asked), 2));
        same!(scope, questions_by_id(scope, &["q3".into(), "q9".into(), "q0".into()]));
        same!(scope, suppressed(&scope.organization, Channel::Email, &texts(&ADDRESSES)));
        same!(scope, facts_pending(scope, ALL));
    }
}

/// What `forget` makes due is due at the store's own time: any time after the history's stands for it.
fn timeless(mut items: Vec<Item>) -> Vec<Item> {
    for item in &mut items {
        item.due = item.due.map(|due| if due > at(86_400) { Timestamp::MAX } else { due });
    }
    items
}

/// Outcomes in order. Their numbers are the store's own, and rise.
fn rows(numbered: Vec<(u64, OutcomeRow)>) -> Vec<OutcomeRow> {
    assert!(numbered.is_sorted_by(|a, b| a.0 < b.0), "numbers of outcomes rise");
    numbered.into_iter().map(|(_, row)| row).collect()
}
