//! Opening a page in this machine's browser.

use std::{
    io,
    process::{Command, Stdio},
};

use url::Url;

use crate::config::environment;

/// Opens a page; the browser goes on by itself.
pub(super) fn open(page: &Url) -> io::Result<()> {
    let mut command = match environment("BROWSER") {
        Some(browser) => Command::new(browser),
        None if cfg!(target_os = "macos") => Command::new("open"),
        None if cfg!(windows) => {
            let mut command = Command::new("rundll32");
            command.arg("url.dll,FileProtocolHandler");
            command
        }
        None => Command::new("xdg-open"),
    };
    let mut browser = command.arg(page.as_str()).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
    // Somebody has to wait for it once it ends.
    std::thread::spawn(move || browser.wait());
    Ok(())
}
