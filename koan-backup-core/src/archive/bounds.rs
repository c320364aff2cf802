//! How much a JSON document may hold: what is small as text can be large in memory.

use super::layout::entry;

/// The most bytes a document can have.
pub(super) const MAX_DOCUMENT_BYTES: u64 = 256 << 20;
/// The most bytes of a manifest as it is published. Whoever publishes one asks [`manifest_fits`] first: one that is not read must not
/// be written.
pub(crate) const MAX_MANIFEST_BYTES: u64 = 64 << 20;
/// The most values of a document that is parsed whole: some twenty for each entity and set of a manifest.
const MAX_VALUES: usize = 1_000_000;
/// The most maps of a document that is parsed into a tree, where each takes hundreds of bytes however small its text.
const MAX_MAPS: usize = 100_000;

/// Whether the tree of a document fits in some 100 MiB. Punctuation in text counts too, which no document has much of.
pub(crate) fn tree_fits(json: &[u8]) -> bool {
    values_fit(json) && count(json, b"{") <= MAX_MAPS
}

/// Whether a manifest as it is published is one that every reader takes.
pub(crate) fn manifest_fits(json: &[u8]) -> bool {
    tree_fits(json) && u64::try_from(json.len()).is_ok_and(|len| len <= MAX_MANIFEST_BYTES)
}

/// Whether the document of an entry is one that a reader takes, in an archive of so many entries. Writers ask as well: an
/// archive that could not be read must not be published.
pub(crate) fn document_fits(name: &str, content: &[u8], entries: usize) -> bool {
    let parsed = match name {
        entry::BLOCKS => lists_fit(content, entries),
        entry::MANIFEST | entry::PROVIDER_INFO => tree_fits(content),
        // Opened it is parsed into types of its own, none larger than its text.
        entry::SEALED => true,
        _ => values_fit(content),
    };
    parsed && u64::try_from(content.len()).is_ok_and(|len| len <= MAX_DOCUMENT_BYTES)
}

/// Whether a document that is parsed into a type of its own fits in some 200 MiB.
fn values_fit(json: &[u8]) -> bool {
    count(json, b",[{") <= MAX_VALUES
}

/// Whether a document has at most so many lists.
fn lists_fit(json: &[u8], lists: usize) -> bool {
    count(json, b"[") <= lists
}

fn count(json: &[u8], punctuation: &[u8]) -> usize {
    json.iter().filter(|byte| punctuation.contains(byte)).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_fits_by_what_it_is_parsed_into() {
        let maps = |count| b"{".repeat(count);
        for name in [entry::MANIFEST, entry::PROVIDER_INFO] {
            assert!(document_fits(name, &maps(MAX_MAPS), 9), "{name}");
            assert!(!document_fits(name, &maps(MAX_MAPS + 1), 9), "{name}");
        }
        assert!(document_fits(entry::CHECKSUMS, &maps(MAX_MAPS + 1), 9), "it is parsed into text only");
        assert!(document_fits(entry::CHECKSUMS, &b",".repeat(MAX_VALUES), 9));
        assert!(!document_fits(entry::CHECKSUMS, &b",".repeat(MAX_VALUES + 1), 9));
    }

    #[test]
    fn a_table_of_blocks_has_at_most_as_many_lists_as_there_are_entries() {
        assert!(document_fits(entry::BLOCKS, b"[[[", 3));
        assert!(!document_fits(entry::BLOCKS, b"[[[[", 3));
        assert!(
            document_fits(entry::BLOCKS, &b"{".repeat(MAX_VALUES + 1), 3),
            "there may be very many blocks"
        );
    }
}
