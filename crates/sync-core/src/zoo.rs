//! Mistakes that a sync engine can make, each behind a switch: a test that never saw its law broken proves nothing.
//!
//! The switch exists in debug builds with the feature `zoo`, which only this workspace's own tests enable. Everywhere else
//! [`is`] is a constant, and what it guards is not compiled in.

macro_rules! defects {
    ($(#[doc = $about:literal] $name:ident,)*) => {
        /// A mistake, at the place in the engine where people make it. Each breaks at least one of the laws in
        /// `ARCHITECTURE.md`.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Defect {
            $(#[doc = $about] $name,)*
        }

        impl Defect {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// What mistake it is.
            pub fn about(self) -> &'static str {
                match self {
                    $(Self::$name => $about.trim(),)*
                }
            }
        }
    };
}

defects! {
    /// A write that was cut off goes again in the same breath.
    SendsAgainOnHope,
    /// No answer is taken for a no.
    TakesSilenceForNo,
    /// A call goes out before anything says that it does.
    WritesNoIntent,
    /// What a lost call did is looked at while the call may still be running.
    LooksUpTooSoon,
    /// A call is repeated under its key with its members in another order.
    RegroupsAnOpenCall,
    /// A lease that somebody holds is taken all the same, and an old epoch may commit.
    TakesHeldLeases,
    /// What moved there while it was written is left at that.
    IgnoresMoved,
    /// A taken id, name or address is believed to be ours, without a look.
    AdoptsOnTaken,
    /// What moved there since it was planned is written over.
    WritesOverWhatMoved,
    /// A change there is looked for against what we sent, not against what the provider made of it.
    ComparesOneFace,
    /// That a policy settled a conflict is told to nobody.
    SettlesInSilence,
    /// What is as it was agreed on is written once more.
    WritesWhatIsTheSame,
    /// A dry run applies its plan.
    DryRunWrites,
    /// A dry run leaves standing items and links.
    DryRunRemembers,
    /// Feeds are read from their start in each run.
    ReadsEverythingAgain,
    /// The host is asked for all its records in one page.
    ReadsAllAtOnce,
    /// Cursors move before what they cover is applied.
    MovesCursorEarly,
    /// Of a listing of several pages the first is taken for the whole.
    DropsThePageToken,
    /// What was refused leaves nothing behind.
    ForgetsWhatFailed,
    /// What a listing does not show counts as deleted, without a look.
    BelievesAnEmptyPage,
    /// A side that shows nothing any more is believed.
    SkipsTheBreaker,
    /// The host's opt-in counts for more than a refusal there.
    RaisesConsent,
    /// Who said no there is not remembered here.
    ForgetsRefusals,
    /// Everybody is told of a change by mail.
    SendsUpdates,
    /// Calls go out as fast as they come.
    IgnoresQuotas,
    /// What is kept for people who wait is used by those who don't.
    SpendsTheReserve,
    /// A refresh goes ahead although another process is at it.
    RefreshesWithoutClaim,
    /// Who loses the race for a refresh takes away what the winner stored.
    LoserDropsTheGrant,
    /// A rotated token is used and not stored.
    UsesBeforeStoring,
    /// A write does not ask whose account its token reaches by now.
    WritesWithStaleGeneration,
    /// A grant that reaches another account than the connection's is gone on with.
    TrustsAnyAccount,
    /// A sealed credential opens in any row.
    SealsWithoutItsRow,
    /// Who has nothing stored is shown what another organization has.
    ReadsAnybodysRows,
    /// An error about a call says what it was signed with.
    QuotesTheToken,
    /// A record prints its content.
    PrintsRecords,
    /// One item that can't be written ends the run.
    OneBadItemEndsAll,
    /// A failed item does not say who must do what.
    NamesNoRemedy,
}

/// True while a test has this mistake made.
#[cfg(not(all(feature = "zoo", debug_assertions)))]
pub const fn is(_: Defect) -> bool {
    false
}

#[cfg(all(feature = "zoo", debug_assertions))]
pub use switch::{Made, is, make};

#[cfg(all(feature = "zoo", debug_assertions))]
mod switch {
    use std::{cell::Cell, marker::PhantomData};

    use super::Defect;

    thread_local! {
        static MADE: Cell<Option<Defect>> = const { Cell::new(None) };
    }

    /// True while a test has this mistake made, in this thread.
    pub fn is(defect: Defect) -> bool {
        MADE.get() == Some(defect)
    }

    /// From now on this thread makes the mistake, until what is returned is dropped.
    pub fn make(defect: Defect) -> Made {
        MADE.set(Some(defect));
        Made(PhantomData)
    }

    /// The mistake is made while this lives.
    #[derive(Debug)]
    #[must_use]
    pub struct Made(PhantomData<*const ()>);

    impl Drop for Made {
        fn drop(&mut self) {
            MADE.set(None);
        }
    }
}
