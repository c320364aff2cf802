//! Durable operations: work that outlives the request which started it, and whose record outlives the process.
//!
//! An operation is recorded in a [store](store::OperationStore) before its work starts. It belongs to one process,
//! which runs the work, renews a lease and records how the work ended. There is exactly one end: a conditional write
//! decides it. When a process ends without recording it, the lease of the operation expires, and another process
//! records the operation as interrupted.
//!
//! # Clocks
//! Leases do not depend on the clocks of machines. The owner counts its renewals in the store. Another process regards
//! the lease as expired when it has seen the same count for one and a half lease times by its own monotonic clock. The
//! owner stops its work when no renewal has succeeded for one lease time by its monotonic clock. Therefore a process
//! that has just started waits one and a half lease times before it records any operation as interrupted.

mod active;
mod driver;
mod events;
mod identifier;
mod keeper;
mod limits;
mod operation;
mod outcome;
mod process;
mod progress;
mod queue;
mod request;
mod service;
mod shutdown;
mod sightings;
mod store;
mod submission;
mod subscription;
mod sweeper;
mod work;

#[cfg(all(test, feature = "sqlite"))]
mod tests;

#[cfg(test)]
pub(crate) use self::{operation::Cancellation, progress::Progress, store::OperationPage};
pub(crate) use events::{EventKind, OperationEvent};
pub(crate) use identifier::OperationId;
pub(crate) use limits::OperationLimits;
pub(crate) use operation::{Initiator, Operation, OperationKind, OperationStatus};
pub(crate) use request::{NewOperation, SubmissionOrigin, Submitted};
pub(crate) use service::Operations;
#[cfg(feature = "sqlite")]
pub(crate) use store::SqliteOperationStore;
pub(crate) use store::{OperationQuery, OperationStore, ProfileOperationStore};
pub(crate) use work::{WorkContext, WorkResult};
