//! The command line.

mod run;

use std::{path::PathBuf, time::Duration};

use clap::{Args, Parser, Subcommand};

use crate::{
    config::Flags,
    exit::{AUDIT_EXIT_CODES, EXIT_CODES},
    import::Encoding,
};

pub(crate) use run::{ApplyArgs, AuditArgs, MayArgs, PlanArgs, RunArgs, SyncArgs, UndoArgs};

/// Syncs customers between your records and the services that you use.
#[derive(Debug, Parser)]
#[command(name = "syncctl", version, after_help = EXIT_CODES, arg_required_else_help = true)]
pub(crate) struct Cli {
    /// What all commands take.
    #[command(flatten)]
    pub(crate) global: Global,
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What all commands take.
#[derive(Debug, Args)]
#[command(next_help_heading = "Options of every command")]
pub(crate) struct Global {
    /// Configuration file [default: syncctl.toml, where there is one] [env: SYNCCTL_CONFIG]
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Database: a file, or postgres://USER@HOST/NAME [default: sync.db] [env: SYNCCTL_DATABASE, SYNCCTL_SCHEMA]
    #[arg(long, global = true, value_name = "FILE|URL")]
    pub(crate) database: Option<String>,
    /// Key of the database, made with it [default: sync.key beside the database] [env: SYNCCTL_KEY_FILE; SYNCCTL_KEY holds the key itself]
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) key_file: Option<PathBuf>,
    /// Whose records and connections [env: SYNCCTL_ORG]
    #[arg(long = "org", global = true, value_name = "ORGANIZATION")]
    pub(crate) organization: Option<String>,
    /// Print one JSON document instead of text
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Tell on standard error what happens; twice for more
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub(crate) verbose: u8,
}

impl Global {
    /// The part that configures.
    pub(crate) fn flags(&self) -> Flags {
        Flags {
            config: self.config.clone(),
            database: self.database.clone(),
            key_file: self.key_file.clone(),
            organization: self.organization.clone(),
        }
    }
}

/// The commands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Show the whole thing on a sample shop, with a Mailchimp double on this machine; nothing leaves it
    Demo(DemoArgs),
    /// List the integrations and what they can do
    Providers,
    /// Connect an organization to an integration, by key or by signing in
    Connect(ConnectArgs),
    /// Show or change a connection's settings
    Settings(SettingsArgs),
    /// End a connection; links and history stay
    Disconnect(IntegrationArg),
    /// Read records from a file into the database
    Import(ImportArgs),
    /// Say what a sync would do, and do nothing; into a file or pipe, one operation a line
    #[command(after_help = EXIT_CODES)]
    Plan(PlanArgs),
    /// Carry out a plan that `plan` wrote to a file: what changed since does not go
    #[command(after_help = EXIT_CODES)]
    Apply(ApplyArgs),
    /// Say how a run is taken back, as far as nothing has changed since; with --approve, do it
    #[command(after_help = EXIT_CODES)]
    Undo(UndoArgs),
    /// Compare both sides in full, and say what differs; nothing is written
    #[command(after_help = AUDIT_EXIT_CODES)]
    Audit(AuditArgs),
    /// Sync: send what changed, read who unsubscribed
    #[command(after_help = EXIT_CODES)]
    Sync(SyncArgs),
    /// Do what time asks for: scheduled runs, news, weekly checks, retention; for cron, or with --watch for a service
    #[command(after_help = EXIT_CODES)]
    Due(DueArgs),
    /// List the runs of a connection, or what became of the items of one run
    Runs(RunsArgs),
    /// Say what became of one record, and why
    Why(WhyArgs),
    /// List what waits for an answer
    Questions(QuestionsArgs),
    /// Answer a question
    Answer(AnswerArgs),
    /// Let failed items go with the next sync
    Retry(RetryArgs),
    /// Erase what is known about a person here
    Forget(ForgetArgs),
    /// Run a double of a provider on this machine, to try things out
    Sandbox(SandboxArgs),
    /// Look for what is wrong: key, database, disk, clock, connections, runs that died
    Doctor(DoctorArgs),
}

/// `demo`.
#[derive(Debug, Args)]
pub(crate) struct DemoArgs {
    /// Leave the database, its key, the configuration and the customers as CSV in this new folder
    #[arg(long, value_name = "DIR")]
    pub(crate) keep: Option<PathBuf>,
}

/// One integration.
#[derive(Debug, Args)]
pub(crate) struct IntegrationArg {
    /// The integration, such as mailchimp
    pub(crate) integration: String,
}

