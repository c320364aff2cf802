//! A sealed file whose key is known: any part of it can be opened on its own.
//!
//! The layout is that of <https://age-encryption.org/v1>: a header, a nonce of 16 bytes, then chunks of 64 KiB, each with a tag
//! of 16 bytes.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::io::{self, BufRead, Read, Seek, SeekFrom};
use std::ops::Range;

use age::secrecy::ExposeSecret;
use age::{DecryptError, Decryptor};
use age_core::format::{FileKey as AgeKey, Stanza};
use zeroize::Zeroizing;

use super::identities::{FileKey, Identities};
use crate::error::{Error, ErrorKind, Result};

/// Bytes in which the header of a sealed file must end: room for some three hundred recipients.
pub(crate) const HEADER_BYTES: u64 = 32 << 10;
/// Plain bytes of a chunk.
const CHUNK: u64 = 64 << 10;
/// Bytes that sealing adds to a chunk.
const TAG: u64 = 16;

/// How a sealed file begins.
const MAGIC: &[u8] = b"age-encryption.org/v1\n";

/// Whether this is the beginning of a sealed file.
pub(crate) fn is_sealed(start: &[u8]) -> bool {
    start.starts_with(MAGIC)
}

/// A sealed file whose key is known.
pub(crate) struct Unlocked {
    /// Header and nonce.
    header: Vec<u8>,
    key: FileKey,
    /// Bytes of the whole file.
    length: u64,
}

impl Unlocked {
    /// Finds the key of a file of `length` bytes that begins with `start`; none if no identity opens it. Slow for a
    /// passphrase.
    ///
    /// # Errors
    /// The header is damaged, or asks for more work than a passphrase may.
    pub(crate) fn find(start: &[u8], length: u64, identities: &Identities) -> Result<Option<Self>> {
        let taken = Cell::new(0);
        let counted = Counted { rest: start, taken: &taken };
        let decryptor = Decryptor::new_buffered(counted).map_err(|error| refused(&error))?;
        let header = start[..taken.get()].to_vec();
        if let Some(key) = identities.known(&header) {
            return Ok(Some(Self { header, key, length }));
        }
        let found = Found::new(None);
        let finder = Finder { identities, found: &found };
        match decryptor.decrypt(std::iter::once(&finder as &dyn age::Identity)).map(drop) {
            Ok(()) => {}
            Err(DecryptError::NoMatchingKeys) => return Ok(None),
            Err(error) => return Err(refused(&error)),
        }
        let key = found.into_inner().ok_or_else(|| damaged("it has no key"))?;
        identities.remember(&header, key.clone());
        Ok(Some(Self { header, key, length }))
    }

    /// How many bytes are sealed in it; none if the file cannot have that length.
    pub(crate) fn plain_length(&self) -> Option<u64> {
        let payload = self.length.checked_sub(self.header_length())?;
        let chunks = payload.div_ceil(CHUNK + TAG);
        payload.checked_sub(chunks * TAG).filter(|_| payload >= TAG)
    }

    /// Where the bytes lie that are needed to open a range.
    pub(crate) fn sealed_range(&self, plain: &Range<u64>) -> Range<u64> {
        let start = first_chunk(plain.start) * (CHUNK + TAG);
        let end = plain.end.div_ceil(CHUNK) * (CHUNK + TAG);
        let place = |offset: u64| self.header_length().saturating_add(offset).min(self.length);
        place(start)..place(end)
    }

    /// Opens a range from the bytes of its [`sealed_range`](Self::sealed_range); none if they were altered.
    pub(crate) fn open(&self, plain: &Range<u64>, sealed: &[u8]) -> Option<Vec<u8>> {
        let length = usize::try_from(plain.end.checked_sub(plain.start)?).ok()?;
        if length == 0 {
            return Some(Vec::new());
        }
        let part = Part { header: &self.header, at: self.sealed_range(plain).start, sealed, position: 0 };
        let mut reader = Decryptor::new_buffered(part)
            .ok()?
            .decrypt(std::iter::once(&Known(&self.key) as &dyn age::Identity))
            .ok()?;
        // To find the beginning of a chunk the reader would look at the end of the file, which is not here.
        let aside = u64::from(plain.start > 0 && plain.start.is_multiple_of(CHUNK));
        reader.seek(SeekFrom::Start(plain.start - aside)).ok()?;
        reader.read_exact(&mut [0; 1][..usize::from(aside == 1)]).ok()?;
        // As much as comes out, whatever was declared.
        let mut opened = Vec::with_capacity(length.min(sealed.len()));
        let limit = u64::try_from(length).ok()?;
        reader.take(limit).read_to_end(&mut opened).ok()?;
        (opened.len() == length).then_some(opened)
    }

