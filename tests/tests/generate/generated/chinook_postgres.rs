// The entities of a PostgreSQL database, written by `koan-backup generate`.
//
// The module needs the crates `koan-backup` (features `chrono`, `rust_decimal`), `serde` (feature
// `derive`), `chrono` (feature `serde`), `rust_decimal` (feature `serde`).

use koan_backup::Entity;
use serde::{Deserialize, Serialize};

koan_backup::entity_backup_scope!(mode = All);

/// A row of table `album`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Entity)]
pub struct Album {
    #[entity(key)]
    pub album_id: i32,
    pub title: String,
    pub artist_id: i32,
}

/// A row of table `artist`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Entity)]
pub struct Artist {
    #[entity(key)]
    pub artist_id: i32,
    pub name: Option<String>,
}

// Decide: the columns `first_name`, `last_name`, `address`, `postal_code`, `phone`, `fax`, `email`
// look personal; encrypt the records with `#[entity_backup(encrypt)]`, or remove this comment.
/// A row of table `customer`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Entity)]
pub struct Customer {
    #[entity(key)]
    pub customer_id: i32,
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
    pub support_rep_id: Option<i32>,
}

// Decide: the columns `last_name`, `first_name`, `birth_date`, `address`, `postal_code`, `phone`,
// `fax`, `email` look personal; encrypt the records with `#[entity_backup(encrypt)]`, or remove
// this comment.
/// A row of table `employee`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Entity)]
pub struct Employee {
    #[entity(key)]
    pub employee_id: i32,
    pub last_name: String,
    pub first_name: String,
    pub title: Option<String>,
    pub reports_to: Option<i32>,
    pub birth_date: Option<chrono::NaiveDateTime>,
    pub hire_date: Option<chrono::NaiveDateTime>,
    pub address: Option<String>,
    pub city: Option<String>,
    pub state: Option<String>,
    pub country: Option<String>,
    pub postal_code: Option<String>,
    pub phone: Option<String>,
    pub fax: Option<String>,
    pub email: Option<String>,
}

/// A row of table `genre`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Entity)]
pub struct Genre {
    #[entity(key)]
    pub genre_id: i32,
    pub name: Option<String>,
}

// Decide: the columns `billing_address`, `billing_postal_code` look personal; encrypt the records
// with `#[entity_backup(encrypt)]`, or remove this comment.
/// A row of table `invoice`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Entity)]
pub struct Invoice {
    #[entity(key)]
    pub invoice_id: i32,
    pub customer_id: i32,
    pub invoice_date: chrono::NaiveDateTime,
    pub billing_address: Option<String>,
    pub billing_city: Option<String>,
    pub billing_state: Option<String>,
    pub billing_country: Option<String>,
    pub billing_postal_code: Option<String>,
    pub total: rust_decimal::Decimal,
}

/// A row of table `invoice_line`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Entity)]
pub struct InvoiceLine {
    #[entity(key)]
    pub invoice_line_id: i32,
    pub invoice_id: i32,
    pub track_id: i32,
    pub unit_price: rust_decimal::Decimal,
    pub quantity: i32,
}

/// A row of table `media_type`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Entity)]
pub struct MediaType {
    #[entity(key)]
    pub media_type_id: i32,
    pub name: Option<String>,
}

/// A row of table `playlist`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Entity)]
pub struct Playlist {
    #[entity(key)]
    pub playlist_id: i32,
    pub name: Option<String>,
}

/// A row of table `playlist_track`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Entity)]
pub struct PlaylistTrack {
    #[entity(key)]
    pub playlist_id: i32,
    #[entity(key)]
    pub track_id: i32,
}

/// A row of table `track`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Entity)]
pub struct Track {
    #[entity(key)]
    pub track_id: i32,
    pub name: String,
    pub album_id: Option<i32>,
    pub media_type_id: i32,
    pub genre_id: Option<i32>,
    pub composer: Option<String>,
    pub milliseconds: i32,
    pub bytes: Option<i32>,
    pub unit_price: rust_decimal::Decimal,
}