/// `connect`.
#[derive(Debug, Args)]
pub(crate) struct ConnectArgs {
    /// The integration, such as mailchimp
    pub(crate) integration: String,
    /// Sign in with the browser instead of giving a key; needless where there are no keys
    #[arg(long)]
    pub(crate) oauth: bool,
    /// How to sign in
    #[command(flatten)]
    pub(crate) sign_in: SignInArgs,
    /// Read the key from this file; else from SYNCCTL_<INTEGRATION>_API_KEY, else it is asked for
    #[arg(long, value_name = "FILE", conflicts_with_all = ["oauth", "open", "paste"])]
    pub(crate) api_key_file: Option<PathBuf>,
    /// A setting, as NAME=VALUE; VALUE is JSON or plain text. Choices may be given by their label
    #[arg(long = "setting", value_name = "NAME=VALUE", value_parser = name_and_value)]
    pub(crate) settings: Vec<(String, String)>,
    /// The account, where the sign-in reaches several
    #[arg(long)]
    pub(crate) account: Option<String>,
    /// Use an account that another organization uses too
    #[arg(long)]
    pub(crate) share_account: bool,
}

/// How `connect` signs in.
#[derive(Debug, Args)]
#[command(next_help_heading = "Signing in with the browser")]
pub(crate) struct SignInArgs {
    /// Open the page in this machine's browser [env: BROWSER names it]
    #[arg(long, conflicts_with = "paste")]
    pub(crate) open: bool,
    /// Without a browser on this machine: paste the address on which the browser of another one ends
    #[arg(long)]
    pub(crate) paste: bool,
    /// Where the browser comes back to: the port on this machine [default: any]
    #[arg(long, value_name = "PORT", default_value_t = 0, hide_default_value = true)]
    pub(crate) redirect_port: u16,
    /// Ask for this scope; may be given several times [default: the fewest with which it works]
    #[arg(long = "scope", value_name = "SCOPE")]
    pub(crate) scopes: Vec<String>,
    /// Use an OAuth client of this organization's own, from the JSON file that the provider gave; it is kept sealed
    #[arg(long, value_name = "FILE")]
    pub(crate) client_file: Option<PathBuf>,
    /// How long to wait for the browser, in seconds
    #[arg(long = "timeout", value_name = "SECONDS", default_value_t = 600, value_parser = clap::value_parser!(u64).range(1..=600))]
    pub(crate) wait_s: u64,
}

/// `settings`.
#[derive(Debug, Args)]
pub(crate) struct SettingsArgs {
    /// The integration, such as mailchimp
    pub(crate) integration: String,
    /// Change a setting, as NAME=VALUE; VALUE is JSON or plain text, nothing takes the setting away
    #[arg(long = "set", value_name = "NAME=VALUE", value_parser = name_and_value)]
    pub(crate) set: Vec<(String, String)>,
    /// List what a setting may name at the provider, such as audiences
    #[arg(long, value_name = "WORD")]
    pub(crate) choices: Option<String>,
    /// Allow a side effect for good; it never applies to first syncs
    #[arg(long, value_name = "EFFECT")]
    pub(crate) allow: Vec<String>,
    /// Take such an allowance back
    #[arg(long, value_name = "EFFECT")]
    pub(crate) forbid: Vec<String>,
}

/// `import`.
#[derive(Debug, Args)]
pub(crate) struct ImportArgs {
    /// What the file holds
    #[arg(value_parser = ["customers", "invoices", "payments", "trips", "training-sessions"])]
    pub(crate) collection: String,
    /// A .csv or .jsonl file; of other records than customers its columns or members have the model's names
    pub(crate) file: PathBuf,
    /// The column that says who agreed to marketing by e-mail. Without it nobody is treated as having agreed
    #[arg(long, value_name = "COLUMN")]
    pub(crate) consent_column: Option<String>,
    /// Words in that column that mean yes
    #[arg(long, value_name = "WORDS", value_delimiter = ',', default_value = "yes,true,1,x")]
    pub(crate) consent_yes: Vec<String>,
    /// Words in that column by which somebody refused; all others mean that it is not known
    #[arg(long, value_name = "WORDS", value_delimiter = ',')]
    pub(crate) consent_no: Vec<String>,
    /// The column that says when they agreed
    #[arg(long, value_name = "COLUMN", requires = "consent_column")]
    pub(crate) consent_date_column: Option<String>,
    /// The column that says where they agreed
    #[arg(long, value_name = "COLUMN", requires = "consent_column")]
    pub(crate) consent_source_column: Option<String>,
    /// How dates are written, such as %m/%d/%Y
    #[arg(long, value_name = "FORMAT")]
    pub(crate) date_format: Option<String>,
    /// The column of ids: what stays the same for a customer in the next file
    #[arg(long, value_name = "COLUMN")]
    pub(crate) id_column: Option<String>,
    /// What a column holds, as COLUMN=FIELD; - leaves it out
    #[arg(long = "map", value_name = "COLUMN=FIELD", value_parser = column_and_field)]
    pub(crate) map: Vec<(String, String)>,
    /// What stands between cells: a character, or tab
    #[arg(long, value_name = "CHARACTER", value_parser = delimiter)]
    pub(crate) delimiter: Option<char>,
    /// The file's encoding
    #[arg(long)]
    pub(crate) encoding: Option<Encoding>,
    /// Import what can be imported; the bad lines go into FILE.bad.csv
    #[arg(long)]
    pub(crate) skip_bad: bool,
    /// Show how the file is understood, and import nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
}

