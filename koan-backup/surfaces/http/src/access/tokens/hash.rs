//! The hash of a token, which is stored instead of the token.

use std::fmt;

use koan_backup_core::{Error, ErrorKind};
use sha2::{Digest as _, Sha256};
use subtle::{Choice, ConstantTimeEq as _};

/// The first characters of a generated token, by which scanners for secrets find it.
pub(crate) const SECRET_PREFIX: &str = "koan_";

/// The number of characters of a generated token: the prefix, and 256 bits in base64.
pub(crate) const SECRET_CHARACTERS: usize = SECRET_PREFIX.len() + 43;

/// The SHA-256 of a token or of the id of a session.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct TokenHash([u8; 32]);

impl TokenHash {
    /// Computes the hash of a secret.
    pub(crate) fn of(secret: &[u8]) -> Self {
        Self(Sha256::digest(secret).into())
    }

    /// Parses 64 hexadecimal digits in any case. Space around them is ignored.
    ///
    /// # Errors
    /// The text has another form. The error does not contain it, because it may be a token.
    pub(crate) fn parse(text: &str) -> Result<Self, Error> {
        let text = text.trim();
        if text.starts_with(SECRET_PREFIX) {
            return Err(Error::new(ErrorKind::Configuration, "the hash is a token instead of its SHA-256")
                .with_help("do not use this token any more; generate another one, and store only its hash"));
        }
        let mut bytes = [0; 32];
        let digits = text.as_bytes();
        if digits.len() != 2 * bytes.len() {
            return Err(invalid_hash());
        }
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
            let pair =
                std::str::from_utf8(pair).ok().filter(|pair| pair.bytes().all(|d| d.is_ascii_hexdigit()));
            *byte = pair.and_then(|pair| u8::from_str_radix(pair, 16).ok()).ok_or_else(invalid_hash)?;
        }
        Ok(Self(bytes))
    }

    /// Compares two hashes in constant time.
    pub(crate) fn equals(&self, other: &Self) -> Choice {
        self.0.ct_eq(&other.0)
    }
}

fn invalid_hash() -> Error {
    Error::new(ErrorKind::Configuration, "the hash is not 64 hexadecimal digits")
        .with_help("compute it without a line feed: `printf %s \"$TOKEN\" | sha256sum | cut -c 1-64`")
}

/// Writes the hash as hexadecimal digits in lower case.
impl fmt::Display for TokenHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for TokenHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenHash(…)")
    }
}

/// Returns whether a text has the form of a generated token.
pub(crate) fn is_secret(text: &str) -> bool {
    text.len() == SECRET_CHARACTERS
        && text.strip_prefix(SECRET_PREFIX).is_some_and(|rest| {
            rest.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_is_read_in_upper_and_lower_case_and_with_space_around_it() {
        let hash = TokenHash::of(b"secret");
        let text = hash.to_string();
        assert_eq!(text, "2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b");
        for form in [text.clone(), text.to_uppercase(), format!(" {text}\n")] {
            assert_eq!(TokenHash::parse(&form).expect("the hash is valid"), hash);
        }
    }

    #[test]
    fn an_error_about_a_hash_does_not_repeat_it() {
        let secret = "koan_0123456789012345678901234567890123456789012";
        for text in [
            "",
            "abc",
            secret,
            &"g".repeat(64),
            &"+1".repeat(32),
            &"é".repeat(32),
            &format!("{}  -", "a".repeat(64)),
        ] {
            let error = TokenHash::parse(text).expect_err("the hash is not valid");
            assert!(text.is_empty() || !error.chain().contains(text), "the error repeats the text: {error}");
        }
        let error = TokenHash::parse(secret).expect_err("a token is not a hash");
        assert_eq!(error.message(), "the hash is a token instead of its SHA-256");
        assert!(is_secret(secret) && !is_secret(&secret[1..]) && !is_secret(&format!("{secret}x")));
    }
}
