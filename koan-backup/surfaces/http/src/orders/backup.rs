//! The order of a backup.

use std::sync::Arc;

use super::{Findings, Order, Prepared, require_profile, succeeded};
use crate::access::{Principal, Role};
use crate::operations::OperationKind;
use crate::problem::Problem;
use crate::requests::backup::BackupOrder;
use crate::responses::BackupResult;
use crate::state::Shared;

impl Order for BackupOrder {
    fn kind(&self) -> OperationKind {
        OperationKind::Backup
    }

    fn role(&self) -> Role {
        Role::Operator
    }

    async fn prepare(self, shared: &Arc<Shared>, principal: &Principal) -> Result<Prepared, Problem> {
        for entity in self.entities.iter().chain(&self.excluded_entities) {
            shared.entities.require(entity)?;
        }
        if let Some(profile) = &self.profile {
            require_profile(shared, profile)?;
        }
        let koan = shared.koan.clone();
        let name = self.name.clone().unwrap_or_else(|| koan.default_backup_name().to_string());
        let (triggered_by, reason) = (principal.identity(), self.reason.clone());
        let storage_profile = self.profile.clone();
        let prepared = Prepared::new(move |context| async move {
            let mut backup = self.builder(&koan).triggered_by(triggered_by);
            if let Some(reason) = &self.reason {
                backup = backup.reason(reason);
            }
            let backup = backup.cancel_on(context.cancel_token()).on_event(context.listener());
            // With `continueOnError`, a backup with a failed entity exists and is not complete.
            let report = backup.await?.require_complete()?;
            succeeded(&BackupResult::from(&report), Findings::unless_empty([report.warnings().is_empty()]))
        });
        Ok(Prepared { backup_name: Some(name), storage_profile, reason, ..prepared })
    }
}
