//! An event store in a directory or bucket: one JSON document for each aggregate, and its events in files of JSON Lines.
//!
//! # Layout
//!
//! | path below `event-store/` | content |
//! |---|---|
//! | `mark.json` | the mark by which a store that has disappeared is recognized |
//! | `streams/{object}/{id}/{generation}-{restore}.json` | the document of an aggregate, which names its other files |
//! | `streams/{object}/{id}/{file}.jsonl` | events of one stream, one a line |
//! | `streams/{object}/{id}/{file}.snapshot.json` | a snapshot |
//! | `journals/{restore}.json` | the documents of a change that is being committed |
//! | `outcomes/{restore}.json` | whether the change was committed or discarded |
//! | `withdrawals/{restore}.json` | the mark of a change that was not committed and has no journal any more |
//!
//! Object names and ids are percent-encoded. A long id is replaced by its SHA-256, and its document contains the id.
//!
//! No file is ever changed. A change writes new documents with the next generation, which are invisible while the journal
//! exists without an outcome. The outcome is created once, either by the committing process or by another that discards the
//! change, so a change is visible completely or not at all. Whoever finds a committed journal completes it.
//!
//! A change is completed by the removal of its journal. Its outcome remains, because another change may still try to
//! discard it. The journal of a change that was not committed is removed after its mark was created, because a reader may
//! have listed its documents before.
//!
//! Outcomes, marks, and replaced documents with their files remain until `EventFiles::remove_unused`. The files of a removed aggregate are removed at once.

#![cfg_attr(docsrs, feature(doc_cfg))]

mod aggregate;
mod application;
mod commit;
mod document_list;
mod document_name;
mod event_file;
mod listing;
mod mark;
mod objects;
mod path;
mod pinned;
mod reader;
mod restore;
mod session;
mod store;
mod unused;
mod writer;

pub use application::ExpectedVersion;
pub use store::EventFiles;
