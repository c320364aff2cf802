//! The blocks of an entry: fetched in order, opened on all cores, and ahead of whoever takes them.

use std::sync::Arc;

use bytes::Bytes;
use futures::Stream;
use futures::stream::{self, StreamExt, TryStreamExt};
use tokio::sync::mpsc;

use crate::archive::{ArchiveReader, Block, BlockFault};
use crate::buffers::Buffers;
use crate::error::{Error, ErrorKind, Result};

/// The blocks of an entry in order, each worked on by `open` on a thread that may work.
pub(crate) fn read_blocks<'a, T: Send + 'static>(
    reader: &'a ArchiveReader,
    file: &'a str,
    blocks: Vec<(usize, Block)>,
    max_concurrency: usize,
    open: impl Fn(usize, Block, std::result::Result<Bytes, BlockFault>) -> T + Clone + Send + 'static,
) -> impl Stream<Item = Result<T>> + 'a {
    // They are taken in order: while one takes its time, those behind it are done and wait. Each holds a block.
    let workers = std::thread::available_parallelism().map_or(1, usize::from) + 2;
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
    // What is made waits inside the stream as well.
    let (sender, receiver) = mpsc::channel(1);
    let making = async move {
        let mut made = std::pin::pin!(made);
        while let Some(one) = made.try_next().await? {
            if sender.send(one).await.is_err() {
                // Nobody takes it, because the work has failed.
                break;
            }
        }
        Ok(())
    };
    (making, receiver)
}
