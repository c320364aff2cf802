//! An encrypted file whose key is known. Any range of it can be decrypted without the other bytes.
//!
//! The layout is defined in <https://age-encryption.org/v1>: a header, a nonce of 16 bytes, then chunks of 64
//! KiB, each with a tag of 16 bytes.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::io::{self, BufRead, Read, Seek, SeekFrom};
use std::ops::Range;

use age::secrecy::ExposeSecret;
use age::stream::StreamReader;
use age::{DecryptError, Decryptor};
use age_core::format::{FileKey as AgeKey, Stanza};
use zeroize::Zeroizing;

use super::identities::{FileKey, Identities};
use crate::foundation::error::{Error, ErrorKind, Result};

/// The maximum size of the header of an encrypted file, enough for about three hundred recipients.
pub(crate) const HEADER_BYTES: u64 = 32 << 10;
/// The number of bytes of a chunk before encryption.
const CHUNK_BYTES: u64 = 64 << 10;
/// The number of bytes that encryption adds to a chunk.
const TAG_BYTES: u64 = 16;

/// The first bytes of an encrypted file.
const MAGIC: &[u8] = b"age-encryption.org/v1\n";

/// Returns whether a file that begins with `start` is encrypted.
pub(crate) fn is_encrypted(start: &[u8]) -> bool {
    start.starts_with(MAGIC)
}

/// An encrypted file whose key is known.
pub(crate) struct DecryptableFile {
    /// The header and the nonce.
    header: Vec<u8>,
    key: FileKey,
    /// The size of the encrypted file in bytes.
    length: u64,
}

impl DecryptableFile {
    /// Finds the key of a file of `length` bytes that begins with `start`. Returns `None` if no identity can
    /// decrypt the file. The search takes about a second for a passphrase.
    ///
    /// # Errors
    /// The header is damaged, or requires a higher work factor for a passphrase than is allowed.
    pub(crate) fn find(start: &[u8], length: u64, identities: &Identities) -> Result<Option<Self>> {
        let consumed = Cell::new(0);
        let reader = CountingReader { rest: start, consumed: &consumed };
        let decryptor = Decryptor::new_buffered(reader).map_err(|error| header_error(&error))?;
        let header = start[..consumed.get()].to_vec();
        if let Some(key) = identities.cached_file_key(&header) {
            return Ok(Some(Self { header, key, length }));
        }
        let found = FoundKey::new(None);
        let finder = KeyFinder { identities, found: &found };
        match decryptor.decrypt(std::iter::once(&finder as &dyn age::Identity)).map(drop) {
            Ok(()) => {}
            Err(DecryptError::NoMatchingKeys) => return Ok(None),
            Err(error) => return Err(header_error(&error)),
        }
        let key =
            found.into_inner().ok_or_else(|| damaged("the header of the encrypted file contains no key"))?;
        identities.cache_file_key(&header, key.clone());
        Ok(Some(Self { header, key, length }))
    }

    /// Returns the size of the decrypted content, or `None` if no encrypted file can have the size of this
    /// file.
    pub(crate) fn plain_length(&self) -> Option<u64> {
        let payload = self.length.checked_sub(self.header_length())?;
        let chunks = payload.div_ceil(CHUNK_BYTES + TAG_BYTES);
        payload.checked_sub(chunks * TAG_BYTES).filter(|_| payload >= TAG_BYTES)
    }

    /// Returns the range of encrypted bytes that is needed to decrypt a range of the content.
    pub(crate) fn encrypted_range(&self, plain: &Range<u64>) -> Range<u64> {
        let start = first_chunk(plain.start) * (CHUNK_BYTES + TAG_BYTES);
        let end = plain.end.div_ceil(CHUNK_BYTES) * (CHUNK_BYTES + TAG_BYTES);
        let absolute = |offset: u64| self.header_length().saturating_add(offset).min(self.length);
        absolute(start)..absolute(end)
    }

    /// Decrypts a range from the bytes of its [`encrypted_range`](Self::encrypted_range). Returns `None` if
    /// the bytes were altered.
    pub(crate) fn open(&self, plain: &Range<u64>, encrypted: &[u8]) -> Option<Vec<u8>> {
        let length = usize::try_from(plain.end.checked_sub(plain.start)?).ok()?;
        if length == 0 {
            return Some(Vec::new());
        }
        let encrypted_start = self.encrypted_range(plain).start;
        let file = FileRange { header: &self.header, encrypted_start, encrypted, position: 0 };
        let mut reader = Decryptor::new_buffered(file)
            .ok()?
            .decrypt(std::iter::once(&KnownKey(&self.key) as &dyn age::Identity))
            .ok()?;
        // To seek to the start of a chunk, the reader of age reads the end of the file, which is not
        // available here. Therefore the seek goes to the last byte before the chunk, and that byte is
        // skipped.
        let skipped = u64::from(plain.start > 0 && plain.start.is_multiple_of(CHUNK_BYTES));
        reader.seek(SeekFrom::Start(plain.start - skipped)).ok()?;
        reader.read_exact(&mut [0; 1][..usize::from(skipped == 1)]).ok()?;
        // The capacity is limited by the number of encrypted bytes, because the declared size is not trusted.
        let mut opened = Vec::with_capacity(length.min(encrypted.len()));
        let limit = u64::try_from(length).ok()?;
        reader.take(limit).read_to_end(&mut opened).ok()?;
        (opened.len() == length).then_some(opened)
    }

