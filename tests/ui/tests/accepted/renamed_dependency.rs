//! The crate is used under another name, and through the re-export of a module.

extern crate koan_backup as kb;

pub(crate) mod platform {
    pub mod backup {
        pub use koan_backup::*;

        pub use koan_backup::__private;
    }
}

use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize, kb::Entity)]
#[entity(crate = "kb")]
struct User {
    id: i64,
    #[serde(with = "same")]
    name: String,
}

mod same {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub fn serialize<S: Serializer>(value: &str, serializer: S) -> Result<S::Ok, S::Error> {
        value.serialize(serializer)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
        String::deserialize(deserializer)
    }
}

mod nested {
    use super::platform::backup as koan;
    use serde::{Deserialize, Serialize};

    #[derive(Serialize, Deserialize, koan::Entity)]
    #[entity(crate = "crate::renamed_dependency::platform::backup")]
    pub struct Order {
        id: i64,
    }

    #[derive(Serialize, Deserialize, koan::Entity)]
    #[entity(crate = koan)]
    pub struct Line {
        id: i64,
    }
}

#[derive(Serialize, Deserialize)]
struct Registered {
    id: i64,
}

kb::register!(Registered, crate = "kb", key = "id: i64");
kb::entity_backup_scope!(crate = crate::renamed_dependency::platform::backup, mode = All);

#[test]
fn is_accepted() {
    use kb::Entity;
    let mut names = [
        User::descriptor().name(),
        nested::Order::descriptor().name(),
        nested::Line::descriptor().name(),
        Registered::descriptor().name(),
    ];
    names.sort_unstable();
    let mut linked: Vec<_> = crate::declared_in(module_path!()).map(|entity| entity.name()).collect();
    linked.sort_unstable();
    assert_eq!(names.as_slice(), linked);
    let scopes = kb::__private::SCOPES.iter().filter(|scope| scope.module_path == module_path!());
    assert_eq!(scopes.count(), 1);
}
