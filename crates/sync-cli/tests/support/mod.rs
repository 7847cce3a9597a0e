//! A shop on its own: a folder, a double of Mailchimp on loopback, and the program.

#![allow(dead_code, reason = "each test file uses a part")]

use std::{
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::Arc,
    thread::JoinHandle,
};

use serde_json::Value;
use sync_core::{Clock, SystemClock};
use sync_sandbox::{AudienceSeed, Double, Mailchimp, MailchimpSeed, MemberSeed, Sandbox, SandboxOptions, serve};
use tempfile::TempDir;
use tokio::sync::oneshot;

/// The key of the double.
pub(crate) const KEY: &str = "0123456789abcdef0123456789abcdef-us19";
/// The organization.
pub(crate) const ORG: &str = "blue-manta";
/// The audience.
pub(crate) const AUDIENCE: &str = "a1b2c3d4e5";

/// A folder with a double beside it.
pub(crate) struct World {
    pub(crate) dir: TempDir,
    pub(crate) sandbox: Sandbox,
    pub(crate) port: u16,
    stop: Option<oneshot::Sender<()>>,
    serving: Option<JoinHandle<()>>,
}

/// What one run of the program came to.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ran {
    /// The one document on standard output.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The same, after this exit code.
    #[track_caller]
    pub(crate) fn exits(self, code: i32) -> Self {
        assert_eq!(self.code, code, "{self:?}");
        self
    }

    /// Standard error has this text.
    #[track_caller]
    pub(crate) fn says(self, text: &str) -> Self {
        assert!(self.stderr.contains(text) || self.stdout.contains(text), "{text:?} is missing: {self:?}");
        self
    }
}

/// An account with one audience and these members.
pub(crate) fn account(members: impl IntoIterator<Item = MemberSeed>) -> MailchimpSeed {
    let audience = members.into_iter().fold(AudienceSeed::new(AUDIENCE, "Newsletter"), AudienceSeed::with_member);
    MailchimpSeed::new(KEY).with_audience(audience)
}

/// A CSV file of so many customers who agreed.
pub(crate) fn customers(n: usize) -> String {
    let mut text = "id,email,first name,last name,tags,newsletter,opt-in date\n".to_owned();
    for i in 1..=n {
        text.push_str(&format!("C-{i:04},guest.{i}@example.com,Guest,Number {i},diver,yes,2024-05-17\n"));
    }
    text
}

/// The same without tags, which would go one by one.
pub(crate) fn untagged(n: usize) -> String {
    customers(n).replace(",diver,", ",,")
}

impl World {
    /// An empty folder, and an account.
    pub(crate) fn new(seed: MailchimpSeed) -> Self {
        Self::with(seed, SandboxOptions::default())
    }

    /// The same, with a double that behaves in this way.
    pub(crate) fn with(seed: MailchimpSeed, options: SandboxOptions) -> Self {
        let world = Self::around(Mailchimp::new(seed), options);
        world.configure("");
        world
    }

    /// An empty folder, and this double.
    pub(crate) fn around(double: impl Double + 'static, options: SandboxOptions) -> Self {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::new(|duration| Box::pin(tokio::time::sleep(duration))));
        let sandbox = Sandbox::new(double, options, clock);
        let (stop, stopped) = oneshot::channel::<()>();
        let (ready, port) = std::sync::mpsc::channel();
        let served = sandbox.clone();
        let serving = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
                ready.send(listener.local_addr().unwrap().port()).unwrap();
                tokio::select! {
                    served = serve(served, listener, std::future::pending()) => served.unwrap(),
                    _ = stopped => {}
                }
            });
        });
        let port = port.recv().unwrap();
        let dir = tempfile::tempdir().unwrap();
        Self { dir, sandbox, port, stop: Some(stop), serving: Some(serving) }
    }

    /// Writes the configuration, with these lines before the providers.
    pub(crate) fn configure(&self, lines: &str) {
        let text = format!(
            "organization = \"{ORG}\"\n{lines}\n[providers.mailchimp.endpoints]\napi = \"http://127.0.0.1:{port}/3.0\"\n\
             login = \"http://127.0.0.1:{port}\"\n",
            port = self.port
        );
        self.write("syncctl.toml", &text);
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, content).unwrap();
        path
    }

    /// The program, ready to start in the folder and without anybody's environment.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_syncctl"));
        command.args(args).current_dir(self.dir.path()).stdin(Stdio::null());
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("SYNCCTL_") || name == "RUST_LOG") {
            command.env_remove(name);
        }
        command
    }

    /// Runs the program.
    pub(crate) fn run(&self, args: &[&str]) -> Ran {
        self.finish(self.command(args))
    }

    /// Runs the program with the double's key in the environment.
    pub(crate) fn run_with_key(&self, args: &[&str]) -> Ran {
        let mut command = self.command(args);
        command.env("SYNCCTL_MAILCHIMP_API_KEY", KEY);
        self.finish(command)
    }

    pub(crate) fn finish(&self, mut command: Command) -> Ran {
        let output = command.output().unwrap();
        Ran {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// Starts the program and leaves it running.
    pub(crate) fn start(&self, args: &[&str]) -> Child {
        self.command(args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    }

    /// Imports customers who agreed.
    #[track_caller]
    pub(crate) fn import(&self, text: &str) -> Ran {
        self.write("customers.csv", text);
        self.run(&["import", "customers", "customers.csv", "--consent-column", "newsletter"]).exits(0)
    }

    /// Connects to the only audience.
    #[track_caller]
    pub(crate) fn connect(&self) -> Ran {
        self.run_with_key(&["connect", "mailchimp"]).exits(0)
    }

    /// Syncs the first plan, approved.
    #[track_caller]
    pub(crate) fn first_sync(&self) -> Ran {
        let plan = self.run(&["sync", "mailchimp", "--json"]).exits(5).json();
        let hash = plan["details"]["planHash"].as_str().unwrap().to_owned();
        self.run(&["sync", "mailchimp", "--json", "--approve", &hash])
    }

    /// Stops the double: nobody listens any more.
    pub(crate) fn stop(&mut self) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
        if let Some(serving) = self.serving.take() {
            serving.join().unwrap();
        }
    }

    /// Members of the audience with this status.
    pub(crate) fn members(&self, status: &str) -> u64 {
        let summary = self.sandbox.summary();
        summary.pointer(&format!("/lists/{AUDIENCE}/counts/{status}")).and_then(Value::as_u64).unwrap()
    }

    /// The double met no call that it doesn't know.
    #[track_caller]
    pub(crate) fn nothing_was_refused(&self) {
        let summary = self.sandbox.summary();
        assert!(summary["refused"].as_array().is_none_or(Vec::is_empty), "{}", summary["refused"]);
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.stop();
    }
}
