//! Takes a backup apart, alters it and reassembles it. The alterations imitate storage corruption, or an
//! attacker who can write to the storage and recomputes as many hashes as possible.

mod zip;

use std::sync::Arc;

use futures::TryStreamExt;
use koan_backup::{Storage, archive::RecordSetHash};
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt, PutPayload};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
pub use zip::{RecordedOffset, Zip, ZipEntry};

/// The bytes that end a stream of deflate blocks: an empty final block.
const DEFLATE_END: [u8; 2] = [3, 0];

/// The entries that every archive has in addition to those of its entities.
pub mod document {
    /// The hashes of all entries.
    pub const CHECKSUMS: &str = "verification/checksums.json";
    /// The schema snapshots of the entities.
    pub const SCHEMAS: &str = "verification/schema-snapshots.json";
    /// The databases that were read.
    pub const PROVIDERS: &str = "metadata/provider-info.json";
    /// The inventory.
    pub const DISCOVERY: &str = "metadata/discovery-info.json";
    /// The blocks of each entry of records.
    pub const BLOCKS: &str = "metadata/blocks.json";
    /// The copy of the manifest.
    pub const MANIFEST: &str = "manifest.json";
}

/// A storage profile in memory, whose files can be read and altered.
#[derive(Clone, Debug, Default)]
pub struct Vault(Arc<InMemory>);

/// A manifest and its archive as they are stored.
#[derive(Clone, Debug)]
pub struct Stored {
    /// The path of the manifest.
    pub manifest_path: String,
    /// The manifest.
    pub manifest: Vec<u8>,
    /// The path of the archive.
    pub archive_path: String,
    /// The archive.
    pub archive: Vec<u8>,
}

impl Vault {
    /// Returns the vault as a storage profile.
    pub fn storage(&self) -> Storage {
        Storage::object_store(Arc::clone(&self.0) as Arc<dyn ObjectStore>, "vault")
    }

    /// Returns the vault as an object store.
    pub fn store(&self) -> Arc<dyn ObjectStore> {
        Arc::clone(&self.0) as Arc<dyn ObjectStore>
    }

    /// Returns the content of a file.
    pub async fn read(&self, path: &str) -> Vec<u8> {
        let found = self.0.get(&Path::from(path)).await.expect("the file exists");
        found.bytes().await.expect("memory is readable").to_vec()
    }

    /// Writes a file, and replaces an existing one.
    pub async fn write(&self, path: &str, content: &[u8]) {
        let content = PutPayload::from(content.to_vec());
        self.0.put(&Path::from(path), content).await.expect("memory is writable");
    }

    /// Removes a file.
    pub async fn remove(&self, path: &str) {
        self.0.delete(&Path::from(path)).await.expect("the file exists");
    }

    /// Returns the paths of all files, sorted.
    pub async fn files(&self) -> Vec<String> {
        let files = self.0.list(None).map_ok(|meta| meta.location.to_string());
        let mut files: Vec<_> = files.try_collect().await.expect("memory is readable");
        files.sort();
        files
    }

    /// Returns the backup with this id.
    pub async fn stored(&self, id: impl std::fmt::Display) -> Stored {
        let manifest_path = format!("manifests/{id}.json");
        let manifest = self.read(&manifest_path).await;
        let parsed: Value = serde_json::from_slice(&manifest).expect("a manifest is JSON");
        let archive_path = parsed["archive"]["file"]
            .as_str()
            .expect("the manifest contains the path of its archive")
            .to_owned();
        let archive = self.read(&archive_path).await;
        Stored { manifest_path, manifest, archive_path, archive }
    }

    /// Writes a backup to its paths, and replaces an existing one.
    pub async fn write_backup(&self, stored: &Stored) {
        self.write(&stored.manifest_path, &stored.manifest).await;
        self.write(&stored.archive_path, &stored.archive).await;
    }
}

/// Which hashes of an altered backup are recomputed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Recompute {
    /// No hashes: the published manifest still has the previous hash of the archive.
    Nothing,
    /// Size and hash of the archive in the published manifest.
    Archive,
    /// In addition, the checksums of the documents, and the copy of the manifest in the archive.
    Documents,
    /// In addition, counts, sizes and hashes of the records: only the content of records can still be wrong.
    Records,
}

