//! The reading of the blocks of an entry: blocks are fetched in order, processed on all cores, and read ahead
//! of the consumer.

use std::sync::Arc;

use bytes::Bytes;
use futures::Stream;
use futures::stream::{self, StreamExt, TryStreamExt};
use tokio::sync::mpsc;

use super::blocks::Block;
use super::reader::ArchiveReader;
use super::records::BlockFault;
use crate::foundation::blocking::blocking;
use crate::foundation::buffers::Buffers;
use crate::foundation::error::Result;

/// Returns a stream of the processed blocks of an entry, in order. `process` is called for each block, on a
/// blocking thread.
pub(crate) fn read_blocks<'a, T: Send + 'static>(
    reader: &'a ArchiveReader,
    file: &'a str,
    blocks: Vec<(usize, Block)>,
    max_concurrency: usize,
    process: impl Fn(usize, Block, std::result::Result<Bytes, BlockFault>) -> T + Clone + Send + 'static,
) -> impl Stream<Item = Result<T>> + 'a {
    // Each block needs memory, and more than one block per core hardly increases the throughput.
    let workers = std::thread::available_parallelism().map_or(1, usize::from) + 1;
    let buffers = Arc::new(Buffers::default());
    let processing = stream::iter(blocks).map(move |(index, block)| {
        let (process, buffers) = (process.clone(), Arc::clone(&buffers));
        async move {
            let fetched = reader.block(file, block).await?;
            blocking("reads the archive", move || process(index, block, fetched.lines(&buffers))).await
        }
    });
    processing.buffered(workers.min(max_concurrency.max(1)))
}

/// Produces the items of a stream while the consumer processes earlier items. The returned future drives the
/// stream and sends the items into the channel; the caller must await it together with the consumer. The
/// channel closes when the stream ends.
pub(crate) fn read_ahead<T>(
    items: impl Stream<Item = Result<T>>,
) -> (impl Future<Output = Result<()>>, mpsc::Receiver<T>) {
    // The stream buffers finished items as well, so a channel with a capacity of one is enough.
    let (sender, receiver) = mpsc::channel(1);
    let producing = async move {
        let mut items = std::pin::pin!(items);
        // `reserve` fails when the consumer has returned an error and dropped the receiver.
        while let Ok(permit) = sender.reserve().await {
            match items.try_next().await? {
                Some(item) => permit.send(item),
                None => break,
            }
        }
        Ok(())
    };
    (producing, receiver)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::foundation::error::{Error, ErrorKind};

    fn read_error() -> Error {
        Error::new(ErrorKind::Storage, "the item could not be read")
    }

    /// Runs producer and consumer until both end, and returns their result and the consumed items.
    async fn consume_all(
        items: impl Stream<Item = Result<u32>>,
        consume: impl Fn(u32) -> Result<()>,
    ) -> (Result<()>, Vec<u32>) {
        let (producing, mut receiver) = read_ahead(items);
        let mut consumed = Vec::new();
        let consuming = async {
            while let Some(item) = receiver.recv().await {
                tokio::task::yield_now().await;
                consume(item)?;
                consumed.push(item);
            }
            Ok(())
        };
        let ended = tokio::try_join!(producing, consuming).map(|((), ())| ());
        (ended, consumed)
    }

    #[tokio::test]
    async fn all_items_arrive_in_order_and_an_error_of_either_side_ends_both() {
        let (result, consumed) = consume_all(stream::iter((0..100).map(Ok)), |_| Ok(())).await;
        assert!(result.is_ok() && consumed == (0..100).collect::<Vec<_>>());

        let failing =
            stream::iter((0..100).map(|number| if number == 50 { Err(read_error()) } else { Ok(number) }));
        let (result, consumed) = consume_all(failing, |_| Ok(())).await;
        assert!(result.is_err() && consumed.len() <= 50, "{consumed:?}");

        let refuse_50 = |number| if number == 50 { Err(read_error()) } else { Ok(()) };
        let (result, consumed) = consume_all(stream::iter((0..).map(Ok)), refuse_50).await;
        assert!(result.is_err() && consumed.len() == 50);
    }
}
