//! Questions on the terminal. Only a person at a terminal is asked; a script gets an error that says what to pass.

use std::io::{self, IsTerminal as _, Write as _};

use secrecy::SecretString;
use sync_core::{Error, ErrorKind, Owner, Result};

/// True when a person can be asked.
pub(super) fn can_ask() -> bool {
    io::stdin().is_terminal() && io::stderr().is_terminal()
}

/// Asks for a secret, which is not shown.
pub(super) fn secret(what: &str) -> Result<SecretString> {
    rpassword::prompt_password(format!("{what}: ")).map(SecretString::from).map_err(unanswered)
}

/// Asks for a line.
pub(super) fn line(what: &str) -> Result<String> {
    eprint!("{what}: ");
    io::stderr().flush().map_err(unanswered)?;
    let mut answer = String::new();
    io::stdin().read_line(&mut answer).map_err(unanswered)?;
    Ok(answer.trim().to_owned())
}

/// Asks for yes or no; anything but yes is no.
pub(super) fn confirm(what: &str) -> Result<bool> {
    Ok(matches!(line(&format!("{what} [y/N]"))?.to_lowercase().as_str(), "y" | "yes"))
}

/// Asks for one of several.
pub(super) fn choose<'a, T>(what: &str, choices: &'a [T], label: impl Fn(&T) -> String) -> Result<&'a T> {
    eprintln!("{what}:");
    for (i, choice) in choices.iter().enumerate() {
        eprintln!("  {}  {}", i + 1, label(choice));
    }
    loop {
        let answer = line(&format!("1 to {}", choices.len()))?;
        if answer.is_empty() {
            return Err(unanswered(io::Error::from(io::ErrorKind::UnexpectedEof)));
        }
        let chosen = answer.parse::<usize>().ok().and_then(|n| choices.get(n.checked_sub(1)?));
        if let Some(choice) = chosen {
            return Ok(choice);
        }
    }
}

fn unanswered(error: io::Error) -> Error {
    Error::new(ErrorKind::Config, "nothing was answered").with_owner(Owner::EndUserData).with_source(error)
}
