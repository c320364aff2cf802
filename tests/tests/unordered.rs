//! Collections whose order of elements varies are detected when the application starts.

use std::collections::{BTreeSet, HashMap, HashSet};

use koan_backup::prelude::*;
use koan_backup::{
    Entity,
    entity::{ScopeDeclaration, ScopeMode},
};
use koan_backup_tests::unsampled::Unsampled;
use serde::{Deserialize, Serialize, Serializer};

static SCOPE: ScopeDeclaration = ScopeDeclaration {
    module_path: module_path!(),
    file: file!(),
    line: line!(),
    mode: ScopeMode::All,
    encrypt_by_default: None,
    include_schema_by_default: None,
};

/// Starts a context with one entity, and returns the context or the error.
async fn start<T: Entity>() -> Result<Koan, Error> {
    let directory = tempfile::tempdir().expect("a directory");
    Koan::builder()
        .only_registered()
        .register_scope(&SCOPE)
        .register::<T>()
        .provider(Memory::new())
        .storage(Storage::local(directory.path()).expect("a directory"))
        .build()
        .await
}

/// Asserts that `build` fails because of the field `field_path`.
async fn assert_refused<T: Entity>(field_path: &str) {
    assert_eq!(unexpected_result::<T>(field_path).await, None);
}

/// Returns `None` if `build` fails because of the field `field_path`. Otherwise returns the warnings or the
/// error of `build`.
async fn unexpected_result<T: Entity>(field_path: &str) -> Option<String> {
    let error = match start::<T>().await {
        Ok(koan) => return Some(format!("{field_path}: {:?}", koan.inventory().warnings)),
        Err(error) => error,
    };
    assert_eq!(error.kind(), ErrorKind::Configuration);
    let text = error.chain();
    let is_named = text.contains(&format!("`{field_path}`")) && text.contains("BTreeSet");
    (!is_named).then(|| format!("{field_path}: {text}"))
}

macro_rules! entities {
    ($($name:ident { $field:ident: $ty:ty } $field_path:literal)*) => {
        $(
            #[derive(Serialize, Deserialize, Entity)]
            struct $name {
                id: i64,
                $field: $ty,
            }
        )*

        #[tokio::test]
        async fn an_unordered_collection_at_any_position_fails_the_start() {
            let mut found = Vec::new();
            $(found.push(unexpected_result::<$name>(concat!(stringify!($name), ".", $field_path)).await);)*
            let found: Vec<String> = found.into_iter().flatten().collect();
            assert!(found.is_empty(), "{}", found.join("\n"));
        }
    };
}

#[derive(Serialize, Deserialize, PartialEq, Eq, Hash, Clone)]
enum Colour {
    Red,
    Green,
}

#[derive(Serialize, Deserialize)]
enum Choice {
    Nothing,
    One(i64),
    Several { values: HashSet<i64> },
}

#[derive(Serialize, Deserialize)]
struct Inner {
    name: String,
    tags: HashSet<String>,
}

#[derive(Serialize, Deserialize)]
struct Tree {
    marks: HashSet<u8>,
    children: Vec<Tree>,
}

#[derive(Serialize, Deserialize)]
#[serde(transparent)]
struct Transparent(HashSet<String>);

/// A collection that is converted to a list, so that the type that serde sees does not show the collection.
#[derive(Serialize, Deserialize, Clone)]
#[serde(from = "Vec<String>", into = "Vec<String>")]
struct Converted(HashSet<String>);

impl From<Vec<String>> for Converted {
    fn from(all: Vec<String>) -> Self {
        Self(all.into_iter().collect())
    }
}

impl From<Converted> for Vec<String> {
    fn from(all: Converted) -> Self {
        all.0.into_iter().collect()
    }
}

#[derive(Serialize, Deserialize, PartialEq, Eq, Hash, Clone)]
#[serde(try_from = "String", into = "String")]
struct Address(String);

impl TryFrom<String> for Address {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        if text.contains('@') { Ok(Self(text)) } else { Err("not an address".into()) }
    }
}

impl From<Address> for String {
    fn from(address: Address) -> Self {
        address.0
    }
}

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum UntaggedEnum {
    One(i64),
    Several(HashSet<String>),
}

/// An enum that serde reads into a buffer, without requesting its fields.
#[derive(Serialize, Deserialize)]
#[serde(tag = "kind")]
enum Tagged {
    Empty,
    Point { x: i64, y: Option<f64> },
    Labelled { title: String, tags: HashSet<String> },
}

#[derive(Serialize, Deserialize)]
#[serde(tag = "kind", content = "value")]
enum Adjacent {
    Number(i64),
    Several(HashSet<i64>),
}

