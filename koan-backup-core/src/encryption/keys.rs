//! The sources of private keys.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use age::secrecy::{ExposeSecret, SecretString};
use async_trait::async_trait;
use tokio::io::AsyncReadExt as _;
use zeroize::Zeroizing;

use super::identities::Identities;
use crate::foundation::blocking::blocking;
use crate::foundation::bounded_file::read_bounded;
use crate::foundation::child_group::ChildGroup;
use crate::foundation::error::{Error, ErrorKind, Result};
use crate::foundation::runtime::require_io;

/// A source that provides private keys when they are needed. Implement this trait for a vault or a key
/// service.
///
/// ```
/// use async_trait::async_trait;
/// use koan_backup::{Identities, KeySource, Result};
///
/// /// A service that holds the keys.
/// #[derive(Debug)]
/// struct Vault;
/// # impl Vault {
/// #     async fn secret(&self, _: &str) -> Result<String> { Ok(koan_backup_shop::key_pair().1) }
/// # }
///
/// #[async_trait]
/// impl KeySource for Vault {
///     fn describe(&self) -> String {
///         "vault: secret/koan".to_owned()
///     }
///
///     async fn identities(&self) -> Result<Identities> {
///         Identities::parse(&self.secret("secret/koan").await?)
///     }
/// }
/// ```
#[async_trait]
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a source of keys",
    label = "not a source of keys",
    note = "use `Keys::file(…)` or `Keys::variable(…)`, or implement `KeySource`; did you forget `?` after a function that returns a `Result`?"
)]
pub trait KeySource: fmt::Debug + Send + Sync + 'static {
    /// Returns a description of the source for errors, for example `file koan.key`. It must never contain a
    /// key.
    fn describe(&self) -> String;

    /// Returns the keys. This function is called once for each restore, verification or change of recipients
    /// of an encrypted backup, and is never called when a backup is made.
    ///
    /// # Errors
    /// The keys are not available. The error must not contain a key.
    async fn identities(&self) -> Result<Identities>;
}

/// Private keys in a file, in an environment variable, in the output of a command, or in a string.
///
/// The text of the keys consists of the lines of an age identity file (`AGE-SECRET-KEY-1…`) or of one OpenSSH
/// private key; with [`as_passphrase`](Self::as_passphrase) the text is a passphrase.
///
/// ```
/// use koan_backup::Keys;
///
/// // Read when a backup is restored or verified, and not before.
/// let from_file = Keys::file("/etc/koan/koan.key");
/// let from_environment = Keys::variable("KOAN_KEY");
/// let from_vault = Keys::command("vault", ["kv", "get", "-field=key", "secret/koan"]);
/// let passphrase = Keys::variable("KOAN_PASSPHRASE").as_passphrase();
/// # let _ = (from_file, from_environment, from_vault, passphrase);
/// ```
pub struct Keys {
    origin: KeyOrigin,
    content: KeyContent,
}

/// The origin of the text of keys.
enum KeyOrigin {
    File(PathBuf),
    Variable(String),
    Command { program: String, arguments: Vec<String> },
    Text(SecretString),
}

/// What the text of keys contains.
#[derive(Clone, Copy, Debug)]
enum KeyContent {
    Identities,
    Passphrase,
}

/// The maximum size of a file with private or public keys.
pub(super) const MAX_KEY_FILE_BYTES: u64 = 1 << 20;
/// The maximum number of bytes that a command may print.
const MAX_OUTPUT_BYTES: usize = 64 << 10;
/// The maximum duration of a command.
const COMMAND_TIMEOUT: Duration = Duration::from_secs(60);

impl Keys {
    /// Reads the keys from a regular file of at most 1 MiB.
    pub fn file(path: impl Into<PathBuf>) -> Self {
        Self::from_origin(KeyOrigin::File(path.into()))
    }

    /// Reads the keys from an environment variable.
    pub fn variable(name: impl Into<String>) -> Self {
        Self::from_origin(KeyOrigin::Variable(name.into()))
    }

