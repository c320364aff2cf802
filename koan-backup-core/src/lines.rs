//! Records as lines, and a piece of an entity on its way to the archive.

/// Whole lines of records, in order.
#[derive(Debug, Default)]
pub struct Chunk {
    /// Lines of canonical JSON, each with its line feed.
    pub lines: Vec<u8>,
    /// How many lines there are.
    pub records: u64,
}

impl Chunk {
    /// The lines without their line feeds.
    pub fn records(&self) -> impl Iterator<Item = &[u8]> {
        lines(&self.lines)
    }
}

/// The lines of `bytes` without their line feeds. Bytes behind the last line feed are a line too.
pub(crate) fn lines(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    bytes.split_inclusive(|&byte| byte == b'\n').map(|line| line.strip_suffix(b"\n").unwrap_or(line))
}

/// How many line feeds there are.
pub(crate) fn count_lines(bytes: &[u8]) -> u64 {
    bytes.iter().map(|&byte| u64::from(byte == b'\n')).sum()
}