/// A backup that was taken apart into manifest and archive entries, which can be altered and reassembled.
#[derive(Clone, Debug)]
pub struct Forgery {
    /// The published manifest.
    pub manifest: Value,
    /// The entries of the archive.
    pub zip: Zip,
    stored: Stored,
}

impl Forgery {
    /// Takes a backup apart.
    pub fn parse(stored: &Stored) -> Self {
        Self {
            manifest: serde_json::from_slice(&stored.manifest).expect("a manifest is JSON"),
            zip: Zip::read(&stored.archive),
            stored: stored.clone(),
        }
    }

    /// Returns a document of the archive.
    pub fn document(&self, name: &str) -> Value {
        serde_json::from_slice(&self.zip.entry(name).content()).expect("a document is JSON")
    }

    /// Replaces a document of the archive.
    pub fn set_document(&mut self, name: &str, content: &Value) {
        let content = serde_json::to_vec_pretty(content).expect("a JSON value can be written");
        *self.zip.entry_mut(name) = ZipEntry::deflated(name, &content);
    }

    /// Alters a document of the archive.
    pub fn alter_document(&mut self, name: &str, alter: impl FnOnce(&mut Value)) {
        let mut content = self.document(name);
        alter(&mut content);
        self.set_document(name, &content);
    }

    /// Returns the element of the manifest that describes an entity.
    pub fn entity(&mut self, name: &str) -> &mut Value {
        let entities = self.manifest["entities"].as_array_mut().expect("a list");
        entities.iter_mut().find(|entity| entity["entity"] == name).expect("the manifest contains the entity")
    }

    /// Replaces the records of an entry by these blocks of lines, with correct checksums and block table.
    pub fn set_blocks<B: AsRef<[u8]>>(&mut self, file: &str, blocks: &[B]) {
        let (mut data, mut content, mut table) = (Vec::new(), Vec::new(), Vec::new());
        for block in blocks {
            let (raw, packed) = (block.as_ref(), deflate_block(block.as_ref()));
            table.push(json!({
                "offset": data.len(), "length": packed.len(), "rawLength": raw.len(),
                "records": count_lines(raw), "crc32": crc32fast::hash(raw),
            }));
            data.extend(packed);
            content.extend_from_slice(raw);
        }
        data.extend(DEFLATE_END);
        *self.zip.entry_mut(file) = ZipEntry {
            crc32: crc32fast::hash(&content),
            size: len64(&content),
            data,
            ..ZipEntry::deflated(file, b"")
        };
        self.alter_document(document::BLOCKS, |blocks| blocks[file] = table.into());
    }

    /// Reassembles the backup, and recomputes the hashes that `recompute` selects.
    #[must_use]
    pub fn rebuild(mut self, recompute: Recompute) -> Stored {
        if recompute >= Recompute::Records {
            self.recompute_records();
        }
        if recompute >= Recompute::Documents {
            self.recompute_documents(recompute);
        }
        self.rebuild_archive(recompute)
    }

    fn recompute_records(&mut self) {
        let (mut items, mut bytes) = (0, 0);
        let mut entities = self.manifest["entities"].take();
        for entity in entities.as_array_mut().expect("a list") {
            let Some(file) = entity["storageFile"].as_str().map(str::to_owned) else { continue };
            let Some(entry) = self.zip.entries.iter().find(|entry| entry.name == file) else { continue };
            let content = entry.content();
            let mut set_hash = RecordSetHash::default();
            content.split_inclusive(|&byte| byte == b'\n').for_each(|line| {
                set_hash.add(line.strip_suffix(b"\n").unwrap_or(line));
            });
            items += count_lines(&content);
            bytes += len64(&content);
            entity["itemCount"] = count_lines(&content).into();
            entity["sizeBytes"] = content.len().into();
            entity["compressedBytes"] = entry.data.len().into();
            entity["contentHash"] = sha256(&content).into();
            entity["recordSetHash"] = json!(set_hash);
        }
        self.manifest["entities"] = entities;
        self.manifest["verification"]["totalItemCount"] = items.into();
        self.manifest["verification"]["totalSizeBytes"] = bytes.into();
    }

