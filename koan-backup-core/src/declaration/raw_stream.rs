//! Event streams whose events remain JSON, because the program has no type for them.

use std::collections::HashMap;
use std::panic::Location;
use std::sync::{LazyLock, Mutex, PoisonError};

use crate::entity::PolicyDeclaration;
use crate::entity::stream::{EventLayout, StreamDeclaration, StreamDescriptor};

/// The path of the type that represents events without a type of their own.
pub(super) const TYPE_PATH: &str = "koan_backup::event_store::StreamEvent";
/// The module of that type.
const MODULE_PATH: &str = "koan_backup::event_store";
/// The identifiers of the parts of streams without a type.
const PART_IDENTS: [&str; 3] = ["StreamEvent", "StreamEvent.documents", "StreamEvent.snapshots"];

/// Event streams without an event type, for [`KoanBuilder::register_raw`](crate::KoanBuilder::register_raw). Their events
/// remain JSON, and are not decoded as a type.
///
/// They are backed up. They are encrypted if [`encrypt`](Self::encrypt) was called, or if the scope of any crate encrypts by
/// default. A string is converted to this type.
///
/// ```
/// use koan_backup::event_store::RawStream;
///
/// let builder = koan_backup::Koan::builder()
///     .register_raw("legacy-order")
///     .register_raw(RawStream::new("legacy-cart").provider("archive").encrypt())
///     .register_raw(RawStream::new("page-view").exclude("kept by the web server"));
/// # drop(builder);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[must_use = "the streams are declared by `register_raw`"]
pub struct RawStream {
    object: String,
    provider: Option<String>,
    encrypt: Option<bool>,
    exclusion: Option<String>,
}

impl RawStream {
    /// Returns the streams with this object name.
    pub fn new(object: impl Into<String>) -> Self {
        Self { object: object.into(), provider: None, encrypt: None, exclusion: None }
    }

    /// Sets the provider with the event store. The default is the only provider with an event store, otherwise the default
    /// provider.
    pub fn provider(mut self, name: impl Into<String>) -> Self {
        self.provider = Some(name.into());
        self
    }

    /// Encrypts the streams in every archive.
    pub fn encrypt(mut self) -> Self {
        self.encrypt = Some(true);
        self
    }

    /// Does not encrypt the streams, although a scope encrypts by default.
    pub fn without_encryption(mut self) -> Self {
        self.encrypt = Some(false);
        self
    }

    /// Excludes the streams from backups, for this reason.
    pub fn exclude(mut self, reason: impl Into<String>) -> Self {
        self.exclusion = Some(reason.into());
        self
    }

    /// Returns the descriptor of the streams, which are declared at `location`. A descriptor exists once for each
    /// declaration and lives as long as the program.
    pub(super) fn descriptor(self, location: &'static Location<'static>) -> &'static StreamDescriptor {
        type Known = HashMap<(RawStream, &'static str, u32), &'static StreamDescriptor>;
        static KNOWN: LazyLock<Mutex<Known>> = LazyLock::new(Mutex::default);

        let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
        let (file, line) = (location.file(), location.line());
        known.entry((self, file, line)).or_insert_with_key(|(streams, ..)| streams.leaked(file, line))
    }

    fn leaked(&self, file: &'static str, line: u32) -> &'static StreamDescriptor {
        let lasting = |text: &str| -> &'static str { Box::leak(text.to_owned().into_boxed_str()) };
        let object = lasting(&self.object);
        let policy = PolicyDeclaration {
            enabled: self.exclusion.is_some().then_some(false),
            reason: self.exclusion.as_deref().map(lasting),
            encrypt: self.encrypt,
            ..PolicyDeclaration::default()
        };
        Box::leak(Box::new(StreamDescriptor::raw(StreamDeclaration {
            object,
            part_names: [
                object,
                lasting(&format!("{object}.documents")),
                lasting(&format!("{object}.snapshots")),
            ],
            part_idents: PART_IDENTS,
            provider: self.provider.as_deref().map(lasting),
            module_path: MODULE_PATH,
            file,
            line,
            policy: Some(policy),
            layout: EventLayout::InPayload,
        })))
    }
}

impl From<&str> for RawStream {
    fn from(object: &str) -> Self {
        Self::new(object)
    }
}

impl From<String> for RawStream {
    fn from(object: String) -> Self {
        Self::new(object)
    }
}