#[derive(Serialize, Deserialize)]
#[serde(tag = "kind")]
enum TaggedOptional {
    One {
        id: u8,
    },
    Some {
        note: Option<String>,
        marks: Option<HashSet<u16>>,
        #[serde(default)]
        rest: Vec<i64>,
    },
}

#[derive(Serialize, Deserialize)]
struct Base {
    name: String,
    size: f64,
    tags: HashSet<String>,
}

#[derive(Serialize, Deserialize)]
struct WithFlat {
    id: i64,
    #[serde(flatten)]
    base: Base,
}

#[derive(Serialize, Deserialize)]
struct WithFlatOptional {
    id: i64,
    #[serde(flatten)]
    base: Optional,
}

#[derive(Serialize, Deserialize)]
struct Optional {
    label: Option<String>,
    #[serde(default)]
    tags: HashSet<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(tag = "kind")]
struct TaggedStruct {
    name: String,
    tags: HashSet<String>,
}

#[derive(Serialize, Deserialize)]
struct WithFlatMap {
    id: i64,
    #[serde(flatten)]
    rest: HashMap<String, HashSet<String>>,
}

/// An enum that omits the collection if it is empty.
#[derive(Serialize, Deserialize)]
#[serde(tag = "kind")]
enum TaggedSkipped {
    One {
        id: u8,
    },
    Some {
        id: u8,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        marks: Option<HashSet<u16>>,
        last: chrono::NaiveDate,
    },
}

#[derive(Serialize, Deserialize)]
#[serde(tag = "kind")]
struct TaggedSkippedStruct {
    #[serde(default, skip_serializing_if = "HashSet::is_empty")]
    marks: HashSet<String>,
}

