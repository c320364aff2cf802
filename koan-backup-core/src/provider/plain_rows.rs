//! Rows whose type keeps them as they are: the short way to a proven line.

use crate::codec::Row;
use crate::entity::EntityCodec;

/// So many rows more that were tried in vain than that were not, and no more are tried: the short way takes about half the time
/// of the long one, and a row that is tried in vain takes both.
const PATIENCE: u32 = 1024;

/// Whether the rows of a read go the short way.
#[derive(Debug, Default)]
pub(super) struct PlainRows {
    in_vain: u32,
    again: Vec<u8>,
}

impl PlainRows {
    /// Appends the proven line of a row. `false` if it has to go the long way; `lines` is then as it was.
    pub(super) fn push(&mut self, entity: &EntityCodec, row: &Row<'_>, lines: &mut Vec<u8>) -> bool {
        if self.in_vain >= PATIENCE {
            return false;
        }
        let pushed = entity.encode_fast(row, lines, &mut self.again);
        self.in_vain = if pushed { self.in_vain.saturating_sub(1) } else { self.in_vain + 1 };
        pushed
    }
}
