//! Determines which leases have expired, from how long their renewals have been unchanged.

use std::collections::HashMap;

use tokio::time::Instant;

use super::identifier::OperationId;
use super::store::LeaseSighting;

/// The leases of other processes, as this process has seen them.
#[derive(Debug, Default)]
pub(super) struct Sightings {
    seen: HashMap<OperationId, Seen>,
}

#[derive(Debug)]
struct Seen {
    lease: LeaseSighting,
    /// When the lease was first seen with this number of renewals.
    since: Instant,
}

impl Sightings {
    /// Remembers the leases that are in the store, and returns those that have expired: the number of their renewals
    /// has been unchanged for one and a half lease times.
    pub(super) fn expired(&mut self, leases: Vec<LeaseSighting>, now: Instant) -> Vec<LeaseSighting> {
        let mut before = std::mem::take(&mut self.seen);
        let mut expired = Vec::new();
        for lease in leases {
            let known = before.remove(&lease.id).filter(|seen| seen.lease == lease);
            let since = known.map_or(now, |seen| seen.since);
            if now.duration_since(since) >= lease.lease_time + lease.lease_time / 2 {
                expired.push(lease);
            }
            self.seen.insert(lease.id, Seen { lease, since });
        }
        expired
    }
}
