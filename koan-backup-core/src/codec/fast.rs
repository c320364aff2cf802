//! The fast path of the codec.

pub(super) mod extract;
pub(super) mod round_trip;
mod scan;
