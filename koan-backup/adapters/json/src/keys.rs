//! Detects duplicate keys while records are read. Records are read in the order of the files, so records with
//! equal keys need not be adjacent.

use std::collections::HashSet;
use std::hash::{BuildHasherDefault, Hasher};

use koan_backup_core::{entity::EntityCodec, schema::FieldSchema};
use sha2::{Digest, Sha256};

use koan_backup_core::provider::keyed::RecordKey;

/// The Rust types whose values are equal exactly if their texts are equal.
const COMPARABLE_TYPES: [&str; 14] = [
    "String", "i8", "i16", "i32", "i64", "i128", "u8", "u16", "u32", "u64", "u128", "isize", "usize", "bool",
];

/// The hashes of the keys that were read, with 16 bytes for each key.
#[derive(Debug, Default)]
pub(super) struct SeenKeys(HashSet<u128, BuildHasherDefault<IdentityHasher>>);

impl SeenKeys {
    /// Adds a key, and returns whether it is new.
    pub(super) fn add(&mut self, key: &RecordKey) -> bool {
        let hash = Sha256::digest(format!("{key:?}").as_bytes());
        let mut prefix = [0; 16];
        prefix.copy_from_slice(&hash[..16]);
        self.0.insert(u128::from_le_bytes(prefix))
    }
}

/// Returns whether keys can be compared by their text, without decoding the records.
pub(super) fn are_comparable_as_written(entity: &EntityCodec) -> bool {
    let is_comparable =
        |field: &FieldSchema| field.wire.is_plain() && COMPARABLE_TYPES.contains(&field.rust_type.as_str());
    entity.schema().key_fields().all(|(_, field)| is_comparable(field))
}

/// A hasher for values that are hashes already: it combines their bytes without further hashing.
#[derive(Debug, Default)]
pub(super) struct IdentityHasher(u64);

impl Hasher for IdentityHasher {
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
