//! Types that cannot be the type of events, and enums that serde reads in another way than the store keeps them.

use koan_backup::EventStream;
use serde::Deserialize;

#[derive(Deserialize, EventStream)]
#[event_stream(object = "order")]
struct Generic<T>(T);

#[derive(Deserialize, EventStream)]
#[event_stream(object = "order")]
enum Never {}

#[derive(EventStream)]
#[event_stream(object = "order")]
union Bits {
    id: u64,
    float: f64,
}

#[derive(EventStream)]
#[event_stream(object = "order")]
struct NotDeserialized;

#[derive(Deserialize, EventStream)]
#[event_stream(object = "order", tag = "type", content = "payload")]
enum External {
    Placed(i64),
}

#[derive(Deserialize, EventStream)]
#[event_stream(object = "order", tag = "type", content = "payload")]
#[serde(tag = "kind", content = "data")]
enum OtherNames {
    Placed(i64),
}

#[derive(Deserialize, EventStream)]
#[event_stream(object = "order", tag = "type", content = "type")]
#[serde(tag = "type", content = "payload")]
enum SameNames {
    Placed(i64),
}

fn is_declared<E: EventStream>() {}

struct NoEvent;

fn main() {
    is_declared::<NoEvent>();
}
