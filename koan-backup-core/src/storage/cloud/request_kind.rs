//! The kind of a request to a store.

/// The kind of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RequestKind {
    /// A request for a file that may not exist.
    File,
    /// A request that needs only the bucket.
    Bucket,
    /// The write of a file, which needs only the bucket.
    Write,
    /// The write of a file that must not exist yet.
    Creation,
    /// The write of an upload part, or the end of an upload, which may no longer exist.
    Upload,
}
