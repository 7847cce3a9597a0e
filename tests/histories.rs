//! Random histories: a fixed budget of them, and seeds that once broke a law.
//!
//! `SYNC_TEST_RUNS` says how many for each provider, `SYNC_TEST_SEED` where they begin.

use sync_tests::{
    number,
    sim::{PLAYERS, Player, creates, play_all},
};

fn play(integration: &str, n_runs: u64, n_answers: u64) {
    let (first, n_runs) = (number("SYNC_TEST_SEED").unwrap_or(0), number("SYNC_TEST_RUNS").unwrap_or(n_runs));
    let player = player_of(integration);
    let (tally, failures) = play_all(player, first..first + n_runs, 2, 1, |_| ());
    println!("{tally}");
    if let Some(failure) = failures.first() {
        panic!("{failure}");
    }
    // A simulation in which nothing happens proves nothing.
    assert!(tally.edits > 3 * n_runs && tally.faults > n_runs && tally.kills > n_runs / 4, "{tally}");
    assert!(tally.answers >= n_answers && tally.freezes > n_runs / 10, "{tally}");
}

fn player_of(integration: &str) -> Player {
    let mut players = PLAYERS.iter().filter(|player| player.integration == integration);
    *players.next().unwrap_or_else(|| panic!("nobody plays {integration}"))
}

#[test]
fn random_histories_of_a_calendar_keep_the_laws() {
    play("google-calendar", 60, 3);
}

#[test]
fn random_histories_of_a_newsletter_keep_the_laws() {
    play("mailchimp", 60, 0);
}

#[test]
fn random_histories_of_a_ledger_keep_the_laws() {
    play("xero", 60, 1);
}

/// Seeds whose histories once broke a law, and how.
const BROKE: &[(&str, u64, &str)] = &[
    ("google-calendar", 28, "a conflict that the policy settled for the host was told to nobody"),
    ("google-calendar", 49, "a record that was deleted here could not be taken away there after its event was changed"),
    ("mailchimp", 7698, "a record that was brought back there by a lost call and deleted here meanwhile stayed there"),
    (
        "mailchimp",
        7746,
        "records that waited for a run of everything in another audience waited for ever after a change back",
    ),
    ("mailchimp", 10101, "a record that was made here again kept tags there that it had when it was taken away"),
    ("mailchimp", 3, "of a host without a change feed, who said no was looked up in each run"),
    ("xero", 152, "that the policy settled a conflict was told to nobody when the answer of the write was lost"),
    (
        "xero",
        854,
        "a refresh whose answer was lost was forgotten while the access token was good, and the refresh token died",
    ),
    (
        "xero",
        1013,
        "what a lost call had made was taken for somebody else's contact, since the customer had a new name by then",
    ),
    ("xero", 1669, "what was taken away on both sides was looked at in each run"),
    ("xero", 4987, "a further document whose answer was lost was forgotten, and the first one charged the difference too"),
    ("xero", 6249, "a credit note whose allocation was lost was made once more"),
    ("xero", 5784, "an invoice that a lost call had made, and that was voided since, failed since its number was taken"),
    ("xero", 6121, "a payment that was too much stayed refused when its invoice came to more"),
    (
        "google-calendar",
        9620,
        "an event that a lost call had left in two calendars, and that people changed in both, stayed in both",
    ),
    ("xero", 11492, "a further document whose answer was lost was not known again, since it was dated on an open day"),
    ("xero", 13474, "a corrected payment whose answer was lost was in the way of the next correction"),
    ("xero", 13782, "money that was recorded by hand for a payment that is no more settled another one"),
    ("xero", 14370, "a corrected payment whose answer was lost stayed there when it was deleted here"),
    ("xero", 14541, "a forgotten payment in a locked period failed when it was to be taken back"),
    ("mailchimp", 6424, "who was brought back under a new address by a lost call was taken for somebody else"),
    ("mailchimp", 8529, "of who was forgotten, a new opt-in here counted as carried out there"),
    ("mailchimp", 13674, "who said no here and was asked for by name stayed subscribed there, whose clock was ahead"),
    (
        "mailchimp",
        13833,
        "who refused, signed up again and was brought back by us was unsubscribed, since the base was older",
    ),
    ("mailchimp", 14016, "who refused and signed up again while a call had no answer was unsubscribed"),
    ("mailchimp", 8920, "who said no there just before the host said so was not told to the host"),
    ("xero", 1873, "a refresh was tried again while the first one might still be carried out, and lost its token to it"),
    (
        "google-calendar",
        15711,
        "what could not be made again since its id was taken, and then nobody answered, was forgotten",
    ),
    ("google-calendar", 17391, "what a run of one type moved stayed there when the settings came back"),
    ("google-calendar", 18644, "what was to be made again and did not go waited for an answer that nobody was asked for"),
    ("google-calendar", 18703, "what a settled conflict wrote over was told to nobody when the write had no answer"),
    ("mailchimp", 11817, "echoes fill a further page: the model counted it as a call too many"),
    ("mailchimp", 15137, "a record that was made again with an older consent: the model took that for a new word"),
    ("xero", 13967, "what waits for a document about which a person is asked: the model took that for a loss"),
    ("xero", 15492, "a balance that came to be what it was before was not told to the host"),
    ("xero", 17761, "after a change of a forgotten document its new balance was not told to the host"),
];

#[test]
fn what_once_broke_a_law_keeps_it() {
    for (integration, seed, how) in BROKE {
        let player = player_of(integration);
        if let Err(failure) = (player.check)(*seed) {
            panic!("again: {how}: {failure}");
        }
    }
}

fn sweep(integration: &str) {
    let swept = (player_of(integration).sweep)(0..1);
    println!("{integration}: {swept}");
    swept.assert_held();
}

#[test]
fn a_process_that_dies_at_any_point_of_a_calendars_sync_breaks_no_law() {
    sweep("google-calendar");
}

#[test]
fn a_process_that_dies_at_any_point_of_a_newsletters_sync_breaks_no_law() {
    sweep("mailchimp");
}

/// One point in so many: what a file costs is time. All of them are in `EVIDENCE.md`.
const EVERY: usize = 11;

#[test]
fn a_process_that_dies_over_a_database_file_breaks_no_law() {
    for integration in ["google-calendar", "mailchimp", "xero"] {
        let swept = (player_of(integration).sweep_files)(0..1, EVERY);
        println!("{integration}: {swept}");
        swept.assert_held();
    }
}

#[test]
fn a_process_that_dies_at_any_point_of_a_ledgers_sync_breaks_no_law() {
    sweep("xero");
}

#[test]
fn creates_whose_answers_are_lost_are_made_once() {
    for made in [creates::in_a_calendar(7, 1_500), creates::in_books(8, 250)] {
        println!("{made:?}");
        assert_eq!((made.made, made.doubled), (made.wanted, 0), "{made:?}");
        assert!(made.lost * 5 > made.calls, "{made:?}");
    }
}
