//! The blocks of an entry: fetched in order, opened on all cores, and ahead of whoever takes them.

use std::sync::Arc;

use bytes::Bytes;
use futures::Stream;
use futures::stream::{self, StreamExt, TryStreamExt};
use tokio::sync::mpsc;

use crate::archive::{ArchiveReader, Block, BlockFault};
use crate::foundation::buffers::Buffers;
use crate::foundation::error::{Error, ErrorKind, Result};

/// The blocks of an entry in order, each worked on by `open` on a thread that may work.
pub(crate) fn read_blocks<'a, T: Send + 'static>(
    reader: &'a ArchiveReader,
    file: &'a str,
    blocks: Vec<(usize, Block)>,
    max_concurrency: usize,
    open: impl Fn(usize, Block, std::result::Result<Bytes, BlockFault>) -> T + Clone + Send + 'static,
) -> impl Stream<Item = Result<T>> + 'a {
    // More than one a core hardly help, and each holds a block.
    let workers = std::thread::available_parallelism().map_or(1, usize::from) + 1;
    let buffers = Arc::new(Buffers::default());
    let opening = stream::iter(blocks).map(move |(index, block)| {
        let (open, buffers) = (open.clone(), Arc::clone(&buffers));
        async move {
            let fetched = reader.block(file, block).await?;
            let opened = tokio::task::spawn_blocking(move || open(index, block, fetched.lines(&buffers)));
            opened.await.map_err(|source| {
                Error::with_source(ErrorKind::Internal, "a thread that reads the archive was lost", source)
            })
        }
    });
    opening.buffered(workers.min(max_concurrency.max(1)))
}

/// Has what a stream gives made while what it gave before is worked on: the future makes it, and must be waited for together with the
/// work on what comes out of the channel, which ends with the stream.
pub(super) fn ahead<T>(
    made: impl Stream<Item = Result<T>>,
) -> (impl Future<Output = Result<()>>, mpsc::Receiver<T>) {
    // What is made waits inside the stream as well. Nothing more is held here.
    let (sender, receiver) = mpsc::channel(1);
    let making = async move {
        let mut made = std::pin::pin!(made);
        // Nobody takes any more when the work has failed.
        while let Ok(place) = sender.reserve().await {
            match made.try_next().await? {
                Some(one) => place.send(one),
                None => break,
            }
        }
        Ok(())
    };
    (making, receiver)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failed() -> Error {
        Error::new(ErrorKind::Storage, "not read")
    }

    async fn taken(
        made: impl Stream<Item = Result<u32>>,
        take: impl Fn(u32) -> Result<()>,
    ) -> (Result<()>, Vec<u32>) {
        let (making, mut receiver) = ahead(made);
        let mut taken = Vec::new();
        let taking = async {
            while let Some(one) = receiver.recv().await {
                tokio::task::yield_now().await;
                take(one)?;
                taken.push(one);
            }
            Ok(())
        };
        let ended = tokio::try_join!(making, taking).map(|((), ())| ());
        (ended, taken)
    }

    #[tokio::test]
    async fn all_is_taken_in_order_and_either_side_ends_both() {
        let (ended, all) = taken(stream::iter((0..100).map(Ok)), |_| Ok(())).await;
        assert!(ended.is_ok() && all == (0..100).collect::<Vec<_>>());

        let broken = stream::iter((0..100).map(|one| if one == 50 { Err(failed()) } else { Ok(one) }));
        let (ended, some) = taken(broken, |_| Ok(())).await;
        assert!(ended.is_err() && some.len() <= 50, "{some:?}");

        let refusing = |one| if one == 50 { Err(failed()) } else { Ok(()) };
        let (ended, some) = taken(stream::iter((0..).map(Ok)), refusing).await;
        assert!(ended.is_err() && some.len() == 50);
    }
}