/// `due`.
#[derive(Debug, Args)]
pub(crate) struct DueArgs {
    /// Go on until Ctrl-C or SIGTERM
    #[arg(long)]
    pub(crate) watch: bool,
    /// With --watch: how often to look, such as 30s or 5m
    #[arg(long, value_parser = duration, default_value = "1m", requires = "watch")]
    pub(crate) every: Duration,
    /// Also sync connections whose last run began longer ago than this, such as 15m
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub(crate) sync_every: Option<Duration>,
}

/// `runs`.
#[derive(Debug, Args)]
pub(crate) struct RunsArgs {
    /// The integration, such as mailchimp
    pub(crate) integration: String,
    /// Show what became of this run's items
    #[arg(long, value_name = "ID")]
    pub(crate) run: Option<String>,
    /// At most so many lines
    #[arg(long, default_value_t = 20)]
    pub(crate) limit: usize,
}

/// `why`.
#[derive(Debug, Args)]
pub(crate) struct WhyArgs {
    /// The record's id here or at the provider; contacts:ID and remote:ID say which is meant
    pub(crate) id: String,
    /// The integration; all connected ones when left out
    #[arg(long, value_name = "INTEGRATION")]
    pub(crate) integration: Option<String>,
}

/// `questions`.
#[derive(Debug, Args)]
pub(crate) struct QuestionsArgs {
    /// The integration; all connected ones when left out
    pub(crate) integration: Option<String>,
    /// Show those that have an answer too
    #[arg(long)]
    pub(crate) all: bool,
    /// At most so many
    #[arg(long, default_value_t = 50)]
    pub(crate) limit: usize,
}

/// `answer`.
#[derive(Debug, Args)]
pub(crate) struct AnswerArgs {
    /// The integration, such as mailchimp
    pub(crate) integration: String,
    /// The question's id, or its first characters; all for all questions of the same kind
    pub(crate) question: String,
    /// The answer, one of those that `questions` shows
    pub(crate) answer: String,
    /// With all: only questions of this code
    #[arg(long, value_name = "CODE")]
    pub(crate) code: Option<String>,
}

/// `retry`.
#[derive(Debug, Args)]
pub(crate) struct RetryArgs {
    /// The integration, such as mailchimp
    pub(crate) integration: String,
    /// Only this item, which may also have been left out or be blocked; may be given several times
    #[arg(long = "item", value_name = "ID")]
    pub(crate) items: Vec<String>,
}

/// `forget`.
#[derive(Debug, Args)]
pub(crate) struct ForgetArgs {
    /// The record's id
    pub(crate) id: String,
    /// Also delete the record itself from this database, so that the next sync takes it away at the providers
    #[arg(long)]
    pub(crate) delete: bool,
    /// Show what this side effect would change about that, such as permanent-deletion; may be given several times
    #[arg(long = "grant", value_name = "EFFECT")]
    pub(crate) grants: Vec<String>,
}

