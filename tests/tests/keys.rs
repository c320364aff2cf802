//! Keys: which declarations are refused at startup, and keys within flattened structs on databases.

use std::collections::{BTreeMap, HashMap};

use koan_backup::prelude::*;
use koan_backup::{ErrorKind, register};
use koan_backup_tests::state_directory::state_directory;
use serde::{Deserialize, Serialize};

/// Starts a context with one entity, and returns the message of the error.
async fn refused<T: Entity>() -> String {
    let directory = tempfile::tempdir().expect("a directory");
    let started = Koan::builder()
        .state_directory(state_directory())
        .only_registered()
        .register::<T>()
        .provider(Memory::new())
        .storage(Storage::local(directory.path().join("backups")).expect("a directory"))
        .build()
        .await;
    let error = started.expect_err("the declaration is refused");
    assert_eq!(error.kind(), ErrorKind::Configuration, "{error:?}");
    error.to_string()
}

#[derive(Serialize, Deserialize, Clone)]
struct Ratio(f64);

#[derive(Serialize, Deserialize, Clone)]
struct Maybe(Option<i64>);

type Alias = Option<String>;

#[derive(Serialize, Deserialize, Clone)]
struct Attributes(BTreeMap<String, String>);

#[derive(Serialize, Deserialize, Clone)]
struct Empty(());

#[derive(Serialize, Deserialize, Clone)]
struct Marker;

macro_rules! keyed_by {
    ($($name:ident($key:ty)),* $(,)?) => {
        $(
            #[derive(Serialize, Deserialize, Entity)]
            struct $name {
                id: $key,
                text: String,
            }
        )*
    };
}

keyed_by!(ByRatio(Ratio), ByMaybe(Maybe), ByAlias(Alias), ByMap(Attributes), ByUnit(Empty), ByMarker(Marker));

#[derive(Serialize, Deserialize)]
struct Page<K> {
    id: K,
}

register!(Page<Ratio>, name = "PageByRatio", key = "id: Ratio");
register!(Page<Maybe>, name = "PageByMaybe", key = "id: Maybe");

#[tokio::test]
async fn the_start_refuses_keys_of_types_that_cannot_identify_a_record() {
    for (text, expected) in [
        (refused::<ByRatio>().await, "floating-point"),
        (refused::<ByMaybe>().await, "`null`"),
        (refused::<ByAlias>().await, "`null`"),
        (refused::<ByMap>().await, "a map"),
        (refused::<ByUnit>().await, "`null`"),
        (refused::<ByMarker>().await, "`null`"),
        (refused::<Page<Ratio>>().await, "floating-point"),
        (refused::<Page<Maybe>>().await, "`null`"),
    ] {
        assert!(text.contains("the key field `id`") && text.contains(expected), "{expected}: {text}");
        assert!(text.contains("choose another key"), "the remedy is missing: {text}");
    }
}

#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
struct Base {
    created: u32,
    id: i64,
}

#[derive(Serialize, Deserialize, Entity)]
#[entity(key = "base.number: i64")]
struct MissingWithin {
    #[serde(flatten)]
    base: Numbered,
}

#[derive(Serialize, Deserialize)]
struct Numbered {
    #[serde(rename = "no")]
    number: i64,
}

#[derive(Serialize, Deserialize, Entity)]
#[entity(key = "base.id: i64, base.created: u32")]
struct MisorderedWithin {
    #[serde(flatten)]
    base: Base,
}

#[derive(Serialize, Deserialize, Entity)]
#[serde(transparent)]
#[entity(key = "id: i64, created: u32")]
struct MisorderedNewtype(Base);

#[derive(Serialize, Deserialize, Entity)]
#[entity(key = "id, created")]
#[serde(from = "Base", into = "Base")]
#[derive(Clone)]
struct MisorderedConverted {
    id: i64,
    created: u32,
}

impl From<Base> for MisorderedConverted {
    fn from(Base { created, id }: Base) -> Self {
        Self { id, created }
    }
}

impl From<MisorderedConverted> for Base {
    fn from(MisorderedConverted { id, created }: MisorderedConverted) -> Self {
        Self { created, id }
    }
}

