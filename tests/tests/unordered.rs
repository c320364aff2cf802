//! Collections that give their elements in another order each time are found when the application starts.

use std::collections::{BTreeSet, HashMap, HashSet};

use koan_backup::prelude::*;
use koan_backup::{Entity, ScopeDeclaration, ScopeMode};
use serde::{Deserialize, Serialize, Serializer};

static SCOPE: ScopeDeclaration = ScopeDeclaration {
    module_path: module_path!(),
    file: file!(),
    line: line!(),
    mode: ScopeMode::All,
    encrypt_by_default: None,
    include_schema_by_default: None,
};

/// The result of a start with one entity.
async fn start<T: Entity>() -> Result<Koan, Error> {
    let directory = tempfile::tempdir().expect("a directory");
    Koan::builder()
        .only_registered()
        .register_scope(&SCOPE)
        .register::<T>()
        .provider("main", Memory::new())
        .storage("local", Storage::local(directory.path()).expect("a directory"))
        .build()
        .await
}

async fn assert_refused<T: Entity>(place: &str) {
    let error = start::<T>().await.expect_err(place);
    assert_eq!(error.kind(), ErrorKind::Configuration);
    let text = error.chain();
    assert!(text.contains(&format!("`{place}`")) && text.contains("BTreeSet"), "{place}: {text}");
}

macro_rules! entities {
    ($($name:ident { $field:ident: $ty:ty } $place:literal)*) => {
        $(
            #[derive(Serialize, Deserialize, Entity)]
            struct $name {
                id: i64,
                $field: $ty,
            }
        )*

        #[tokio::test]
        async fn an_unordered_collection_fails_the_start_wherever_it_is() {
            $(assert_refused::<$name>(concat!(stringify!($name), ".", $place)).await;)*
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

/// Hides its collection from whoever looks at types.
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
        if text.contains('@') { Ok(Self(text)) } else { Err("no address".into()) }
    }
}

impl From<Address> for String {
    fn from(address: Address) -> Self {
        address.0
    }
}

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Loose {
    One(i64),
    Several(HashSet<String>),
}

entities! {
    Plain { tags: HashSet<String> } "tags"
    Numbers { tags: HashSet<i64> } "tags"
    Flags { tags: HashSet<bool> } "tags"
    Enums { tags: HashSet<Colour> } "tags"
    Pairs { tags: HashSet<(i64, String)> } "tags"
    Ids { tags: HashSet<uuid::Uuid> } "tags"
    Days { tags: HashSet<chrono::NaiveDate> } "tags"
    Moments { tags: HashSet<chrono::DateTime<chrono::Utc>> } "tags"
    Amounts { tags: HashSet<rust_decimal::Decimal> } "tags"
    Addresses { tags: HashSet<Address> } "tags"
    Maybe { tags: Option<HashSet<String>> } "tags"
    Boxed { tags: Box<HashSet<String>> } "tags"
    Listed { tags: Vec<HashSet<String>> } "tags[]"
    Mapped { tags: HashMap<String, HashSet<String>> } "tags.w01"
    Nested { inner: Inner } "inner.tags"
    NestedInList { inner: Vec<Inner> } "inner[].tags"
    Chosen { choice: Choice } "choice.Several.values"
    Grown { tree: Tree } "tree.children[].children[].marks"
    Through { tags: Transparent } "tags"
    Hidden { tags: Converted } "tags"
    Untagged { tags: Loose } "tags"
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

#[derive(Debug, PartialEq, Serialize, Deserialize, Entity)]
struct Remedied {
    id: i64,
    ordered: BTreeSet<String>,
    list: Vec<i64>,
    map: HashMap<String, i64>,
    #[serde(serialize_with = "sorted")]
    tags: HashSet<String>,
}

#[derive(Serialize, Deserialize, Entity)]
struct RemediedWithin {
    id: i64,
    inner: Vec<Sorted>,
}

#[tokio::test]
async fn ordered_and_sorted_collections_and_maps_are_accepted_and_come_back() {
    start::<RemediedWithin>().await.expect("a start");
    let koan = start::<Remedied>().await.expect("a start");
    assert!(koan.inventory().warnings.is_empty(), "{:?}", koan.inventory().warnings);
    let words = || (0..40).map(|number| format!("w{number}"));
    let record = |id| Remedied {
        id,
        ordered: words().collect(),
        list: vec![3, 1, 2],
        map: words().map(|word| (word, id)).collect(),
        tags: words().collect(),
    };
    koan.data::<Remedied>().upsert_many((0..20).map(record)).await.expect("written");
}

/// Accepts what no sample is.
#[derive(Serialize, Deserialize, PartialEq, Eq, Hash, Clone)]
#[serde(try_from = "String", into = "String")]
struct Password(String);

impl TryFrom<String> for Password {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        if text.starts_with("§§") { Ok(Self(text)) } else { Err("not one".into()) }
    }
}

impl From<Password> for String {
    fn from(password: Password) -> Self {
        password.0
    }
}

#[derive(Serialize, Deserialize, Entity)]
struct Guarded {
    id: i64,
    words: HashSet<Password>,
}

#[tokio::test]
async fn a_collection_that_cannot_be_tried_is_a_warning_and_the_backup_names_the_field() {
    let directory = tempfile::tempdir().expect("a directory");
    let koan = Koan::builder()
        .only_registered()
        .register_scope(&SCOPE)
        .register::<Guarded>()
        .provider("main", Memory::new())
        .storage("local", Storage::local(directory.path()).expect("a directory"))
        .build()
        .await
        .expect("a start");
    let warnings = koan.inventory().warnings.join("\n");
    assert!(warnings.contains("`Guarded.words` is a `HashSet`"), "{warnings}");
    let words = || (0..40).map(|number| Password(format!("§§{number}"))).collect();
    koan.data::<Guarded>().upsert_many([Guarded { id: 7, words: words() }]).await.expect("written");
    let error = koan.backup("nightly").await.expect_err("another order").chain();
    assert!(error.contains("Guarded `id=7`") && error.contains("field `words`"), "{error}");
    assert!(error.contains("HashSet") && !error.contains("§§"), "{error}");
}
