//! The operations of the document by their subject.

use std::collections::BTreeMap;

use serde_json::Value;

/// The methods, in the order in which operations with the same path are listed.
const METHODS: [&str; 4] = ["get", "post", "put", "delete"];

/// An operation of the document.
pub(super) struct Documented<'a> {
    pub(super) method: &'a str,
    pub(super) path: &'a str,
    pub(super) operation: &'a Value,
}

impl Documented<'_> {
    /// Returns the id, which is also the anchor.
    pub(super) fn id(&self) -> &str {
        self.operation["operationId"].as_str().unwrap_or_default()
    }
}

/// Returns the operations by their subject, which is their first tag.
pub(super) fn by_subject(document: &Value) -> BTreeMap<&str, Vec<Documented<'_>>> {
    let mut subjects: BTreeMap<&str, Vec<Documented<'_>>> = BTreeMap::new();
    for (path, item) in document["paths"].as_object().into_iter().flatten() {
        for method in METHODS {
            let Some(operation) = item.get(method) else { continue };
            let subject = operation["tags"][0].as_str().unwrap_or("other");
            subjects.entry(subject).or_default().push(Documented { method, path, operation });
        }
    }
    subjects
}
