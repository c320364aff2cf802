//! The paths of single backups in a storage profile.

use object_store::path::Path;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::StreamCompression;
use crate::foundation::error::{Error, ErrorKind, Result};
use crate::foundation::id::BackupId;
use crate::storage::STREAMS_FOLDER;

/// The characters that are not percent-encoded in a name.
const UNESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'.').remove(b'_').remove(b'-');
/// The maximum length of an encoded name. File systems accept 255 bytes.
const MAX_SEGMENT_BYTES: usize = 200;
/// The length of the beginning of a longer name, which is followed by a hash.
const SHORTENED_BYTES: usize = 120;
/// The folder name of an empty id. No percent-encoded text is equal to it.
const EMPTY: &str = "%";
/// The folders of a storage profile that have another purpose.
const USED_FOLDERS: [&str; 12] = [
    "acknowledgements",
    "archives",
    "damage",
    "leases",
    "maintenance",
    "manifests",
    "pins",
    "removals",
    "shared",
    STREAMS_FOLDER,
    "uploads",
    "verifications",
];
/// The maximum length of the name of a folder for contents.
const MAX_FOLDER_BYTES: usize = 200;

/// Returns a name as one segment of a path: percent-encoded, and with a hash at its end if it is too long.
pub(crate) fn path_segment(name: &str) -> String {
    let mut encoded = utf8_percent_encode(name, UNESCAPED).to_string();
    if encoded.starts_with('.') {
        encoded.replace_range(..1, "%2E");
    }
    if encoded.len() > MAX_SEGMENT_BYTES {
        let hash = crate::foundation::digest::sha256(name.as_bytes());
        let hash: String = hash.rsplit(':').next().unwrap_or_default().chars().take(32).collect();
        encoded.truncate(SHORTENED_BYTES);
        // An escape sequence must not be cut.
        if let Some(escape) = encoded.rfind('%').filter(|escape| escape + 3 > encoded.len()) {
            encoded.truncate(escape);
        }
        encoded.push('-');
        encoded.push_str(&hash);
    }
    if encoded.is_empty() { EMPTY.to_owned() } else { encoded }
}

/// The folder in which the `.meta` files of one aggregate are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct StreamFolder(String);

impl StreamFolder {
    /// Returns the folder. `object_id` is the object id as a segment of the path: percent-encoded, or its keyed hash.
    pub(crate) fn new(object: &str, object_id: &str) -> Self {
        Self(format!("{STREAMS_FOLDER}/{}/{object_id}", path_segment(object)))
    }

    /// Returns the folder of all aggregates with this object name.
    pub(crate) fn of_object(object: &str) -> Result<Path> {
        parse(format!("{STREAMS_FOLDER}/{}", path_segment(object)))
    }

    /// Returns the path of the content of a backup. With `folder`, it is below that folder.
    ///
    /// # Errors
    /// `folder` is not a valid name of a folder for contents.
    pub(crate) fn content(&self, folder: Option<&str>, name: &str) -> Result<Path> {
        match folder {
            None => parse(format!("{}/{name}", self.0)),
            Some(folder) => {
                check_folder(folder)?;
                parse(format!("{folder}/{}/{name}", self.0))
            }
        }
    }

    /// Returns the path of the `.meta` of a backup.
    pub(crate) fn meta(&self, id: BackupId) -> Result<Path> {
        parse(format!("{}/{id}.meta", self.0))
    }
}

/// Returns the file name of a content.
pub(crate) fn content_name(id: BackupId, compression: StreamCompression, encrypted: bool) -> String {
    let compressed = match compression {
        StreamCompression::Gzip => ".gz",
        StreamCompression::None => "",
    };
    format!("{id}.json{compressed}{}", if encrypted { ".age" } else { "" })
}

/// Returns the id of the backup whose `.meta` has this path. Returns `None` if the path is not that of a `.meta`.
pub(crate) fn meta_id(path: &Path) -> Option<BackupId> {
    let (_, name) = stream_file(path.as_ref()).filter(|(folder, _)| folder.is_empty())?;
    id_of(name.strip_suffix(".meta")?)
}

/// Returns the path of the `.meta` beside a removal record.
pub(crate) fn meta_path(removal: &Path) -> Option<Path> {
    Path::parse(format!("{}.meta", removal.as_ref().strip_suffix(".removal")?)).ok()
}

/// Returns the path of the removal record beside a `.meta`.
pub(crate) fn removal_path(meta: &Path) -> Option<Path> {
    Path::parse(format!("{}.removal", meta.as_ref().strip_suffix(".meta")?)).ok()
}

/// Returns whether a path is that of the removal record of a single backup.
pub(crate) fn is_removal_path(path: &Path) -> bool {
    meta_path(path).is_some_and(|meta| meta_id(&meta).is_some())
}

/// Returns whether a path is that of the content of a single backup.
pub(crate) fn is_stream_content(path: &str) -> bool {
    let Some((folder, name)) = stream_file(path) else { return false };
    let name = name.strip_suffix(".age").unwrap_or(name);
    let name = name.strip_suffix(".gz").unwrap_or(name);
    let has_id = name.strip_suffix(".json").and_then(id_of).is_some();
    has_id && (folder.is_empty() || check_folder(folder).is_ok())
}

