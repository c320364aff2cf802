//! SHA-256 in the form that archives use, and a hash of a set of records that does not depend on their order.

use std::fmt;

use bytes::Bytes;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest, Sha256};

use crate::foundation::blocking::blocking;
use crate::foundation::error::Result;
use crate::foundation::hex::hex;
use crate::foundation::schema::EntitySchema;

/// Returns `sha256:` followed by the hash of `bytes` in hexadecimal.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    finish(Sha256::new_with_prefix(bytes))
}

/// Returns `sha256:` followed by the hash in hexadecimal.
pub(crate) fn finish(hasher: Sha256) -> String {
    format!("sha256:{}", hex(&hasher.finalize()))
}

/// Returns the hash of the compact JSON of a schema. Two schemas have the same hash if and only if they are equal.
pub(crate) fn of_schema(schema: &EntitySchema) -> String {
    sha256(&serde_json::to_vec(schema).expect("a schema contains only names and enums"))
}

/// Feeds `bytes` to the hasher on a blocking thread, and returns the hasher.
pub(crate) async fn update(mut hasher: Sha256, bytes: Bytes) -> Result<Sha256> {
    let hashing = move || {
        hasher.update(&bytes);
        hasher
    };
    blocking("computes a hash", hashing).await
}

/// A record-set hash: the sum of the SHA-256 hashes of the records as 256-bit integers, modulo 2²⁵⁶.
///
/// Two sets of the same records have the same sum in any order. It detects differences, but does not protect
/// against forgery: another set with the same sum can be constructed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RecordSetHash([u64; 4]);

impl RecordSetHash {
    /// Adds one record. `line` is the line of the record without its line feed.
    pub fn add(&mut self, line: &[u8]) {
        let hash = Sha256::digest(line);
        let mut limbs = [0u64; 4];
        for (limb, bytes) in limbs.iter_mut().rev().zip(hash.as_chunks().0) {
            *limb = u64::from_be_bytes(*bytes);
        }
        self.merge(&Self(limbs));
    }

    /// Adds all records of another set.
    pub fn merge(&mut self, other: &Self) {
        let mut carry = false;
        for (limb, addend) in self.0.iter_mut().zip(other.0) {
            let (sum, overflow) = limb.overflowing_add(addend);
            let (sum, overflow_again) = sum.overflowing_add(u64::from(carry));
            (*limb, carry) = (sum, overflow || overflow_again);
        }
    }
}

impl fmt::Display for RecordSetHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d] = self.0;
        write!(f, "{d:016x}{c:016x}{b:016x}{a:016x}")
    }
}

impl Serialize for RecordSetHash {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for RecordSetHash {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let limb = |range: std::ops::Range<usize>| {
            text.get(range).and_then(|part| u64::from_str_radix(part, 16).ok())
        };
        match (text.len(), limb(48..64), limb(32..48), limb(16..32), limb(0..16)) {
            (64, Some(a), Some(b), Some(c), Some(d)) => Ok(Self([a, b, c, d])),
            _ => Err(serde::de::Error::custom("a record-set hash must have 64 hex digits")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_depends_on_the_content_of_records_but_not_on_their_order() {
        let hash = |lines: &[&str]| {
            let mut hash = RecordSetHash::default();
            lines.iter().for_each(|line| hash.add(line.as_bytes()));
            hash
        };
        assert_eq!(hash(&["a", "b", "c"]), hash(&["c", "a", "b"]));
        assert_ne!(hash(&["a", "b"]), hash(&["a", "b", "b"]));
        assert_eq!(hash(&["a"]).to_string(), hex(&Sha256::digest("a")));
    }

    #[test]
    fn a_carry_is_added_to_all_limbs() {
        let mut hash = RecordSetHash([u64::MAX; 4]);
        hash.merge(&RecordSetHash([1, 0, 0, 0]));
        assert_eq!(hash, RecordSetHash::default());
    }
}
