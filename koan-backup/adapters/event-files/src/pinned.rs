//! Which document of each aggregate a reader uses.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::document_name::DocumentName;
use crate::listing::Listing;
use crate::session::Subject;

/// The names of the documents that a reader has found first. It uses them for everything that it reads.
#[derive(Debug, Default)]
pub(crate) struct PinnedDocuments {
    /// The aggregates of the object names that were listed.
    listings: BTreeMap<String, Arc<Listing>>,
    /// The other aggregates that were opened. `None` if an aggregate did not exist.
    opened: BTreeMap<Subject, Option<DocumentName>>,
}

impl PinnedDocuments {
    /// Returns the aggregates of an object name, if they were listed.
    pub(crate) fn listing(&self, object: &str) -> Option<Arc<Listing>> {
        self.listings.get(object).map(Arc::clone)
    }

    /// Pins the documents of an object name, except of the aggregates that were opened before.
    pub(crate) fn pin_listing(&mut self, object: &str, mut listing: Listing) -> Arc<Listing> {
        let opened = std::mem::take(&mut self.opened);
        for (subject, document) in opened {
            if subject.0 != object {
                self.opened.insert(subject, document);
            } else if let Some(document) = document {
                listing.insert(subject.1, document);
            } else {
                listing.remove(&subject.1);
            }
        }
        let listing = Arc::new(listing);
        self.listings.insert(object.to_owned(), Arc::clone(&listing));
        listing
    }

    /// Returns the document of an aggregate, if it is pinned. The inner `None` is an aggregate that did not exist.
    pub(crate) fn document(&self, object: &str, object_id: &str) -> Option<Option<DocumentName>> {
        if let Some(listing) = self.listings.get(object) {
            return Some(listing.get(object_id).cloned());
        }
        self.opened.get(&(object.to_owned(), object_id.to_owned())).cloned()
    }

    /// Pins the document of an aggregate, unless one is pinned. Returns the pinned document.
    pub(crate) fn pin(
        &mut self,
        object: &str,
        object_id: &str,
        document: Option<DocumentName>,
    ) -> Option<DocumentName> {
        if let Some(pinned) = self.document(object, object_id) {
            return pinned;
        }
        self.opened.insert((object.to_owned(), object_id.to_owned()), document.clone());
        document
    }
}
