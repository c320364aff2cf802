//! Lists and removes operations.

use jiff::{SignedDuration, Timestamp};
use koan_backup_core::Result;
use rusqlite::{Connection, TransactionBehavior, named_params};

use super::failure::CallError;
use super::records::{COLUMNS, read, time_text};
use crate::operations::limits::HistoryLimits;
use crate::operations::operation::OperationKind;
use crate::operations::store::{OperationPage, OperationQuery};

pub(super) fn list(connection: &Connection, query: &OperationQuery) -> Result<OperationPage, CallError> {
    let page_size = query.page_size();
    let statuses: Vec<&str> = query.statuses.iter().map(|status| status.name()).collect();
    // The list of states is one value, so that the statement is constant.
    let statuses = (!statuses.is_empty()).then(|| serde_json::Value::from(statuses).to_string());
    let mut statement = connection.prepare_cached(&format!(
        "SELECT {COLUMNS} FROM operations \
         WHERE (:before IS NULL OR id < :before) \
         AND (:kind IS NULL OR kind = :kind) \
         AND (:statuses IS NULL OR status IN (SELECT value FROM json_each(:statuses))) \
         ORDER BY id DESC LIMIT :limit"
    ))?;
    let mut rows = statement.query(named_params! {
        ":before": query.before.map(|id| id.to_string()),
        ":kind": query.kind.map(OperationKind::name),
        ":statuses": statuses,
        // One more shows whether there is another page.
        ":limit": page_size + 1,
    })?;
    let mut operations = Vec::new();
    while let Some(row) = rows.next()? {
        operations.push(read(row)?);
    }
    let page_size = usize::try_from(page_size).unwrap_or(usize::MAX);
    let next = (operations.len() > page_size).then(|| {
        operations.truncate(page_size);
        operations.last().map(|operation| operation.id)
    });
    Ok(OperationPage { operations, next: next.flatten() })
}

pub(super) fn purge(
    connection: &mut Connection,
    history: &HistoryLimits,
    now: Timestamp,
) -> Result<u64, CallError> {
    let age = SignedDuration::try_from(history.max_age).unwrap_or(SignedDuration::MAX);
    let oldest = now.checked_sub(age).unwrap_or(Timestamp::MIN);
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let removed = transaction.execute(
        "DELETE FROM operations WHERE id IN ( \
             SELECT id FROM (SELECT id, completed_at, row_number() OVER (ORDER BY completed_at DESC, id DESC) AS place \
                             FROM operations WHERE completed_at IS NOT NULL) \
             WHERE place > :max_count OR (place > :min_count AND completed_at < :oldest))",
        named_params! {
            ":max_count": history.max_count.max(history.min_count),
            ":min_count": history.min_count,
            ":oldest": time_text(oldest),
        },
    )?;
    transaction.commit()?;
    Ok(u64::try_from(removed).unwrap_or(u64::MAX))
}