/// `sandbox`.
#[derive(Debug, Args)]
pub(crate) struct SandboxArgs {
    /// The provider
    #[arg(long, value_parser = ["mailchimp", "google-calendar", "xero"], default_value = "mailchimp")]
    pub(crate) provider: String,
    /// The port on this machine; 0 for any
    #[arg(long, default_value_t = 9100)]
    pub(crate) port: u16,
    /// Refuse what is over the provider's quotas
    #[arg(long)]
    pub(crate) enforce_quotas: bool,
    /// Time between request and answer, such as 50ms or 2s
    #[arg(long, value_parser = duration, default_value = "0ms")]
    pub(crate) latency: Duration,
    /// Something that goes wrong, such as reply-lost:0.3 or 429:nth=3:op=lists.batch
    #[arg(long = "fault", value_name = "FAULT")]
    pub(crate) faults: Vec<String>,
    /// Seed of the faults
    #[arg(long, default_value_t = 0)]
    pub(crate) seed: u64,
    /// Start without what the sample shop's people have there
    #[arg(long, conflicts_with = "document")]
    pub(crate) empty: bool,
    /// Start with the account in this JSON document
    #[arg(long, value_name = "FILE")]
    pub(crate) document: Option<PathBuf>,
    /// Keep request bodies in the log at /_sandbox/log
    #[arg(long)]
    pub(crate) keep_bodies: bool,
}

/// `doctor`.
#[derive(Debug, Args)]
pub(crate) struct DoctorArgs {
    /// Ask no provider
    #[arg(long)]
    pub(crate) offline: bool,
    /// The database was moved here, and is no copy: remember this place
    #[arg(long)]
    pub(crate) moved: bool,
    /// Read the whole database to see whether it is sound
    #[arg(long)]
    pub(crate) deep: bool,
    /// Free space that the disk should have, in MiB
    #[arg(long, value_name = "MIB", default_value_t = 256)]
    pub(crate) min_free: u64,
}

fn name_and_value(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.trim().is_empty() => Ok((name.trim().to_owned(), value.trim().to_owned())),
        _ => Err("write it as NAME=VALUE".to_owned()),
    }
}

fn column_and_field(text: &str) -> Result<(String, String), String> {
    let (column, field) = text.rsplit_once('=').ok_or("write it as COLUMN=FIELD")?;
    Ok((column.trim().to_owned(), field.trim().to_owned()))
}

fn delimiter(text: &str) -> Result<char, String> {
    let mut letters = text.chars();
    match (text, letters.next(), letters.next()) {
        ("tab" | "\\t", ..) => Ok('\t'),
        (_, Some(c), None) if c.is_ascii() && !c.is_ascii_alphanumeric() && c != '"' => Ok(c),
        _ => Err("use one ASCII character that is neither letter, digit nor quote, or tab".to_owned()),
    }
}

fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || "write it as 50ms, 2s, 1m or 1h".to_owned();
    let at = text.find(|c: char| !c.is_ascii_digit()).ok_or_else(wrong)?;
    let (number, unit) = text.split_at(at);
    let number: u64 = number.parse().map_err(|_| wrong())?;
    match unit {
        "ms" => Ok(Duration::from_millis(number)),
        "s" => Ok(Duration::from_secs(number)),
        "m" => Ok(Duration::from_secs(number.saturating_mul(60))),
        "h" => Ok(Duration::from_secs(number.saturating_mul(60 * 60))),
        _ => Err(wrong()),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }

    #[test]
    fn no_argument_takes_a_secret() {
        for command in Cli::command().get_subcommands() {
            for argument in command.get_arguments() {
                let name = argument.get_id().as_str();
                let secret = ["secret", "password", "token", "api_key"].contains(&name);
                assert!(!secret, "{} {name}", command.get_name());
            }
        }
    }

    #[test]
    fn the_help_lists_the_exit_codes() {
        assert!(Cli::command().render_long_help().to_string().contains("stopped for approval"));
    }

    #[test]
    fn durations_and_delimiters_are_read() {
        assert_eq!(duration("50ms"), Ok(Duration::from_millis(50)));
        assert_eq!(duration("2s"), Ok(Duration::from_secs(2)));
        assert!(duration("50").is_err() && duration("ms").is_err() && duration("5d").is_err());
        assert_eq!(duration("5h"), Ok(Duration::from_secs(5 * 60 * 60)));
        assert_eq!(delimiter("tab"), Ok('\t'));
        assert_eq!(delimiter(";"), Ok(';'));
        assert!(delimiter("x").is_err() && delimiter("").is_err() && delimiter(";;").is_err());
    }

    #[test]
    fn values_may_hold_equals_signs_and_columns_too() {
        assert_eq!(name_and_value("a=b=c"), Ok(("a".into(), "b=c".into())));
        assert_eq!(column_and_field("a=b=email"), Ok(("a=b".into(), "email".into())));
        assert!(column_and_field("a").is_err());
    }
}
