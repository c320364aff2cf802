//! Which documents exist, visible or not.

use std::collections::BTreeMap;

use futures::TryStreamExt as _;
use koan_backup_core::Result;
use object_store::path::Path;

use crate::document_name::DocumentName;
use crate::objects::Objects;

/// The documents of aggregates by the names of their folders.
pub(crate) type Documents = BTreeMap<String, Vec<DocumentName>>;

/// Lists the documents below a folder: that of an object name, or that of an aggregate.
pub(crate) async fn documents(objects: &Objects, folder: &Path) -> Result<Documents> {
    let mut documents = Documents::new();
    let mut listed = objects.list(folder);
    while let Some(meta) = listed.try_next().await? {
        let mut parts = meta.location.as_ref().rsplit('/');
        let (Some(file), Some(aggregate)) = (parts.next(), parts.next()) else { continue };
        if let Some(name) = DocumentName::parse(file) {
            documents.entry(aggregate.to_owned()).or_default().push(name);
        }
    }
    Ok(documents)
}
