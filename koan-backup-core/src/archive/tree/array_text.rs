//! The text of a data file: one JSON array with one record in each line.
//!
//! The text has exactly one form, so that it can be converted to the lines of an archive and back without parsing
//! the records: `[`, then each record in a line of its own, with a comma after each record except the last, then
//! `]` in the last line.

use crate::foundation::lines::lines;

/// The maximum size of one record.
const MAX_RECORD_BYTES: usize = 256 << 20;

/// Converts lines of records into the text of an array.
#[derive(Debug, Default)]
pub(super) struct ArrayWriter {
    has_records: bool,
}

impl ArrayWriter {
    /// Returns the text before the first record.
    pub(super) fn start() -> &'static [u8] {
        b"["
    }

    /// Appends the text of the records in `block`, which contains complete lines, to `text`.
    pub(super) fn write(&mut self, block: &[u8], text: &mut Vec<u8>) {
        for line in lines(block) {
            text.extend_from_slice(if self.has_records { b",\n" } else { b"\n" });
            text.extend_from_slice(line);
            self.has_records = true;
        }
    }

    /// Returns the text after the last record.
    pub(super) fn end() -> &'static [u8] {
        b"\n]\n"
    }
}

/// A fault in the text of a data file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ArrayFault {
    #[error("it does not begin with the line `[`")]
    Start,
    #[error("a record is not followed by a comma and another record, or a comma is missing")]
    Separator,
    #[error("it has an empty line")]
    EmptyLine,
    #[error("it has content after the end of the array")]
    AfterEnd,
    #[error("it ends before the end of the array")]
    Truncated,
    #[error("a record is larger than the maximum of 256 MiB")]
    RecordSize,
}

/// Converts the text of an array into lines of records. The text arrives in pieces of any size.
#[derive(Debug, Default)]
pub(super) struct ArrayReader {
    /// The beginning of a line whose end has not arrived yet.
    partial: Vec<u8>,
    position: Position,
    /// Whether the previous record is followed by a comma. `None` before the first record.
    comma: Option<bool>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Position {
    #[default]
    Start,
    Records,
    End,
}

impl ArrayReader {
    /// Reads a piece of the text, and appends the records that are complete to `records`, each with a line feed.
    pub(super) fn read(&mut self, piece: &[u8], records: &mut Vec<u8>) -> Result<(), ArrayFault> {
        let mut rest = piece;
        while let Some(end) = memchr::memchr(b'\n', rest) {
            let line = &rest[..end];
            rest = &rest[end + 1..];
            if self.partial.is_empty() {
                self.line(line, records)?;
            } else {
                self.partial.extend_from_slice(line);
                let mut line = std::mem::take(&mut self.partial);
                self.line(&line, records)?;
                line.clear();
                self.partial = line;
            }
        }
        if self.partial.len() + rest.len() > MAX_RECORD_BYTES {
            return Err(ArrayFault::RecordSize);
        }
        self.partial.extend_from_slice(rest);
        Ok(())
    }

    /// Checks that the array has ended.
    pub(super) fn finish(&self) -> Result<(), ArrayFault> {
        match self.position == Position::End && self.partial.is_empty() {
            true => Ok(()),
            false if self.position == Position::End => Err(ArrayFault::AfterEnd),
            false => Err(ArrayFault::Truncated),
        }
    }

    fn line(&mut self, line: &[u8], records: &mut Vec<u8>) -> Result<(), ArrayFault> {
        match (self.position, line) {
            (Position::Start, b"[") => self.position = Position::Records,
            (Position::Start, _) => return Err(ArrayFault::Start),
            (Position::End, _) => return Err(ArrayFault::AfterEnd),
            (Position::Records, b"") => return Err(ArrayFault::EmptyLine),
            (Position::Records, b"]") if self.comma == Some(true) => return Err(ArrayFault::Separator),
            (Position::Records, b"]") => self.position = Position::End,
            (Position::Records, _) if self.comma == Some(false) => return Err(ArrayFault::Separator),
            (Position::Records, line) => {
                let record = line.strip_suffix(b",");
                self.comma = Some(record.is_some());
                records.extend_from_slice(record.unwrap_or(line));
                records.push(b'\n');
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(blocks: &[&str]) -> Vec<u8> {
        let mut text = ArrayWriter::start().to_vec();
        let mut writer = ArrayWriter::default();
        blocks.iter().for_each(|block| writer.write(block.as_bytes(), &mut text));
        text.extend_from_slice(ArrayWriter::end());
        text
    }

    fn read(text: &[u8], piece: usize) -> Result<String, ArrayFault> {
        let (mut reader, mut records) = (ArrayReader::default(), Vec::new());
        for piece in text.chunks(piece) {
            reader.read(piece, &mut records)?;
        }
        reader.finish()?;
        Ok(String::from_utf8(records).expect("the records are text"))
    }

    #[test]
    fn lines_become_an_array_and_the_same_lines_again_in_pieces_of_any_size() {
        for blocks in [vec![], vec!["{\"a\":1}\n"], vec!["{\"a\":\"x,\"}\n{\"a\":2}\n", "{\"a\":[1,2]}\n"]] {
            let text = text(&blocks);
            let parsed: Vec<serde_json::Value> =
                serde_json::from_slice(&text).expect("the text is a JSON array");
            assert_eq!(parsed.len(), blocks.concat().lines().count());
            for piece in 1..=text.len() {
                assert_eq!(read(&text, piece), Ok(blocks.concat()), "{piece}");
            }
        }
    }

    #[test]
    fn each_departure_from_the_form_is_found() {
        for (text, fault) in [
            ("", ArrayFault::Truncated),
            ("[\n", ArrayFault::Truncated),
            ("[\n{},\n{}\n", ArrayFault::Truncated),
            ("[\n{}\n]", ArrayFault::Truncated),
            ("{}\n", ArrayFault::Start),
            ("[]\n", ArrayFault::Start),
            ("[\n{}\n{}\n]\n", ArrayFault::Separator),
            ("[\n{},\n]\n", ArrayFault::Separator),
            ("[\n\n]\n", ArrayFault::EmptyLine),
            ("[\n]\n\n", ArrayFault::AfterEnd),
            ("[\n]\nx", ArrayFault::AfterEnd),
        ] {
            for piece in [1, 3, 100] {
                assert_eq!(read(text.as_bytes(), piece), Err(fault), "{text:?}");
            }
        }
    }
}
