//! The fast path: lines that are written, checked and read as tokens, without a JSON parser.
//!
//! Most types serialize every value in the form in which they deserialize it. For a row of such a type, the
//! line can be written from the values directly. One deserialization and one serialization then prove that
//! the line round-trips; the general path needs two of each and a comparison of values. The fast path returns
//! a result only if the result is certain. In all other cases, the general path handles the row or the line.

mod extract;
mod round_trip;
mod scan;

pub(crate) use extract::extract_values;
pub(crate) use round_trip::tokens_round_trip;

use super::error::RecordError;
use super::row::Row;
use super::token::LineTokens;

/// Appends the line of a row, with the line feed, if it round-trips: it decodes as the type, and the decoded
/// value serializes as exactly this line. `tokens_round_trip` can prove the round trip of a row of scalars,
/// and `check_round_trip` that of any line.
///
/// Returns `false` and leaves `out` unchanged if the general path must encode the row.
pub(crate) fn encode_fast(
    row: &Row<'_>,
    out: &mut Vec<u8>,
    tokens_round_trip: impl FnOnce(&LineTokens<'_>) -> bool,
    check_round_trip: impl FnOnce(&[u8]) -> Result<(), RecordError>,
) -> bool {
    let start = out.len();
    let round_trips = LineTokens::from_row(row).is_some_and(|line| {
        line.write(out)
            && ((line.has_only_scalars() && tokens_round_trip(&line))
                || check_round_trip(&out[start..]).is_ok())
    });
    if round_trips {
        out.push(b'\n');
    } else {
        out.truncate(start);
    }
    round_trips
}
