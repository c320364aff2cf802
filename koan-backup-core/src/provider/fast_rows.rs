//! Encodes rows through the short path, for types that preserve every value.

use crate::entity::EntityCodec;
use crate::entity::codec::Row;

/// The excess of failed rows over successful rows at which the short path is abandoned for the remaining rows
/// of a read. The short path takes about half the time of the long path, but a row that fails on it needs the
/// time of both paths.
const MAX_EXCESS_FAILURES: u32 = 1024;

/// Decides whether the rows of a read are encoded through the short path.
#[derive(Debug, Default)]
pub(super) struct FastRows {
    /// Rows that failed on the short path minus rows that succeeded, never below 0.
    excess_failures: u32,
    /// A buffer for writing each line a second time.
    second_line: Vec<u8>,
}

impl FastRows {
    /// Appends the line of a row, if the line is proven to round-trip. Returns `false` if the row needs the
    /// long path; `lines` is then unchanged.
    pub(super) fn push(&mut self, entity: &EntityCodec, row: &Row<'_>, lines: &mut Vec<u8>) -> bool {
        if self.excess_failures >= MAX_EXCESS_FAILURES {
            return false;
        }
        let is_encoded = entity.encode_fast(row, lines, &mut self.second_line);
        let failures = self.excess_failures;
        self.excess_failures = if is_encoded { failures.saturating_sub(1) } else { failures + 1 };
        is_encoded
    }
}
