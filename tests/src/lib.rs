//! Servers, faulty stores, clocks and other equipment that the test suites share.

pub mod archive_surgery;
pub mod counting_store;
pub mod cqrs_es_tables;
#[cfg(target_os = "linux")]
pub mod disk_shim;
pub mod faulty_store;
pub mod hand_clock;
pub mod log;
pub mod mail_server;
pub mod not_run;
pub mod order_events;
#[cfg(unix)]
pub mod postgres;
#[cfg(unix)]
pub mod proxy;
pub mod random_seed;
pub mod receiver;
pub mod reported_restore;
pub mod scripted;
pub mod small_disk;
pub mod state_directory;
#[cfg(unix)]
pub mod stores;
pub mod test_process;
pub mod unsampled;
pub mod virtual_clock;
pub mod wait;
