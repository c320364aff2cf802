//! Lines of records, and chunks of lines that are to be written into an archive.

use std::ops::Range;

use crate::foundation::buffers::Buffer;

/// The maximum length of a line. A reader loads lines into one buffer in memory.
pub(crate) const MAX_LINE_BYTES: usize = 128 << 20;

/// A chunk: complete lines of records, in order.
#[derive(Debug, Default)]
pub struct Chunk {
    /// The lines as canonical JSON, each with its line feed.
    pub(crate) lines: Buffer,
    /// The number of lines.
    pub records: u64,
    /// The byte ranges of lines that are not proven to round-trip yet, in order and not adjacent.
    unproven: Vec<Range<usize>>,
}

impl Chunk {
    /// Creates an empty chunk that appends its lines to `lines`.
    pub(crate) fn with_buffer(lines: Buffer) -> Self {
        Self { lines, ..Self::default() }
    }

    /// Returns the lines as canonical JSON, each with its line feed.
    pub fn lines(&self) -> &[u8] {
        &self.lines
    }

    /// Returns the lines without their line feeds.
    pub fn records(&self) -> impl Iterator<Item = &[u8]> {
        lines(&self.lines)
    }

    /// Marks the lines after the byte offset `start` as not proven to round-trip.
    pub(crate) fn mark_unproven(&mut self, start: usize) {
        let end = self.lines.len();
        match self.unproven.last_mut() {
            Some(last) if last.end == start => last.end = end,
            _ => self.unproven.push(start..end),
        }
    }

    /// Returns the lines that are not proven to round-trip yet, without their line feeds.
    pub(crate) fn unproven(&self) -> impl Iterator<Item = &[u8]> {
        self.unproven.iter().flat_map(|range| lines(&self.lines[range.clone()]))
    }
}

/// Splits `bytes` into lines without their line feeds. Bytes after the last line feed are a line too.
pub(crate) fn lines(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        let end = memchr::memchr(b'\n', rest);
        let (line, remaining) = match end {
            Some(end) => (&rest[..end], &rest[end + 1..]),
            None if rest.is_empty() => return None,
            None => (rest, &rest[rest.len()..]),
        };
        rest = remaining;
        Some(line)
    })
}

/// Returns the number of line feeds.
pub(crate) fn count_lines(bytes: &[u8]) -> u64 {
    u64::try_from(memchr::memchr_iter(b'\n', bytes).count()).expect("no slice is longer than 2^64 bytes")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_ends_at_its_line_feed_or_at_the_end_of_the_bytes() {
        for text in ["", "\n", "a", "a\n", "a\nb", "\n\nb\n\n"] {
            let expected: Vec<&str> = text.split_inclusive('\n').map(|line| line.trim_end()).collect();
            let found: Vec<&[u8]> = lines(text.as_bytes()).collect();
            assert_eq!(found, expected.iter().map(|line| line.as_bytes()).collect::<Vec<_>>(), "{text:?}");
        }
    }

    #[test]
    fn exactly_the_marked_lines_are_unproven() {
        let mut chunk = Chunk::default();
        for (line, proven) in [("a\n", true), ("b\n", false), ("c\n", false), ("d\n", true), ("e\n", false)] {
            let start = chunk.lines.len();
            chunk.lines.extend_from_slice(line.as_bytes());
            if !proven {
                chunk.mark_unproven(start);
            }
        }
        assert_eq!(chunk.unproven().collect::<Vec<_>>(), [b"b", b"c", b"e"]);
        assert_eq!(chunk.unproven.len(), 2);
    }
}
