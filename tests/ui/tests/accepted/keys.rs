//! Keys of one field or several fields, declared on the fields or on the type.

use koan_backup::Entity;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize, Entity)]
struct Country {
    #[entity(key)]
    code: String,
    name: String,
}

#[derive(Serialize, Deserialize, Entity)]
struct PlaylistTrack {
    #[entity(key)]
    playlist_id: i64,
    #[entity(key)]
    track_id: i32,
}

#[derive(Serialize, Deserialize, Entity)]
#[entity(key = "playlist, track")]
struct Listed {
    playlist: i64,
    note: String,
    track: i32,
}

#[derive(Serialize, Deserialize, Entity)]
#[entity(key = "code")]
struct KeyOtherThanId {
    id: i64,
    code: Vec<u8>,
}

#[derive(Serialize, Deserialize, Entity)]
#[entity(key = "type")]
struct Raw {
    r#type: u16,
}

#[derive(Serialize, Deserialize, Clone)]
struct Base {
    created: u32,
    id: i64,
    #[serde(rename = "shard-no")]
    shard: u8,
}

#[derive(Serialize, Deserialize, Entity)]
#[entity(key = "base.id: i64")]
struct WithinFlattened {
    name: String,
    #[serde(flatten)]
    base: Base,
}

#[derive(Serialize, Deserialize, Entity)]
#[entity(key = r#"tenant, base.id: i64, base.shard as "shard-no": u8"#)]
struct PartlyFlattened {
    tenant: String,
    #[serde(flatten)]
    base: Base,
}

#[derive(Serialize, Deserialize)]
struct Deeper {
    #[serde(flatten)]
    base: Base,
}

#[derive(Serialize, Deserialize, Entity)]
#[entity(key = "deeper.base.id: i64")]
struct WithinDeeper {
    #[serde(flatten)]
    deeper: Deeper,
}

#[derive(Serialize, Deserialize, Entity)]
#[serde(tag = "kind")]
#[entity(key = "base.created: u32, base.id: i64")]
enum InVariants {
    First {
        #[serde(flatten)]
        base: Base,
    },
    Second {
        name: String,
        #[serde(flatten)]
        base: Base,
    },
}

#[derive(Serialize, Deserialize, Entity)]
#[serde(transparent)]
#[entity(key = "base.id: i64")]
struct Wrapped(Deeper);

fn key_fields<T: Entity>() -> Vec<String> {
    T::descriptor().schema().key_fields().map(|(_, field)| field.name.clone()).collect()
}

#[test]
fn is_accepted() {
    assert_eq!(Country { code: "ch".into(), name: String::new() }.key(), "ch");
    assert_eq!(key_fields::<Country>(), ["code"]);

    assert_eq!(PlaylistTrack { playlist_id: 1, track_id: 2 }.key(), (1_i64, 2_i32));
    assert_eq!(PlaylistTrack::descriptor().key_type(), "(i64, i32)");
    assert_eq!(key_fields::<PlaylistTrack>(), ["playlist_id", "track_id"]);

    assert_eq!(Listed { playlist: 1, note: String::new(), track: 2 }.key(), (1_i64, 2_i32));
    assert_eq!(key_fields::<Listed>(), ["playlist", "track"]);

    assert_eq!(KeyOtherThanId { id: 1, code: vec![2] }.key(), [2]);
    assert_eq!(KeyOtherThanId::descriptor().key_type(), "Vec<u8>");
    assert_eq!(key_fields::<KeyOtherThanId>(), ["code"]);

    assert_eq!(Raw { r#type: 3 }.key(), 3);
    assert_eq!(key_fields::<Raw>(), ["type"]);

    let base = || Base { created: 1, id: 2, shard: 3 };
    assert_eq!(WithinFlattened { name: String::new(), base: base() }.key(), 2);
    assert_eq!(key_fields::<WithinFlattened>(), ["id"]);
    assert_eq!(WithinFlattened::descriptor().key_type(), "i64");
    assert_eq!(PartlyFlattened { tenant: "a".into(), base: base() }.key(), ("a".to_owned(), 2, 3));
    assert_eq!(key_fields::<PartlyFlattened>(), ["tenant", "id", "shard-no"]);
    assert_eq!(WithinDeeper { deeper: Deeper { base: base() } }.key(), 2);
    assert_eq!(key_fields::<WithinDeeper>(), ["id"]);
    assert_eq!(InVariants::Second { name: String::new(), base: base() }.key(), (1, 2));
    assert_eq!(key_fields::<InVariants>(), ["created", "id"]);
    assert_eq!(Wrapped(Deeper { base: base() }).key(), 2);
    assert_eq!(key_fields::<Wrapped>(), ["id"]);
}
