//! The engine with a part broken on purpose: for each, what catches it.
//!
//! A mistake of [`Defect`] counts only if plain days ([`days`]) go well with it: what breaks everything needs no test to be
//! found. Then its scenario must tell of a broken law, and without the mistake of none. `tests/zoo/main.rs` makes a test of
//! each line of the table.

mod calendar;
pub mod days;
mod ledger;
mod mail;
mod meddling;
mod rows;
mod wire;

use std::fmt::Write as _;

use sync_core::zoo::Defect;

/// What was broken, a line each.
pub type Broken = Vec<String>;

/// A mistake, and what catches it.
#[derive(Debug, Clone, Copy)]
pub struct Member {
    /// The mistake.
    pub defect: Defect,
    /// The laws that it breaks.
    pub laws: &'static [u8],
    /// What catches it.
    pub scenario: fn() -> Broken,
    /// Its name.
    pub caught_by: &'static str,
}

/// Hands the members to a macro: `$then! { $defect [$laws] $module $scenario, … }`.
#[doc(hidden)]
#[macro_export]
macro_rules! __for_each_defect {
    ($then:ident) => {
        $then! {
            SendsAgainOnHope [1] mail a_write_that_was_cut_off_goes_out_once,
            TakesSilenceForNo [1, 7] ledger a_payment_that_is_carried_out_late_is_not_booked_twice,
            WritesNoIntent [1, 7] mail a_write_is_written_down_before_it_leaves,
            LooksUpTooSoon [1, 2] mail a_lost_call_is_left_alone_while_it_may_run,
            RegroupsAnOpenCall [1, 7] mail an_open_call_is_repeated_as_it_was,
            TakesHeldLeases [1, 7] mail two_runs_at_once_are_one,
            IgnoresMoved [2] calendar a_change_of_what_moved_there_arrives,
            AdoptsOnTaken [2] mail who_signed_up_meanwhile_is_looked_at,
            WritesOverWhatMoved [2] calendar what_people_change_meanwhile_is_not_written_over,
            ComparesOneFace [2, 3] ledger what_is_spelled_otherwise_there_is_no_change,
            SettlesInSilence [2] calendar a_conflict_that_is_settled_is_told,
            WritesWhatIsTheSame [3] mail a_record_that_was_saved_unchanged_is_not_written,
            DryRunWrites [4] mail a_dry_run_leaves_the_other_side_alone,
            DryRunRemembers [4] mail a_dry_run_leaves_nothing_behind,
            ReadsEverythingAgain [5] mail a_run_without_news_costs_the_same_however_many_there_are,
            ReadsAllAtOnce [6] rows the_host_is_asked_by_pages,
            MovesCursorEarly [7, 2] mail a_change_that_did_not_arrive_goes_with_the_next_run,
            DropsThePageToken [7, 2] mail everybody_arrives_whatever_the_page,
            ForgetsWhatFailed [7, 16] mail what_was_refused_there_stands_here,
            BelievesAnEmptyPage [8] calendar an_empty_listing_deletes_nothing,
            SkipsTheBreaker [8] calendar a_calendar_that_shows_nothing_is_not_believed,
            RaisesConsent [9] mail who_said_no_in_one_audience_is_not_put_into_another,
            ForgetsRefusals [9] mail who_said_no_in_one_audience_is_not_put_into_another,
            SendsUpdates [9] calendar nobody_is_told_by_mail,
            IgnoresQuotas [10] wire published_limits_hold,
            SpendsTheReserve [10] wire a_reserve_is_kept_for_people_who_wait,
            RefreshesWithoutClaim [11] wire two_processes_refresh_once,
            LoserDropsTheGrant [11] wire who_loses_a_refresh_goes_on_with_the_winners_token,
            UsesBeforeStoring [11] wire the_second_refresh_knows_of_the_first,
            WritesWithStaleGeneration [12] wire a_write_asks_whose_account_it_is,
            TrustsAnyAccount [12] mail a_grant_of_another_account_writes_nothing,
            SealsWithoutItsRow [13] rows a_credential_opens_in_its_own_row_alone,
            ReadsAnybodysRows [13] rows who_never_connected_has_nothing,
            QuotesTheToken [14] wire an_error_shows_no_secret,
            PrintsRecords [14] rows a_record_prints_no_content,
            OneBadItemEndsAll [15] ledger one_bad_document_stays_one,
            NamesNoRemedy [16] ledger a_document_that_failed_says_what_to_do,
        }
    };
}

macro_rules! table {
    ($($defect:ident [$($law:literal),+] $module:ident $scenario:ident,)*) => {
        /// All of them.
        pub const ZOO: &[Member] = &[$(
            Member {
                defect: Defect::$defect,
                laws: &[$($law),+],
                scenario: $module::$scenario,
                caught_by: concat!(stringify!($module), "::", stringify!($scenario)),
            },
        )*];
    };
}

__for_each_defect! { table }

/// The table for people, in Markdown.
pub fn markdown() -> String {
    let mut table = String::from("| mistake | breaks | caught by |\n| --- | --- | --- |\n");
    for member in ZOO {
        let laws: Vec<String> = member.laws.iter().map(u8::to_string).collect();
        let _ = writeln!(
            table,
            "| {:?}: {} | {} | `{}` |",
            member.defect,
            member.defect.about(),
            laws.join(", "),
            member.caught_by
        );
    }
    table
}

/// A line for each pair of values that should be the same and are not.
fn differs<T: PartialEq + std::fmt::Debug>(what: &str, is: &T, should_be: &T) -> Broken {
    if is == should_be { Broken::new() } else { vec![format!("{what}: {is:?} instead of {should_be:?}")] }
}

/// A line where something is so that must not be.
fn wrong(is_wrong: bool, what: impl Into<String>) -> Broken {
    if is_wrong { vec![what.into()] } else { Broken::new() }
}
