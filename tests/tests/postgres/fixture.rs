//! Contexts and queries that the modules of this suite share.

use futures::TryStreamExt as _;
use koan_backup::prelude::*;
use koan_backup::{KoanBuilder, archive::Manifest};
use koan_backup_tests::postgres::Server;

/// Creates a context for the database `test` of a server, with the entities that `entities` registers.
pub(super) async fn koan(server: &Server, entities: impl FnOnce(KoanBuilder) -> KoanBuilder) -> Koan {
    koan_of(Postgres::connect(server.address()).expect("an address"), entities).await
}

/// Creates a context for a database.
pub(super) async fn koan_of(database: Postgres, entities: impl FnOnce(KoanBuilder) -> KoanBuilder) -> Koan {
    let builder = Koan::builder().only_registered().provider(database);
    entities(builder.storage(Storage::memory())).build().await.expect("a context")
}

/// Reads all records of an entity.
pub(super) async fn all<T: Entity>(koan: &Koan) -> Vec<T> {
    koan.data::<T>().all_stream().try_collect().await.expect("records")
}

/// Returns the error of a read of all records of an entity.
pub(super) async fn read_error<T: Entity>(koan: &Koan) -> String {
    match koan.data::<T>().all_stream().try_collect::<Vec<T>>().await {
        Ok(records) => panic!("the read must fail, but {} records were read", records.len()),
        Err(error) => error.chain(),
    }
}

/// Returns the record-set hash of each entity.
pub(super) fn hashes(manifest: &Manifest) -> Vec<(String, String)> {
    let hash = |entity: &koan_backup::archive::EntityManifest| {
        (entity.entity.clone(), serde_json::to_string(&entity.record_set_hash).expect("a hash"))
    };
    manifest.entities.iter().map(hash).collect()
}
