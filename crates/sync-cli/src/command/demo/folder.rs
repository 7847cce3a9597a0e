//! The demo's folder: kept where a person asked for it, else gone with the demo.

use std::{
    fs,
    path::{Path, PathBuf},
};

use sync_core::{Error, ErrorKind, Owner, Random as _, Result};
use sync_dispatch::http::system_random;

use super::{
    super::sandbox::{API_KEY, Address, google, xero},
    INTEGRATION, books, captain,
};
use crate::{output::Output, shop::Shop};

pub(super) struct Folder {
    path: PathBuf,
    is_kept: bool,
}

impl Folder {
    /// A new folder: the one that shall be kept, or one that goes with the program.
    pub(super) fn open(keep: Option<&Path>) -> Result<Self> {
        let failed = |path: &Path, problem: String| {
            Error::new(ErrorKind::Config, format!("the folder {} can't be used: {problem}", path.display()))
                .with_owner(Owner::EndUserData)
                .with_remedy("Name a folder that is not there yet, or is empty.")
        };
        let path = match keep {
            Some(path) => path.to_owned(),
            None => std::env::temp_dir().join(format!("syncctl-demo-{}", system_random().id())),
        };
        fs::create_dir_all(&path).map_err(|error| failed(&path, error.to_string()))?;
        let is_empty = fs::read_dir(&path).map_err(|error| failed(&path, error.to_string()))?.next().is_none();
        if !is_empty {
            return Err(failed(&path, "it is not empty".to_owned()));
        }
        Ok(Self { path, is_kept: keep.is_some() })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn is_kept(&self) -> bool {
        self.is_kept
    }

    pub(super) fn config(&self) -> PathBuf {
        self.path.join("syncctl.toml")
    }

    pub(super) fn customers(&self) -> PathBuf {
        self.path.join("customers.csv")
    }

    /// Writes the customers and a configuration that finds the double.
    pub(super) fn write(&self, shop: &Shop, address: &Address, calendar_port: u16, company_port: u16) -> Result<()> {
        let failed = |error: std::io::Error| {
            Error::new(ErrorKind::Config, format!("the folder {} can't be written: {error}", self.path.display()))
                .with_remedy("Choose another folder, or free some space.")
        };
        let file = fs::File::create(self.customers()).map_err(failed)?;
        shop.write_csv(std::io::BufWriter::new(file)).map_err(failed)?;
        let text = format!(
            "# Made by `syncctl demo`. Take the endpoints out to use the real service.\n\
             organization = \"{}\"\ndatabase = \"sync.db\"\nkey_file = \"sync.key\"\n\n\
             [providers.{INTEGRATION}.endpoints]\napi = \"{}\"\nlogin = \"{}\"\n",
            shop.organization, address.api, address.login
        );
        let url = format!("http://127.0.0.1:{calendar_port}");
        let calendar = captain::INTEGRATION;
        let text = format!(
            "{text}\n[providers.{calendar}.endpoints]\napi = \"{url}\"\naccounts = \"{url}\"\ntoken = \"{url}\"\n\n\
             [providers.{calendar}.oauth]\nclient_id = \"{}\"\nclient_secret_file = \"google.secret\"\n",
            google::CLIENT_ID
        );
        let (url, company) = (format!("http://127.0.0.1:{company_port}"), books::INTEGRATION);
        let text = format!(
            "{text}\n[providers.{company}.endpoints]\napi = \"{url}\"\nlogin = \"{url}\"\nidentity = \"{url}\"\n\n\
             [providers.{company}.oauth]\nclient_id = \"{}\"\nclient_secret_file = \"xero.secret\"\n",
            xero::CLIENT_ID
        );
        fs::write(self.path.join("xero.secret"), xero::CLIENT_SECRET).map_err(failed)?;
        fs::write(self.path.join("google.secret"), google::CLIENT_SECRET).map_err(failed)?;
        fs::write(self.config(), text).map_err(failed)
    }

    /// Where the configuration expects the company.
    fn company_port(&self) -> String {
        let text = fs::read_to_string(self.config()).unwrap_or_default();
        let section = text.split(&format!("[providers.{}.endpoints]", books::INTEGRATION)).nth(1);
        let port = section.and_then(|section| section.split("127.0.0.1:").nth(1)?.split('"').next().map(str::to_owned));
        port.unwrap_or_default()
    }

    /// How to go on with the ordinary commands.
    pub(super) fn tell(&self, out: Output, shop: &Shop) {
        let path = self.path.display();
        let port = fs::read_to_string(self.config())
            .ok()
            .and_then(|text| text.split("127.0.0.1:").nth(1)?.split('/').next().map(str::to_owned))
            .unwrap_or_default();
        out.say(format!("\nKept in {path}: sync.db, its key sync.key, syncctl.toml, customers.csv. To go on:"));
        out.say(format!("  cd {path}"));
        out.say("  syncctl runs mailchimp");
        out.say("  syncctl questions");
        out.say(format!("  syncctl why {}", shop.customers.first().map_or("C-00001", |customer| customer.id.as_str())));
        out.say("The double ended with the demo. To sync on, start another (it begins anew) and connect to it:");
        out.say(format!("  syncctl sandbox --port {port} &"));
        out.say(format!("  SYNCCTL_MAILCHIMP_API_KEY={API_KEY} syncctl connect mailchimp"));
        out.say("  syncctl import customers customers.csv --consent-column Newsletter");
        out.say("  syncctl plan mailchimp");
        out.say("And for the books, with the page of its sign-in in a browser:");
        out.say(format!("  syncctl sandbox xero --port {} &", self.company_port()));
        out.say("  syncctl connect xero");
        out.say("  syncctl plan xero --csv");
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if !self.is_kept {
            let _ = fs::remove_dir_all(&self.path);
        }
    }
}
