//! Reads the blocks of an entry: fetches them in order, processes them on all cores, and works ahead of the
//! consumer.

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

/// Returns a stream of the blocks of an entry, in order. `open` processes each block on a thread that may
/// block.
pub(crate) fn read_blocks<'a, T: Send + 'static>(
    reader: &'a ArchiveReader,
    file: &'a str,
    blocks: Vec<(usize, Block)>,
    max_concurrency: usize,
    open: impl Fn(usize, Block, std::result::Result<Bytes, BlockFault>) -> T + Clone + Send + 'static,
) -> impl Stream<Item = Result<T>> + 'a {
    // More than one block per core hardly helps, and each needs memory.
    let workers = std::thread::available_parallelism().map_or(1, usize::from) + 1;
    let buffers = Arc::new(Buffers::default());
    let opening = stream::iter(blocks).map(move |(index, block)| {
        let (open, buffers) = (open.clone(), Arc::clone(&buffers));
        async move {
            let fetched = reader.block(file, block).await?;
            blocking("reads the archive", move || open(index, block, fetched.lines(&buffers))).await
        }
    });
    opening.buffered(workers.min(max_concurrency.max(1)))
}

/// Produces the items of a stream while the consumer works on earlier ones. The returned future drives the
/// stream and sends the items into the channel; the caller must await it together with the consumer. The
/// channel closes when the stream ends.
pub(crate) fn ahead<T>(
    items: impl Stream<Item = Result<T>>,
) -> (impl Future<Output = Result<()>>, mpsc::Receiver<T>) {
    // The stream holds finished items as well, so the channel needs no more than one.
    let (sender, receiver) = mpsc::channel(1);
    let producing = async move {
        let mut items = std::pin::pin!(items);
        // The receiver is dropped when the consumer has failed.
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

    fn failed() -> Error {
        Error::new(ErrorKind::Storage, "not read")
    }

    async fn consumed(
        items: impl Stream<Item = Result<u32>>,
        consume: impl Fn(u32) -> Result<()>,
    ) -> (Result<()>, Vec<u32>) {
        let (producing, mut receiver) = ahead(items);
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
        let (ended, all) = consumed(stream::iter((0..100).map(Ok)), |_| Ok(())).await;
        assert!(ended.is_ok() && all == (0..100).collect::<Vec<_>>());

        let broken = stream::iter((0..100).map(|one| if one == 50 { Err(failed()) } else { Ok(one) }));
        let (ended, some) = consumed(broken, |_| Ok(())).await;
        assert!(ended.is_err() && some.len() <= 50, "{some:?}");

        let refusing = |one| if one == 50 { Err(failed()) } else { Ok(()) };
        let (ended, some) = consumed(stream::iter((0..).map(Ok)), refusing).await;
        assert!(ended.is_err() && some.len() == 50);
    }
}
