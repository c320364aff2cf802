//! Converts the input of the fuzzer to alterations of a backup, like those of an attacker who can write to
//! the storage and knows the format.

use arbitrary::{Arbitrary, Unstructured};
use koan_backup_tests::archive_surgery::{
    Forgery, Recompute, RecordedOffset, Stored, Zip, ZipEntry, document, inner_copy, sha256,
};
use serde_json::{Value, json};

use crate::shop::{ORDERS, Trust, USERS};

/// The maximum number of alterations. Further alterations are ignored.
const MAX_STEPS: usize = 12;

/// The maximum depth of a document, which is less than the parser's limit of 128.
const MAX_DEPTH: usize = 120;

/// A list of alterations, and the hashes that are recomputed to hide them.
#[derive(Debug)]
pub struct Alteration<'a> {
    recomputed: RecomputedHashes,
    steps: Vec<Step<'a>>,
}

/// Which hashes and counts are recomputed after the alterations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Arbitrary)]
enum RecomputedHashes {
    /// Neither hashes nor counts.
    Nothing,
    /// The hash of the archive.
    Archive,
    /// The hashes of the archive and of the documents.
    Documents,
    /// The hashes of the archive and of the documents, and the counts, sizes and hashes of the records.
    Records,
}

/// One alteration. An index is reduced modulo the number of existing objects.
#[derive(Debug, Arbitrary)]
enum Step<'a> {
    /// Replaces the records of one entity by these blocks of lines.
    Blocks { orders: bool, blocks: [&'a [u8]; 2] },
    /// Replaces a value of a document.
    Document { document: u8, node: u16, with: Json<'a> },
    /// Replaces a value of the manifest.
    Manifest { node: u16, with: Json<'a> },
    /// Overwrites stored bytes of an entry.
    Bytes { entry: u8, at: u16, with: &'a [u8] },
    /// Truncates an entry.
    Truncated { entry: u8, to: u16 },
    /// Removes an entry.
    Removed { entry: u8 },
    /// Adds a copy of an entry.
    Duplicated { entry: u8 },
    /// Renames an entry.
    Renamed { entry: u8, name: &'a str },
    /// Exchanges the contents of two entries.
    Exchanged { one: u8, other: u8 },
    /// Changes the uncompressed size that is recorded for an entry.
    SizeChanged { entry: u8, size: u32 },
    /// Changes the checksum that is recorded for an entry.
    ChecksumChanged { entry: u8, crc32: u32 },
    /// Changes the compression method that is recorded for an entry.
    Method { entry: u8, method: u16 },
    /// Places an entry inside another entry.
    Within { entry: u8, other: u8, distance: u16 },
    /// Changes the number of entries that the central directory declares.
    EntryCountChanged { entries: u16 },
}

/// The replacement of a JSON value.
#[derive(Debug, Arbitrary)]
enum Json<'a> {
    Removed,
    Null,
    True,
    Unsigned(u64),
    Signed(i64),
    Float(f64),
    Text(&'a str),
    List(u8),
    Map(u8),
    Nested(u8),
    CopyOf(u16),
}

impl<'a> Alteration<'a> {
    /// Reads alterations until the input ends or the maximum number is reached.
    pub fn from_bytes(input: &'a [u8]) -> Self {
        let mut input = Unstructured::new(input);
        let recomputed = input.arbitrary().unwrap_or(RecomputedHashes::Nothing);
        let mut steps = Vec::new();
        while !input.is_empty() && steps.len() < MAX_STEPS {
            match input.arbitrary() {
                Ok(step) => steps.push(step),
                Err(_) => break,
            }
        }
        Self { recomputed, steps }
    }

    /// Returns the backup with these alterations, and the guarantees that its content still has.
    pub fn apply(&self, stored: &Stored) -> (Stored, Trust) {
        let mut forgery = Forgery::parse(stored);
        let mut is_content_altered = false;
        for step in &self.steps {
            is_content_altered |= alter_content(&mut forgery, step);
        }
        // The hashes are recomputed before the following alterations, because recomputing them afterwards
        // would hide these alterations as well.
        if is_content_altered && self.recomputed >= RecomputedHashes::Documents {
            let recompute = if self.recomputed == RecomputedHashes::Records {
                Recompute::Records
            } else {
                Recompute::Documents
            };
            forgery = Forgery::parse(&forgery.rebuild(recompute));
        }
        for step in &self.steps {
            if let Step::Manifest { node, with } = step {
                replace(&mut forgery.manifest, *node, with);
                is_content_altered = true;
            }
        }
        if is_content_altered && self.recomputed >= RecomputedHashes::Documents {
            let copy = inner_copy(&forgery.manifest);
            forgery.set_document(document::MANIFEST, &copy);
        }
        self.steps.iter().for_each(|step| alter_zip(&mut forgery.zip, step));
        let archive = forgery.zip.write();
        if self.recomputed == RecomputedHashes::Nothing {
            let altered = Stored { archive, ..stored.clone() };
            let trust = if altered.archive == stored.archive { Trust::Whole } else { Trust::Nothing };
            return (altered, trust);
        }
        if let Some(file) = forgery.manifest.get_mut("archive").and_then(Value::as_object_mut) {
            file.insert("sizeBytes".to_owned(), archive.len().into());
            file.insert("sha256".to_owned(), sha256(&archive).into());
        }
        let manifest = serde_json::to_vec_pretty(&forgery.manifest).expect("JSON");
        let trust = if is_content_altered && self.recomputed >= RecomputedHashes::Documents {
            Trust::Hashes
        } else {
            Trust::Records
        };
        (Stored { manifest, archive, ..stored.clone() }, trust)
    }

    /// Returns the published manifest with the alterations that apply to a manifest.
    pub fn apply_to_manifest(&self, stored: &Stored) -> Vec<u8> {
        let mut manifest = serde_json::from_slice(&stored.manifest).expect("a manifest is JSON");
        for step in &self.steps {
            if let Step::Manifest { node, with } = step {
                replace(&mut manifest, *node, with);
            }
        }
        serde_json::to_vec_pretty(&manifest).expect("JSON")
    }
}

impl PartialOrd for RecomputedHashes {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        (*self as u8).partial_cmp(&(*other as u8))
    }
}

/// Applies a step that alters records or documents. Returns whether the step is of this kind.
fn alter_content(forgery: &mut Forgery, step: &Step<'_>) -> bool {
    match step {
        Step::Blocks { orders, blocks } => {
            forgery.set_blocks(if *orders { ORDERS } else { USERS }, blocks);
            true
        }
        Step::Document { document: number, node, with } => {
            let documents = [
                document::BLOCKS,
                document::SCHEMAS,
                document::PROVIDERS,
                document::DISCOVERY,
                "metadata/backup-stats.json",
            ];
            forgery.alter_document(documents[usize::from(*number) % documents.len()], |content| {
                replace(content, *node, with);
            });
            true
        }
        _ => false,
    }
}

/// Applies a step to the ZIP file.
fn alter_zip(zip: &mut Zip, step: &Step<'_>) {
    let count = zip.entries.len();
    if count == 0 {
        return;
    }
    let index = |entry: u8| usize::from(entry) % count;
    match *step {
        Step::Bytes { entry, at, with } => {
            let data = &mut entry_mut(zip, entry).data;
            let at = usize::from(at) % (data.len() + 1);
            let end = (at + with.len()).min(data.len());
            data.splice(at..end, with.iter().copied());
        }
        Step::Truncated { entry, to } => {
            let data = &mut entry_mut(zip, entry).data;
            data.truncate(usize::from(to) % (data.len() + 1));
        }
        Step::Removed { entry } => {
            zip.entries.remove(index(entry));
            // The removed entry may have contained another entry, so the actual position of each entry is
            // recorded.
            zip.entries.iter_mut().for_each(|entry| entry.offset = RecordedOffset::Actual);
        }
        Step::Duplicated { entry } => {
            let duplicate = ZipEntry { offset: RecordedOffset::Actual, ..entry_mut(zip, entry).clone() };
            zip.entries.push(duplicate);
        }
        Step::Renamed { entry, name } => entry_mut(zip, entry).name = name.chars().take(300).collect(),
        Step::Exchanged { one, other } => {
            let (one, other) = (index(one), index(other));
            zip.entries.swap(one, other);
            let name = std::mem::take(&mut zip.entries[one].name);
            zip.entries[one].name = std::mem::replace(&mut zip.entries[other].name, name);
            zip.entries.iter_mut().for_each(|entry| entry.offset = RecordedOffset::Actual);
        }
        Step::SizeChanged { entry, size } => entry_mut(zip, entry).size = size.into(),
        Step::ChecksumChanged { entry, crc32 } => entry_mut(zip, entry).crc32 = crc32,
        Step::Method { entry, method } => entry_mut(zip, entry).method = method,
        Step::Within { entry, other, distance } => {
            let (entry, other) = (index(entry), index(other));
            if other < entry {
                zip.entries[entry].offset = RecordedOffset::Within(other, distance.into());
            }
        }
        Step::EntryCountChanged { entries } => zip.declared_entries = Some(entries),
        Step::Blocks { .. } | Step::Document { .. } | Step::Manifest { .. } => {}
    }
}

/// Returns an entry. The index is reduced modulo the number of entries.
fn entry_mut(zip: &mut Zip, entry: u8) -> &mut ZipEntry {
    let index = usize::from(entry) % zip.entries.len();
    &mut zip.entries[index]
}

/// Replaces or removes a value other than the root.
fn replace(root: &mut Value, node: u16, with: &Json<'_>) {
    let mut nodes = Vec::new();
    pointers(root, "", &mut nodes);
    if nodes.is_empty() {
        return;
    }
    let pointer = nodes[usize::from(node) % nodes.len()].clone();
    let new = match with {
        Json::Removed => {
            let (parent, name) = pointer.rsplit_once('/').expect("a value other than the root has a parent");
            match root.pointer_mut(parent) {
                Some(Value::Object(fields)) => drop(fields.remove(&unescaped(name))),
                Some(Value::Array(items)) => {
                    name.parse().into_iter().for_each(|index: usize| drop(items.remove(index)));
                }
                _ => {}
            }
            return;
        }
        Json::Null => Value::Null,
        Json::True => json!(true),
        Json::Unsigned(number) => json!(number),
        Json::Signed(number) => json!(number),
        Json::Float(number) => json!(number),
        Json::Text(text) => json!(text),
        Json::List(items) => Value::Array(vec![Value::Null; usize::from(*items)]),
        Json::Map(items) => (0..*items).map(|item| (item.to_string(), Value::Null)).collect(),
        Json::Nested(depth) => (0..*depth).fold(Value::Null, |inner, _| json!([inner])),
        Json::CopyOf(other) => {
            let other = &nodes[usize::from(*other) % nodes.len()];
            root.pointer(other).cloned().unwrap_or_default()
        }
    };
    // A document with deeper nesting cannot be parsed again. The target that reads arbitrary bytes covers
    // deeper nesting.
    if pointer.split('/').count() + depth(&new) > MAX_DEPTH {
        return;
    }
    if let Some(value) = root.pointer_mut(&pointer) {
        *value = new;
    }
}

/// Returns the depth of nesting of a value.
fn depth(value: &Value) -> usize {
    match value {
        Value::Array(items) => 1 + items.iter().map(depth).max().unwrap_or(0),
        Value::Object(fields) => 1 + fields.values().map(depth).max().unwrap_or(0),
        _ => 1,
    }
}

/// Collects the JSON pointers of all values except the root.
fn pointers(value: &Value, path: &str, found: &mut Vec<String>) {
    let mut inner = |name: &str, value: &Value| {
        let path = format!("{path}/{name}");
        found.push(path.clone());
        pointers(value, &path, found);
    };
    match value {
        Value::Object(fields) => {
            fields.iter().for_each(|(name, value)| inner(&name.replace('~', "~0").replace('/', "~1"), value));
        }
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(index, value)| inner(&index.to_string(), value));
        }
        _ => {}
    }
}

/// Returns the name of a field from its escaped form in a JSON pointer.
fn unescaped(name: &str) -> String {
    name.replace("~1", "/").replace("~0", "~")
}
