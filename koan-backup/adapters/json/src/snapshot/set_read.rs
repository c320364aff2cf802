//! Reads one set into a sink.

use koan_backup_core::{
    Error, ErrorKind, Result,
    entity::Row,
    provider::{Flow, ReadRequest, RecordSink},
};

use super::super::document::Document;
use super::super::documents::Documents;
use super::super::keys::{SeenKeys, are_comparable_as_written};
use super::super::row_reader::RowReader;
use koan_backup_core::provider::keyed::RecordKey;

/// A read in progress.
#[derive(Debug)]
pub(super) struct SetRead {
    documents: Documents,
    row_reader: RowReader,
    seen: SeenKeys,
    has_comparable_keys: bool,
    /// The requested key, if the request is for one record.
    wanted: Option<RecordKey>,
    pub(super) sink: RecordSink,
}

impl SetRead {
    pub(super) fn new(documents: Documents, request: ReadRequest, sink: RecordSink) -> Self {
        Self {
            documents,
            has_comparable_keys: are_comparable_as_written(&request.entity),
            row_reader: RowReader::new(request.entity),
            seen: SeenKeys::default(),
            wanted: request.key.map(|key| RecordKey::of_values(&key)),
            sink,
        }
    }

    /// Reads until the sink must be flushed or the set ends. Returns whether the set has ended.
    pub(super) fn read_until_flush(mut self) -> Result<(Self, bool)> {
        let codec = self.row_reader.codec().clone();
        while self.documents.advance()?.is_some() {
            let to_error = |reason| self.documents.error(&codec, reason);
            let document =
                Document::parse(self.documents.content()).map_err(|reason| to_error(reason.into()))?;
            let key = if self.has_comparable_keys && self.wanted.is_none() {
                let (_, values) = self.row_reader.row(&document).map_err(|reason| to_error(reason.into()))?;
                self.row_reader.written_key(&values)
            } else {
                None
            };
            let key = match key {
                Some(key) => key,
                None => {
                    let (record, _) = self.row_reader.record(&document).map_err(to_error)?;
                    RecordKey::of(&record, codec.schema())
                }
            };
            if self.wanted.as_ref().is_some_and(|wanted| *wanted != key) {
                continue;
            }
            let (projection, values) =
                self.row_reader.row(&document).map_err(|reason| to_error(reason.into()))?;
            let row = Row { projection, values: &values };
            if !self.seen.add(&key) {
                return Err(Error::new(
                    ErrorKind::Record,
                    format!(
                        "{}: {} `{}` has a duplicate key, so a restore would lose one of the records; remove \
                         one of them, or declare a key that distinguishes the records",
                        self.documents.description(&codec),
                        codec.name(),
                        codec.row_key(&row)
                    ),
                ));
            }
            let description = || self.documents.description(&codec);
            let flow = self.sink.push(&row).map_err(|error| match error.kind() {
                ErrorKind::Cancelled => error,
                _ => error.context(format!("reading {} failed", description())),
            })?;
            if flow == Flow::Flush {
                return Ok((self, false));
            }
        }
        self.documents.check_unchanged()?;
        Ok((self, true))
    }
}
