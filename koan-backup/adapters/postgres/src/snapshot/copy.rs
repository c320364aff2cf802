//! Parses the binary format of COPY: a header, rows of fields with their lengths, and a trailer.
//!
//! <https://www.postgresql.org/docs/current/sql-copy.html>, "Binary Format".

use std::ops::Range;

use koan_backup_core::{Error, ErrorKind, Result};

const SIGNATURE: &[u8; 11] = b"PGCOPY\n\xff\r\n\0";

/// A parser that receives data in pieces and returns the rows.
#[derive(Debug, Default)]
pub(super) struct CopyReader {
    /// The received data that is not parsed yet.
    buffer: Vec<u8>,
    position: usize,
    has_header: bool,
    is_complete: bool,
    /// The fields of the current row; `None` is NULL.
    fields: Vec<Option<Range<usize>>>,
}

impl CopyReader {
    /// Adds a piece, and returns the emptied buffer of the previous piece. Data that is not parsed yet is
    /// moved to the front of the new buffer.
    pub(super) fn push_piece(&mut self, piece: Vec<u8>) -> Vec<u8> {
        let rest = self.buffer.split_off(self.position);
        self.position = 0;
        let mut used = std::mem::replace(&mut self.buffer, piece);
        if !rest.is_empty() {
            self.buffer.splice(0..0, rest);
        }
        used.clear();
        used
    }

    /// Advances to the next row. Returns `false` if the row is not complete yet.
    pub(super) fn advance(&mut self) -> Result<bool> {
        if !self.has_header && !self.parse_header()? {
            return Ok(false);
        }
        let mut position = self.position;
        let Some(count) = self.number::<2>(position).map(i16::from_be_bytes) else { return Ok(false) };
        position += 2;
        if self.is_complete {
            return Err(malformed());
        }
        if count == -1 {
            self.is_complete = true;
            self.position = position;
            return Ok(false);
        }
        self.fields.clear();
        for _ in 0..count {
            let Some(length) = self.number::<4>(position).map(i32::from_be_bytes) else { return Ok(false) };
            position += 4;
            let field = match length {
                -1 => None,
                length => {
                    let length = usize::try_from(length).map_err(|_| malformed())?;
                    if self.buffer.len() - position < length {
                        return Ok(false);
                    }
                    position += length;
                    Some(position - length..position)
                }
            };
            self.fields.push(field);
        }
        self.position = position;
        Ok(true)
    }

    /// Returns the number of fields of the current row.
    #[cfg(test)]
    fn len(&self) -> usize {
        self.fields.len()
    }

    /// Returns a field of the current row; `None` is NULL.
    pub(super) fn field(&self, index: usize) -> Option<&[u8]> {
        let range = self.fields.get(index)?.clone()?;
        self.buffer.get(range)
    }

    /// Returns whether the trailer was received and nothing followed it.
    pub(super) fn is_complete(&self) -> bool {
        self.is_complete && self.position == self.buffer.len()
    }

    /// Parses the header. Returns `false` if it is not complete yet.
    fn parse_header(&mut self) -> Result<bool> {
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
        self.position = end;
        self.has_header = true;
        Ok(true)
    }

    fn number<const N: usize>(&self, position: usize) -> Option<[u8; N]> {
        self.buffer.get(position..position + N)?.try_into().ok()
    }
}

fn malformed() -> Error {
    Error::new(ErrorKind::Provider, "PostgreSQL sent data that is not in the binary format of COPY")
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
            bytes.extend(u32::try_from(text.len()).expect("the length fits into u32").to_be_bytes());
            bytes.extend(text.as_bytes());
        }
        bytes.extend([0xff, 0xff]);
        bytes
    }

    #[test]
    fn rows_are_parsed_wherever_pieces_end() {
        let bytes = copied();
        for size in 1..=bytes.len() {
            let mut reader = CopyReader::default();
            let mut rows = Vec::new();
            for piece in bytes.chunks(size) {
                reader.push_piece(piece.to_vec());
                while reader.advance().expect("the data is valid") {
                    assert_eq!((reader.len(), reader.field(0)), (2, None));
                    rows.push(reader.field(1).expect("the field is not NULL").to_vec());
                }
            }
            assert_eq!(rows, [b"one".to_vec(), Vec::new(), b"three".to_vec()]);
            assert!(reader.is_complete());
        }
    }

    #[test]
    fn truncated_data_is_not_complete() {
        let bytes = copied();
        for length in 0..bytes.len() {
            let mut reader = CopyReader::default();
            reader.push_piece(bytes[..length].to_vec());
            while reader.advance().expect("the data is a valid beginning") {}
            assert!(!reader.is_complete(), "{length}");
        }
    }

    #[test]
    fn data_in_another_format_is_refused() {
        let mut reader = CopyReader::default();
        reader.push_piece(b"<html>this is not PostgreSQL</html>".to_vec());
        assert!(reader.advance().is_err());
    }
}
