//! A crate that depends on `koan-backup` under another name, and denies warnings and unsafe code in
//! expansions.

#![forbid(unsafe_code)]
#![deny(warnings)]

use kb::Entity;
use serde::{Deserialize, Serialize};

kb::entity_backup_scope!(crate = kb, mode = All);

/// A struct.
#[derive(Debug, Serialize, Deserialize, Entity)]
#[entity(crate = "kb")]
pub struct User {
    /// The key.
    pub id: i64,
    /// A field with custom serde functions.
    #[serde(with = "same")]
    pub name: String,
}

mod same {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(crate) fn serialize<S: Serializer>(text: &str, serializer: S) -> Result<S::Ok, S::Error> {
        text.serialize(serializer)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
        String::deserialize(deserializer)
    }
}

/// An enum.
#[derive(Debug, Serialize, Deserialize, Entity)]
#[serde(tag = "kind")]
#[entity(crate = "kb", key = "code")]
#[entity_backup(encrypt)]
pub enum Contact {
    /// A variant.
    Mail {
        /// The key.
        code: String,
    },
}

/// A generic type.
#[derive(Debug, Serialize, Deserialize)]
pub struct Page<T> {
    /// The key.
    pub id: i64,
    /// The items.
    pub items: Vec<T>,
}

/// A newtype.
#[derive(Debug, Serialize, Deserialize, Entity)]
#[serde(transparent)]
#[entity(crate = "kb", key = "id: i64")]
pub struct UserPage(pub Page<User>);

kb::register!(Page<Contact>, crate = "kb", name = "ContactPage", key = "id: i64");

#[cfg(test)]
mod tests {
    use super::{Contact, Page, User, UserPage};
    use kb::{Entity, entity::EntityDescriptor};

    #[test]
    fn entities_of_a_renamed_dependency_are_linked() {
        let entities: [&EntityDescriptor; 4] = [
            User::descriptor(),
            Contact::descriptor(),
            UserPage::descriptor(),
            Page::<Contact>::descriptor(),
        ];
        for entity in entities {
            assert!(
                kb::__private::ENTITIES.iter().any(|linked| std::ptr::eq(*linked, entity)),
                "the linker must collect {entity:?}"
            );
            assert_eq!(entity.crate_name(), "koan_backup_test_renamed");
        }
        assert_eq!(kb::__private::ENTITIES.len(), 4);
        assert_eq!(kb::__private::SCOPES.len(), 1);
    }

    #[test]
    fn the_key_of_a_renamed_dependency_is_that_of_the_record() {
        let user = User { id: 7, name: String::new() };
        let page = Page { id: user.key(), items: vec![user] };
        assert_eq!(UserPage(page).key(), 7);
        assert_eq!(Contact::Mail { code: "a".to_owned() }.key(), "a");
    }
}
