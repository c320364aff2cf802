//! Which documents are visible, and what they contain.

use std::collections::BTreeMap;

use koan_backup_core::Result;

use crate::aggregate::Aggregate;
use crate::document_list::documents;
use crate::document_name::DocumentName;
use crate::objects::Objects;
use crate::path;
use crate::restore::Restores;

/// How often a document is searched that was replaced after it was listed.
const ATTEMPTS: usize = 5;

/// Returns the document that is visible.
pub(crate) fn visible<'d>(documents: &'d [DocumentName], restores: &Restores) -> Option<&'d DocumentName> {
    let newest = documents.iter().filter(|document| !restores.hides(document)).max()?;
    (!newest.is_removed).then_some(newest)
}

/// The visible aggregates of one object name, by their ids.
pub(crate) type Listing = BTreeMap<String, DocumentName>;

/// Lists the visible aggregates of an object name.
pub(crate) async fn list(objects: &Objects, object: &str) -> Result<Listing> {
    let documents = documents(objects, &path::object(object)?).await?;
    let restores = Restores::read(objects).await?;
    let mut listing = Listing::new();
    for (folder, documents) in documents {
        let Some(document) = visible(&documents, &restores) else { continue };
        let id = match path::id_of(&folder) {
            Some(id) => id,
            None => match read_in(objects, &path::folder_name(object), &folder, document).await? {
                Some(aggregate) => aggregate.object_id,
                None => continue,
            },
        };
        listing.insert(id, document.clone());
    }
    Ok(listing)
}

/// Finds the visible document of one aggregate.
pub(crate) async fn find(objects: &Objects, object: &str, object_id: &str) -> Result<Option<DocumentName>> {
    let documents = documents(objects, &path::aggregate(object, object_id)?).await?;
    if documents.is_empty() {
        return Ok(None);
    }
    let restores = Restores::read(objects).await?;
    Ok(documents.values().next().and_then(|documents| visible(documents, &restores).cloned()))
}

/// Reads a document. Returns `None` if it was replaced and removed since it was listed.
pub(crate) async fn read(
    objects: &Objects,
    object: &str,
    object_id: &str,
    document: &DocumentName,
) -> Result<Option<Aggregate>> {
    let read = read_in(objects, &path::folder_name(object), &path::folder_name(object_id), document).await?;
    if let Some(aggregate) = &read
        && (aggregate.object != object || aggregate.object_id != object_id)
    {
        let file = path::file(object, object_id, &document.file())?;
        return Err(objects.damaged(&file, "belongs to another aggregate"));
    }
    Ok(read)
}

async fn read_in(
    objects: &Objects,
    object_folder: &str,
    id_folder: &str,
    document: &DocumentName,
) -> Result<Option<Aggregate>> {
    let file = path::file_in(object_folder, id_folder, &document.file())?;
    let Some(text) = objects.get(&file).await? else { return Ok(None) };
    let context = |error: koan_backup_core::Error| error.context(format!("`{file}` cannot be read"));
    Aggregate::parse(&text).map(Some).map_err(context)
}

/// Finds and reads the visible document of an aggregate.
pub(crate) async fn current(
    objects: &Objects,
    object: &str,
    object_id: &str,
) -> Result<Option<(DocumentName, Aggregate)>> {
    for _ in 0..ATTEMPTS {
        let Some(document) = find(objects, object, object_id).await? else { return Ok(None) };
        if let Some(aggregate) = read(objects, object, object_id, &document).await? {
            return Ok(Some((document, aggregate)));
        }
    }
    let folder = path::aggregate(object, object_id)?;
    Err(objects.damaged(&folder, "changed whenever it was read"))
}

/// Returns the object name of a folder whose name contains a hash, from one of the documents in it.
pub(crate) async fn hashed_object(objects: &Objects, folder: &str) -> Result<Option<String>> {
    let prefix = path::object_folder(folder)?;
    let restores = Restores::read(objects).await?;
    for (id_folder, documents) in documents(objects, &prefix).await? {
        if let Some(document) = visible(&documents, &restores)
            && let Some(aggregate) = read_in(objects, folder, &id_folder, document).await?
        {
            return Ok(Some(aggregate.object));
        }
    }
    Ok(None)
}
