//! Entities that are registered because their types cannot derive `Entity`.

use koan_backup::{Entity, entity::PolicyDeclaration, register};
use serde::{Deserialize, Serialize};

mod models {
    use serde::{Deserialize, Serialize};

    #[derive(Serialize, Deserialize)]
    pub struct Page<T> {
        pub id: u64,
        pub no: i32,
        pub items: Vec<T>,
    }
}

#[derive(Serialize, Deserialize)]
struct Plain {
    r#type: String,
}

koan_backup::register! {
    models::Page<(u8, Option<String>)>,
    name = "UserPage",
    table = "user_pages",
    provider = "cache",
    alias = "OldPage",
    alias("Older", "Oldest"),
    key = "id: u64, no: i32",
    backup(encrypt, include_schema = false),
}

register!(Plain, key = "type: String", backup);
register!(models::Page<u8>, name = "Unmarked", key = "id: u64");

#[test]
fn is_accepted() {
    let page = models::Page::<(u8, Option<String>)> { id: 1, no: 2, items: vec![] };
    assert_eq!(page.key(), (1, 2));
    let descriptor = <models::Page<(u8, Option<String>)>>::descriptor();
    assert_eq!(descriptor.name(), "UserPage");
    assert_eq!(descriptor.table(), Some("user_pages"));
    assert_eq!(descriptor.provider(), Some("cache"));
    assert_eq!(descriptor.aliases(), ["OldPage", "Older", "Oldest"]);
    assert_eq!(descriptor.key_type(), "(u64, i32)");
    assert!(
        descriptor.type_path().ends_with("::models::Page<(u8, Option<String>)>"),
        "{}",
        descriptor.type_path()
    );
    assert_eq!(
        descriptor.policy(),
        Some(PolicyDeclaration { encrypt: Some(true), include_schema: Some(false), ..Default::default() })
    );
    let schema = descriptor.schema();
    let fields: Vec<_> = schema.fields.iter().map(|field| (&*field.name, field.key)).collect();
    assert_eq!(fields, [("id", true), ("no", true), ("items", false)]);

    assert_eq!(Plain { r#type: "x".into() }.key(), "x");
    assert_eq!(Plain::descriptor().name(), "Plain");
    assert_eq!(Plain::descriptor().policy(), Some(PolicyDeclaration::default()));
    assert_eq!(<models::Page<u8>>::descriptor().policy(), None);
    assert_eq!(crate::declared_in(module_path!()).count(), 3);
}
