//! A concrete newtype is an entity for a type that cannot derive `Entity`: a generic type, or a type of
//! another crate.

use std::marker::PhantomData;

use koan_backup::{Entity, entity::EntityCodec};
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Page<T> {
    id: u64,
    page_no: i32,
    items: Vec<T>,
}

#[derive(Serialize, Deserialize, Entity)]
#[serde(transparent)]
#[entity(name = "UserPage", key = "id: u64")]
struct UserPage(Page<String>);

#[derive(Serialize, Deserialize, Entity)]
#[serde(transparent)]
#[entity(key = r#"id: u64, page_no as "pageNo": i32"#)]
struct NumberPage {
    page: Page<i64>,
    marker: PhantomData<u8>,
    #[serde(skip)]
    cached: bool,
}

#[derive(Serialize, Deserialize, Entity)]
#[serde(transparent)]
#[entity(key = "page_no as pageNo: i32")]
struct ByNumber(Page<u8>);

/// Asserts that a line decodes as the type, and that the type writes the same line.
fn assert_round_trip<T: Entity>(line: &str) {
    EntityCodec::new(T::descriptor()).check_round_trip(line.as_bytes(), &mut Vec::new()).unwrap();
}

#[test]
fn is_accepted() {
    assert_round_trip::<NumberPage>(r#"{"id":7,"pageNo":2,"items":[1]}"#);

    let page = || Page { id: 7, page_no: 2, items: vec![] };
    assert_eq!(UserPage(page()).key(), 7);
    assert_eq!(UserPage::descriptor().key_type(), "u64");
    let schema = UserPage::descriptor().schema();
    let fields: Vec<_> = schema.fields.iter().map(|field| (&*field.name, field.key)).collect();
    assert_eq!(fields, [("id", true), ("pageNo", false), ("items", false)]);

    let page =
        NumberPage { page: Page { id: 7, page_no: 2, items: vec![] }, marker: PhantomData, cached: true };
    assert!(page.cached);
    assert_eq!(page.key(), (7, 2));
    let schema = NumberPage::descriptor().schema();
    let key: Vec<_> = schema.key_fields().map(|(_, field)| &*field.name).collect();
    assert_eq!(key, ["id", "pageNo"]);

    assert_eq!(ByNumber(Page { id: 7, page_no: 2, items: vec![] }).key(), 2);
    let schema = ByNumber::descriptor().schema();
    assert_eq!(schema.key_fields().map(|(_, field)| &*field.name).collect::<Vec<_>>(), ["pageNo"]);
}
