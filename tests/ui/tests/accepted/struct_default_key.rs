//! A struct whose field `id` is the key, with the bare attribute.

use koan_backup::Entity;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize, Entity)]
#[entity_backup]
struct Media {
    id: i64,
    title: String,
    cover: Option<Vec<u8>>,
}

#[test]
fn is_accepted() {
    let descriptor = Media::descriptor();
    assert_eq!(descriptor.name(), "Media");
    assert_eq!(descriptor.key_type(), "i64");
    assert_eq!(descriptor.crate_name(), module_path!().split("::").next().unwrap());
    assert!(descriptor.location().ends_with("struct_default_key.rs:6"), "{}", descriptor.location());
    assert_eq!(descriptor.policy(), Some(koan_backup::entity::PolicyDeclaration::default()));

    let schema = descriptor.schema();
    let fields: Vec<_> =
        schema.fields.iter().map(|field| (&*field.name, &*field.rust_type, field.key)).collect();
    assert_eq!(
        fields,
        [("id", "i64", true), ("title", "String", false), ("cover", "Option<Vec<u8>>", false)]
    );

    assert_eq!(Media { id: 7, title: String::new(), cover: None }.key(), 7);
    assert!(koan_backup::__private::ENTITIES.iter().any(|entity| std::ptr::eq(*entity, descriptor)));
}
