//! The URL of a provider.

use crate::key_path;

/// The kind of a provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ProviderKind {
    Sqlite,
    Postgres,
    Json,
    Memory,
}

impl ProviderKind {
    /// Returns the name for messages.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Sqlite => "SQLite",
            Self::Postgres => "PostgreSQL",
            Self::Json => "JSON files",
            Self::Memory => "memory",
        }
    }

    /// Returns the keys that have an effect.
    pub(super) fn keys(self) -> &'static [&'static str] {
        match self {
            Self::Sqlite => {
                &["url", "read_only", "create_if_missing", "busy_timeout", "ignore_tables", "recomputed"]
            }
            Self::Postgres => &[
                "url",
                "password",
                "connections",
                "schemas",
                "root_certificate",
                "refresh_materialized_views",
                "ignore_tables",
                "ignore_sequences",
                "ignore_materialized_views",
                "ignore_large_objects",
                "recomputed",
            ],
            Self::Json => &["url", "layout", "lock_timeout", "create_if_missing"],
            Self::Memory => &["url"],
        }
    }
}

/// The URL of a provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ProviderUrl {
    pub(super) kind: ProviderKind,
    /// The path, or the complete address of a PostgreSQL database.
    pub(super) location: String,
    /// The options after `?`, except those of PostgreSQL, which its driver reads.
    pub(super) options: Vec<(String, String)>,
}

/// The schemes, for suggestions.
const SCHEMES: [&str; 4] = ["sqlite", "postgres", "json", "memory"];

impl ProviderUrl {
    /// Parses a URL. The error does not contain the URL, which may contain a password.
    pub(super) fn parse(url: &str) -> Result<Self, String> {
        let (scheme, rest) = url.split_once(':').ok_or(
            "has no scheme; write `sqlite:shop.db`, `postgres://user@host/database` or `json:./data?layout=lines`",
        )?;
        let kind = match scheme.to_ascii_lowercase().as_str() {
            "sqlite" => ProviderKind::Sqlite,
            "postgres" | "postgresql" => {
                return Ok(Self {
                    kind: ProviderKind::Postgres,
                    location: url.to_owned(),
                    options: Vec::new(),
                });
            }
            "json" => ProviderKind::Json,
            "memory" => ProviderKind::Memory,
            unknown => {
                let suggestion = key_path::suggestion(unknown, SCHEMES.into_iter());
                return Err(format!("has an unknown scheme; {suggestion}"));
            }
        };
        let rest = rest.strip_prefix("//").unwrap_or(rest);
        let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
        match (kind, path.is_empty()) {
            (ProviderKind::Memory, false) => {
                return Err("contains a path, which memory does not have".to_owned());
            }
            (ProviderKind::Sqlite | ProviderKind::Json, true) => return Err("contains no path".to_owned()),
            _ => {}
        }
        let options = query.split('&').filter(|option| !option.is_empty());
        let options = options.map(|option| match option.split_once('=') {
            Some((name, value)) => Ok((name.to_owned(), value.to_owned())),
            None => Err(format!("contains the option `{option}` without a value; write `{option}=…`")),
        });
        Ok(Self { kind, location: path.to_owned(), options: options.collect::<Result<_, _>>()? })
    }
}
