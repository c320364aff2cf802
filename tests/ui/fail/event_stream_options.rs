//! Options of `#[event_stream]`: unknown, misplaced, missing and contradicting ones.

use koan_backup::EventStream;
use serde::Deserialize;

#[derive(Deserialize, EventStream)]
struct WithoutObject;

#[derive(Deserialize, EventStream)]
#[event_stream(objct = "order", object_name = "order", table = "events", alias = "Order", colour = "red")]
struct Unknown;

#[derive(Deserialize, EventStream)]
#[event_stream(object = "order", provider = "a", object = "cart", skip)]
#[event_stream(provider = "b")]
struct Duplicates;

#[derive(Deserialize, EventStream)]
#[event_stream(object = "order", encrypt, rename_all = "camelCase", key = "id")]
#[entity_backup(object = "order", provider = "main", encypt, exclude)]
struct Elsewhere;

#[derive(Deserialize, EventStream)]
#[event_stream(object = order, provider = 7, tag, content("payload"))]
struct Values;

#[derive(Deserialize, EventStream)]
#[event_stream(object = "order", tag = "type")]
struct OnlyTag;

#[derive(Deserialize, EventStream)]
#[event_stream(object = "order", payload = "data")]
struct OnlyContent;

#[derive(Deserialize, EventStream)]
#[event_stream(object = "order")]
#[entity_backup(enabled = false, encrypt)]
struct Excluded;

#[derive(Deserialize, EventStream)]
struct OnField {
    #[event_stream(object = "order")]
    id: i64,
}

#[derive(Deserialize, EventStream)]
#[event_stream(object = "order")]
enum OnVariant {
    #[entity_backup(encrypt)]
    Placed {
        #[entity_backup]
        id: i64,
    },
}

fn main() {
    OnVariant::descriptor();
}
