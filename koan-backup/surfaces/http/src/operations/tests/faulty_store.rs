//! A store that fails on request.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use koan_backup_core::{Error, ErrorKind, Result};

use crate::operations::identifier::{OperationId, OwnerId};
use crate::operations::limits::HistoryLimits;
use crate::operations::operation::{Cancellation, Operation, OperationStatus};
use crate::operations::request::RepetitionKey;
use crate::operations::store::{
    Claim, Created, Finished, Held, LeaseSighting, OperationEnd, OperationPage, OperationQuery,
    OperationStore, Renewal,
};

/// A call of the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Call {
    Create,
    /// The call takes effect and returns an error, like a write whose answer is lost.
    CreateAnswer,
    Start,
    Renew,
    RequestCancellation,
    Finish,
}

/// A store that fails on request.
#[derive(Debug)]
pub(super) struct FaultyStore {
    inner: Arc<dyn OperationStore>,
    /// How often each call still fails.
    failures: Mutex<HashMap<Call, usize>>,
    /// How often each call has failed.
    failed: Mutex<HashMap<Call, usize>>,
}

impl FaultyStore {
    pub(super) fn over(inner: Arc<dyn OperationStore>) -> Arc<Self> {
        Arc::new(Self { inner, failures: Mutex::default(), failed: Mutex::default() })
    }

    /// Makes the next calls fail.
    pub(super) fn fail(&self, call: Call, times: usize) {
        self.failures.lock().unwrap_or_else(PoisonError::into_inner).insert(call, times);
    }

    /// Makes calls succeed again.
    pub(super) fn repair(&self) {
        self.failures.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// Returns how often a call has failed.
    pub(super) fn failed(&self, call: Call) -> usize {
        let failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
        failed.get(&call).copied().unwrap_or_default()
    }

    fn check(&self, call: Call) -> Result<()> {
        let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(remaining) = failures.get_mut(&call).filter(|remaining| **remaining > 0) else {
            return Ok(());
        };
        *remaining -= 1;
        *self.failed.lock().unwrap_or_else(PoisonError::into_inner).entry(call).or_default() += 1;
        Err(Error::new(ErrorKind::Storage, "the disk is full"))
    }
}

#[async_trait]
impl OperationStore for FaultyStore {
    async fn create(
        &self,
        operation: &Operation,
        lease_time: Duration,
        repetition: Option<&RepetitionKey>,
    ) -> Result<Created> {
        self.check(Call::Create)?;
        let created = self.inner.create(operation, lease_time, repetition).await?;
        self.check(Call::CreateAnswer).map(|()| created)
    }

    async fn find_repeated(&self, repetition: &RepetitionKey) -> Result<Option<Created>> {
        self.inner.find_repeated(repetition).await
    }

    async fn start(
        &self,
        id: OperationId,
        owner: OwnerId,
        at: Timestamp,
        sequence: u64,
    ) -> Result<OperationStatus> {
        self.check(Call::Start)?;
        self.inner.start(id, owner, at, sequence).await
    }

    async fn renew(&self, owner: OwnerId, renewals: Vec<Renewal>) -> Result<()> {
        self.check(Call::Renew)?;
        self.inner.renew(owner, renewals).await
    }

    async fn held(&self, owner: OwnerId) -> Result<Vec<Held>> {
        self.inner.held(owner).await
    }

    async fn request_cancellation(
        &self,
        id: OperationId,
        cancellation: &Cancellation,
    ) -> Result<Option<Operation>> {
        self.check(Call::RequestCancellation)?;
        self.inner.request_cancellation(id, cancellation).await
    }

    async fn finish(&self, id: OperationId, claim: Claim, end: &OperationEnd) -> Result<Finished> {
        self.check(Call::Finish)?;
        self.inner.finish(id, claim, end).await
    }

    async fn get(&self, id: OperationId) -> Result<Option<Operation>> {
        self.inner.get(id).await
    }

    async fn list(&self, query: &OperationQuery) -> Result<OperationPage> {
        self.inner.list(query).await
    }

    async fn leases(&self) -> Result<Vec<LeaseSighting>> {
        self.inner.leases().await
    }

    async fn purge(&self, history: &HistoryLimits, now: Timestamp) -> Result<u64> {
        self.inner.purge(history, now).await
    }
}
