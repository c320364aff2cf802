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

/// An entity whose key is in the order of the fields, independent of the order of the list.
#[derive(Serialize, Deserialize, Entity)]
#[entity(key = "track, playlist")]
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
}
