//! The lines of a file, one at a time.

use std::io::{self, BufRead};

/// The longest line: that of the archive.
pub(super) const LONGEST: usize = 128 << 20;

const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

/// Reads lines that hold something. A byte order mark, carriage returns at the ends, and lines of white space are passed over.
#[derive(Debug)]
pub(super) struct LineReader<R> {
    reader: R,
    longest: usize,
    line: Vec<u8>,
    number: u64,
    offset: u64,
}

/// Where a line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Line {
    /// Counted from 1.
    pub(super) number: u64,
    /// Of its first byte in the file.
    pub(super) offset: u64,
}

/// Why there is no next line.
#[derive(Debug)]
pub(super) enum LineFault {
    /// The line of this number is too long.
    TooLong(u64),
    Io(io::Error),
}

impl<R: BufRead> LineReader<R> {
    pub(super) fn new(reader: R) -> Self {
        Self { reader, longest: LONGEST, line: Vec::new(), number: 0, offset: 0 }
    }

    /// Goes to the next line that holds something, whose content is then [`content`](Self::content).
    pub(super) fn advance(&mut self) -> Result<Option<Line>, LineFault> {
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

    /// The line, without its end.
    pub(super) fn content(&self) -> &[u8] {
        &self.line
    }

    /// Reads a line without its line feed; whether there is one.
    fn read(&mut self) -> Result<bool, LineFault> {
        self.line.clear();
        self.number += 1;
        let mut any = false;
        loop {
            let buffer = match self.reader.fill_buf() {
                Ok(buffer) => buffer,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(LineFault::Io(error)),
            };
            if buffer.is_empty() {
                return Ok(any);
            }
            any = true;
            let end = buffer.iter().position(|byte| *byte == b'\n');
            let taken = end.unwrap_or(buffer.len());
            if self.line.len() + taken > self.longest {
                return Err(LineFault::TooLong(self.number));
            }
            self.line.extend_from_slice(&buffer[..taken]);
            let used = if end.is_some() { taken + 1 } else { taken };
            self.reader.consume(used);
            self.offset += u64::try_from(used).unwrap_or(u64::MAX);
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
        while let Some(line) = lines.advance().expect("read") {
            found.push((line.number, line.offset, String::from_utf8_lossy(lines.content()).into_owned()));
        }
        found
    }

    #[test]
    fn what_is_harmless_is_passed_over_and_lines_are_where_they_are() {
        let line = |number, offset, text: &str| (number, offset, text.to_owned());
        assert_eq!(read(""), []);
        assert_eq!(read("\n \r\n\n"), []);
        assert_eq!(read("ab\ncd"), [line(1, 0, "ab"), line(2, 3, "cd")]);
        assert_eq!(read("\u{feff}ab\r\n\r\ncd\r\n"), [line(1, 3, "ab"), line(3, 9, "cd")]);
        assert_eq!(read("a\n\u{feff}b\n"), [line(1, 0, "a"), line(2, 2, "\u{feff}b")]);
    }

    #[test]
    fn a_line_without_end_is_refused() {
        let mut lines = LineReader::new(io::BufReader::new(&b"1234\n12345\n"[..]));
        lines.longest = 4;
        assert!(lines.advance().expect("read").is_some());
        assert!(matches!(lines.advance(), Err(LineFault::TooLong(2))));
    }
}
