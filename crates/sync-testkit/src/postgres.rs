//! A PostgreSQL server of a test's own: found on this machine, started in a directory for the time of the test, stopped
//! with it.

#![allow(clippy::expect_used, reason = "a test that can't have what it needs fails")]

use std::{
    path::{Path, PathBuf},
    sync::{
        OnceLock,
        atomic::{AtomicU32, Ordering},
    },
};

/// A running server. It ends when this is dropped or the process that holds it ends, in whichever way.
#[derive(Debug)]
pub struct PostgresServer {
    directory: PathBuf,
    #[cfg(unix)]
    keeper: std::process::Child,
}

impl PostgresServer {
    /// The server that all tests of this process share, with a schema for each: [`PostgresServer::schema`].
    ///
    /// `None`, after a line that says so, where PostgreSQL is not installed.
    ///
    /// # Panics
    /// When it is installed and does not start; and when it is missing although the environment says `CI=true`.
    pub fn shared() -> Option<&'static Self> {
        static SHARED: OnceLock<Option<PostgresServer>> = OnceLock::new();
        SHARED.get_or_init(Self::start).as_ref()
    }

    /// The address to connect to.
    pub fn url(&self) -> String {
        format!("postgres:///postgres?user=postgres&host={}", self.directory.display())
    }

    /// A name for a schema that no other test of this process has.
    pub fn schema(&self) -> String {
        static NEXT: AtomicU32 = AtomicU32::new(1);
        format!("test {}", NEXT.fetch_add(1, Ordering::Relaxed))
    }

    /// Starts a server of its own. It is fast: what it wrote may be lost with the machine, not with the server.
    ///
    /// # Panics
    /// As [`PostgresServer::shared`].
    pub fn start() -> Option<Self> {
        Self::with("off")
    }

    /// Starts a server of its own that has each commit on disk before it counts.
    ///
    /// # Panics
    /// As [`PostgresServer::shared`].
    pub fn durable() -> Option<Self> {
        Self::with("on")
    }

    fn with(fsync: &str) -> Option<Self> {
        let Some(programs) = programs() else {
            assert!(std::env::var("CI").is_err(), "PostgreSQL is not installed, and with CI=true it may not be missing");
            eprintln!("skipped: PostgreSQL is not installed (no `initdb` in PATH or below /usr/lib/postgresql)");
            return None;
        };
        Some(Self::of(&programs, fsync))
    }
}

/// Where the server's programs are: the newest version that is installed.
fn programs() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut places: Vec<PathBuf> = Vec::new();
    if let Ok(versions) = std::fs::read_dir("/usr/lib/postgresql") {
        places.extend(versions.flatten().map(|version| version.path().join("bin")));
        places.sort_by_key(|place| {
            let version = place.parent().and_then(Path::file_name).map(|name| name.to_string_lossy().into_owned());
            std::cmp::Reverse(version.and_then(|version| version.parse::<u32>().ok()))
        });
    }
    places.extend(std::env::split_paths(&path));
    // A link to `initdb` alone leads to the folder that has all of them.
    let initdb = places.iter().filter_map(|place| place.join("initdb").canonicalize().ok()).next()?;
    initdb.parent().filter(|place| place.join("postgres").exists()).map(Path::to_owned)
}

#[cfg(not(unix))]
impl PostgresServer {
    fn of(_: &Path, _: &str) -> Self {
        panic!("a server for tests is started on Unix only")
    }
}

#[cfg(unix)]
mod unix {
    use std::{
        fs,
        os::unix::{
            fs::{DirBuilderExt, MetadataExt, chown},
            process::CommandExt,
        },
        path::Path,
        process::{Command, Stdio},
        time::{Duration, Instant},
    };

    use super::{Ordering, PostgresServer};

    /// How long a start may take on a busy machine.
    const PATIENCE: Duration = Duration::from_secs(120);

    /// Makes a database, starts the server, and waits for the end of its own input: then whoever wanted the server is gone,
    /// however that came. The server is stopped by its process id, and the directory goes. With texts compared by a
    /// language's rules where the server can, so that whoever relies on the order of bytes must say so.
    const KEEPER: &str = r#"
        bin=$0 dir=$1 fsync=$2
        cd "$dir" || exit 1
        init() { "$bin/initdb" -D "$dir/data" -U postgres -A trust --no-sync -E UTF8 --locale=C "$@" >>"$dir/log" 2>&1; }
        init --locale-provider=icu --icu-locale=en || { rm -rf "$dir/data"; init; } || exit 1
        "$bin/postgres" -D "$dir/data" -k "$dir" -c listen_addresses= -c "fsync=$fsync" -c "full_page_writes=$fsync" \
            -c max_connections=120 -c shared_buffers=32MB >>"$dir/log" 2>&1 </dev/null &
        server=$!
        read -r _
        kill -INT "$server"
        wait "$server"
        rm -rf "$dir"
    "#;

    impl PostgresServer {
        pub(super) fn of(programs: &Path, fsync: &str) -> Self {
            static NEXT: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
            // Short: the path of a socket has at most 107 bytes.
            let name = format!("sync-pg-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
            let directory = std::env::temp_dir().join(name);
            fs::DirBuilder::new().mode(0o700).create(&directory).expect("a directory for the server");
            let mut keeper = Command::new("sh");
            keeper.args(["-c", KEEPER]).arg(programs).arg(&directory).arg(fsync);
            keeper.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).process_group(0);
            // The server refuses to run as root.
            if fs::metadata(&directory).expect("the directory").uid() == 0 {
                let (uid, gid) = unprivileged().expect("a user `postgres` or `nobody` to run the server as");
                chown(&directory, Some(uid), Some(gid)).expect("the directory's owner");
                keeper.uid(uid).gid(gid);
            }
            let keeper = keeper.spawn().expect("a shell");
            let mut server = Self { directory, keeper };
            let start = Instant::now();
            while !server.answers(programs) {
                let log = || fs::read_to_string(server.directory.join("log")).unwrap_or_default();
                let ended = server.keeper.try_wait().expect("the server's state");
                assert!(ended.is_none() && start.elapsed() < PATIENCE, "PostgreSQL does not start:\n{}", log());
                std::thread::sleep(Duration::from_millis(50));
            }
            server
        }

        fn answers(&self, programs: &Path) -> bool {
            if !self.directory.join(".s.PGSQL.5432").exists() {
                return false;
            }
            let mut ask = Command::new(programs.join("pg_isready"));
            ask.arg("-q").arg("-h").arg(&self.directory);
            ask.status().is_ok_and(|status| status.success())
        }
    }

    impl Drop for PostgresServer {
        fn drop(&mut self) {
            drop(self.keeper.stdin.take());
            let _ = self.keeper.wait();
        }
    }

    /// User and group of whom the server is run as by root.
    fn unprivileged() -> Option<(u32, u32)> {
        let users = fs::read_to_string("/etc/passwd").ok()?;
        let ids = |name: &str| {
            let fields: Vec<&str> =
                users.lines().map(|line| line.split(':').collect()).find(|user: &Vec<&str>| user[0] == name)?;
            Some((fields.get(2)?.parse().ok()?, fields.get(3)?.parse().ok()?))
        };
        ids("postgres").or_else(|| ids("nobody"))
    }
}
