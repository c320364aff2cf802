//! E-mail.

use std::fmt;

use koan_backup_core::{Error, ErrorKind, Result};
use lettre::message::Mailbox;
use lettre::message::header::ContentType;
use lettre::transport::smtp::authentication::Credentials;
use lettre::{AsyncSmtpTransport, AsyncTransport as _, Message, Tokio1Executor};

use crate::address::{invalid, parse};
use crate::delivery::{ATTEMPT_TIMEOUT, DeliveryProblem};
use crate::notification::{Notification, NotificationKind};

/// E-mail through a mail server.
///
/// The address of the server is `smtps://user@mail.example.com` (TLS, port 465), or
/// `smtp://user@mail.example.com?tls=required` (STARTTLS, port 587). `smtp://localhost` has no encryption; a user and
/// a password are sent without encryption only to this machine.
#[derive(Clone)]
pub struct Email {
    host: String,
    transport: AsyncSmtpTransport<Tokio1Executor>,
    from: Mailbox,
    to: Vec<Mailbox>,
    pub(crate) kinds: Vec<NotificationKind>,
}

impl Email {
    /// Creates e-mail about failures, warnings and recoveries.
    ///
    /// `password` is that of the user in the address of the server. It replaces a password in the address.
    ///
    /// # Errors
    /// The address of the server is not valid, or the user and the password would be sent without encryption. The
    /// sender or a receiver is not an address, or there is no receiver. The error contains no address of a server.
    pub fn new<'a>(
        server: &str,
        password: Option<&str>,
        from: &str,
        to: impl IntoIterator<Item = &'a str>,
    ) -> Result<Self> {
        use NotificationKind::{Failure, Recovery, Warning};
        let mut url = parse(server)?;
        let host = url.host_str().unwrap_or_default().to_owned();
        let is_encrypted = match url.scheme() {
            "smtps" => true,
            "smtp" => url.query_pairs().any(|(name, value)| name == "tls" && value == "required"),
            _ => {
                return Err(invalid("is not that of a mail server")
                    .with_help("write `smtps://user@mail.example.com`"));
            }
        };
        if host.is_empty() {
            return Err(invalid("has no host").with_help("write `smtps://user@mail.example.com`"));
        }
        if password.is_some() && url.username().is_empty() {
            return Err(
                invalid("has a password and no user").with_help("write `smtps://user@mail.example.com`")
            );
        }
        let has_credentials = !url.username().is_empty() || password.is_some();
        if has_credentials && !is_encrypted && !is_loopback(&host) {
            return Err(invalid("has a user and no encryption")
                .with_help("write `smtps://…`, or add `?tls=required`"));
        }
        // The password is given separately, because it need not be escaped then.
        let user = url.username().to_owned();
        if password.is_some() {
            url.set_username("")
                .and_then(|()| url.set_password(None))
                .map_err(|()| invalid("is not valid"))?;
        }
        let mut builder = AsyncSmtpTransport::<Tokio1Executor>::from_url(url.as_str())
            .map_err(|_| {
                invalid("is not that of a mail server").with_help("write `smtps://user@mail.example.com`")
            })?
            .timeout(Some(ATTEMPT_TIMEOUT));
        if let Some(password) = password {
            builder = builder.credentials(Credentials::new(decoded(&user)?, password.to_owned()));
        }
        let to = to.into_iter().map(mailbox).collect::<Result<Vec<_>>>()?;
        if to.is_empty() {
            return Err(
                Error::new(ErrorKind::Configuration, "the e-mail has no receiver").with_help("add one")
            );
        }
        let (transport, from) = (builder.build(), mailbox(from)?);
        Ok(Self { host, transport, from, to, kinds: vec![Failure, Warning, Recovery] })
    }

    /// Selects what is sent.
    pub fn on(mut self, kinds: impl IntoIterator<Item = NotificationKind>) -> Self {
        self.kinds = kinds.into_iter().collect();
        self
    }

    pub(crate) async fn deliver(&self, notification: &Notification) -> Result<(), DeliveryProblem> {
        let message = self
            .to
            .iter()
            .fold(Message::builder().from(self.from.clone()), |message, to| message.to(to.clone()));
        let message = message
            .subject(notification.headline())
            .message_id(Some(format!("<{}@koan-backup>", notification.id)))
            .header(ContentType::TEXT_PLAIN)
            .body(notification.details())
            .map_err(|_| DeliveryProblem::permanent("the e-mail cannot be written"))?;
        let sent = tokio::time::timeout(ATTEMPT_TIMEOUT, self.transport.send(message)).await;
        let host = &self.host;
        match sent {
            Ok(Ok(_)) => Ok(()),
            Err(_) => {
                Err(DeliveryProblem::temporary(format!("the mail server `{host}` did not answer in time")))
            }
            // The text of the server may repeat what was sent, so only its code is reported.
            Ok(Err(error)) => Err(match error.status() {
                Some(code) if error.is_permanent() => DeliveryProblem::permanent(format!(
                    "the mail server `{host}` refused the message: {code}"
                )),
                Some(code) => DeliveryProblem::temporary(format!(
                    "the mail server `{host}` does not accept the message: {code}"
                )),
                None if error.is_tls() => {
                    DeliveryProblem::permanent(format!("no TLS with the mail server `{host}`"))
                }
                None if error.is_client() => {
                    let text = format!("the mail server `{host}` lacks an extension that is needed");
                    DeliveryProblem::permanent(text)
                }
                None => DeliveryProblem::temporary(format!("no connection to the mail server `{host}`")),
            }),
        }
    }
}

impl fmt::Debug for Email {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Email")
            .field("host", &self.host)
            .field("from", &self.from.email)
            .field("to", &self.to.iter().map(|to| &to.email).collect::<Vec<_>>())
            .field("kinds", &self.kinds)
            .finish_non_exhaustive()
    }
}

fn mailbox(address: &str) -> Result<Mailbox> {
    address.parse().map_err(|_| {
        let text = format!("`{}` is not an e-mail address", address.escape_debug());
        Error::new(ErrorKind::Configuration, text)
            .with_help("write `Name <name@example.com>` or `name@example.com`")
    })
}

fn is_loopback(host: &str) -> bool {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// Decodes the percent-encoding of the user in an address.
fn decoded(user: &str) -> Result<String> {
    let decoded = percent_encoding::percent_decode_str(user).decode_utf8();
    decoded.map(|user| user.into_owned()).map_err(|_| invalid("has a user that is not Unicode text"))
}