    /// Reads the keys from the output of a command, such as `vault kv get -field=key secret/koan`. The
    /// standard input of the command is empty, and the command must end within a minute.
    pub fn command<S: Into<String>>(
        program: impl Into<String>,
        arguments: impl IntoIterator<Item = S>,
    ) -> Self {
        let arguments = arguments.into_iter().map(Into::into).collect();
        Self::from_origin(KeyOrigin::Command { program: program.into(), arguments })
    }

    /// Uses the keys in a string.
    pub fn text(keys: impl Into<String>) -> Self {
        Self::from_origin(KeyOrigin::Text(SecretString::from(keys.into())))
    }

    /// Treats the text as a passphrase. A line feed at the end of the text is not part of the passphrase.
    pub fn as_passphrase(mut self) -> Self {
        self.content = KeyContent::Passphrase;
        self
    }

    fn from_origin(origin: KeyOrigin) -> Self {
        Self { origin, content: KeyContent::Identities }
    }

    async fn read(&self) -> Result<SecretString> {
        match &self.origin {
            KeyOrigin::Text(text) => Ok(text.clone()),
            KeyOrigin::File(path) => {
                let path = path.clone();
                let read = move || read_bounded(&path, MAX_KEY_FILE_BYTES);
                let bytes = blocking("reads keys", read).await?;
                let bytes = bytes.map(Zeroizing::new).map_err(|source| {
                    let is_refused =
                        matches!(source.kind(), io::ErrorKind::InvalidInput | io::ErrorKind::FileTooLarge);
                    let text = "the file could not be read";
                    let error = Error::with_source(ErrorKind::Encryption, text, source);
                    match is_refused {
                        true => error.with_help("specify a regular file of at most 1 MiB"),
                        false => error,
                    }
                })?;
                text(&bytes)
            }
            // The error `NotUnicode` contains the value, so it must not become the source of the error.
            KeyOrigin::Variable(name) => match std::env::var(name) {
                Ok(value) => text(Zeroizing::new(value).as_bytes()),
                Err(std::env::VarError::NotPresent) => Err(key_error("the variable is not set")),
                Err(std::env::VarError::NotUnicode(_)) => {
                    Err(key_error("the value of the variable is not Unicode text"))
                }
            },
            KeyOrigin::Command { program, arguments } => output(program, arguments).await,
        }
    }
}

#[async_trait]
impl KeySource for Keys {
    fn describe(&self) -> String {
        match &self.origin {
            KeyOrigin::File(path) => format!("file `{}`", path.display()),
            KeyOrigin::Variable(name) => format!("variable `{name}`"),
            // Arguments may contain secrets.
            KeyOrigin::Command { program, .. } => format!("command `{program}`"),
            KeyOrigin::Text(_) => "the text that was passed to `Keys::text`".to_owned(),
        }
    }

    async fn identities(&self) -> Result<Identities> {
        let with_origin =
            |error: Error| error.context(format!("no key could be read from {}", self.describe()));
        let text = self.read().await.map_err(with_origin)?;
        let text = text.expose_secret();
        match self.content {
            KeyContent::Identities => Identities::parse(text),
            KeyContent::Passphrase => {
                let line = text.strip_suffix('\n').unwrap_or(text);
                Identities::passphrase(line.strip_suffix('\r').unwrap_or(line))
            }
        }
        .map_err(with_origin)
    }
}

