//! Secrets: texts that a configuration refers to, and that are read only when they are used.

mod command;

use std::fmt;
use std::path::PathBuf;

use koan_backup_core::{Error, ErrorKind, Keys, Result, read_bounded};
use schemars::{Schema, SchemaGenerator, json_schema};
use serde::Deserialize;

pub(crate) use self::command::CommandLimits;

/// The name of the keyword of a schema that marks values that may be or contain a secret.
pub(crate) const MARKER: &str = "x-koan";
/// The keys of a reference to a secret.
pub(crate) const REFERENCE_KEYS: [&str; 3] = ["env", "file", "command"];
/// What is displayed in place of a secret.
pub(crate) const HIDDEN: &str = "***";

/// The maximum size of a file that contains a secret.
const MAX_FILE_BYTES: u64 = 64 << 10;

/// Which forms a value may have, and what is displayed of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SecretForm {
    /// A secret. A file and a flag contain a reference to it, and never the secret itself.
    Secret,
    /// An address, which may contain credentials.
    Address,
    /// An address whose path may be a secret. Only its host is displayed.
    PrivateAddress,
    /// An option of a store, which is a secret or not according to its name.
    StoreOption,
    /// A reference that is resolved only when keys are needed.
    Reference,
}

impl SecretForm {
    pub(crate) fn of_schema(shape: &serde_json::Value) -> Option<Self> {
        match shape.get(MARKER)?.as_str()? {
            "secret" => Some(Self::Secret),
            "address" => Some(Self::Address),
            "private address" => Some(Self::PrivateAddress),
            "option" => Some(Self::StoreOption),
            "reference" => Some(Self::Reference),
            _ => None,
        }
    }
}

/// A text, or a reference to a text.
#[derive(Clone, Deserialize, PartialEq, Eq)]
#[serde(untagged)]
pub(crate) enum SecretText {
    Text(String),
    Reference(Reference),
    /// A secret that was read.
    #[serde(skip)]
    Resolved(String),
}

/// A reference to a text.
#[derive(Clone, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Reference {
    /// An environment variable.
    Env(String),
    /// A file.
    File(PathBuf),
    /// A program and its arguments.
    Command(Vec<String>),
}

impl fmt::Debug for SecretText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(_) | Self::Resolved(_) => f.write_str(HIDDEN),
            Self::Reference(reference) => reference.fmt(f),
        }
    }
}

impl fmt::Debug for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Env(name) => write!(f, "variable `{name}`"),
            Self::File(path) => write!(f, "file `{}`", path.display()),
            // Arguments may contain secrets.
            Self::Command(command) => write!(f, "command `{}`", command.first().map_or("", String::as_str)),
        }
    }
}

impl SecretText {
    /// Returns the text. A byte order mark at its start and one line ending at its end are not part of it, in every
    /// form, so that a passphrase is the same text for its recipient and for its key.
    ///
    /// # Errors
    /// The text cannot be read. The error never contains the text.
    pub(crate) fn read(&self, limits: &CommandLimits) -> Result<String> {
        let text = match self {
            Self::Resolved(text) => return Ok(text.clone()),
            Self::Text(text) => text.clone(),
            Self::Reference(reference) => reference.read(limits)?,
        };
        let line = text.strip_prefix('\u{feff}').unwrap_or(&text);
        let line = line.strip_suffix('\n').unwrap_or(line);
        Ok(line.strip_suffix('\r').unwrap_or(line).to_owned())
    }
}

impl Reference {
    /// Returns the source of keys that this reference specifies.
    pub(crate) fn keys(&self) -> Option<Keys> {
        Some(match self {
            Self::Env(name) => Keys::variable(name),
            Self::File(path) => Keys::file(path),
            Self::Command(command) => {
                let (program, arguments) = command.split_first()?;
                Keys::command(program, arguments)
            }
        })
    }

    fn read(&self, limits: &CommandLimits) -> Result<String> {
        match self {
            // The error `NotUnicode` contains the value, so it must not become the source of the error.
            Self::Env(name) => std::env::var(name).map_err(|_| {
                secret_error(format!(
                    "the environment variable `{name}` is not set or is not Unicode text; set it"
                ))
            }),
            Self::File(path) => {
                let unreadable = format!("the secret in file `{}` cannot be read", path.display());
                let bytes = read_bounded(path, MAX_FILE_BYTES).map_err(|source| {
                    Error::with_source(ErrorKind::Configuration, unreadable, source)
                        .with_help("specify a regular file of at most 64 KiB that this user can read")
                })?;
                String::from_utf8(bytes).map_err(|_| {
                    let text = format!("the secret in file `{}` is not text in UTF-8", path.display());
                    secret_error(text).with_help("save it as UTF-8")
                })
            }
            Self::Command(command) => command::output(command, limits),
        }
    }
}

fn secret_error(message: String) -> Error {
    Error::new(ErrorKind::Configuration, message)
}

/// Returns the schema of a reference.
pub(crate) fn reference_schema(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "x-koan": "reference",
        "oneOf": [
            {
                "description": "The name of an environment variable.",
                "type": "object",
                "properties": { "env": { "type": "string" } },
                "required": ["env"],
                "additionalProperties": false,
            },
            {
                "description": "The path of a file.",
                "type": "object",
                "properties": { "file": { "type": "string" } },
                "required": ["file"],
                "additionalProperties": false,
            },
            {
                "description": "A program and its arguments, whose output is used.",
                "type": "object",
                "properties": { "command": { "type": "array", "items": { "type": "string" }, "minItems": 1 } },
                "required": ["command"],
                "additionalProperties": false,
            },
        ],
    })
}

/// Returns the schema of references.
pub(crate) fn references_schema(generator: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "array", "items": reference_schema(generator) })
}

/// Returns the schema of a secret.
pub(crate) fn secret_schema(generator: &mut SchemaGenerator) -> Schema {
    let mut schema = reference_schema(generator);
    schema.insert(MARKER.to_owned(), "secret".into());
    schema
}

/// Returns the schema of an address, which is a text or a reference to a secret.
pub(crate) fn address_schema(generator: &mut SchemaGenerator) -> Schema {
    json_schema!({ "x-koan": "address", "anyOf": [{ "type": "string" }, reference_schema(generator)] })
}

/// Returns the schema of an address whose path may be a secret.
pub(crate) fn private_address_schema(generator: &mut SchemaGenerator) -> Schema {
    let mut schema = address_schema(generator);
    schema.insert(MARKER.to_owned(), "private address".into());
    schema
}

/// Returns an address of which only the scheme and the host are displayed.
pub(crate) fn address_without_path(address: &str) -> String {
    let Some((scheme, rest)) = address.split_once("://") else { return HIDDEN.to_owned() };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    // A password can contain these characters, so a text with `@` after them shows nothing.
    match authority.rsplit_once('@') {
        Some((_, host)) => format!("{scheme}://{HIDDEN}@{host}/{HIDDEN}"),
        None if rest.contains('@') => format!("{scheme}://{HIDDEN}"),
        None => format!("{scheme}://{authority}/{HIDDEN}"),
    }
}

/// Returns the schema of options of a store.
pub(crate) fn options_schema(generator: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object",
        "additionalProperties": { "x-koan": "option", "anyOf": [{ "type": "string" }, reference_schema(generator)] },
    })
}
