//! The general path of the codec.

pub(super) mod changes;
pub(super) mod field_value;
pub(super) mod json_fault;
pub(crate) mod line_key;
pub(super) mod normalize;
pub(super) mod value_reader;
