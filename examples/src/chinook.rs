//! Chinook, a music shop: 11 tables, among them one with a composite key and one that refers to itself.
//!
//! Tables and columns are in PascalCase. They are found all the same: a name that is not there exactly is looked for
//! without regard to case and underscores, so the field `album_id` is in the column `AlbumId`.

#![expect(missing_docs, reason = "the fields are named as the columns are")]

use chrono::NaiveDateTime;
use koan_backup::prelude::*;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

// Every entity of this crate is backed up, in clear and with its schema, unless it says otherwise.
entity_backup_scope!(mode = All);

/// Somebody who made albums.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Entity)]
#[entity(key = "artist_id")]
pub struct Artist {
    pub artist_id: i64,
    pub name: Option<String>,
}

/// A record of an artist.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Entity)]
#[entity(key = "album_id")]
pub struct Album {
    pub album_id: i64,
    pub title: String,
    pub artist_id: i64,
}

/// A style of music.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Entity)]
#[entity(key = "genre_id")]
pub struct Genre {
    pub genre_id: i64,
    pub name: Option<String>,
}

/// A format of files.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Entity)]
#[entity(key = "media_type_id")]
pub struct MediaType {
    pub media_type_id: i64,
    pub name: Option<String>,
}

/// What the shop sells.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Entity)]
#[entity(key = "track_id")]
pub struct Track {
    pub track_id: i64,
    pub name: String,
    pub album_id: Option<i64>,
    pub media_type_id: i64,
    pub genre_id: Option<i64>,
    pub composer: Option<String>,
    pub milliseconds: i64,
    pub bytes: Option<i64>,
    pub unit_price: Decimal,
}

/// A list of tracks.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Entity)]
#[entity(key = "playlist_id")]
pub struct Playlist {
    pub playlist_id: i64,
    pub name: Option<String>,
}

/// A track in a list: the key is both.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Entity)]
pub struct PlaylistTrack {
    #[entity(key)]
    pub playlist_id: i64,
    #[entity(key)]
    pub track_id: i64,
}

/// Somebody who works for the shop, and for whom.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Entity)]
#[entity(key = "employee_id")]
pub struct Employee {
    pub employee_id: i64,
    pub last_name: String,
    pub first_name: String,
    pub title: Option<String>,
    pub reports_to: Option<i64>,
    pub birth_date: Option<NaiveDateTime>,
    pub hire_date: Option<NaiveDateTime>,
    pub address: Option<String>,
    pub city: Option<String>,
    pub state: Option<String>,
    pub country: Option<String>,
    pub postal_code: Option<String>,
    pub phone: Option<String>,
    pub fax: Option<String>,
    pub email: Option<String>,
}

/// Somebody who buys.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Entity)]
#[entity(key = "customer_id")]
pub struct Customer {
    pub customer_id: i64,
    pub first_name: String,
    pub last_name: String,
    pub company: Option<String>,
    pub address: Option<String>,
    pub city: Option<String>,
    pub state: Option<String>,
    pub country: Option<String>,
    pub postal_code: Option<String>,
    pub phone: Option<String>,
    pub fax: Option<String>,
    pub email: String,
    pub support_rep_id: Option<i64>,
}

/// What a customer bought at once.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Entity)]
#[entity(key = "invoice_id")]
pub struct Invoice {
    pub invoice_id: i64,
    pub customer_id: i64,
    pub invoice_date: NaiveDateTime,
    pub billing_address: Option<String>,
    pub billing_city: Option<String>,
    pub billing_state: Option<String>,
    pub billing_country: Option<String>,
    pub billing_postal_code: Option<String>,
    pub total: Decimal,
}

/// One line of an invoice.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Entity)]
#[entity(key = "invoice_line_id")]
pub struct InvoiceLine {
    pub invoice_line_id: i64,
    pub invoice_id: i64,
    pub track_id: i64,
    pub unit_price: Decimal,
    pub quantity: i64,
}
