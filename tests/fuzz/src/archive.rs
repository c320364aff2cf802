//! Fuzzes the readers of archives with arbitrary bytes and with forged archives.

use koan_backup_tests::archive_surgery::{Stored, with_forged_archive};

use crate::alteration::Alteration;
use crate::shop::{Method, Shop, Trust, with_shop};

/// Runs one input. The first byte selects the meaning of the remaining bytes: an archive of one of three
/// compression methods, or a list of alterations.
pub fn run(input: &[u8]) {
    let Some((&kind, rest)) = input.split_first() else { return };
    match kind % 4 {
        0 => with_shop(Method::Deflate, |shop| any_bytes(shop, rest)),
        1 => with_shop(Method::Zstd, |shop| any_bytes(shop, rest)),
        2 => with_shop(Method::Stored, |shop| any_bytes(shop, rest)),
        _ => with_shop(Method::Deflate, |shop| {
            let (forged, trust) = Alteration::from_bytes(rest).apply(&shop.stored);
            shop.verify_and_restore(&forged, trust);
        }),
    }
}

/// Reads the bytes as the archive of the published manifest, and as the archive of a manifest with the size
/// and hash of these bytes.
fn any_bytes(shop: &mut Shop, archive: &[u8]) {
    if archive == shop.stored.archive {
        shop.verify_and_restore(&shop.stored.clone(), Trust::Whole);
        return;
    }
    let damaged = Stored { archive: archive.to_vec(), ..shop.stored.clone() };
    shop.verify_and_restore(&damaged, Trust::Nothing);
    shop.verify_and_restore(&with_forged_archive(&shop.stored, archive.to_vec()), Trust::Records);
}