    fn header_length(&self) -> u64 {
        u64::try_from(self.header.len()).unwrap_or(u64::MAX)
    }
}

impl fmt::Debug for Unlocked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Unlocked").field("length", &self.length).finish_non_exhaustive()
    }
}

/// The first chunk that is needed to open what begins at `plain`.
fn first_chunk(plain: u64) -> u64 {
    if plain.is_multiple_of(CHUNK) { (plain / CHUNK).saturating_sub(1) } else { plain / CHUNK }
}

/// Bytes of which is told how many were taken.
struct Counted<'a> {
    rest: &'a [u8],
    taken: &'a Cell<usize>,
}

impl Read for Counted<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.rest.read(buffer)?;
        self.taken.set(self.taken.get() + read);
        Ok(read)
    }
}

impl BufRead for Counted<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        Ok(self.rest)
    }

    fn consume(&mut self, amount: usize) {
        self.rest.consume(amount);
        self.taken.set(self.taken.get() + amount);
    }
}

type Found = RefCell<Option<FileKey>>;

/// Asks all identities, and keeps the key that one of them finds.
struct Finder<'a> {
    identities: &'a Identities,
    found: &'a Found,
}

impl age::Identity for Finder<'_> {
    fn unwrap_stanza(&self, stanza: &Stanza) -> Option<std::result::Result<AgeKey, DecryptError>> {
        self.unwrap_stanzas(std::slice::from_ref(stanza))
    }

    fn unwrap_stanzas(&self, stanzas: &[Stanza]) -> Option<std::result::Result<AgeKey, DecryptError>> {
        // A key that fits in form and does not open must not hide one that opens.
        let mut failed = None;
        for identity in self.identities.all() {
            match identity.unwrap_stanzas(stanzas) {
                Some(Ok(key)) => {
                    *self.found.borrow_mut() = Some(Zeroizing::new(*key.expose_secret()));
                    return Some(Ok(key));
                }
                Some(Err(error @ DecryptError::ExcessiveWork { .. })) => failed = Some(Err(error)),
                Some(Err(_)) | None => {}
            }
        }
        failed
    }
}

/// The key of a file, whatever its header says.
struct Known<'a>(&'a [u8; 16]);

impl age::Identity for Known<'_> {
    fn unwrap_stanza(&self, _: &Stanza) -> Option<std::result::Result<AgeKey, DecryptError>> {
        Some(Ok(AgeKey::new(Box::new(*self.0))))
    }
}

/// A sealed file of which the header and one piece are there.
struct Part<'a> {
    header: &'a [u8],
    at: u64,
    sealed: &'a [u8],
    position: u64,
}

impl<'a> Part<'a> {
    /// What comes next, as far as it is there.
    fn rest(&self) -> &'a [u8] {
        let within = |bytes: &'a [u8], start: u64| -> Option<&'a [u8]> {
            let offset = usize::try_from(self.position.checked_sub(start)?).ok()?;
            bytes.get(offset..).filter(|rest| !rest.is_empty())
        };
        within(self.header, 0).or_else(|| within(self.sealed, self.at)).unwrap_or_default()
    }
}

impl Read for Part<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.rest().read(buffer)?;
        self.consume(read);
        Ok(read)
    }
}

/// So that the header is parsed in one go.
impl BufRead for Part<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        Ok(self.rest())
    }

    fn consume(&mut self, amount: usize) {
        self.position = self.position.saturating_add(u64::try_from(amount).unwrap_or(u64::MAX));
    }
}

impl Seek for Part<'_> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let position = match to {
            SeekFrom::Start(offset) => Some(offset),
            SeekFrom::Current(offset) => self.position.checked_add_signed(offset),
            SeekFrom::End(_) => None,
        };
        self.position = position.ok_or_else(|| io::Error::from(io::ErrorKind::Unsupported))?;
        Ok(self.position)
    }
}

fn refused(error: &DecryptError) -> Error {
    match error {
        DecryptError::ExcessiveWork { .. } => {
            Error::new(ErrorKind::Encryption, "its passphrase asks for more work than is done here")
        }
        DecryptError::UnknownFormat => damaged("it is not in the format of age"),
        _ => damaged("its header is damaged"),
    }
}

fn damaged(what: &'static str) -> Error {
    Error::new(ErrorKind::Corrupt, format!("{what}; restore from another backup"))
}

#[cfg(test)]
mod tests {
    use age::secrecy::ExposeSecret as _;