#[tokio::test]
async fn the_start_refuses_declared_keys_that_differ_from_the_deserialized_fields() {
    for text in [
        refused::<MissingWithin>().await,
        refused::<MisorderedWithin>().await,
        refused::<MisorderedNewtype>().await,
        refused::<MisorderedConverted>().await,
    ] {
        assert!(text.contains("in the order of these fields"), "{text}");
    }
}

#[derive(Serialize, Deserialize, Entity)]
struct DuplicateField {
    id: i64,
    #[serde(flatten)]
    base: Base,
}

#[derive(Serialize, Deserialize, Entity)]
#[serde(tag = "id")]
#[entity(key = "number")]
struct TagInFlattened {
    number: i64,
    #[serde(flatten)]
    base: Base,
}

#[derive(Serialize, Deserialize, Entity)]
#[serde(tag = "created")]
enum TagInVariant {
    First {
        id: i64,
    },
    Second {
        #[serde(flatten)]
        other: Created,
        id: i64,
    },
}

#[derive(Serialize, Deserialize)]
struct Created {
    created: u32,
}

#[tokio::test]
async fn the_start_refuses_two_fields_of_one_name() {
    for (text, name) in [
        (refused::<DuplicateField>().await, "id"),
        (refused::<TagInFlattened>().await, "id"),
        (refused::<TagInVariant>().await, "created"),
    ] {
        assert!(text.contains(&format!("two fields called `{name}`")), "{text}");
    }
}

#[derive(Serialize, Deserialize, Entity, Clone, Debug, PartialEq)]
#[entity(key = "base.id: i64")]
#[entity_backup]
struct Flat {
    name: String,
    #[serde(flatten)]
    base: Base,
}

#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
struct Outer {
    #[serde(flatten)]
    base: Base,
    #[serde(flatten)]
    rest: HashMap<String, String>,
}

/// Serde does not show the fields of a type with flattened fields, so the key is known only by its declaration.
#[derive(Serialize, Deserialize, Entity, Clone, Debug, PartialEq)]
#[serde(transparent)]
#[entity(key = "base.id: i64")]
#[entity_backup]
struct Wrapped(Outer);

#[derive(Serialize, Deserialize, Entity, Clone, Debug, PartialEq)]
#[entity(key = "tenant, outer.base.id: i64")]
#[entity_backup]
struct Deep {
    tenant: String,
    #[serde(flatten)]
    outer: Outer,
}

fn flat(id: i64) -> Flat {
    Flat { name: format!("record {id}"), base: Base { created: 7, id } }
}

fn outer(id: i64) -> Outer {
    Outer { base: Base { created: 7, id }, rest: HashMap::from([("colour".to_owned(), format!("no. {id}"))]) }
}

#[tokio::test]
async fn records_with_keys_in_flattened_structs_are_found_backed_up_and_restored() {
    let directory = tempfile::tempdir().expect("a directory");
    let database = rusqlite::Connection::open(directory.path().join("a.db")).expect("opened");
    database
        .execute_batch(
            "CREATE TABLE flat (id INTEGER PRIMARY KEY, created INTEGER NOT NULL, name TEXT NOT NULL);
             CREATE TABLE wrapped (id INTEGER PRIMARY KEY, created INTEGER NOT NULL, colour TEXT);
             CREATE TABLE deep (tenant TEXT, id INTEGER, created INTEGER, colour TEXT, PRIMARY KEY (tenant, id));",
        )
        .expect("created");
    drop(database);
    let koan = Koan::builder()
        .state_directory(state_directory())
        .only_registered()
        .register::<Flat>()
        .register::<Wrapped>()
        .register::<Deep>()
        .provider(Sqlite::open(directory.path().join("a.db")).expect("opened"))
        .storage(Storage::local(directory.path().join("backups")).expect("a directory"))
        .build()
        .await
        .expect("a context");
    let deep = |tenant: &str, id| Deep { tenant: tenant.to_owned(), outer: outer(id) };
    koan.data::<Flat>().upsert_many((1..=3).map(flat)).await.expect("written");
    koan.data::<Wrapped>().upsert_many((1..=3).map(|id| Wrapped(outer(id)))).await.expect("written");
    koan.data::<Deep>().upsert_many([deep("a", 1), deep("a", 2), deep("b", 1)]).await.expect("written");
    let _ = koan.backup("nightly").await.expect("a backup");

    koan.data::<Flat>().upsert_many([Flat { name: "changed".into(), ..flat(2) }]).await.expect("written");
    koan.data::<Wrapped>()
        .upsert_many([Wrapped(Outer { rest: HashMap::new(), ..outer(2) })])
        .await
        .expect("written");
    koan.data::<Deep>().upsert_many([deep("a", 1)]).await.expect("written");
    let report = koan.restore("nightly").await.expect("restored");
    assert_eq!(report.entities.iter().map(|entity| entity.counts.inserted).sum::<u64>(), 0, "{report:?}");
    assert_eq!(koan.data::<Flat>().get(&2).await.expect("read"), Some(flat(2)));
    assert_eq!(koan.data::<Wrapped>().get(&2).await.expect("read"), Some(Wrapped(outer(2))));
    let found = koan.data::<Deep>().get(&("b".to_owned(), 1)).await.expect("read");
    assert_eq!(found, Some(deep("b", 1)));
    assert_eq!(koan.data::<Deep>().get(&("b".to_owned(), 2)).await.expect("read"), None);
}

