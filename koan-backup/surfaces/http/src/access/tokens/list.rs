//! The valid tokens at one moment.

use std::collections::HashSet;

use jiff::Timestamp;
use koan_backup_core::{Error, ErrorKind};
use subtle::ConditionallySelectable as _;

use super::entry::TokenEntry;
use super::hash::TokenHash;

/// The maximum number of tokens.
pub(crate) const MAX_TOKENS: usize = 1_000;

/// The tokens of a server, with unique names and hashes.
#[derive(Clone, Debug, Default)]
pub(crate) struct TokenList(Vec<TokenEntry>);

/// The result of a search for a token.
#[derive(Debug)]
pub(crate) enum TokenMatch<'a> {
    /// The token is valid.
    Valid(&'a TokenEntry),
    /// The token is known, and its time is over.
    Expired(&'a TokenEntry),
    /// There is no such token.
    Unknown,
}

impl TokenList {
    /// Adds a token.
    ///
    /// # Errors
    /// Another token has the same name or hash, or there are too many tokens.
    pub(crate) fn add(&mut self, entry: TokenEntry) -> Result<(), Error> {
        if self.0.len() == MAX_TOKENS {
            return Err(Error::new(ErrorKind::Configuration, "there are more than 1 000 tokens")
                .with_help("remove the tokens that are not used"));
        }
        if let Some(other) = self.0.iter().find(|other| other.name == entry.name) {
            return Err(Error::new(
                ErrorKind::Configuration,
                format!("two tokens have the name `{}`", other.name),
            )
            .with_help("give each token its own name, because the audit log names the caller by it"));
        }
        if let Some(other) = self.0.iter().find(|other| other.hash == entry.hash) {
            let message = format!("the tokens `{}` and `{}` have the same hash", other.name, entry.name);
            return Err(
                Error::new(ErrorKind::Configuration, message).with_help("generate a token for each caller")
            );
        }
        self.0.push(entry);
        Ok(())
    }

    /// Adds all tokens of another list.
    pub(crate) fn joined(&self, other: &Self) -> Result<Self, Error> {
        let mut joined = self.clone();
        other.0.iter().try_for_each(|entry| joined.add(entry.clone()))?;
        Ok(joined)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// Returns the hashes of the tokens that have not expired.
    pub(crate) fn valid_hashes(&self, now: Timestamp) -> HashSet<TokenHash> {
        self.0.iter().filter(|entry| !entry.is_expired(now)).map(|entry| entry.hash).collect()
    }

    /// Searches for a token. All hashes are compared, and the time does not depend on where one matches.
    pub(crate) fn find(&self, hash: &TokenHash, now: Timestamp) -> TokenMatch<'_> {
        let mut found = u64::MAX;
        for (index, entry) in (0_u64..).zip(&self.0) {
            found.conditional_assign(&index, entry.hash.equals(hash));
        }
        match usize::try_from(found).ok().and_then(|index| self.0.get(index)) {
            Some(entry) if entry.is_expired(now) => TokenMatch::Expired(entry),
            Some(entry) => TokenMatch::Valid(entry),
            None => TokenMatch::Unknown,
        }
    }
}