    fn recompute_documents(&mut self, recompute: Recompute) {
        let known = self.document(document::CHECKSUMS);
        let sums: Map<String, Value> = self
            .zip
            .entries
            .iter()
            .filter(|entry| ![document::CHECKSUMS, document::MANIFEST].contains(&entry.name.as_str()))
            .map(|entry| {
                let keeps_checksum = entry.name.starts_with("entities/") && recompute < Recompute::Records;
                let sum = match known.get(&entry.name) {
                    Some(sum) if keeps_checksum => sum.clone(),
                    _ => sha256(&entry.content()).into(),
                };
                (entry.name.clone(), sum)
            })
            .collect();
        self.set_document(document::CHECKSUMS, &sums.into());
        self.recompute_overall_checksum();
    }

    /// Corrects the manifest's hash over all checksums, and the copy of the manifest in the archive.
    fn recompute_overall_checksum(&mut self) {
        let sums = self.document(document::CHECKSUMS);
        let mut lines: Vec<_> = sums.as_object().expect("a map").iter().collect();
        lines.sort_by_key(|(name, _)| *name);
        let text: String = lines
            .into_iter()
            .map(|(name, sum)| format!("{name} {}\n", sum.as_str().expect("text")))
            .collect();
        self.manifest["verification"]["overallChecksum"] = sha256(text.as_bytes()).into();
        let inner = inner_copy(&self.manifest);
        self.set_document(document::MANIFEST, &inner);
    }

    fn rebuild_archive(mut self, recompute: Recompute) -> Stored {
        let archive = self.zip.write();
        if recompute >= Recompute::Archive {
            self.manifest["archive"]["sizeBytes"] = archive.len().into();
            self.manifest["archive"]["sha256"] = sha256(&archive).into();
        }
        let manifest = serde_json::to_vec_pretty(&self.manifest).expect("a JSON value can be written");
        Stored { manifest, archive, ..self.stored }
    }
}

/// Replaces the archive of a backup, and updates its size and hash in the published manifest, as an attacker
/// who can write to the storage would.
#[must_use]
pub fn with_forged_archive(stored: &Stored, archive: Vec<u8>) -> Stored {
    let mut manifest: Value = serde_json::from_slice(&stored.manifest).expect("a manifest is JSON");
    manifest["archive"]["sizeBytes"] = archive.len().into();
    manifest["archive"]["sha256"] = sha256(&archive).into();
    let manifest = serde_json::to_vec_pretty(&manifest).expect("a JSON value can be written");
    Stored { manifest, archive, ..stored.clone() }
}

/// Returns the copy of a manifest that its archive contains.
#[must_use]
pub fn inner_copy(manifest: &Value) -> Value {
    let mut inner = manifest.clone();
    inner["archive"] = Value::Null;
    inner
}

/// Returns `sha256:` and the hash in hexadecimal.
pub fn sha256(bytes: &[u8]) -> String {
    let hash = Sha256::digest(bytes);
    hash.iter().fold("sha256:".to_owned(), |text, byte| format!("{text}{byte:02x}"))
}

/// Compresses lines into a deflate block that can be decompressed independently.
pub fn deflate_block(raw: &[u8]) -> Vec<u8> {
    let mut block = Vec::with_capacity(raw.len() + raw.len() / 8 + 1024);
    let mut compress = flate2::Compress::new(flate2::Compression::fast(), false);
    compress.compress_vec(raw, &mut block, flate2::FlushCompress::Sync).expect("the buffer is large enough");
    assert_eq!(usize::try_from(compress.total_in()), Ok(raw.len()), "the block contains all lines");
    block
}

fn count_lines(bytes: &[u8]) -> u64 {
    bytes.iter().map(|&byte| u64::from(byte == b'\n')).sum()
}

fn len64(bytes: &[u8]) -> u64 {
    u64::try_from(bytes.len()).expect("a length fits into u64")
}
