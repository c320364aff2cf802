//! Tests every supported store of archives, in normal operation and in failures.

mod answers;
#[cfg(unix)]
mod conformance;
mod copying;
#[cfg(unix)]
mod credentials;
mod fixture;
#[cfg(unix)]
mod keys;
#[cfg(unix)]
mod list_answers;
mod marks;
#[cfg(unix)]
mod network;
mod profiles;
mod ranges;
#[cfg(unix)]
mod shared;
#[cfg(unix)]
mod uploads;

koan_backup::entity_backup_scope!(mode = All);
