//! Which keys were read: records are in the order of their files, so two of one key need not be side by side.

use std::collections::HashSet;
use std::hash::{BuildHasherDefault, Hasher};

use koan_backup_core::{entity::EntityCodec, schema::FieldSchema};
use sha2::{Digest, Sha256};

use koan_backup_core::provider::keyed::RecordKey;

/// Types whose values are equal exactly when what is written is.
const PLAIN: [&str; 14] = [
    "String", "i8", "i16", "i32", "i64", "i128", "u8", "u16", "u32", "u64", "u128", "isize", "usize", "bool",
];

/// The keys that were read, 16 bytes for each.
#[derive(Debug, Default)]
pub(super) struct SeenKeys(HashSet<u128, BuildHasherDefault<AsItIs>>);

impl SeenKeys {
    /// Notes a key; whether it is new.
    pub(super) fn add(&mut self, key: &RecordKey) -> bool {
        let hash = Sha256::digest(format!("{key:?}").as_bytes());
        let mut first = [0; 16];
        first.copy_from_slice(&hash[..16]);
        self.0.insert(u128::from_le_bytes(first))
    }
}

/// Whether the values of a key tell records apart as they are written, without decoding them.
pub(super) fn are_plain(entity: &EntityCodec) -> bool {
    let plain = |field: &FieldSchema| field.wire.is_plain() && PLAIN.contains(&field.rust_type.as_str());
    entity.schema().key_fields().all(|(_, field)| plain(field))
}

/// Takes the first bytes of what is a hash already.
#[derive(Debug, Default)]
pub(super) struct AsItIs(u64);

impl Hasher for AsItIs {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for part in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..part.len()].copy_from_slice(part);
            self.0 ^= u64::from_le_bytes(word);
        }
    }
}
