//! The binary form of COPY: a header, rows of fields with their lengths, and a trailer.
//!
//! <https://www.postgresql.org/docs/current/sql-copy.html>, "Binary Format".

use std::ops::Range;

use koan_backup_core::{Error, ErrorKind, Result};

const SIGNATURE: &[u8; 11] = b"PGCOPY\n\xff\r\n\0";

/// Takes what the server sends, piece by piece, and tells where rows are in it.
#[derive(Debug, Default)]
pub(super) struct CopyReader {
    /// What came and is not read yet.
    buffer: Vec<u8>,
    place: usize,
    has_header: bool,
    is_complete: bool,
    /// The fields of the last row; `None` is NULL.
    fields: Vec<Option<Range<usize>>>,
}

impl CopyReader {
    /// Takes a piece, and gives back the buffer of one that was read. What was left of that stands in front of the new one.
    pub(super) fn take(&mut self, piece: Vec<u8>) -> Vec<u8> {
        let rest = self.buffer.split_off(self.place);
        self.place = 0;
        let mut spent = std::mem::replace(&mut self.buffer, piece);
        if !rest.is_empty() {
            self.buffer.splice(0..0, rest);
        }
        spent.clear();
        spent
    }

    /// Goes to the next row. `false` when it is not there yet.
    pub(super) fn advance(&mut self) -> Result<bool> {
        if !self.has_header && !self.header()? {
            return Ok(false);
        }
        let mut place = self.place;
        let Some(count) = self.number::<2>(place).map(i16::from_be_bytes) else { return Ok(false) };
        place += 2;
        if self.is_complete {
            return Err(malformed());
        }
        if count == -1 {
            self.is_complete = true;
            self.place = place;
            return Ok(false);
        }
        self.fields.clear();
        for _ in 0..count {
            let Some(length) = self.number::<4>(place).map(i32::from_be_bytes) else { return Ok(false) };
            place += 4;
            let field = match length {
                -1 => None,
                length => {
                    let length = usize::try_from(length).map_err(|_| malformed())?;
                    if self.buffer.len() - place < length {
                        return Ok(false);
                    }
                    place += length;
                    Some(place - length..place)
                }
            };
            self.fields.push(field);
        }
        self.place = place;
        Ok(true)
    }

    /// How many fields the last row has.
    #[cfg(test)]
    fn len(&self) -> usize {
        self.fields.len()
    }

    /// A field of the last row; `None` is NULL.
    pub(super) fn field(&self, index: usize) -> Option<&[u8]> {
        let range = self.fields.get(index)?.clone()?;
        self.buffer.get(range)
    }

    /// Whether the trailer came, behind which there is nothing.
    pub(super) fn is_complete(&self) -> bool {
        self.is_complete && self.place == self.buffer.len()
    }

    fn header(&mut self) -> Result<bool> {
        let Some(extension) = self.number::<4>(SIGNATURE.len() + 4).map(u32::from_be_bytes) else {
            return Ok(false);
        };
        if !self.buffer.starts_with(SIGNATURE) {
            return Err(malformed());
        }
        let end = SIGNATURE.len() + 8 + usize::try_from(extension).map_err(|_| malformed())?;
        if self.buffer.len() < end {
            return Ok(false);
        }
        self.place = end;
        self.has_header = true;
        Ok(true)
    }

    fn number<const N: usize>(&self, place: usize) -> Option<[u8; N]> {
        self.buffer.get(place..place + N)?.try_into().ok()
    }
}

fn malformed() -> Error {
    Error::new(ErrorKind::Provider, "PostgreSQL sent something that is not the binary form of COPY")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn copied() -> Vec<u8> {
        let mut bytes = SIGNATURE.to_vec();
        bytes.extend([0; 8]);
        for text in ["one", "", "three"] {
            bytes.extend([0, 2]);
            bytes.extend((-1i32).to_be_bytes());
            bytes.extend(u32::try_from(text.len()).expect("short").to_be_bytes());
            bytes.extend(text.as_bytes());
        }
        bytes.extend([0xff, 0xff]);
        bytes
    }

    #[test]
    fn rows_are_found_wherever_pieces_end() {
        let bytes = copied();
        for size in 1..=bytes.len() {
            let mut reader = CopyReader::default();
            let mut rows = Vec::new();
            for piece in bytes.chunks(size) {
                reader.take(piece.to_vec());
                while reader.advance().expect("well formed") {
                    assert_eq!((reader.len(), reader.field(0)), (2, None));
                    rows.push(reader.field(1).expect("not NULL").to_vec());
                }
            }
            assert_eq!(rows, [b"one".to_vec(), Vec::new(), b"three".to_vec()]);
            assert!(reader.is_complete());
        }
    }

    #[test]
    fn what_ends_early_is_not_complete() {
        let bytes = copied();
        for length in 0..bytes.len() {
            let mut reader = CopyReader::default();
            reader.take(bytes[..length].to_vec());
            while reader.advance().expect("well formed so far") {}
            assert!(!reader.is_complete(), "{length}");
        }
    }

    #[test]
    fn what_is_something_else_is_refused() {
        let mut reader = CopyReader::default();
        reader.take(b"<html>this is not PostgreSQL</html>".to_vec());
        assert!(reader.advance().is_err());
    }
}
