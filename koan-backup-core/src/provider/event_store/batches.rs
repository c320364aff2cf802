//! Batches of bounded size.

use futures::stream::{self, BoxStream, Stream, StreamExt};

use crate::entity::stream::{JsonText, StreamEvent, StreamSnapshot};
use crate::foundation::error::Result;

/// Values in batches of bounded size. A batch is never empty.
pub type Batches<'r, T> = BoxStream<'r, Result<Vec<T>>>;

/// The size at which a batch is complete.
const BATCH_BYTES: usize = 1 << 20;

/// A value whose size in memory is known approximately, so that batches of it can be bounded.
pub trait BatchValue: Send {
    /// Returns the approximate number of bytes that the value occupies.
    fn size_bytes(&self) -> usize;
}

/// Joins values to batches of about a mebibyte. Values before an error are returned before the error.
pub fn batches<'r, T: BatchValue + 'r>(values: impl Stream<Item = Result<T>> + Send + 'r) -> Batches<'r, T> {
    let state = (Box::pin(values), None);
    let batches = stream::unfold(state, async |(mut values, error)| {
        if let Some(error) = error {
            return Some((Err(error), (values, None)));
        }
        let (mut batch, mut bytes) = (Vec::new(), 0);
        while let Some(value) = values.next().await {
            match value {
                Ok(value) => {
                    bytes += value.size_bytes();
                    batch.push(value);
                    if bytes >= BATCH_BYTES {
                        break;
                    }
                }
                Err(error) if batch.is_empty() => return Some((Err(error), (values, None))),
                Err(error) => return Some((Ok(batch), (values, Some(error)))),
            }
        }
        (!batch.is_empty()).then_some((Ok(batch), (values, None)))
    });
    batches.boxed()
}

impl BatchValue for StreamEvent {
    fn size_bytes(&self) -> usize {
        let optional = [&self.schema_version, &self.external_sequencer, &self.action, &self.timestamp];
        let texts = [&self.object_id, &self.stream_id, &self.event_type].into_iter();
        let texts = texts.chain(optional.into_iter().flatten()).map(String::len).sum::<usize>();
        size_of::<Self>() + texts + json_bytes(&self.payload) + self.metadata.as_ref().map_or(0, json_bytes)
    }
}

impl BatchValue for StreamSnapshot {
    fn size_bytes(&self) -> usize {
        let texts = [&self.object_id, &self.stream_id].into_iter();
        let texts = texts.chain([&self.name, &self.timestamp].into_iter().flatten());
        size_of::<Self>() + texts.map(String::len).sum::<usize>() + json_bytes(&self.payload)
    }
}

fn json_bytes(json: &JsonText) -> usize {
    json.as_json().get().len() + json.other_text().map_or(0, str::len)
}

#[cfg(test)]
mod tests {
    use futures::TryStreamExt;

    use super::*;
    use crate::foundation::error::{Error, ErrorKind};

    #[derive(Debug, PartialEq)]
    struct Value(usize);

    impl BatchValue for Value {
        fn size_bytes(&self) -> usize {
            self.0
        }
    }

    #[tokio::test]
    async fn a_batch_ends_at_a_mebibyte_or_after_one_larger_value() {
        let half = BATCH_BYTES / 2;
        let values = [half, half, 3 * BATCH_BYTES, 1, 2].map(|bytes| Ok(Value(bytes)));
        let joined: Vec<_> = batches(stream::iter(values)).try_collect().await.expect("no value is an error");
        let lengths: Vec<_> = joined.iter().map(Vec::len).collect();
        assert_eq!(lengths, [2, 1, 2]);
        let none: Vec<_> = batches(stream::iter(Vec::<Result<Value>>::new())).collect().await;
        assert!(none.is_empty(), "no value makes no batch");
    }

    #[tokio::test]
    async fn an_error_follows_the_values_before_it() {
        let values = [Ok(Value(1)), Err(Error::new(ErrorKind::Provider, "the read failed"))];
        let joined: Vec<_> = batches(stream::iter(values)).collect().await;
        assert!(matches!(joined.as_slice(), [Ok(batch), Err(_)] if batch.len() == 1), "{joined:?}");
    }
}
