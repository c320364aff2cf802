//! Reads the lines of a file.

use std::io::{self, BufRead};

/// The maximum length of a line in bytes; archives have the same limit.
pub(super) const MAX_LINE_BYTES: usize = 128 << 20;

const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

/// A reader of the lines that are not empty. A byte order mark, carriage returns at line ends, and lines of
/// white space are ignored.
#[derive(Debug)]
pub(super) struct LineReader<R> {
    reader: R,
    max_bytes: usize,
    line: Vec<u8>,
    number: u64,
    offset: u64,
}

/// The position of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Line {
    /// The line number, counted from 1.
    pub(super) number: u64,
    /// The offset of its first byte in the file.
    pub(super) offset: u64,
}

/// The reason why the next line cannot be read.
#[derive(Debug)]
pub(super) enum LineError {
    /// The line with this number is too long.
    TooLong(u64),
    Io(io::Error),
}

impl<R: BufRead> LineReader<R> {
    pub(super) fn new(reader: R) -> Self {
        Self { reader, max_bytes: MAX_LINE_BYTES, line: Vec::new(), number: 0, offset: 0 }
    }

    /// Advances to the next line that is not empty. [`content`](Self::content) then returns it.
    pub(super) fn advance(&mut self) -> Result<Option<Line>, LineError> {
        loop {
            let mut offset = self.offset;
            if !self.read()? {
                return Ok(None);
            }
            if self.number == 1 && self.line.starts_with(BYTE_ORDER_MARK) {
                self.line.drain(..BYTE_ORDER_MARK.len());
                offset += 3;
            }
            if self.line.ends_with(b"\r") {
                self.line.pop();
            }
            if !self.line.trim_ascii().is_empty() {
                return Ok(Some(Line { number: self.number, offset }));
            }
        }
    }

    /// Returns the line without its line ending.
    pub(super) fn content(&self) -> &[u8] {
        &self.line
    }

    /// Reads a line without its line feed. Returns `false` at the end of the file.
    fn read(&mut self) -> Result<bool, LineError> {
        self.line.clear();
        self.number += 1;
        let mut is_started = false;
        loop {
            let buffer = match self.reader.fill_buf() {
                Ok(buffer) => buffer,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(LineError::Io(error)),
            };
            if buffer.is_empty() {
                return Ok(is_started);
            }
            is_started = true;
            let end = buffer.iter().position(|byte| *byte == b'\n');
            let length = end.unwrap_or(buffer.len());
            if self.line.len() + length > self.max_bytes {
                return Err(LineError::TooLong(self.number));
            }
            self.line.extend_from_slice(&buffer[..length]);
            let consumed = if end.is_some() { length + 1 } else { length };
            self.reader.consume(consumed);
            self.offset += u64::try_from(consumed).unwrap_or(u64::MAX);
            if end.is_some() {
                return Ok(true);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Vec<(u64, u64, String)> {
        let mut lines = LineReader::new(io::BufReader::with_capacity(3, text.as_bytes()));
        let mut found = Vec::new();
        while let Some(line) = lines.advance().expect("the line is not too long") {
            found.push((line.number, line.offset, String::from_utf8_lossy(lines.content()).into_owned()));
        }
        found
    }

    #[test]
    fn empty_lines_are_ignored_and_positions_are_exact() {
        let line = |number, offset, text: &str| (number, offset, text.to_owned());
        assert_eq!(read(""), []);
        assert_eq!(read("\n \r\n\n"), []);
        assert_eq!(read("ab\ncd"), [line(1, 0, "ab"), line(2, 3, "cd")]);
        assert_eq!(read("\u{feff}ab\r\n\r\ncd\r\n"), [line(1, 3, "ab"), line(3, 9, "cd")]);
        assert_eq!(read("a\n\u{feff}b\n"), [line(1, 0, "a"), line(2, 2, "\u{feff}b")]);
    }

    #[test]
    fn a_line_that_is_too_long_is_refused() {
        let mut lines = LineReader::new(io::BufReader::new(&b"1234\n12345\n"[..]));
        lines.max_bytes = 4;
        assert!(lines.advance().expect("the first line is not too long").is_some());
        assert!(matches!(lines.advance(), Err(LineError::TooLong(2))));
    }
}
