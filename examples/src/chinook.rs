//! The entities of Chinook, the database of a music shop. It has 11 tables: `PlaylistTrack` has a composite
//! key, and `Employee` refers to itself.
//!
//! Tables and columns have names in PascalCase. If no column has the exact name of a field, the adapter
//! ignores case and underscores, so the field `album_id` belongs to the column `AlbumId`.

#![expect(missing_docs, reason = "the fields have the names of the columns")]

use chrono::NaiveDateTime;
use koan_backup::prelude::*;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

// Every entity of this crate is backed up without encryption and with its schema, unless its attributes
// declare something else.
entity_backup_scope!(mode = All);

/// An artist of albums.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Entity)]
#[entity(key = "artist_id")]
pub struct Artist {
    pub artist_id: i64,
    pub name: Option<String>,
}

/// An album of an artist.
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

/// A file format of tracks.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Entity)]
#[entity(key = "media_type_id")]
pub struct MediaType {
    pub media_type_id: i64,
    pub name: Option<String>,
}

/// A track that the shop sells.
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

/// A playlist of tracks.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Entity)]
#[entity(key = "playlist_id")]
pub struct Playlist {
    pub playlist_id: i64,
    pub name: Option<String>,
}

/// A track in a playlist. The key consists of both fields.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Entity)]
pub struct PlaylistTrack {
    #[entity(key)]
    pub playlist_id: i64,
    #[entity(key)]
    pub track_id: i64,
}

/// An employee of the shop, with the employee to whom they report.
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

/// A customer of the shop.
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

/// An invoice of a customer.
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