    /// Returns a reader that decrypts the complete file, which `file` reads from its start. Returns `None` if
    /// its header is not the header of this file.
    pub(crate) fn reader<R: BufRead>(&self, file: R) -> Option<StreamReader<R>> {
        Decryptor::new_buffered(file)
            .ok()?
            .decrypt(std::iter::once(&KnownKey(&self.key) as &dyn age::Identity))
            .ok()
    }

    fn header_length(&self) -> u64 {
        u64::try_from(self.header.len()).unwrap_or(u64::MAX)
    }
}

impl fmt::Debug for DecryptableFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DecryptableFile").field("length", &self.length).finish_non_exhaustive()
    }
}

/// Returns the first chunk that is needed to decrypt from the offset `plain`.
fn first_chunk(plain: u64) -> u64 {
    if plain.is_multiple_of(CHUNK_BYTES) {
        (plain / CHUNK_BYTES).saturating_sub(1)
    } else {
        plain / CHUNK_BYTES
    }
}

/// A reader that counts the bytes that are read from it.
struct CountingReader<'a> {
    rest: &'a [u8],
    consumed: &'a Cell<usize>,
}

impl Read for CountingReader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.rest.read(buffer)?;
        self.consumed.set(self.consumed.get() + read);
        Ok(read)
    }
}

impl BufRead for CountingReader<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        Ok(self.rest)
    }

    fn consume(&mut self, amount: usize) {
        self.rest.consume(amount);
        self.consumed.set(self.consumed.get() + amount);
    }
}

type FoundKey = RefCell<Option<FileKey>>;

/// An identity that tries all identities and stores the file key that one of them finds.
struct KeyFinder<'a> {
    identities: &'a Identities,
    found: &'a FoundKey,
}

impl age::Identity for KeyFinder<'_> {
    fn unwrap_stanza(&self, stanza: &Stanza) -> Option<std::result::Result<AgeKey, DecryptError>> {
        self.unwrap_stanzas(std::slice::from_ref(stanza))
    }

    fn unwrap_stanzas(&self, stanzas: &[Stanza]) -> Option<std::result::Result<AgeKey, DecryptError>> {
        // An identity that matches but fails must not prevent a later identity from succeeding.
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

/// An identity that returns the known key of a file and ignores the header.
struct KnownKey<'a>(&'a [u8; 16]);

impl age::Identity for KnownKey<'_> {
    fn unwrap_stanza(&self, _: &Stanza) -> Option<std::result::Result<AgeKey, DecryptError>> {
        Some(Ok(AgeKey::new(Box::new(*self.0))))
    }
}

/// A partial encrypted file: its header and one range of its chunks.
struct FileRange<'a> {
    header: &'a [u8],
    /// The offset of `encrypted` in the file.
    encrypted_start: u64,
    encrypted: &'a [u8],
    position: u64,
}

impl<'a> FileRange<'a> {
    /// Returns the available bytes at the current position.
    fn rest(&self) -> &'a [u8] {
        let within = |bytes: &'a [u8], start: u64| -> Option<&'a [u8]> {
            let offset = usize::try_from(self.position.checked_sub(start)?).ok()?;
            bytes.get(offset..).filter(|rest| !rest.is_empty())
        };
        within(self.header, 0).or_else(|| within(self.encrypted, self.encrypted_start)).unwrap_or_default()
    }
}

impl Read for FileRange<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.rest().read(buffer)?;
        self.consume(read);
        Ok(read)
    }
}

/// The reader is buffered, so that the header is parsed in one pass.
impl BufRead for FileRange<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        Ok(self.rest())
    }

    fn consume(&mut self, amount: usize) {
        self.position = self.position.saturating_add(u64::try_from(amount).unwrap_or(u64::MAX));
    }
}

impl Seek for FileRange<'_> {
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

/// Creates the error for a header that cannot be used.
fn header_error(error: &DecryptError) -> Error {
    match error {
        DecryptError::ExcessiveWork { .. } => Error::new(
            ErrorKind::Encryption,
            "the work factor of the passphrase of the encrypted file is higher than the maximum",
        ),
        DecryptError::UnknownFormat => damaged("the encrypted file does not have the format of age"),
        _ => damaged("the header of the encrypted file is damaged"),
    }
}

fn damaged(fault: &'static str) -> Error {
    Error::new(ErrorKind::Corrupt, format!("{fault}; restore from another backup"))
}

#[cfg(test)]
mod tests {
    use age::secrecy::ExposeSecret as _;

    use super::*;
    use crate::encryption::Recipients;

