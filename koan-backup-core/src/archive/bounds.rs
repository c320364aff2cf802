//! Limits for JSON documents in an archive, because a document that is small as text can need much memory.

use super::layout::entry;

/// The maximum size of a document.
pub(super) const MAX_DOCUMENT_BYTES: u64 = 256 << 20;
/// The maximum size of a published manifest. A writer checks [`manifest_fits`] before it publishes a
/// manifest, so that it never publishes a manifest that readers refuse.
pub(crate) const MAX_MANIFEST_BYTES: u64 = 64 << 20;
/// The maximum number of values in a document that is parsed as a whole. A manifest has about twenty values
/// for each entity and set.
const MAX_VALUES: usize = 1_000_000;
/// The maximum number of maps in a document that is parsed into a tree, where each map needs hundreds of
/// bytes of memory even if its text is short.
const MAX_MAPS: usize = 100_000;

/// Returns whether the tree of a document fits in about 100 MiB. Punctuation inside strings is counted as
/// well, but it is rare in these documents.
pub(crate) fn tree_fits(json: &[u8]) -> bool {
    values_fit(json) && count(json, b"{") <= MAX_MAPS
}

/// Returns whether every reader accepts a published manifest of this size.
pub(crate) fn manifest_fits(json: &[u8]) -> bool {
    tree_fits(json) && u64::try_from(json.len()).is_ok_and(|len| len <= MAX_MANIFEST_BYTES)
}

/// Returns whether a reader accepts the document `name` in an archive with this number of entries. Writers
/// check it as well, so that they never publish an archive that cannot be read.
pub(crate) fn document_fits(name: &str, content: &[u8], entries: usize) -> bool {
    let fits_in_memory = match name {
        entry::BLOCKS => lists_fit(content, entries),
        entry::MANIFEST | entry::PROVIDER_INFO => tree_fits(content),
        // After decryption, this document is parsed into types that need no more memory than the text.
        entry::ENCRYPTED_DOCUMENT => true,
        _ => values_fit(content),
    };
    fits_in_memory && u64::try_from(content.len()).is_ok_and(|len| len <= MAX_DOCUMENT_BYTES)
}

/// Returns whether a document that is parsed into a specific Rust type, and not into a tree, fits in about
/// 200 MiB.
fn values_fit(json: &[u8]) -> bool {
    count(json, b",[{") <= MAX_VALUES
}

/// Returns whether a document has at most `lists` lists.
fn lists_fit(json: &[u8], lists: usize) -> bool {
    count(json, b"[") <= lists
}

/// Returns the number of bytes of `json` that are one of the bytes in `punctuation`.
fn count(json: &[u8], punctuation: &[u8]) -> usize {
    json.iter().filter(|byte| punctuation.contains(byte)).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_of_a_document_depends_on_what_it_is_parsed_into() {
        let maps = |count| b"{".repeat(count);
        for name in [entry::MANIFEST, entry::PROVIDER_INFO] {
            assert!(document_fits(name, &maps(MAX_MAPS), 9), "{name}");
            assert!(!document_fits(name, &maps(MAX_MAPS + 1), 9), "{name}");
        }
        assert!(
            document_fits(entry::CHECKSUMS, &maps(MAX_MAPS + 1), 9),
            "the limit of maps does not apply to a document that is parsed into strings only"
        );
        assert!(document_fits(entry::CHECKSUMS, &b",".repeat(MAX_VALUES), 9));
        assert!(!document_fits(entry::CHECKSUMS, &b",".repeat(MAX_VALUES + 1), 9));
    }

    #[test]
    fn a_table_of_blocks_has_at_most_one_list_for_each_entry() {
        assert!(document_fits(entry::BLOCKS, b"[[[", 3));
        assert!(!document_fits(entry::BLOCKS, b"[[[[", 3));
        assert!(
            document_fits(entry::BLOCKS, &b"{".repeat(MAX_VALUES + 1), 3),
            "the number of blocks is not limited"
        );
    }
}