/// Returns the folder `streams`, or that below another folder, in which a content is.
pub(crate) fn content_folder(path: &str) -> Option<String> {
    let (folder, _) = stream_file(path)?;
    Some(if folder.is_empty() { STREAMS_FOLDER.to_owned() } else { format!("{folder}/{STREAMS_FOLDER}") })
}

/// Splits a path into the folder before `streams/{object}/{object id}`, and the file name.
fn stream_file(path: &str) -> Option<(&str, &str)> {
    let (rest, name) = path.rsplit_once('/')?;
    let (rest, object_id) = rest.rsplit_once('/')?;
    let (rest, object) = rest.rsplit_once('/')?;
    let folder = rest.strip_suffix(STREAMS_FOLDER)?;
    let folder = if folder.is_empty() { "" } else { folder.strip_suffix('/')? };
    (!object_id.is_empty() && !object.is_empty()).then_some((folder, name))
}

/// Returns the id, if the text is written as this library writes ids.
fn id_of(text: &str) -> Option<BackupId> {
    text.parse().ok().filter(|id: &BackupId| id.to_string() == text)
}

fn check_folder(folder: &str) -> Result<()> {
    let is_name = |name: &str| {
        !name.is_empty()
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    };
    let first = folder.split('/').next().unwrap_or_default();
    if folder.len() <= MAX_FOLDER_BYTES && folder.split('/').all(is_name) && !USED_FOLDERS.contains(&first) {
        return Ok(());
    }
    let shown: String = folder.chars().take(40).flat_map(char::escape_default).collect();
    Err(Error::new(ErrorKind::Configuration, format!("`{shown}` cannot be a folder for single backups")).with_help(
        "use letters, digits, `-` and `_`, with `/` between the names of folders, and at most 200 characters; \
         folders such as `archives` have another purpose",
    ))
}

fn parse(path: String) -> Result<Path> {
    Path::parse(&path).map_err(|source| {
        let text = format!("`{}` cannot be a path in a storage profile", path.escape_debug());
        Error::with_source(ErrorKind::Configuration, text, source)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "01a20039-2e20-73ff-b80d-43944b669d73";

    fn id() -> BackupId {
        ID.parse().expect("the id is valid")
    }

    #[test]
    fn every_id_is_one_segment_that_stays_in_its_folder() {
        let long = "ü".repeat(500);
        for name in
            ["", ".", "..", "a/b", "a b", "%2F", "ORDER-17", "\0", "\u{202e}x", "'; drop table", &long]
        {
            let segment = path_segment(name);
            assert!(!segment.is_empty() && segment.len() <= MAX_SEGMENT_BYTES, "{name:?}: {segment}");
            let folder = StreamFolder::new("order", &segment);
            let meta = folder.meta(id()).expect("the path is valid");
            assert_eq!(meta.as_ref(), format!("streams/order/{segment}/{ID}.meta"));
            assert_eq!(meta_id(&meta), Some(id()));
            let name = content_name(id(), StreamCompression::Gzip, true);
            let content = folder.content(Some("eu/west"), &name).expect("the path is valid");
            assert!(is_stream_content(content.as_ref()), "{content}");
        }
        assert_ne!(
            path_segment(&long),
            path_segment(&format!("{long}x")),
            "a long id is followed by its hash"
        );
        assert_eq!(path_segment("a/b"), "a%2Fb");
    }

    #[test]
    fn a_folder_stays_below_the_profile_and_apart_from_other_files() {
        for folder in
            ["", "/", "../x", "archives", "manifests/x", "streams", "a//b", "a.b", "ä", &"x".repeat(201)]
        {
            let content = StreamFolder::new("order", "1").content(Some(folder), "x");
            assert_eq!(content.expect_err(folder).kind(), ErrorKind::Configuration);
        }
    }

    #[test]
    fn only_files_at_their_place_are_files_of_single_backups() {
        for path in [
            format!("streams/order/1/{ID}.json"),
            format!("streams/order/1/{ID}.json.gz"),
            format!("eu/streams/order/1/{ID}.json.age"),
        ] {
            assert!(is_stream_content(&path), "{path}");
        }
        for path in [
            format!("streams/order/{ID}.json"),
            format!("archives/streams/order/1/{ID}.json"),
            format!("streams/order/1/{}.json", ID.to_uppercase()),
            "streams/order/1/x.json".to_owned(),
            format!("streams/order/1/{ID}.meta"),
        ] {
            assert!(!is_stream_content(&path), "{path}");
        }
        let meta = Path::from(format!("streams/order/1/{ID}.meta"));
        let removal = removal_path(&meta).expect("the path is that of a `.meta`");
        assert!(is_removal_path(&removal) && meta_path(&removal) == Some(meta));
        assert_eq!(meta_id(&Path::from(format!("eu/streams/order/1/{ID}.meta"))), None);
    }
}
