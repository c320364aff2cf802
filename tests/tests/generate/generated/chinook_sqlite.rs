// The entities of a SQLite database, written by `koan-backup generate`.
//
// The module needs the crates `koan-backup` (features `chrono`, `rust_decimal`), `serde` (feature
// `derive`), `chrono` (feature `serde`), `rust_decimal` (feature `serde`).

use koan_backup::Entity;
use serde::{Deserialize, Serialize};

koan_backup::entity_backup_scope!(mode = All);

/// A row of table `Album`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Entity)]
pub struct Album {
    #[entity(key)]
    pub album_id: i64,
    pub title: String,
    pub artist_id: i64,
}

/// A row of table `Artist`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Entity)]
pub struct Artist {
    #[entity(key)]
    pub artist_id: i64,
    pub name: Option<String>,
}

// Decide: the columns `FirstName`, `LastName`, `Address`, `PostalCode`, `Phone`, `Fax`, `Email`
// look personal; encrypt the records with `#[entity_backup(encrypt)]`, or remove this comment.
/// A row of table `Customer`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Entity)]
pub struct Customer {
    #[entity(key)]
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

// Decide: the columns `LastName`, `FirstName`, `BirthDate`, `Address`, `PostalCode`, `Phone`,
// `Fax`, `Email` look personal; encrypt the records with `#[entity_backup(encrypt)]`, or remove
// this comment.
/// A row of table `Employee`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Entity)]
pub struct Employee {
    #[entity(key)]
    pub employee_id: i64,
    pub last_name: String,
    pub first_name: String,
    pub title: Option<String>,
    pub reports_to: Option<i64>,
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

/// A row of table `Genre`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Entity)]
pub struct Genre {
    #[entity(key)]
    pub genre_id: i64,
    pub name: Option<String>,
}

// Decide: the columns `BillingAddress`, `BillingPostalCode` look personal; encrypt the records with
// `#[entity_backup(encrypt)]`, or remove this comment.
/// A row of table `Invoice`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Entity)]
pub struct Invoice {
    #[entity(key)]
    pub invoice_id: i64,
    pub customer_id: i64,
    pub invoice_date: chrono::NaiveDateTime,
    pub billing_address: Option<String>,
    pub billing_city: Option<String>,
    pub billing_state: Option<String>,
    pub billing_country: Option<String>,
    pub billing_postal_code: Option<String>,
    pub total: rust_decimal::Decimal,
}

/// A row of table `InvoiceLine`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Entity)]
pub struct InvoiceLine {
    #[entity(key)]
    pub invoice_line_id: i64,
    pub invoice_id: i64,
    pub track_id: i64,
    pub unit_price: rust_decimal::Decimal,
    pub quantity: i64,
}

/// A row of table `MediaType`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Entity)]
pub struct MediaType {
    #[entity(key)]
    pub media_type_id: i64,
    pub name: Option<String>,
}

/// A row of table `Playlist`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Entity)]
pub struct Playlist {
    #[entity(key)]
    pub playlist_id: i64,
    pub name: Option<String>,
}

/// A row of table `PlaylistTrack`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Entity)]
pub struct PlaylistTrack {
    #[entity(key)]
    pub playlist_id: i64,
    #[entity(key)]
    pub track_id: i64,
}

/// A row of table `Track`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Entity)]
pub struct Track {
    #[entity(key)]
    pub track_id: i64,
    pub name: String,
    pub album_id: Option<i64>,
    pub media_type_id: i64,
    pub genre_id: Option<i64>,
    pub composer: Option<String>,
    pub milliseconds: i64,
    pub bytes: Option<i64>,
    pub unit_price: rust_decimal::Decimal,
}
