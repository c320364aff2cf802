//! Expansions contain no unsafe code, and cause no warning even if every lint is denied.

#![forbid(unsafe_code)]
#![deny(
    warnings,
    missing_docs,
    unused,
    unused_qualifications,
    unreachable_pub,
    rust_2018_idioms,
    single_use_lifetimes
)]
#![allow(unused_crate_dependencies, missing_debug_implementations)]

use koan_backup::{Entity, EventStream};
use serde::{Deserialize, Serialize};

koan_backup::entity_backup_scope!(mode = All);

/// Documented.
#[derive(Serialize, Deserialize, Entity)]
#[entity(name = "Person", table = "people", alias = "Human")]
#[entity_backup(encrypt)]
pub struct User {
    /// Documented.
    #[entity(key, column = "UserId")]
    pub id: i64,
    #[serde(with = "text", default)]
    age: u8,
    #[serde(flatten)]
    more: std::collections::BTreeMap<String, String>,
}

/// Documented.
#[derive(Serialize, Deserialize, Entity)]
#[allow(unused_qualifications)]
pub struct Qualified {
    /// Documented.
    pub id: std::primitive::i64,
}

mod text {
    pub(crate) fn serialize<S: serde::Serializer>(value: &u8, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(value)
    }

    pub(crate) fn deserialize<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<u8, D::Error> {
        <String as serde::Deserialize<'de>>::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

/// Documented.
#[derive(Serialize, Deserialize, Entity)]
#[serde(tag = "kind")]
pub enum Contact {
    /// Documented.
    Mail {
        /// Documented.
        id: i64,
        /// Documented.
        address: String,
    },
    /// Documented.
    Phone {
        /// Documented.
        id: i64,
        /// Documented.
        number: String,
    },
}

#[derive(Serialize, Deserialize)]
struct Page<T> {
    id: i64,
    items: Vec<T>,
}

#[derive(Serialize, Deserialize, Entity)]
#[serde(transparent)]
#[entity(key = "id: i64")]
struct UserPage(Page<User>);

koan_backup::register!(Page<u8>, name = "Bytes", key = "id: i64");

/// Documented.
#[deprecated]
#[derive(Serialize, Deserialize, Entity)]
struct Old {
    #[deprecated]
    id: i64,
}

/// Documented.
#[derive(Deserialize, EventStream)]
#[event_stream(object = "order")]
#[entity_backup(encrypt)]
pub enum OrderEvent {
    /// Documented.
    Placed,
}

#[test]
fn is_accepted() {
    let mail = Contact::Mail { id: 1, address: String::new() };
    let user = User { id: mail.key(), age: 1, more: Default::default() };
    let page = UserPage(Page { id: user.key(), items: vec![user] });
    assert_eq!(page.key(), 1);
    assert_eq!(Page::<u8> { id: 1, items: vec![] }.key(), 1);
    assert_eq!(koan_backup::__private::ENTITIES.len(), 6);
    assert_eq!(OrderEvent::descriptor().object(), koan_backup::__private::STREAMS[0].object());
}