    #[test]
    fn any_range_can_be_decrypted_without_the_other_bytes() {
        let key = age::x25519::Identity::generate();
        let recipients = Recipients::keys([key.to_public().to_string()]).expect("the public key is valid");
        let identities =
            Identities::parse(key.to_string().expose_secret()).expect("the private key is valid");
        let chunk = usize::try_from(CHUNK_BYTES).expect("the number fits into both `u64` and `usize`");
        for length in [0, 1, chunk - 1, chunk, chunk + 1, 3 * chunk, 3 * chunk + 7] {
            let plain: Vec<u8> = (0..=250).cycle().take(length).collect();
            let encrypted = recipients.encrypt(&plain).expect("the content is encrypted");
            let encrypted_length =
                u64::try_from(encrypted.len()).expect("the number fits into both `u64` and `usize`");
            let found = DecryptableFile::find(&encrypted, encrypted_length, &identities)
                .expect("the header is valid");
            let decryptable = found.expect("the key matches");
            assert_eq!(decryptable.plain_length(), u64::try_from(length).ok());
            let offsets = [0, 1, chunk - 1, chunk, chunk + 1, 2 * chunk, length.saturating_sub(1), length];
            for start in offsets.into_iter().filter(|&start| start <= length) {
                for end in offsets.into_iter().filter(|&end| start <= end && end <= length) {
                    let range = u64::try_from(start).expect("the number fits into both `u64` and `usize`")
                        ..u64::try_from(end).expect("the number fits into both `u64` and `usize`");
                    let needed = decryptable.encrypted_range(&range);
                    let bytes = usize::try_from(needed.start)
                        .expect("the number fits into both `u64` and `usize`")
                        ..usize::try_from(needed.end).expect("the number fits into both `u64` and `usize`");
                    // This is the maximum: the chunks of the range, and one before it.
                    let chunks = range.end.div_ceil(CHUNK_BYTES) - range.start / CHUNK_BYTES + 1;
                    assert!(
                        needed.end - needed.start <= chunks * (CHUNK_BYTES + TAG_BYTES),
                        "{length} {range:?}"
                    );
                    let opened = decryptable.open(&range, &encrypted[bytes.clone()]);
                    assert_eq!(opened.as_deref(), Some(&plain[start..end]), "{length} {range:?}");
                    let mut altered = encrypted[bytes].to_vec();
                    if let (Some(byte), false) = (altered.first_mut(), range.is_empty()) {
                        *byte ^= 1;
                        assert!(decryptable.open(&range, &altered).is_none(), "{length} {range:?}");
                    }
                }
            }
        }
    }

    #[test]
    fn the_key_of_a_file_is_cached() {
        let key = age::x25519::Identity::generate();
        let recipients = Recipients::keys([key.to_public().to_string()]).expect("the public key is valid");
        let identities =
            Identities::parse(key.to_string().expose_secret()).expect("the private key is valid");
        let encrypted = recipients.encrypt(b"content").expect("the content is encrypted");
        let decryptable = DecryptableFile::find(&encrypted, 0, &identities)
            .expect("the header is valid")
            .expect("the key matches");
        assert!(format!("{decryptable:?}").contains("length"), "{decryptable:?}");
        assert_eq!(identities.cached_file_key(&decryptable.header).as_ref(), Some(&decryptable.key));
        assert_eq!(identities.cached_file_key(b"another header"), None);
    }

    #[test]
    fn a_header_that_demands_gigabytes_is_refused_before_they_are_allocated() {
        let identities = Identities::passphrase("open sesame").expect("the passphrase is not empty");
        let (salt, key) = ("A".repeat(22), "A".repeat(43));
        let mut header =
            format!("age-encryption.org/v1\n-> scrypt {salt} 24\n{key}\n--- {key}\n").into_bytes();
        header.extend_from_slice(&[0; 32]);
        let error = DecryptableFile::find(&header, 0, &identities).expect_err("the work factor is too high");
        assert!(error.to_string().contains("higher than the maximum"), "{error}");
    }

    #[test]
    fn a_key_that_does_not_match_and_a_damaged_header_are_distinguished() {
        let (matching_key, other_key) =
            (age::x25519::Identity::generate(), age::x25519::Identity::generate());
        let recipients =
            Recipients::keys([matching_key.to_public().to_string()]).expect("the public key is valid");
        let encrypted = recipients.encrypt(b"content").expect("the content is encrypted");
        let identities =
            Identities::parse(other_key.to_string().expose_secret()).expect("the private key is valid");
        assert!(DecryptableFile::find(&encrypted, 0, &identities).expect("the header is valid").is_none());
        let found = DecryptableFile::find(b"age-encryption.org/v1\n-> X", 0, &identities);
        let error = found.expect_err("the header is truncated");
        assert!(error.to_string().contains("the header of the encrypted file is damaged"), "{error}");
        assert!(DecryptableFile::find(b"{}", 0, &identities).is_err());
        let later_version = format!("age-encryption.org/v2\n-> X25519 A\nA\n--- {}\n", "A".repeat(43));
        let found = DecryptableFile::find(later_version.as_bytes(), 0, &identities);
        let error = found.expect_err("the version is not supported");
        assert!(error.to_string().contains("does not have the format of age"), "{error}");
    }
}