/// Returns the output of a command. The command and what it has started are killed when this future is dropped.
async fn output(program: &str, arguments: &[String]) -> Result<SecretString> {
    require_io()?;
    let mut command = tokio::process::Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
    command.stdout(Stdio::piped());
    ChildGroup::prepare(command.as_std_mut());
    let command_error = |message| move |source| Error::with_source(ErrorKind::Encryption, message, source);
    let mut child = command.spawn().map_err(command_error("the command could not be started"))?;
    let group = ChildGroup::of(child.id());
    // The capacity is sufficient for the complete output, because a buffer that grows would leave a copy of
    // the key in freed memory.
    let mut printed = Zeroizing::new(Vec::with_capacity(MAX_OUTPUT_BYTES + 1));
    let ended = async {
        if let Some(output) = child.stdout.take() {
            let limit = u64::try_from(MAX_OUTPUT_BYTES + 1).unwrap_or(u64::MAX);
            let read = output.take(limit).read_to_end(&mut printed).await;
            read.map_err(command_error("the output of the command could not be read"))?;
        }
        if printed.len() > MAX_OUTPUT_BYTES {
            return Err(key_error("the output of the command is longer than the maximum of 64 KiB"));
        }
        child.wait().await.map_err(command_error("the exit status of the command could not be read"))
    };
    let status = tokio::time::timeout(COMMAND_TIMEOUT, ended).await.map_err(|_| {
        key_error("the command did not end within a minute; check whether it waits for input")
    })??;
    group.keep();
    // The standard error of the command may contain secrets, so only the exit status is reported.
    if !status.success() {
        return Err(Error::new(ErrorKind::Encryption, format!("the command failed: {status}")));
    }
    text(&printed)
}

/// Decodes the text of a key from UTF-8 or UTF-16, with or without a byte order mark, because editors and
/// shells on Windows write all of these encodings.
pub(super) fn text(bytes: &[u8]) -> Result<SecretString> {
    let utf16 = |bytes: &[u8], unit: fn([u8; 2]) -> u16| {
        let (pairs, rest) = bytes.as_chunks::<2>();
        let units = pairs.iter().map(|pair| unit(*pair));
        let text: std::result::Result<String, _> = char::decode_utf16(units).collect();
        text.ok().filter(|_| rest.is_empty())
    };
    let text = match bytes {
        [0xef, 0xbb, 0xbf, rest @ ..] => std::str::from_utf8(rest).ok().map(str::to_owned),
        [0xff, 0xfe, rest @ ..] => utf16(rest, u16::from_le_bytes),
        [0xfe, 0xff, rest @ ..] => utf16(rest, u16::from_be_bytes),
        // No key contains a NUL character, so these bytes are UTF-16 without a byte order mark.
        [first, 0, ..] if *first != 0 => utf16(bytes, u16::from_le_bytes),
        [0, second, ..] if *second != 0 => utf16(bytes, u16::from_be_bytes),
        _ => std::str::from_utf8(bytes).ok().map(str::to_owned),
    };
    text.map(SecretString::from)
        .ok_or_else(|| key_error("the content is not text in UTF-8 or UTF-16; save it as UTF-8"))
}

fn key_error(message: &'static str) -> Error {
    Error::new(ErrorKind::Encryption, message)
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Keys").field(&self.describe()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_read_in_each_encoding_that_editors_write() {
        let key = "# a note\nAGE-SECRET-KEY-1ABC\n";
        let utf16 = |mark: &[u8], unit: fn(u16) -> [u8; 2]| {
            [mark.to_vec(), key.encode_utf16().flat_map(unit).collect()].concat()
        };
        for bytes in [
            key.as_bytes().to_vec(),
            [b"\xef\xbb\xbf", key.as_bytes()].concat(),
            utf16(b"\xff\xfe", u16::to_le_bytes),
            utf16(b"\xfe\xff", u16::to_be_bytes),
            utf16(b"", u16::to_le_bytes),
            utf16(b"", u16::to_be_bytes),
        ] {
            assert_eq!(
                text(&bytes).expect("the bytes are valid text").expose_secret(),
                key,
                "{:?}",
                &bytes[..4]
            );
        }
        for bytes in [b"\xff\xfea".as_slice(), b"\xff\xfe\x00\xd8", b"\xc3\x28", b"\xef\xbb\xbf\xff"] {
            let error = text(bytes).expect_err("the bytes are not valid text");
            assert!(error.to_string().contains("save it as UTF-8"), "{error}");
        }
    }
}