/// A context with one entity in memory.
async fn started<T: Entity>() -> Koan {
    Koan::builder()
        .state_directory(state_directory())
        .only_registered()
        .register::<T>()
        .provider(Memory::new())
        .storage(Storage::memory())
        .build()
        .await
        .expect("the declaration is accepted")
}

#[derive(Serialize, Deserialize, Entity, Clone, Debug, PartialEq)]
#[serde(tag = "kind")]
#[entity(key = "base.created: u32, base.id: i64")]
#[entity_backup]
enum InVariants {
    First {
        #[serde(flatten)]
        base: Base,
    },
    Second {
        name: String,
        #[serde(flatten)]
        base: Base,
    },
}

#[tokio::test]
async fn an_enum_has_its_key_in_a_flattened_field_of_each_variant() {
    let koan = started::<InVariants>().await;
    let base = |id| Base { created: 1, id };
    let records =
        [InVariants::First { base: base(1) }, InVariants::Second { name: "b".into(), base: base(2) }];
    koan.data::<InVariants>().upsert_many(records.clone()).await.expect("written");
    let _ = koan.backup("nightly").await.expect("a backup");
    koan.data::<InVariants>().clear().await.expect("cleared");
    let _ = koan.restore("nightly").await.expect("restored");
    assert_eq!(koan.data::<InVariants>().get(&(1, 2)).await.expect("read"), Some(records[1].clone()));
}

#[derive(Serialize, Deserialize, Entity, Clone, Debug, PartialEq)]
#[serde(tag = "kind")]
#[entity_backup]
enum FirstIsSkipped {
    #[serde(skip)]
    #[allow(dead_code)]
    Old {
        #[entity(key)]
        a: i64,
        #[entity(key)]
        b: i64,
    },
    New {
        #[entity(key)]
        b: i64,
        #[entity(key)]
        a: i64,
    },
}

#[tokio::test]
async fn the_order_of_a_key_is_that_of_the_first_variant_that_serde_writes() {
    let koan = started::<FirstIsSkipped>().await;
    let records = [FirstIsSkipped::New { b: 1, a: 2 }, FirstIsSkipped::New { b: 2, a: 1 }];
    koan.data::<FirstIsSkipped>().upsert_many(records.clone()).await.expect("written");
    assert_eq!(records[0].key(), (1, 2));
    let found = koan.data::<FirstIsSkipped>().get(&records[0].key()).await.expect("read");
    assert_eq!(found, Some(records[0].clone()));
}

#[derive(Serialize, Deserialize, Clone)]
struct Owner {
    id: u64,
}

#[derive(Serialize, Deserialize)]
struct Owned {
    id: u64,
    owner: Owner,
}

register!(Owned, key = "owner.id: u64");

#[derive(Serialize, Deserialize)]
struct Inner {
    id: u64,
    owner: Owner,
}

#[derive(Serialize, Deserialize, Entity)]
#[entity(key = "inner.owner.id: u64")]
struct OwnedWithin {
    #[serde(flatten)]
    inner: Inner,
}

#[tokio::test]
async fn the_start_refuses_a_key_in_a_struct_that_is_not_flattened() {
    for text in [refused::<Owned>().await, refused::<OwnedWithin>().await] {
        assert!(text.contains("within `owner`, which serde does not flatten"), "{text}");
    }
}

