//! Compact serialized forms of fields, for `#[serde(with = "…")]`.

pub mod base64;
