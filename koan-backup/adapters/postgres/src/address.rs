//! The address of a database, which is displayed without the password.

use std::fmt;

use koan_backup_core::{Error, ErrorKind, Result};
use tokio_postgres::Config;
use tokio_postgres::config::{Host, SslMode};

/// How a connection is encrypted and verified.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Protection {
    /// Not encrypted.
    Disable,
    /// Encrypted if the server supports it; nothing is verified.
    Prefer,
    /// Encrypted, without verification of the server.
    Require,
    /// Encrypted; the server's certificate and host name are verified.
    Verify,
}

/// A parsed address.
#[derive(Clone)]
pub(super) struct Address {
    pub(super) config: Config,
    pub(super) protection: Protection,
    /// The file with the trusted root certificates.
    pub(super) root_certificate: Option<String>,
    /// `host:port/database`, for error messages.
    display_name: String,
}

impl Address {
    /// Parses `postgres://user@host:port/database?sslmode=…` or `host=… user=… dbname=…`.
    pub(super) fn parse(text: &str) -> Result<Self> {
        if is_ambiguous(text) {
            return Err(configuration(
                "the address of a PostgreSQL database has more than one `@`, or an `@` in an unexpected \
                 position, so a part of the password would be parsed as the host; write `%40` for an `@` \
                 within the user name, the password or the database name"
                    .to_owned(),
            ));
        }
        let (rest, parameters) = without_tls_parameters(text);
        let mut protection = None;
        let mut root_certificate = None;
        for (name, value) in parameters {
            match name.as_str() {
                "sslmode" => protection = Some(parse_protection(&value)?),
                _ => root_certificate = Some(value),
            }
        }
        // The parser's errors contain the name of a parameter and never its value.
        let mut config: Config = rest.parse().map_err(|error: tokio_postgres::Error| {
            let reason = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
            configuration(format!(
                "the address of a PostgreSQL database is invalid ({reason}); write \
                 postgres://user:password@host:5432/database, with special characters percent-encoded"
            ))
        })?;
        if config.get_hosts().is_empty() && config.get_hostaddrs().is_empty() {
            return Err(configuration(
                "the address of a PostgreSQL database has no host; write \
                 postgres://user:password@host:5432/database"
                    .to_owned(),
            ));
        }
        let protection = match (protection.unwrap_or(Protection::Prefer), &root_certificate) {
            (Protection::Require, Some(_)) => Protection::Verify,
            (protection, _) => protection,
        };
        config.ssl_mode(match protection {
            Protection::Disable => SslMode::Disable,
            Protection::Prefer => SslMode::Prefer,
            Protection::Require | Protection::Verify => SslMode::Require,
        });
        if config.get_application_name().is_none() {
            config.application_name("koan-backup");
        }
        let display_name = display_name(&config);
        Ok(Self { config, protection, root_certificate, display_name })
    }
}

/// Formats the host, the port and the database, and never the user or the password.
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.display_name)
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({:?})", self.display_name, self.protection)
    }
}

fn display_name(config: &Config) -> String {
    let host = match config.get_hosts().first() {
        Some(Host::Tcp(name)) => name.clone(),
        #[cfg(unix)]
        Some(Host::Unix(path)) => path.display().to_string(),
        #[allow(unreachable_patterns, reason = "other platforms have no Unix sockets")]
        Some(_) | None => config.get_hostaddrs().first().map(ToString::to_string).unwrap_or_default(),
    };
    let port = config.get_ports().first().copied().unwrap_or(5432);
    let database = config.get_dbname().or(config.get_user()).unwrap_or_default();
    format!("{host}:{port}/{database}")
}

fn parse_protection(mode: &str) -> Result<Protection> {
    match mode {
        "disable" => Ok(Protection::Disable),
        "prefer" => Ok(Protection::Prefer),
        "require" => Ok(Protection::Require),
        "verify-full" => Ok(Protection::Verify),
        "verify-ca" => Err(configuration(
            "sslmode=verify-ca is not supported; use verify-full, which also verifies the host name"
                .to_owned(),
        )),
        _ => Err(configuration(
            "unknown sslmode; use one of disable, prefer, require and verify-full".to_owned(),
        )),
    }
}

/// Returns whether it is unclear where the password ends. Errors contain the text that the parser reads as
/// the host, the database or a parameter, so a part of the password could be displayed.
fn is_ambiguous(text: &str) -> bool {
    /// Parameters whose values may contain an `@`.
    const FREE_TEXT_PARAMETERS: [&str; 3] = ["application_name", "options", "sslrootcert"];
    let Some((_, rest)) = text.split_once("://") else {
        return text.contains('@') && !text.contains('=');
    };
    let count = |text: &str| text.matches('@').count();
    let (location, query) = rest.split_once('?').unwrap_or((rest, ""));
    let is_unambiguous = |part: &str| {
        count(part) == 0 || part.split_once('=').is_some_and(|(name, _)| FREE_TEXT_PARAMETERS.contains(&name))
    };
    match count(location) {
        // The parser accepts a password with a question mark.
        0 => count(query) > 1,
        1 => !query.split('&').all(is_unambiguous),
        _ => true,
    }
}