#[derive(Serialize, Deserialize)]
struct Skipped {
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    marks: Option<HashSet<u16>>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Strict {
    name: String,
    tags: HashSet<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(tag = "kind")]
enum TaggedWith<T> {
    Nothing,
    Holding { name: String, all: T, last: bool },
}

#[derive(Serialize, Deserialize)]
#[serde(tag = "kind", content = "value")]
enum AdjacentWith<T> {
    Nothing,
    Holding(T),
}

#[derive(Serialize, Deserialize)]
struct FlatWith<T> {
    id: i64,
    #[serde(flatten)]
    rest: Holding<T>,
}

#[derive(Serialize, Deserialize)]
struct Holding<T> {
    name: String,
    all: T,
}

#[derive(Serialize, Deserialize)]
enum Outer {
    First,
    Second(i64, Middle),
}

#[derive(Serialize, Deserialize)]
enum Middle {
    First { values: BTreeSet<i64> },
    Second { values: HashSet<i64> },
}

#[derive(Serialize, Deserialize)]
struct FlatSkipped {
    id: i64,
    #[serde(flatten)]
    choice: TaggedWith<Skipped>,
}

entities! {
    InTaggedSkipped { choice: TaggedSkipped } "choice.marks"
    InTaggedSkippedList { choices: Vec<TaggedSkipped> } "choices[].marks"
    InTaggedSkippedStruct { inner: TaggedSkippedStruct } "inner.marks"
    SkippedInTagged { choice: TaggedWith<Skipped> } "choice.all.marks"
    SkippedInFlat { inner: FlatWith<Skipped> } "inner.all.marks"
    SkippedInBoth { inner: FlatSkipped } "inner.all.marks"
    MapsInTagged { choice: TaggedWith<Vec<HashMap<String, HashSet<i64>>>> } "choice.all[].w01"
    MapsInFlat { inner: FlatWith<Vec<HashMap<String, HashSet<String>>>> } "inner.all[].w01"
    MapsInAdjacent { choice: AdjacentWith<Vec<HashMap<String, HashSet<String>>>> } "choice.value[].w01"
    MapInTagged { choice: TaggedWith<Option<HashMap<String, HashSet<String>>>> } "choice.all.w01"
    ListsInTagged { choice: TaggedWith<Vec<Vec<HashSet<chrono::NaiveDate>>>> } "choice.all[][]"
    StructInTagged { choice: TaggedWith<Inner> } "choice.all.tags"
    StructsInTagged { choice: Vec<TaggedWith<Vec<Inner>>> } "choice[].all[].tags"
    StrictInTagged { choice: TaggedWith<Vec<Strict>> } "choice.all[].tags"
    StructsInMapsInFlat { inner: FlatWith<HashMap<String, Vec<Inner>>> } "inner.all.name[].tags"
    StructsInOptionsInFlat { inner: FlatWith<Option<Vec<Option<Inner>>>> } "inner.all[].tags"
    EnumsInTagged { choice: TaggedWith<Vec<Choice>> } "choice.all[].Several.values"
    TaggedInTagged { choice: TaggedWith<Vec<Tagged>> } "choice.all[].tags"
    EnumsInEnums { choice: Outer } "choice.Second[].Second.values"
    OptionalInTagged { choice: TaggedWith<Option<Vec<Tagged>>> } "choice.all[].tags"
    FlatInTagged { choice: TaggedWith<WithFlat> } "choice.all.tags"
    SetOfListsInTagged { choice: TaggedWith<HashSet<Vec<String>>> } "choice.all"
    SetOfStructsInTagged { choice: TaggedWith<HashSet<Address>> } "choice.all"
    InFlatMap { inner: WithFlatMap } "inner.w02"
    InTagged { choice: Tagged } "choice.tags"
    InTaggedList { choice: Vec<Tagged> } "choice[].tags"
    InTaggedOption { choice: Option<Box<Tagged>> } "choice.tags"
    InAdjacent { choice: Adjacent } "choice.value"
    InTaggedOptional { choice: TaggedOptional } "choice.marks"
    InFlat { inner: WithFlat } "inner.tags"
    InFlatList { inner: Vec<WithFlat> } "inner[].tags"
    InFlatOptional { inner: WithFlatOptional } "inner.tags"
    InTaggedStruct { inner: TaggedStruct } "inner.tags"
    Texts { tags: HashSet<String> } "tags"
    Numbers { tags: HashSet<i64> } "tags"
    Flags { tags: HashSet<bool> } "tags"
    Enums { tags: HashSet<Colour> } "tags"
    Pairs { tags: HashSet<(i64, String)> } "tags"
    Ids { tags: HashSet<uuid::Uuid> } "tags"
    Days { tags: HashSet<chrono::NaiveDate> } "tags"
    Instants { tags: HashSet<chrono::DateTime<chrono::Utc>> } "tags"
    Amounts { tags: HashSet<rust_decimal::Decimal> } "tags"
    Addresses { tags: HashSet<Address> } "tags"
    InOption { tags: Option<HashSet<String>> } "tags"
    InBox { tags: Box<HashSet<String>> } "tags"
    InList { tags: Vec<HashSet<String>> } "tags[]"
    InMap { tags: HashMap<String, HashSet<String>> } "tags.w01"
    InStruct { inner: Inner } "inner.tags"
    InStructs { inner: Vec<Inner> } "inner[].tags"
    InEnum { choice: Choice } "choice.Several.values"
    Recursive { tree: Tree } "tree.children[].children[].marks"
    InTransparent { tags: Transparent } "tags"
    InConverted { tags: Converted } "tags"
    InUntagged { tags: UntaggedEnum } "tags"
}

/// Serializes and deserializes the elements in the order in which the set iterates over them.
mod in_iteration_order {
    use std::collections::HashSet;

    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(all: &HashSet<String>, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(all.iter().map(|tag| tag.to_uppercase()))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<HashSet<String>, D::Error> {
        Ok(Vec::<String>::deserialize(deserializer)?.into_iter().map(|tag| tag.to_lowercase()).collect())
    }
}

#[derive(Serialize, Deserialize, Entity)]
struct WithFunctions {
    id: i64,
    #[serde(with = "in_iteration_order")]
    tags: HashSet<String>,
}

fn serialize_as_list<S: Serializer>(all: &HashMap<String, i64>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(all)
}

fn deserialize_from_list<'de, D: serde::Deserializer<'de>>(
    deserializer: D,
) -> Result<HashMap<String, i64>, D::Error> {
    Ok(Vec::<(String, i64)>::deserialize(deserializer)?.into_iter().collect())
}

#[derive(Serialize, Deserialize, Entity)]
struct Listing {
    id: i64,
    #[serde(serialize_with = "serialize_as_list", deserialize_with = "deserialize_from_list")]
    numbers: HashMap<String, i64>,
}

#[derive(Serialize, Deserialize, Entity)]
struct ReadOnly {
    id: i64,
    #[serde(deserialize_with = "in_iteration_order::deserialize")]
    tags: HashSet<String>,
}

/// An entity with the collection in a field of a variant.
#[derive(Serialize, Deserialize, Entity)]
#[serde(tag = "kind")]
enum Document {
    Letter {
        id: i64,
    },
    Report {
        id: i64,
        #[serde(with = "in_iteration_order")]
        tags: HashSet<String>,
    },
}

#[tokio::test]
async fn an_unordered_collection_that_functions_read_and_write_fails_the_start() {
    assert_refused::<WithFunctions>("WithFunctions.tags").await;
    assert_refused::<Listing>("Listing.numbers").await;
    assert_refused::<ReadOnly>("ReadOnly.tags").await;
    assert_refused::<Document>("Document.tags").await;
}

#[derive(Serialize, Deserialize, Entity)]
struct Flat {
    id: i64,
    #[serde(flatten)]
    inner: Inner,
}

#[tokio::test]
async fn an_unordered_collection_in_a_flattened_field_fails_the_start() {
    assert_refused::<Flat>("Flat.tags").await;
}

fn sorted<S: Serializer>(all: &HashSet<String>, serializer: S) -> Result<S::Ok, S::Error> {
    all.iter().collect::<BTreeSet<_>>().serialize(serializer)
}

#[derive(Serialize, Deserialize)]
struct Sorted {
    #[serde(serialize_with = "sorted")]
    tags: HashSet<String>,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind")]
enum TaggedSorted {
    None,
    Some {
        at: chrono::NaiveDate,
        #[serde(serialize_with = "sorted")]
        tags: HashSet<String>,
        price: rust_decimal::Decimal,
    },
}

#[derive(Serialize, Deserialize, Entity)]
struct OrderedTagged {
    id: i64,
    maps: TaggedWith<Vec<HashMap<String, BTreeSet<i64>>>>,
    skipped: TaggedWith<Vec<SortedSkipped>>,
    flat: FlatWith<Option<HashMap<String, Vec<chrono::NaiveDate>>>>,
}

#[derive(Serialize, Deserialize)]
struct SortedSkipped {
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<BTreeSet<String>>,
    #[serde(default, skip_serializing_if = "HashSet::is_empty", serialize_with = "sorted")]
    tags: HashSet<String>,
}

#[derive(Debug, PartialEq, Serialize, Deserialize, Entity)]
struct Ordered {
    id: i64,
    ordered: BTreeSet<String>,
    list: Vec<i64>,
    map: HashMap<String, i64>,
    #[serde(serialize_with = "sorted")]
    tags: HashSet<String>,
    tagged: Vec<TaggedSorted>,
    any: serde_json::Value,
}

#[derive(Serialize, Deserialize, Entity)]
struct OrderedNested {
    id: i64,
    inner: Vec<Sorted>,
}

#[tokio::test]
async fn ordered_and_sorted_collections_and_maps_are_accepted() {
    start::<OrderedNested>().await.expect("a context");
    let koan = start::<OrderedTagged>().await.expect("a context");
    assert!(koan.inventory().warnings.is_empty(), "{:?}", koan.inventory().warnings);
    let koan = start::<Ordered>().await.expect("a context");
    assert!(koan.inventory().warnings.is_empty(), "{:?}", koan.inventory().warnings);
    let words = || (0..40).map(|number| format!("w{number}"));
    let record = |id| Ordered {
        id,
        ordered: words().collect(),
        list: vec![3, 1, 2],
        map: words().map(|word| (word, id)).collect(),
        tags: words().collect(),
        tagged: vec![TaggedSorted::None],
        any: serde_json::Value::Null,
    };
    koan.data::<Ordered>().upsert_many((0..20).map(record)).await.expect("written");
}

#[derive(Serialize, Deserialize, Entity)]
struct WithUnsampled {
    id: i64,
    words: HashSet<Unsampled>,
}

/// A variant with a field that accepts no sample value.
#[derive(Serialize, Deserialize)]
#[serde(tag = "kind")]
enum UnsampledVariant {
    One { password: Unsampled, words: HashSet<i64> },
}

#[derive(Serialize, Deserialize, Entity)]
struct WithUnsampledVariant {
    id: i64,
    choice: UnsampledVariant,
}

#[tokio::test]
async fn a_buffered_type_without_a_sample_value_is_reported_as_a_warning() {
    let koan = start::<WithUnsampledVariant>().await.expect("a context");
    let warnings = koan.inventory().warnings.join("\n");
    assert!(
        warnings.contains("`WithUnsampledVariant.choice`") && warnings.contains("could not be tested"),
        "{warnings}"
    );
}

#[tokio::test]
async fn a_collection_without_sample_values_is_reported_as_a_warning_and_the_backup_error_names_the_field() {
    let directory = tempfile::tempdir().expect("a directory");
    let koan = Koan::builder()
        .only_registered()
        .register_scope(&SCOPE)
        .register::<WithUnsampled>()
        .provider(Memory::new())
        .storage(Storage::local(directory.path()).expect("a directory"))
        .build()
        .await
        .expect("a context");
    let warnings = koan.inventory().warnings.join("\n");
    assert!(warnings.contains("`WithUnsampled.words` is a `HashSet`"), "{warnings}");
    let words = || (0..40).map(Unsampled::numbered).collect();
    koan.data::<WithUnsampled>()
        .upsert_many([WithUnsampled { id: 7, words: words() }])
        .await
        .expect("written");
    let error = koan.backup("nightly").await.expect_err("the order of the collection differs").chain();
    assert!(error.contains("WithUnsampled `id=7`") && error.contains("field `words`"), "{error}");
    assert!(error.contains("HashSet") && !error.contains("§§"), "{error}");
}
