//! Tokens: of each, the server stores only the SHA-256.

mod addition;
pub(crate) mod entry;
mod file;
pub(crate) mod hash;
pub(crate) mod list;
pub(crate) mod secret;
pub(crate) mod source;

use std::path::{Path, PathBuf};

use koan_backup_core::{Error, ErrorKind};

use self::entry::TokenEntry;
use self::list::TokenList;
use self::secret::TokenSecret;
use super::role::Role;

/// The tokens with which callers authenticate, each with a name and a role.
///
/// Only the SHA-256 of a token is stored. Tokens come from a [file](Self::file), or are declared in
/// [code](Self::token), or both.
///
/// ```
/// use koan_backup_http::{Role, Tokens};
///
/// let (secret, entry) = Tokens::generate("nightly-job", Role::Operator)?;
/// // The caller gets `secret.expose()`, which is shown once; the entry is stored.
/// assert!(secret.expose().starts_with("koan_"));
/// let tokens = Tokens::new().entry(entry)?;
/// # let _ = tokens;
/// # Ok::<(), koan_backup_core::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Tokens {
    declared: TokenList,
    file: Option<LoadedFile>,
}

/// A file of tokens and its content.
#[derive(Clone)]
struct LoadedFile {
    path: PathBuf,
    content: Vec<u8>,
    list: TokenList,
}

impl Tokens {
    /// Creates an empty list, to which [`token`](Self::token) and [`entry`](Self::entry) add tokens.
    pub fn new() -> Self {
        Self::default()
    }

    /// Reads the tokens of a file in TOML.
    ///
    /// ```toml
    /// [[token]]
    /// name = "nightly-job"
    /// role = "operator"                  # viewer, operator or admin
    /// sha256 = "2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b"
    /// expires = 2027-01-31T00:00:00Z     # optional
    /// ```
    ///
    /// A change of the file takes effect within one second, without a restart: a removed token is refused, and the
    /// sessions that were started with it end. A file that becomes unreadable or invalid is logged as a warning and
    /// reported as a problem of health, and the tokens that were read last remain valid until it is repaired. A file
    /// without a token is valid while the server runs, and revokes all tokens. Replace the file by renaming another
    /// file to its name, so that no half-written file is read.
    ///
    /// The file must not be writable by other users than its owner. It may be readable by others, which is logged: it
    /// contains names and roles, and no token can be computed from its SHA-256.
    ///
    /// # Errors
    /// The file cannot be read, has a mistake, or contains no token.
    pub fn file(path: impl Into<PathBuf>) -> Result<Self, Error> {
        let path = path.into();
        let loaded = file::read(&path).and_then(|content| Ok((file::parse(&content)?, content)));
        let (list, content) = loaded.map_err(|error| at_path(&path, error))?;
        if list.is_empty() {
            let error = Error::new(ErrorKind::Configuration, "the file contains no token")
                .with_help("generate a token and add its entry");
            return Err(at_path(&path, error));
        }
        if file::is_readable_by_others(&path) {
            tracing::warn!(
                target: "koan::backup::access",
                path = %path.display(),
                "all users can read the file of tokens; it contains no token, but names and roles"
            );
        }
        Ok(Self { declared: TokenList::default(), file: Some(LoadedFile { path, content, list }) })
    }

    /// Adds a token, of which `sha256` is the SHA-256 as 64 hexadecimal digits.
    ///
    /// ```
    /// use koan_backup_http::{Role, Tokens};
    ///
    /// let sha256 = "2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b";
    /// let tokens = Tokens::new().token("ci", Role::Viewer, sha256)?;
    /// # let _ = tokens;
    /// # Ok::<(), koan_backup_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// The name or the hash is not valid, or another token has the same.
    pub fn token(self, name: impl Into<String>, role: Role, sha256: &str) -> Result<Self, Error> {
        self.entry(TokenEntry::new(name, role, sha256)?)
    }

    /// Adds a token.
    ///
    /// # Errors
    /// Another token has the same name or hash.
    pub fn entry(mut self, entry: TokenEntry) -> Result<Self, Error> {
        if let Some(file) = &self.file {
            file.list.clone().add(entry.clone())?;
        }
        self.declared.add(entry)?;
        Ok(self)
    }

    /// Generates a token of 256 random bits, and the entry to store. The token itself is not stored.
    ///
    /// # Errors
    /// The name is not valid, or the operating system returned no random bits.
    pub fn generate(name: impl Into<String>, role: Role) -> Result<(TokenSecret, TokenEntry), Error> {
        let secret = TokenSecret::generate()?;
        let entry = TokenEntry::new(name, role, &secret.hash().to_string())?;
        Ok((secret, entry))
    }

    /// Adds an entry to a file of tokens, which is created if it does not exist and is then readable by its owner only.
    /// A running server uses the token within a second.
    ///
    /// ```
    /// use koan_backup_http::{Role, Tokens};
    ///
    /// # let directory = tempfile::tempdir()?;
    /// # let path = directory.path().join("tokens.toml");
    /// let (secret, entry) = Tokens::generate("ci", Role::Operator)?;
    /// Tokens::add_to_file(&path, &entry)?;
    /// let tokens = Tokens::file(&path)?;
    /// # let _ = (secret, tokens);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// The file has a mistake, contains a token with the same name, or cannot be written. It is unchanged then.
    pub fn add_to_file(path: impl AsRef<Path>, entry: &TokenEntry) -> Result<(), Error> {
        let path = path.as_ref();
        addition::add(path, entry).map_err(|error| at_path(path, error))
    }

    /// Returns whether no token is declared and no file is used.
    pub(crate) fn is_empty(&self) -> bool {
        self.file.is_none() && self.declared.is_empty()
    }
}

impl std::fmt::Debug for LoadedFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LoadedFile").field("path", &self.path).field("tokens", &self.list.len()).finish()
    }
}

fn at_path(path: &Path, error: Error) -> Error {
    let message = format!("the file of tokens `{}` cannot be used", path.display());
    Error::with_source(error.kind(), message, error)
}
