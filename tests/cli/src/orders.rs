//! A shop whose orders are event streams, and that has only the commands of koan-backup. The tests run it.

use std::path::PathBuf;
use std::process::ExitCode;

use koan_backup::EventFiles;
use koan_backup::prelude::*;
use serde::{Deserialize, Serialize};

/// An event of an order.
#[derive(Debug, Serialize, Deserialize, EventStream)]
#[event_stream(object = "order")]
#[entity_backup]
enum OrderEvent {
    Placed { total: u64 },
    Paid,
}

fn main() -> ExitCode {
    koan_backup::cli::run_with(open)
}

async fn open() -> Result<Koan, Error> {
    let root = std::env::var_os("SHOP_STORAGE").map(PathBuf::from).expect("SHOP_STORAGE is set");
    let mut builder = Koan::builder();
    if let Some(recipient) = std::env::var("SHOP_RECIPIENT").ok().filter(|recipient| !recipient.is_empty()) {
        builder = builder.encrypt_to(Recipients::keys([recipient])?);
    }
    let mut local = Storage::local(root.join("local"))?;
    if std::env::var_os("SHOP_ENCRYPT").is_some() {
        local = local.archive_encryption(ArchiveEncryption::Always);
    }
    if let Ok(identity) = std::env::var("SHOP_IDENTITY") {
        builder = builder.keys(Keys::text(identity));
    }
    builder
        .application("orders")
        .environment("test")
        .event_store(EventFiles::in_storage(Storage::local(root.join("events"))?))
        .storage(local)
        .named_storage("dr", Storage::local(root.join("dr"))?)
        .state_directory(root.join("state"))
        .without_background_tasks()
        .build()
        .await
}