mod functions {
    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn zero_for_null<'de, D: Deserializer<'de>>(deserializer: D) -> Result<i64, D::Error> {
        Ok(Option::<i64>::deserialize(deserializer)?.unwrap_or_default())
    }

    pub(super) mod as_text {
        use super::{Deserialize as _, Deserializer, Serializer};

        pub(crate) fn serialize<S: Serializer>(value: &f64, serializer: S) -> Result<S::Ok, S::Error> {
            serializer.collect_str(value)
        }

        pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
            String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
        }
    }
}

#[derive(Serialize, Deserialize, Entity)]
struct ZeroForNull {
    #[serde(deserialize_with = "functions::zero_for_null")]
    id: i64,
}

#[derive(Serialize, Deserialize, Entity)]
struct FloatAsText {
    #[serde(with = "functions::as_text")]
    id: f64,
}

#[derive(Serialize, Deserialize, Clone)]
struct IndexMap(String);

#[derive(Serialize, Deserialize, Entity)]
struct KeyWithTheNameOfAMap {
    id: IndexMap,
}

#[derive(Serialize, Deserialize, Clone)]
struct Row {
    id: i64,
}

/// A key of the other type of a conversion; this one cannot be deserialized.
#[derive(Serialize, Clone)]
struct Unread(i64);

#[derive(Serialize, Deserialize, Clone, Entity)]
#[serde(from = "Row", into = "Row")]
struct ConvertedKey {
    id: Unread,
}

impl From<Row> for ConvertedKey {
    fn from(row: Row) -> Self {
        Self { id: Unread(row.id) }
    }
}

impl From<ConvertedKey> for Row {
    fn from(key: ConvertedKey) -> Self {
        Self { id: key.id.0 }
    }
}

#[derive(Serialize, Deserialize)]
struct Titled {
    #[serde(alias = "name")]
    title: String,
}

#[derive(Serialize, Deserialize, Entity)]
struct AliasInFlattened {
    name: String,
    id: i64,
    #[serde(flatten)]
    titled: Titled,
}

#[tokio::test]
async fn the_start_accepts_keys_that_are_always_written() {
    drop(started::<ZeroForNull>().await);
    drop(started::<FloatAsText>().await);
    drop(started::<KeyWithTheNameOfAMap>().await);
    drop(started::<ConvertedKey>().await);
    drop(started::<AliasInFlattened>().await);
}

/// Serde shows no fields of this type, so a key in a struct that is not flattened is found by the first record.
#[derive(Serialize, Deserialize, Clone)]
struct OpenOwned {
    owner: Owner,
    #[serde(flatten)]
    rest: HashMap<String, String>,
}

#[derive(Serialize, Deserialize, Entity, Clone)]
#[serde(transparent)]
#[entity(key = "owner.id: u64")]
#[entity_backup]
struct KeyOfNoField(OpenOwned);

/// A user's own storage with one record.
struct OneRecord;

#[async_trait::async_trait]
impl koan_backup::Repository<KeyOfNoField> for OneRecord {
    fn all(&self) -> futures::stream::BoxStream<'_, Result<KeyOfNoField, koan_backup::RepositoryError>> {
        let record = KeyOfNoField(OpenOwned { owner: Owner { id: 1 }, rest: HashMap::new() });
        Box::pin(futures::stream::iter([Ok(record)]))
    }

    async fn upsert_many(&self, _: Vec<KeyOfNoField>) -> Result<(), koan_backup::RepositoryError> {
        Ok(())
    }
}

#[tokio::test]
async fn a_backup_fails_if_a_record_has_no_field_with_the_name_of_the_key() {
    let koan = Koan::builder()
        .state_directory(state_directory())
        .only_registered()
        .register::<KeyOfNoField>()
        .provider(koan_backup::Repositories::new().with(OneRecord))
        .storage(Storage::memory())
        .build()
        .await
        .expect("a context");
    let error = koan.backup("nightly").await.expect_err("the record has no key");
    assert_eq!(error.kind(), ErrorKind::Record, "{error:?}");
    assert!(error.chain().contains("field `id`: is declared as the key"), "{}", error.chain());
}
