//! Replaces the published manifest by arbitrary bytes or by an altered manifest.

use koan_backup_tests::archive_surgery::Stored;
use serde_json::Value;

use crate::alteration::Alteration;
use crate::shop::{Method, Trust, with_shop};

/// Runs one input. The first byte selects whether the remaining bytes are a manifest or a list of alterations
/// of the manifest.
pub fn run(input: &[u8]) {
    let Some((&kind, rest)) = input.split_first() else { return };
    with_shop(Method::Deflate, |shop| {
        let manifest = match kind % 2 {
            0 => rest.to_vec(),
            _ => Alteration::from_bytes(rest).apply_to_manifest(&shop.stored),
        };
        let read = |json: &[u8]| serde_json::from_slice::<Value>(json).ok();
        let is_unchanged = read(&manifest) == read(&shop.stored.manifest);
        let altered = Stored { manifest, ..shop.stored.clone() };
        let trust = if is_unchanged { Trust::Whole } else { Trust::Nothing };
        shop.look_up(&altered, trust);
        shop.verify_and_restore(&altered, trust);
    });
}
