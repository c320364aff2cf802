//! The name of the file of a document.

/// The name of the file of a document.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct DocumentName {
    pub(crate) generation: u64,
    /// The id of the change that wrote it.
    pub(crate) restore: String,
    /// Whether the change removed the aggregate.
    pub(crate) is_removed: bool,
}

impl DocumentName {
    pub(crate) fn parse(name: &str) -> Option<Self> {
        let stem = name.strip_suffix(".json")?;
        let (stem, is_removed) = match stem.strip_suffix(".removed") {
            Some(stem) => (stem, true),
            None => (stem, false),
        };
        let (generation, restore) = stem.split_once('-')?;
        let is_restore = restore.len() == 32 && restore.bytes().all(|byte| byte.is_ascii_hexdigit());
        let generation = generation.parse().ok().filter(|_| is_restore)?;
        Some(Self { generation, restore: restore.to_owned(), is_removed })
    }

    /// Returns the name of the file.
    pub(crate) fn file(&self) -> String {
        let removed = if self.is_removed { ".removed" } else { "" };
        format!("{:010}-{}{removed}.json", self.generation, self.restore)
    }
}