/// Removes `sslmode` and `sslrootcert`, which the driver does not fully support, from the address; returns
/// the rest and these parameters.
fn without_tls_parameters(text: &str) -> (String, Vec<(String, String)>) {
    let is_tls_parameter = |name: &str| matches!(name, "sslmode" | "sslrootcert");
    let mut tls_parameters = Vec::new();
    if !text.contains("://") {
        let mut rest = Vec::new();
        for part in text.split_ascii_whitespace() {
            match part.split_once('=') {
                Some((name, value)) if is_tls_parameter(name) => {
                    tls_parameters.push((name.to_owned(), value.trim_matches('\'').to_owned()));
                }
                _ => rest.push(part),
            }
        }
        if tls_parameters.is_empty() {
            return (text.to_owned(), tls_parameters);
        }
        return (rest.join(" "), tls_parameters);
    }
    let Some((location, query)) = text.split_once('?') else { return (text.to_owned(), tls_parameters) };
    let mut rest = Vec::new();
    for part in query.split('&') {
        match part.split_once('=') {
            Some((name, value)) if is_tls_parameter(name) => {
                tls_parameters.push((name.to_owned(), percent_decoded(value)))
            }
            _ => rest.push(part),
        }
    }
    let rest = rest.join("&");
    (if rest.is_empty() { location.to_owned() } else { format!("{location}?{rest}") }, tls_parameters)
}

fn percent_decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, others @ ..] = rest {
        let digit = |byte: &u8| char::from(*byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        match (first, others) {
            (b'%', [high, low, after @ ..]) if digit(high).is_some() && digit(low).is_some() => {
                bytes.push(digit(high).unwrap_or(0) * 16 + digit(low).unwrap_or(0));
                rest = after;
            }
            _ => {
                bytes.push(*first);
                rest = others;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn configuration(text: String) -> Error {
    Error::new(ErrorKind::Configuration, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_displayed_without_its_password() {
        let address = Address::parse(
            "postgres://ann:s3cret@db.example.org:5433/shop?sslmode=verify-full&sslrootcert=%2Fca.pem",
        );
        let address = address.expect("a valid address");
        assert_eq!(address.to_string(), "db.example.org:5433/shop");
        assert!(!format!("{address:?}").contains("s3cret"));
        assert_eq!(address.protection, Protection::Verify);
        assert_eq!(address.root_certificate.as_deref(), Some("/ca.pem"));
    }

    #[test]
    fn each_sslmode_has_its_documented_meaning() {
        let modes = |text: &str| {
            Address::parse(text).map(|address| (address.protection, address.config.get_ssl_mode()))
        };
        assert_eq!(modes("postgres://a@h/d").ok(), Some((Protection::Prefer, SslMode::Prefer)));
        assert_eq!(
            modes("postgres://a@h/d?sslmode=disable").ok(),
            Some((Protection::Disable, SslMode::Disable))
        );
        let required = modes("host=h user=a sslmode=require");
        assert_eq!(required.ok(), Some((Protection::Require, SslMode::Require)));
        let with_root_certificate = modes("postgres://a@h/d?sslmode=require&sslrootcert=ca.pem");
        assert_eq!(with_root_certificate.ok(), Some((Protection::Verify, SslMode::Require)));
        for invalid in ["verify-ca", "requrie", ""] {
            assert!(modes(&format!("postgres://a@h/d?sslmode={invalid}")).is_err(), "{invalid}");
        }
    }

    #[test]
    fn an_address_with_an_ambiguous_password_is_refused_without_being_displayed() {
        for text in [
            "postgres://ann:hunter@2secret@db/shop",
            "postgresql://ann:hunter@@2secret@db/shop",
            "postgres://ann:@2secret@db/shop",
            "postgres://ann@work:2secret@db/shop",
            "postgres://ann:hunter@2secret/x@db/shop",
            "postgres://ann:hunter/x@2secret@db/shop",
            "postgres://ann:hunter@2secret?x@db/shop",
            "postgres://ann:hunter@2secret?x=y@db/shop",
            "postgres://ann:hunter?x@2secret@db/shop",
            "postgres://ann:hunter@db/2secret@shop",
            "ann:hunter@2secret@db/shop",
        ] {
            let error = Address::parse(text).expect_err(text);
            let shown = format!("{} {error:?}", error.chain());
            assert!(!["hunter", "2secret", "ann"].iter().any(|part| shown.contains(part)), "{text}: {shown}");
            assert!(shown.contains("%40"), "{text}: {shown}");
            let options = crate::Postgres::options(text);
            assert!(!format!("{options:?}").contains("secret"), "{text}");
        }
        for text in [
            "postgres://ann:hunter%402secret@db/shop",
            "postgres://ann:hunter/2secret@db/shop",
            "postgres://ann@db/shop?application_name=a@b",
            "host=db user=ann password=hunter@@2secret dbname=shop",
        ] {
            let address = Address::parse(text).expect(text);
            assert_eq!(address.to_string(), "db:5432/shop");
            assert!(!format!("{address:?}").contains("hunter"));
        }
    }

    #[test]
    fn an_invalid_address_is_refused_without_being_displayed() {
        for text in
            ["postgres://ann:s3cret@db:port/shop", "postgres://ann:s3cret@h/d?colour=s3cret", "s3cret", ""]
        {
            let error = Address::parse(text).expect_err(text);
            assert!(!error.chain().contains("s3cret"), "{error}");
        }
    }
}
