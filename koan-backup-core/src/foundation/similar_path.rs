//! Suggestions for a path that does not exist, which may be misspelt.

use std::fs;
use std::path::{Path, PathBuf};

/// The number of characters of a name for each edit that a misspelling of it may contain. At least one edit
/// is allowed.
const CHARACTERS_PER_EDIT: usize = 4;
/// The minimum length of a name that can be recognized as misspelt. Shorter names are similar too often.
const MIN_CHARACTERS: usize = 4;

/// Returns the existing path of which `missing` is most probably a misspelling: it differs from `missing` in a few
/// characters of one or several names, and `accepts` returns `true` for it.
///
/// Names that differ only in digits are not similar, because numbered names usually exist side by side.
pub fn similar_path(missing: &Path, accepts: impl Fn(&Path) -> bool) -> Option<PathBuf> {
    find(missing, &accepts)
}

fn find(missing: &Path, accepts: &dyn Fn(&Path) -> bool) -> Option<PathBuf> {
    let name = missing.file_name()?.to_str()?;
    let parent = missing.parent()?;
    let listed = if parent.as_os_str().is_empty() { Path::new(".") } else { parent };
    let parent = if listed.is_dir() { parent.to_owned() } else { find(parent, &Path::is_dir)? };
    let exact = parent.join(name);
    if exact != missing && accepts(&exact) {
        return Some(exact);
    }
    let listed = if parent.as_os_str().is_empty() { Path::new(".") } else { &parent };
    let entries = fs::read_dir(listed).ok()?.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let similar = entries.filter_map(|entry| {
        let path = parent.join(&entry);
        Some((edits(name, &entry, path.is_file())?, entry, path))
    });
    let mut similar: Vec<_> = similar.filter(|(.., path)| path != missing).collect();
    similar.sort();
    similar.into_iter().map(|(.., path)| path).find(|path| accepts(path))
}

/// Returns the number of edits between similar names, or `None` for names that are not similar.
fn edits(missing: &str, existing: &str, is_file: bool) -> Option<usize> {
    let (missing, existing) = (missing.to_lowercase(), existing.to_lowercase());
    let is_same_without = |ignored: fn(&char) -> bool| {
        missing.chars().filter(|c| !ignored(c)).eq(existing.chars().filter(|c| !ignored(c)))
    };
    if missing != existing && is_same_without(char::is_ascii_digit) {
        return None;
    }
    if is_file && stem(&missing) == stem(&existing) {
        return Some(usize::from(missing != existing));
    }
    let length = missing.chars().count();
    let edits = strsim::damerau_levenshtein(&missing, &existing);
    (length >= MIN_CHARACTERS && edits <= (length / CHARACTERS_PER_EDIT).max(1)).then_some(edits)
}

/// Returns a file name without its extension.
fn stem(name: &str) -> &str {
    name.rsplit_once('.').map_or(name, |(stem, _)| stem)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_misspelt_path_suggests_the_similar_existing_one() {
        let folder = tempfile::tempdir().expect("a folder is created");
        let path = |name: &str| folder.path().join(name);
        for directory in ["data/users", "backups", "disk1", "eu"] {
            fs::create_dir_all(path(directory)).expect("the directory is created");
        }
        fs::write(path("data/shop.db"), "").expect("the file is written");
        for (missing, expected) in [
            ("bakcups", Some("backups")),
            ("backup", Some("backups")),
            ("Backups_", Some("backups")),
            ("dtaa/users", Some("data/users")),
            ("dtaa/usres", Some("data/users")),
            ("data/shp.db", Some("data/shop.db")),
            ("data/shop.sqlite", Some("data/shop.db")),
            ("data/shop", Some("data/shop.db")),
            ("archive", None),
            ("disk2", None),
            ("us", None),
            ("other/users", None),
        ] {
            assert_eq!(similar_path(&path(missing), Path::exists), expected.map(path), "{missing}");
        }
        assert_eq!(similar_path(&path("bakcups"), Path::is_file), None);
        assert_eq!(similar_path(Path::new("a-name-that-nothing-has"), Path::exists), None);
        assert_eq!(similar_path(Path::new("cargo.tmol"), Path::exists), Some("Cargo.toml".into()));
        assert_eq!(similar_path(Path::new(""), Path::exists), None);
        assert_eq!(similar_path(Path::new("/"), Path::exists), None);
    }
}
