//! The types of columns. Types whose values are read and written in the same way are not distinguished.

use std::collections::BTreeMap;

use tokio_postgres::types::Oid;

/// The type of a column, without domains.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum StoredType {
    Bool,
    Int2,
    Int4,
    Int8,
    Oid,
    Float4,
    Float8,
    Numeric,
    Money,
    /// `money` in a database whose `lc_monetary` does not have two decimal places.
    MoneyOfOtherScale,
    /// `text`, `varchar`, `citext`, `name`: sent unchanged.
    Text,
    /// `char(n)`: padded with spaces.
    Char,
    Enum,
    Json,
    Jsonb,
    Uuid,
    /// `inet` and `cidr`
    Inet,
    Bytea,
    Date,
    Time,
    Timestamp,
    TimestampTz,
    Array(Box<StoredType>),
    /// A composite type.
    Composite,
    /// `hstore`
    Hstore,
    /// `vector` and `halfvec`, whose text is a JSON list.
    Vector,
    /// Any other type, which has a text form.
    Other,
}

/// A row of `pg_type`.
#[derive(Clone, Debug)]
pub(super) struct TypeRow {
    pub(super) name: String,
    pub(super) kind: String,
    pub(super) base: Oid,
    pub(super) element: Oid,
    pub(super) is_array: bool,
    pub(super) modifier: i32,
}

impl StoredType {
    /// Returns the type with an oid, and the type modifier of the domain if the type is a domain.
    pub(super) fn from_oid(oid: Oid, types: &BTreeMap<Oid, TypeRow>) -> (Self, i32) {
        let (mut oid, mut modifier) = (oid, -1);
        while let Some(domain) = types.get(&oid).filter(|row| row.kind == "d") {
            oid = domain.base;
            if modifier < 0 {
                modifier = domain.modifier;
            }
        }
        let stored = match oid {
            16 => Self::Bool,
            17 => Self::Bytea,
            19 | 25 | 1043 => Self::Text,
            20 => Self::Int8,
            21 => Self::Int2,
            23 => Self::Int4,
            26 => Self::Oid,
            114 => Self::Json,
            650 | 869 => Self::Inet,
            700 => Self::Float4,
            701 => Self::Float8,
            790 => Self::Money,
            1042 => Self::Char,
            1082 => Self::Date,
            1083 => Self::Time,
            1114 => Self::Timestamp,
            1184 => Self::TimestampTz,
            1700 => Self::Numeric,
            2950 => Self::Uuid,
            3802 => Self::Jsonb,
            _ => match types.get(&oid) {
                Some(row) if row.is_array => Self::Array(Box::new(Self::from_oid(row.element, types).0)),
                Some(row) if row.kind == "e" => Self::Enum,
                Some(row) if row.kind == "c" => Self::Composite,
                Some(row) => match row.name.as_str() {
                    "citext" => Self::Text,
                    "hstore" => Self::Hstore,
                    "vector" | "halfvec" => Self::Vector,
                    _ => Self::Other,
                },
                None => Self::Other,
            },
        };
        (stored, modifier)
    }

    /// Returns the type with `money` replaced by the variant for a database in which `money` does not have
    /// two decimal places.
    pub(super) fn with_money_of_other_scale(self) -> Self {
        match self {
            Self::Money => Self::MoneyOfOtherScale,
            Self::Array(element) => Self::Array(Box::new(element.with_money_of_other_scale())),
            stored => stored,
        }
    }

    /// Returns whether the type is or contains `money` that does not have two decimal places. Such a value
    /// cannot be read into any field.
    pub(super) fn contains_money_of_other_scale(&self) -> bool {
        match self {
            Self::MoneyOfOtherScale => true,
            Self::Array(element) => element.contains_money_of_other_scale(),
            _ => false,
        }
    }

    /// Returns whether the type is a text type.
    pub(super) fn is_text(&self) -> bool {
        matches!(self, Self::Text | Self::Char)
    }
}
