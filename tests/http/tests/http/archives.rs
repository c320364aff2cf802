//! Archives of any size, for downloads: a file of random bytes with a manifest that describes it.

use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::Path;

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

const BLOCK_BYTES: usize = 1 << 20;

/// Replaces the archive of a backup by a file of `blocks` random mebibytes, and returns the hash of the file. A
/// download does not open the archive, so its content need not be a ZIP file.
pub(crate) fn replace(backups: &Path, id: &str, blocks: u64) -> String {
    let path = backups.join(format!("manifests/{id}.json"));
    let mut manifest: Value =
        serde_json::from_slice(&std::fs::read(&path).expect("the manifest")).expect("JSON");
    let archive = backups.join(manifest["archive"]["file"].as_str().expect("the backup has an archive"));
    let mut output = BufWriter::new(File::create(archive).expect("the archive is replaced"));
    let (mut block, mut hash) = (vec![0; BLOCK_BYTES], Sha256::new());
    let mut random = fastrand::Rng::with_seed(blocks);
    for _ in 0..blocks {
        random.fill(&mut block);
        hash.update(&block);
        output.write_all(&block).expect("the block is written");
    }
    output.flush().expect("the archive is written");
    let hash = hex(&hash.finalize());
    manifest["archive"]["sizeBytes"] = json!(blocks * BLOCK_BYTES as u64);
    manifest["archive"]["sha256"] = json!(format!("sha256:{hash}"));
    std::fs::write(&path, manifest.to_string()).expect("the manifest is replaced");
    hash
}

/// Returns the SHA-256 of bytes as hexadecimal digits.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
