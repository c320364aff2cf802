//! The stored files: their paths, their content, and their description.

use std::io::Read as _;
use std::time::Duration;

use flate2::read::GzDecoder;
use koan_backup::prelude::*;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::shop::{FULL, PLAIN, Shop};

#[tokio::test]
async fn the_content_is_one_json_document_with_everything_and_the_meta_has_the_hash_of_the_file() {
    let shop = Shop::new();
    let orders = shop.koan().await.streams("order").expect("declared");
    let handle = orders
        .backup(FULL)
        .full()
        .expires_after(Duration::from_secs(86_400))
        .description("before migration")
        .metadata("operator", "admin")
        .tag("pre-migration")
        .await
        .expect("the backup is made");
    assert_eq!(handle.location, format!("streams/order/{FULL}/{}.json.gz", handle.id));
    let stored = std::fs::read(shop.root().join(&handle.location)).expect("the file exists");
    let hash: String = Sha256::digest(&stored).iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!((handle.checksum, handle.size_bytes), (format!("sha256:{hash}"), stored.len() as u64));
    let mut text = String::new();
    GzDecoder::new(stored.as_slice()).read_to_string(&mut text).expect("the file is gzip");
    let content: Value = serde_json::from_str(&text).expect("the content is JSON");
    assert_eq!(content["objectId"], FULL);
    assert_eq!(
        (content["objectName"].as_str(), content["backupId"].as_str()),
        (Some("order"), Some(&*handle.id.to_string()))
    );
    assert_eq!((content["streamVersion"].as_u64(), content["eventCount"].as_u64()), (Some(4), Some(5)));
    let first = &content["events"][0];
    for (field, value) in [
        ("type", "Shipped"),
        ("schemaVersion", "1.0"),
        ("externalSequencer", "7"),
        ("action", "test"),
        ("timestamp", "2026-07-01T12:00:00.123456Z"),
    ] {
        assert_eq!(first[field], value, "{first}");
    }
    assert_eq!(
        (&first["metadata"], &first["payload"]["Shipped"]["to"]),
        (&serde_json::json!(["operator", "admin"]), &Value::from("0"))
    );
    assert!(first.get("objectId").is_none() && first.get("streamId").is_none(), "they follow from the place");
    assert_eq!(content["snapshots"].as_array().map(Vec::len), Some(2));
    let terminated = &content["terminatedStreams"][0];
    assert_eq!(
        (terminated["streamId"].as_str(), terminated["events"].as_array().map(Vec::len)),
        (Some(FULL), Some(2))
    );
    assert_eq!(
        (terminated["reason"].as_str(), terminated["continuedBy"].as_str()),
        (Some("moved"), Some("continued"))
    );
    assert_eq!(content["document"]["chunks"].as_array().map(Vec::len), Some(3));

    let meta = shop.root().join(format!("streams/order/{FULL}/{}.meta", handle.id));
    let meta: Value = serde_json::from_slice(&std::fs::read(meta).expect("the file exists")).expect("JSON");
    for (field, value) in [
        ("objectId", FULL),
        ("description", "before migration"),
        ("expiresAt", "2026-07-02T12:00:00Z"),
        ("path", handle.location.as_str()),
        ("compression", "gzip"),
    ] {
        assert_eq!(meta[field], value, "{meta}");
    }
    assert_eq!(
        (&meta["metadata"]["operator"], &meta["tags"][0]),
        (&Value::from("admin"), &Value::from("pre-migration"))
    );
    assert_eq!(
        (meta["formatVersion"].as_u64(), &meta["producer"]["name"]),
        (Some(1), &Value::from("koan-backup"))
    );
}

#[tokio::test]
async fn ids_are_percent_encoded_and_a_folder_contains_only_the_content() {
    let shop = Shop::new();
    let koan = shop.koan().await;
    let orders = koan.streams("order").expect("declared");
    let handle = orders.backup(PLAIN).folder("eu").without_compression().await.expect("the backup is made");
    assert_eq!(handle.location, format!("eu/streams/order/Order%202%2Fb/{}.json", handle.id));
    assert!(shop.root().join(format!("streams/order/Order%202%2Fb/{}.meta", handle.id)).is_file());
    let text = std::fs::read_to_string(shop.root().join(&handle.location)).expect("the file is text");
    let content: Value = serde_json::from_str(&text).expect("the content is JSON");
    assert_eq!(content["events"][1]["payloadText"], "{ \"Placed\" :\n {\"total\": 20}}", "the exact text");
    assert_eq!(koan.stream_backup(handle.id).await.expect("it is found"), handle);
    koan.verify_stream_backup(handle.id).await.expect("it is read").require_valid().expect("it is valid");
    for folder in ["../x", "archives", "a/../b", ""] {
        let error = orders.backup(PLAIN).folder(folder).await.expect_err(folder);
        assert_eq!(error.kind(), ErrorKind::Configuration);
    }
}

#[tokio::test]
async fn a_backup_goes_into_the_selected_profile_and_is_found_there() {
    let shop = Shop::new();
    let builder = shop.builder().storage(Storage::memory()).named_storage("dr", shop.storage());
    let koan = builder.event_store(shop.events.clone()).build().await.expect("a context");
    let orders = koan.streams("order").expect("declared");
    let handle = orders.backup(PLAIN).to_profile("dr").await.expect("the backup is made");
    assert_eq!(handle.profile, "dr");
    assert_eq!(shop.files(".meta").len(), 1);
    assert_eq!(koan.stream_backup(handle.id).await.expect_err("another profile").kind(), ErrorKind::NotFound);
    assert_eq!(koan.stream_backup(handle.id).from_profile("dr").await.expect("found"), handle);
    let report = orders.restore(&handle).on_conflict(koan_backup::ConflictMode::Overwrite).await;
    assert_eq!(report.expect("the handle names its profile").events, 2);
    let error = orders.backup(PLAIN).to_profile("drr").await.expect_err("no such profile");
    assert_eq!(error.kind(), ErrorKind::NotFound);
}
