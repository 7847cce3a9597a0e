//! What a person at a terminal is asked, and what the answers do.

#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

mod support;

use std::{
    io::{Read as _, Write as _},
    sync::{
        Arc,
        mpsc::{Receiver, RecvTimeoutError, channel},
    },
    time::{Duration, Instant},
};

use pty_process::blocking::{Command, Pty, open};
use support::{KEY, World, account, untagged};
use sync_sandbox::AudienceSeed;

/// Longest wait for a prompt, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(120);

/// The program at a terminal.
struct Terminal {
    pty: Arc<Pty>,
    child: std::process::Child,
    shown: String,
    news: Receiver<Vec<u8>>,
}

impl Terminal {
    fn start(world: &World, args: &[&str]) -> Self {
        let (pty, pts) = open().unwrap();
        pty.resize(pty_process::Size::new(40, 200)).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_syncctl")).args(args).current_dir(world.dir.path());
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("SYNCCTL_") || name == "RUST_LOG") {
            command = command.env_remove(name);
        }
        let child = command.spawn(pts).unwrap();
        let (tell, news) = channel();
        let pty = Arc::new(pty);
        let screen = Arc::clone(&pty);
        // A terminal whose program has ended answers with an error: then there is no more.
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(n) = (&*screen).read(&mut buffer) {
                if n == 0 || tell.send(buffer[..n].to_vec()).is_err() {
                    break;
                }
            }
        });
        Self { pty, child, shown: String::new(), news }
    }

    /// Waits until the screen shows this text after what was waited for before.
    #[track_caller]
    fn shows(&mut self, text: &str) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(at) = self.shown.find(text) {
                self.shown.drain(..at + text.len());
                return;
            }
            match self.news.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(bytes) => self.shown.push_str(&String::from_utf8_lossy(&bytes)),
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
                    panic!("{text:?} is not shown: {:?}", self.shown)
                }
            }
        }
    }

    fn types(&mut self, line: &str) {
        let mut pty = &*self.pty;
        pty.write_all(line.as_bytes()).unwrap();
        pty.write_all(b"\n").unwrap();
    }

    /// What was shown to the end, and the exit code.
    fn ends(mut self) -> (i32, String) {
        let code = self.child.wait().unwrap().code().unwrap_or(-1);
        while let Ok(bytes) = self.news.recv_timeout(Duration::from_secs(5)) {
            self.shown.push_str(&String::from_utf8_lossy(&bytes));
        }
        (code, self.shown)
    }
}

#[test]
fn the_key_is_asked_for_and_not_shown_and_the_audience_is_chosen_by_number() {
    let world = World::new(account([]).with_audience(AudienceSeed::new("b2b2b2b2b2", "Instructors")));
    world.import(&untagged(1));
    let mut terminal = Terminal::start(&world, &["connect", "mailchimp"]);
    terminal.shows("key: ");
    terminal.types(KEY);
    terminal.shows("1  ");
    // What is no number of the list is asked again.
    terminal.shows("1 to 2: ");
    terminal.types("7");
    terminal.shows("1 to 2: ");
    terminal.types("2");
    let before = terminal.shown.clone();
    let (code, shown) = terminal.ends();
    assert_eq!(code, 0, "{shown}");
    assert!(!shown.contains(KEY) && !before.contains(KEY), "a key is never shown");
    let settings = world.run(&["settings", "mailchimp", "--json"]).exits(0);
    assert!(settings.stdout.contains("b2b2b2b2b2") || settings.stdout.contains("a1b2c3d4e5"), "{settings:?}");
}

#[test]
fn a_list_that_is_not_answered_changes_nothing() {
    let world = World::new(account([]).with_audience(AudienceSeed::new("b2b2b2b2b2", "Instructors")));
    world.import(&untagged(1));
    let mut terminal = Terminal::start(&world, &["connect", "mailchimp"]);
    terminal.shows("key: ");
    terminal.types(KEY);
    terminal.shows("1 to 2: ");
    terminal.types("");
    let (code, shown) = terminal.ends();
    assert_eq!(code, 2, "{shown}");
    assert!(shown.contains("nothing was answered"), "{shown}");
}

#[test]
fn a_first_plan_is_shown_and_carried_out_on_a_yes_alone() {
    let world = World::new(account([]));
    world.import(&untagged(2));
    world.connect();
    for (answer, exit, members) in [("", 5, 0), ("n", 5, 0), ("yes", 0, 2)] {
        let mut terminal = Terminal::start(&world, &["sync", "mailchimp"]);
        terminal.shows("adds 2 contacts");
        terminal.shows("Carry this plan out? [y/N]: ");
        terminal.types(answer);
        let (code, shown) = terminal.ends();
        assert_eq!((code, world.members("subscribed")), (exit, members), "{answer:?}: {shown}");
    }
}

#[test]
fn who_asks_for_json_is_never_asked_back() {
    let world = World::new(account([]));
    world.import(&untagged(1));
    world.connect();
    let (code, shown) = Terminal::start(&world, &["sync", "mailchimp", "--json"]).ends();
    assert_eq!(code, 5, "{shown}");
    assert!(shown.contains("planHash") && !shown.contains("[y/N]"), "{shown}");
}
