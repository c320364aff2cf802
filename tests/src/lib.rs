//! What the behaviour suites share.

pub mod archive_surgery;
pub mod chance;
pub mod child;
pub mod counting_store;
#[cfg(target_os = "linux")]
pub mod disk_shim;
pub mod faulty_store;
pub mod hand_clock;
pub mod log;
pub mod machine;
#[cfg(unix)]
pub mod postgres;
#[cfg(unix)]
pub mod proxy;
pub mod refusals;
pub mod scripted;
pub mod small_disk;
#[cfg(unix)]
pub mod stores;
pub mod unsampled;
pub mod virtual_clock;
pub mod wait;
