//! Arguments of the commands that run something.

use std::path::PathBuf;

use clap::Args;
use sync_core::Direction;

/// What `plan` and `sync` share.
#[derive(Debug, Args)]
pub(crate) struct RunArgs {
    /// The integration, such as mailchimp
    pub(crate) integration: String,
    /// Only these sync types, such as contacts,tags
    #[arg(long, value_delimiter = ',')]
    pub(crate) types: Option<Vec<String>>,
    /// Only this item; may be given several times
    #[arg(long = "item", value_name = "ID")]
    pub(crate) items: Vec<String>,
    /// Which side may be written: push, pull or both
    #[arg(long)]
    pub(crate) direction: Option<Direction>,
    /// What the run may do.
    #[command(flatten)]
    pub(crate) may: MayArgs,
}

/// What every run may be told.
#[derive(Debug, Args)]
pub(crate) struct MayArgs {
    /// Allow a side effect in this run, such as confirmation-mail
    #[arg(long = "grant", value_name = "EFFECT")]
    pub(crate) grants: Vec<String>,
    /// When another run is under way, wait until it ends
    #[arg(long)]
    pub(crate) wait: bool,
    /// Write the exchanges with the provider to a file for support: no secrets and no addresses, but other personal data
    #[arg(long, value_name = "FILE")]
    pub(crate) har: Option<PathBuf>,
}

/// `plan`.
#[derive(Debug, Args)]
pub(crate) struct PlanArgs {
    /// What runs.
    #[command(flatten)]
    pub(crate) run: RunArgs,
    /// Write the plan to this file, one operation a line, to be looked at and applied; it holds the records' content
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
    /// Print one operation a line on a terminal too
    #[arg(long, conflicts_with_all = ["json", "text", "out"])]
    pub(crate) jsonl: bool,
    /// Print words into a file or pipe too
    #[arg(long, conflicts_with = "json")]
    pub(crate) text: bool,
    /// Print the plan's totals by month, account, tax code and currency as CSV
    #[arg(long, conflicts_with_all = ["json", "text", "jsonl", "out"])]
    pub(crate) csv: bool,
}

/// `undo`.
#[derive(Debug, Args)]
pub(crate) struct UndoArgs {
    /// How the plan is shown.
    #[command(flatten)]
    pub(crate) plan: PlanArgs,
    /// The run to take back, as `runs` lists it
    #[arg(value_name = "RUN")]
    pub(crate) of: String,
    /// Carry the plan out that this hash was printed for
    #[arg(long, value_name = "HASH", conflicts_with_all = ["out", "jsonl", "csv"])]
    pub(crate) approve: Option<String>,
}

/// `sync`.
#[derive(Debug, Args)]
pub(crate) struct SyncArgs {
    /// What runs.
    #[command(flatten)]
    pub(crate) run: RunArgs,
    /// Only say what would be done
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Approve the plan with this hash, as `plan` or a stopped sync printed it
    #[arg(long, value_name = "HASH", conflicts_with = "dry_run")]
    pub(crate) approve: Option<String>,
}

/// `apply`.
#[derive(Debug, Args)]
pub(crate) struct ApplyArgs {
    /// The plan, as `plan` wrote it
    pub(crate) file: PathBuf,
    /// When anything changed since the plan was made, nothing goes
    #[arg(long)]
    pub(crate) strict: bool,
    /// What the run may do.
    #[command(flatten)]
    pub(crate) may: MayArgs,
}

/// `audit`.
#[derive(Debug, Args)]
pub(crate) struct AuditArgs {
    /// What runs.
    #[command(flatten)]
    pub(crate) run: RunArgs,
    /// Name at most so many records
    #[arg(long, default_value_t = 50)]
    pub(crate) limit: usize,
}
