//! `token`: a new token for the HTTP API.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use jiff::Timestamp;
use koan_backup_core::{Error, ErrorKind};
use koan_backup_http::{Role, Tokens};
use serde::Serialize;

use crate::arguments;
use crate::exit::Exit;
use crate::failure::{Failure, Outcome};
use crate::output::{Output, OutputArgs};

/// The arguments of `token`.
#[derive(Args, Clone, Debug)]
pub struct TokenArgs {
    /// The name of the caller, which operations and the audit log show
    name: String,
    /// What the caller may do: viewer, operator or admin
    #[arg(long, value_name = "ROLE")]
    role: Role,
    /// Let the token expire after this time, such as 90d
    #[arg(long, value_name = "TIME", value_parser = arguments::duration)]
    expires_in: Option<Duration>,
    /// Add the entry to this file, instead of printing it
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

/// The token in JSON.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Generated<'a> {
    name: &'a str,
    role: &'static str,
    expires: Option<String>,
    /// The token itself, which is not stored.
    token: &'a str,
    /// The entry for the file of tokens.
    entry: String,
    /// The file to which the entry was added.
    file: Option<String>,
}

impl TokenArgs {
    pub(crate) fn run(&self, output: &Output) -> Outcome<Exit> {
        let (secret, mut entry) = Tokens::generate(&self.name, self.role)?;
        let expires = self.expires_in.map(expiry).transpose()?;
        if let Some(time) = expires {
            entry = entry.expires(time);
        }
        let file = self.file.as_ref().map(|path| path.display().to_string());
        if let Some(path) = &self.file {
            Tokens::add_to_file(path, &entry)?;
        }
        if output.is_json() {
            output.json(&Generated {
                name: entry.name(),
                role: self.role.name(),
                expires: expires.map(|time| time.to_string()),
                token: secret.expose(),
                entry: entry.to_string(),
                file: file.clone(),
            });
            return self.shown(output, file.as_deref());
        }
        output.line(secret.expose());
        match &file {
            Some(file) => output.note(format!(
                "added `{}` with the role {} to {file}; the token is shown only now",
                self.name, self.role
            )),
            None => {
                output.bytes(format!("\n{entry}").as_bytes());
                output.note("the token is shown only now; add the entry to the file of tokens of the server");
            }
        }
        self.shown(output, file.as_deref())
    }

    /// Returns an error if the token could not be shown, although its entry was added.
    fn shown(&self, output: &Output, file: Option<&str>) -> Outcome<Exit> {
        match file {
            Some(file) if output.has_fault() => {
                let text = format!("`{}` was added to {file}, but its token could not be shown", self.name);
                let remedy = "remove its entry from the file, and run the command again";
                Err(Error::new(ErrorKind::Storage, text).with_help(remedy).into())
            }
            _ => Ok(Exit::Done),
        }
    }
}

/// Returns the second in which a token expires.
fn expiry(after: Duration) -> Outcome<Timestamp> {
    let time = Timestamp::now().checked_add(after).and_then(|time| Timestamp::from_second(time.as_second()));
    match time {
        Ok(time) if !after.is_zero() => Ok(time),
        _ => Err(Failure::usage("the token would expire at once or never", "set another time, such as 90d")),
    }
}
