//! Access: who may do what.
//!
//! [`gate`] determines the caller of a request, [`layer`] puts the routes behind it, and [`extractor`] requires a role
//! for a route.

pub(crate) mod audit;
pub(crate) mod authenticator;
mod cookie;
pub(crate) mod credentials;
pub(crate) mod cross_site;
pub(crate) mod extractor;
mod failed_tokens;
pub(crate) mod gate;
pub(crate) mod layer;
pub(crate) mod origins;
pub(crate) mod peer;
pub(crate) mod principal;
pub(crate) mod request_body;
pub(crate) mod response_headers;
pub(crate) mod role;
mod session;
pub(crate) mod sign_in;
pub(crate) mod tokens;

#[cfg(test)]
mod tests;

pub use self::audit::AuditLog;
pub use self::authenticator::Authenticator;
pub use self::principal::{Principal, PrincipalOrigin};
pub use self::role::Role;
pub use self::tokens::Tokens;
pub use self::tokens::entry::TokenEntry;
pub use self::tokens::secret::TokenSecret;
