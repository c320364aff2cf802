//! Tables and columns without a declaration are reported when the application starts.

use std::path::{Path, PathBuf};

use koan_backup::prelude::*;
use koan_backup::{
    KoanBuilder,
    entity::{ScopeDeclaration, ScopeMode},
};
use koan_backup_examples::chinook::{
    Album, Artist, Customer, Employee, Genre, Invoice, InvoiceLine, MediaType, Playlist, PlaylistTrack, Track,
};
use serde::{Deserialize, Serialize};

/// The scope of the crate of the example. It includes all entities of that crate.
static SCOPE: ScopeDeclaration = ScopeDeclaration {
    module_path: "koan_backup_examples",
    file: file!(),
    line: line!(),
    mode: ScopeMode::All,
    encrypt_by_default: None,
    include_schema_by_default: None,
};

/// Returns the path of the published database.
fn chinook() -> PathBuf {
    let data = std::env::var_os("KOAN_TEST_DATA")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data"), PathBuf::from);
    data.join("Chinook_Sqlite.sqlite")
}

/// Creates a builder with ten of the eleven entities, for a copy of Chinook in `folder`.
fn ten_entities(folder: &Path) -> KoanBuilder {
    let database = folder.join("chinook.db");
    std::fs::write(&database, std::fs::read(chinook()).expect("the test data exists"))
        .expect("the database is copied");
    Koan::builder()
        .provider(Sqlite::open(&database).expect("the database can be opened"))
        .named_storage("memory", Storage::memory())
        .only_registered()
        .register_scope(&SCOPE)
        .register::<Album>()
        .register::<Artist>()
        .register::<Customer>()
        .register::<Employee>()
        .register::<Genre>()
        .register::<Invoice>()
        .register::<InvoiceLine>()
        .register::<MediaType>()
        .register::<Playlist>()
        .register::<PlaylistTrack>()
}

#[tokio::test]
async fn a_table_without_an_entity_is_reported_as_a_warning() {
    let folder = tempfile::tempdir().expect("a temporary folder is created");
    let koan = ten_entities(folder.path()).build().await.expect("a warning does not make `build` fail");
    assert_eq!(koan.inventory().warnings, ["table `Track` of `main` belongs to no entity"]);
    assert!(!koan.inventory().is_covered());
    assert_eq!(koan.inventory().included.len(), 10);
}

#[tokio::test]
async fn a_table_without_an_entity_fails_the_start_with_deny_uncovered() {
    let folder = tempfile::tempdir().expect("a temporary folder is created");
    let error =
        ten_entities(folder.path()).deny_uncovered().build().await.expect_err("Track is in no entity");
    assert_eq!(error.kind(), ErrorKind::Inventory);
    assert!(error.to_string().contains("table `Track` of `main` belongs to no entity"), "{error}");
}

/// An entity of tracks without the field of the composer.
#[derive(Serialize, Deserialize, Entity)]
#[entity(name = "Track", key = "track_id")]
#[entity_backup]
struct TrackWithoutComposer {
    track_id: i64,
    name: String,
    album_id: Option<i64>,
    media_type_id: i64,
    genre_id: Option<i64>,
    milliseconds: i64,
    bytes: Option<i64>,
    unit_price: rust_decimal::Decimal,
}

#[tokio::test]
async fn a_column_without_a_field_is_reported_as_a_warning() {
    let folder = tempfile::tempdir().expect("a temporary folder is created");
    let koan = ten_entities(folder.path())
        .register::<TrackWithoutComposer>()
        .build()
        .await
        .expect("a warning does not make `build` fail");
    assert_eq!(koan.inventory().warnings, ["column `Composer` of `main.Track` has no field in Track"]);
}

#[tokio::test]
async fn all_eleven_entities_cover_the_database() {
    let folder = tempfile::tempdir().expect("a temporary folder is created");
    let koan = ten_entities(folder.path())
        .register::<Track>()
        .deny_uncovered()
        .build()
        .await
        .expect("every table has an entity");
    koan.inventory().assert_covered();
    assert_eq!(koan.inventory().included.len(), 11);
}
