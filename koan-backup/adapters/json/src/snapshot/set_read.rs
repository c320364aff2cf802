//! One set on its way into a sink.

use koan_backup_core::{
    Error, ErrorKind, Result,
    entity::Row,
    provider::{Flow, ReadRequest, RecordSink},
};

use super::super::document::Document;
use super::super::documents::Documents;
use super::super::keys::{SeenKeys, are_plain};
use super::super::row_reader::Rows;
use koan_backup_core::provider::keyed::RecordKey;

/// A read that is under way.
#[derive(Debug)]
pub(super) struct Reading {
    documents: Documents,
    rows: Rows,
    seen: SeenKeys,
    plain_keys: bool,
    /// Only the record of this key.
    wanted: Option<RecordKey>,
    pub(super) sink: RecordSink,
}

impl Reading {
    pub(super) fn new(documents: Documents, request: ReadRequest, sink: RecordSink) -> Self {
        Self {
            documents,
            plain_keys: are_plain(&request.entity),
            rows: Rows::new(request.entity),
            seen: SeenKeys::default(),
            wanted: request.key.map(|key| RecordKey::of_values(&key)),
            sink,
        }
    }

    /// Reads until the sink is to be flushed, or to the end; whether that was reached.
    pub(super) fn go_on(mut self) -> Result<(Self, bool)> {
        let codec = self.rows.codec().clone();
        while self.documents.advance()?.is_some() {
            let fault = |why| self.documents.fault(&codec, why);
            let document = Document::parse(self.documents.content()).map_err(|why| fault(why.into()))?;
            let key = if self.plain_keys && self.wanted.is_none() {
                let (_, values) = self.rows.row(&document).map_err(|why| fault(why.into()))?;
                self.rows.written_key(&values)
            } else {
                None
            };
            let key = match key {
                Some(key) => key,
                None => {
                    let (record, _) = self.rows.record(&document).map_err(fault)?;
                    RecordKey::of(&record, codec.schema())
                }
            };
            if self.wanted.as_ref().is_some_and(|wanted| *wanted != key) {
                continue;
            }
            let (projection, values) = self.rows.row(&document).map_err(|why| fault(why.into()))?;
            let row = Row { projection, values: &values };
            if !self.seen.add(&key) {
                return Err(Error::new(
                    ErrorKind::Record,
                    format!(
                        "{}: {} `{}` is there twice: one would be lost in a restore; remove one of them, or declare a \
                         key that tells records apart",
                        self.documents.named(&codec),
                        codec.name(),
                        codec.row_key(&row)
                    ),
                ));
            }
            let named = || self.documents.named(&codec);
            let flow = self.sink.push(&row).map_err(|error| match error.kind() {
                ErrorKind::Cancelled => error,
                _ => error.context(format!("{} was not read", named())),
            })?;
            if flow == Flow::Flush {
                return Ok((self, false));
            }
        }
        self.documents.check_unchanged()?;
        Ok((self, true))
    }
}
