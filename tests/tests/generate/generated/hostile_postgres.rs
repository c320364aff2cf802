// The entities of a PostgreSQL database, written by `koan-backup generate`.
//
// The module needs the crates `koan-backup`, `serde` (feature `derive`).

use koan_backup::Entity;
use serde::{Deserialize, Serialize};

koan_backup::entity_backup_scope!(mode = All);

/// A row of table `2fa`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Entity)]
#[entity(table = "2fa")]
pub struct Table2fa {
    pub id: i32,
}

/// A row of table `Entity`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Entity)]
#[entity(table = "Entity")]
pub struct EntityRecord {
    pub id: i32,
}

/// A row of table `OPTION`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Entity)]
#[entity(table = "OPTION")]
pub struct OptionRecord {
    pub id: i32,
    #[entity(column = "aB")]
    pub a_b: Option<String>,
    #[entity(column = "Ab")]
    pub ab_2: Option<String>,
    pub ab: Option<String>,
}

/// A row of table `Option`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Entity)]
#[entity(table = "Option")]
pub struct OptionRecord2 {
    pub id: i32,
    pub string: Option<String>,
    pub vec: Option<String>,
}

/// A row of table `String`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Entity)]
#[entity(table = "String")]
pub struct StringRecord {
    #[entity(key)]
    pub self_: i32,
    pub crate_: Option<String>,
    pub super_: Option<String>,
    pub r#type: Option<String>,
    #[entity(column = "r#type")]
    pub r_type: Option<String>,
    pub r#gen: Option<String>,
    pub r#async: Option<String>,
    pub r#fn: Option<String>,
}

/// A row of table `Vec`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Entity)]
#[entity(table = "Vec")]
pub struct VecRecord {
    #[entity(key)]
    pub _2fa: i32,
    #[entity(column = "a b")]
    pub a_b_2: Option<String>,
    #[entity(column = "a-b")]
    pub a_b_3: Option<String>,
    pub a_b: Option<String>,
    pub ab: Option<String>,
    pub a: Option<String>,
    #[entity(column = "!")]
    pub column: Option<String>,
    #[entity(column = "?")]
    pub column_2: Option<String>,
    #[entity(column = "_")]
    pub column_3: Option<String>,
    #[entity(column = "quote\"d")]
    pub quote_d: Option<String>,
    #[entity(column = "back\\slash")]
    pub back_slash: Option<String>,
    #[entity(column = "größe")]
    pub größe: Option<String>,
    #[entity(column = "数量")]
    pub 数量: Option<String>,
    #[entity(column = "new\nline")]
    pub new_line: Option<String>,
}

/// A row of table `a_long_name_of_a_table_that_has_sixty_three_characters_in_total`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Entity)]
pub struct ALongNameOfATableThatHasSixtyThreeCharactersInTotal {
    #[entity(
        key,
        column = "a long name of a column that has sixty-three characters in tota"
    )]
    pub a_long_name_of_a_column_that_has_sixty_three_characters_in_tota: i32,
}

/// A row of table `composite`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Entity)]
pub struct Composite {
    #[entity(key, column = "b c")]
    pub b_c: String,
    #[entity(key)]
    pub r#type: i32,
    pub value: Option<String>,
}

/// A row of table `dots.in.name`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Entity)]
#[entity(table = "dots.in.name")]
pub struct DotsInName {
    pub id: i32,
}

/// A row of table `labelled`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Entity)]
pub struct Labelled {
    pub id: EntityKind,
    pub labels: Option<Vec<Option<EntityKind>>>,
}

/// A row of table `order items`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Entity)]
#[entity(table = "order items")]
pub struct OrderItems2 {
    pub id: i32,
}

/// A row of table `order-items`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Entity)]
#[entity(table = "order-items")]
pub struct OrderItems3 {
    pub id: i32,
}

/// A row of table `order_items`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Entity)]
#[entity(table = "order_items")]
pub struct OrderItems {
    pub id: i32,
}

/// A row of table `orderitems`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Entity)]
#[entity(table = "orderitems")]
pub struct Orderitems {
    pub id: i32,
}

/// A row of table `quote"d`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Entity)]
#[entity(table = "quote\"d")]
pub struct QuoteD {
    pub id: i32,
}

/// A row of table `self`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Entity)]
#[entity(table = "self")]
pub struct SelfRecord {
    pub id: i32,
}

/// A row of table `user_view`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Entity)]
#[entity(table = "user_view")]
pub struct UserView {
    pub id: i32,
}

/// A row of table `ärger`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Entity)]
#[entity(table = "ärger")]
pub struct Ärger {
    pub id: i32,
    #[entity(column = "İ")]
    pub i̇: Option<String>,
}

/// A row of table `订单`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Entity)]
#[entity(table = "订单")]
pub struct 订单 {
    pub id: i32,
}

/// A row of table `😀`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Entity)]
#[entity(table = "😀")]
pub struct Table {
    pub id: i32,
}

/// A value of the enum `entity`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum EntityKind {
    #[serde(rename = "Self")]
    SelfValue,
    #[serde(rename = "self")]
    SelfValue2,
    #[serde(rename = "")]
    Empty,
    #[serde(rename = "+")]
    Symbol,
    #[serde(rename = "-")]
    Symbol2,
    #[serde(rename = "a b")]
    AB,
    #[serde(rename = "a-b")]
    AB2,
    #[serde(rename = "a_b")]
    AB3,
    #[serde(rename = "1st")]
    Value1st,
    #[serde(rename = "größe")]
    Größe,
    #[serde(rename = "quote\"d")]
    QuoteD,
    #[serde(rename = "type")]
    Type,
}
