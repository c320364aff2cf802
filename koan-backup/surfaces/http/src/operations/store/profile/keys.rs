//! The repetition keys of operations.

use koan_backup_core::Result;
use koan_backup_core::storage::Creation;
use serde::{Deserialize, Serialize};

use super::ProfileOperationStore;
use super::documents::to_json;
use crate::operations::identifier::OperationId;
use crate::operations::request::RepetitionKey;
use crate::operations::store::{Created, OperationStore as _};

/// How often a key is claimed whose operation was removed meanwhile.
const MAX_ATTEMPTS: u32 = 3;

/// The operation that has a repetition key.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct KeyDocument {
    operation: OperationId,
    /// The hash of the request.
    request: String,
}

/// Returns the path of the document of a key.
pub(super) fn key_path(key: &str) -> String {
    format!("keys/{key}.json")
}

impl ProfileOperationStore {
    /// Records that an operation has this key. Returns the other operation, if another one has it.
    pub(super) async fn claim_key(&self, id: OperationId, key: &RepetitionKey) -> Result<Option<Created>> {
        let document = to_json(&KeyDocument { operation: id, request: key.request.clone() })?;
        let mut attempt = 0;
        loop {
            attempt += 1;
            if self.folder.create(&key_path(&key.key), document.clone()).await? == Creation::Created {
                return Ok(None);
            }
            match self.operation_of_key(key).await? {
                None if attempt < MAX_ATTEMPTS => self.folder.delete(&key_path(&key.key)).await?,
                found => return Ok(found),
            }
        }
    }

    /// Returns the operation that has this key, if it exists.
    pub(super) async fn operation_of_key(&self, key: &RepetitionKey) -> Result<Option<Created>> {
        let Some(document) = self.read::<KeyDocument>(&key_path(&key.key)).await? else { return Ok(None) };
        if document.request != key.request {
            return Ok(Some(Created::OtherRequest(document.operation)));
        }
        let operation = self.get(document.operation).await?;
        Ok(operation.map(|operation| Created::Repeated(Box::new(operation))))
    }
}