    use super::*;
    use crate::encryption::Recipients;

    #[test]
    fn any_range_opens_on_its_own() {
        let key = age::x25519::Identity::generate();
        let recipients = Recipients::keys([key.to_public().to_string()]).expect("a public key");
        let identities = Identities::parse(key.to_string().expose_secret()).expect("a private key");
        let chunk = usize::try_from(CHUNK).expect("small");
        for length in [0, 1, chunk - 1, chunk, chunk + 1, 3 * chunk, 3 * chunk + 7] {
            let plain: Vec<u8> = (0..=250).cycle().take(length).collect();
            let sealed = recipients.seal(&plain).expect("sealed");
            let whole = u64::try_from(sealed.len()).expect("small");
            let unlocked = Unlocked::find(&sealed, whole, &identities).expect("a header").expect("the key");
            assert_eq!(unlocked.plain_length(), u64::try_from(length).ok());
            let places = [0, 1, chunk - 1, chunk, chunk + 1, 2 * chunk, length.saturating_sub(1), length];
            for start in places.into_iter().filter(|&start| start <= length) {
                for end in places.into_iter().filter(|&end| start <= end && end <= length) {
                    let range = u64::try_from(start).expect("small")..u64::try_from(end).expect("small");
                    let needed = unlocked.sealed_range(&range);
                    let bytes = usize::try_from(needed.start).expect("small")
                        ..usize::try_from(needed.end).expect("small");
                    // No more than the chunks it lies in, and one to begin with.
                    let chunks = range.end.div_ceil(CHUNK) - range.start / CHUNK + 1;
                    assert!(needed.end - needed.start <= chunks * (CHUNK + TAG), "{length} {range:?}");
                    let opened = unlocked.open(&range, &sealed[bytes.clone()]);
                    assert_eq!(opened.as_deref(), Some(&plain[start..end]), "{length} {range:?}");
                    let mut altered = sealed[bytes].to_vec();
                    if let (Some(byte), false) = (altered.first_mut(), range.is_empty()) {
                        *byte ^= 1;
                        assert!(unlocked.open(&range, &altered).is_none(), "{length} {range:?}");
                    }
                }
            }
        }
    }

    #[test]
    fn the_key_of_a_file_is_looked_for_once() {
        let key = age::x25519::Identity::generate();
        let recipients = Recipients::keys([key.to_public().to_string()]).expect("a public key");
        let identities = Identities::parse(key.to_string().expose_secret()).expect("a private key");
        let sealed = recipients.seal(b"content").expect("sealed");
        let unlocked = Unlocked::find(&sealed, 0, &identities).expect("a header").expect("the key");
        assert!(format!("{unlocked:?}").contains("length"), "{unlocked:?}");
        assert_eq!(identities.known(&unlocked.header).as_ref(), Some(&unlocked.key));
        assert_eq!(identities.known(b"another header"), None);
    }

    #[test]
    fn a_passphrase_that_asks_for_gigabytes_is_refused_before_it_gets_them() {
        let identities = Identities::passphrase("open sesame").expect("not empty");
        let (salt, key) = ("A".repeat(22), "A".repeat(43));
        let mut header =
            format!("age-encryption.org/v1\n-> scrypt {salt} 24\n{key}\n--- {key}\n").into_bytes();
        header.extend_from_slice(&[0; 32]);
        let error = Unlocked::find(&header, 0, &identities).expect_err("too much");
        assert!(error.to_string().contains("more work"), "{error}");
    }

    #[test]
    fn a_key_that_does_not_fit_opens_nothing() {
        let (one, other) = (age::x25519::Identity::generate(), age::x25519::Identity::generate());
        let recipients = Recipients::keys([one.to_public().to_string()]).expect("a public key");
        let sealed = recipients.seal(b"content").expect("sealed");
        let identities = Identities::parse(other.to_string().expose_secret()).expect("a private key");
        assert!(Unlocked::find(&sealed, 0, &identities).expect("a header").is_none());
        let error = Unlocked::find(b"age-encryption.org/v1\n-> X", 0, &identities).expect_err("cut off");
        assert!(error.to_string().contains("header is damaged"), "{error}");
        assert!(Unlocked::find(b"{}", 0, &identities).is_err());
        let later = format!("age-encryption.org/v2\n-> X25519 A\nA\n--- {}\n", "A".repeat(43));
        let error = Unlocked::find(later.as_bytes(), 0, &identities).expect_err("not known yet");
        assert!(error.to_string().contains("not in the format of age"), "{error}");
    }
}
