//! The kinds of requests to a store.

/// The kind of a request to a store. It determines what a 404 response means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RequestKind {
    /// A request for a file that may not exist.
    File,
    /// A request for which only the bucket must exist.
    Bucket,
    /// The write of a file, for which only the bucket must exist.
    Write,
    /// The write of a file that must not exist yet.
    Creation,
    /// A request for a multipart upload, which may no longer exist: the write of a part, or the end of the
    /// upload.
    Upload,
}
