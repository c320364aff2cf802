//! Object stores for tests. Each store is started on a free port, in memory or in its own folder, and is
//! stopped when its value is dropped.

mod answering;
mod azurite;
mod google;
mod http;
mod moto;
mod program;
mod s3s;

pub use answering::{ReceivedRequest, start_responder};
pub use azurite::{Azurite, KEY as AZURITE_KEY};
pub use google::{GoogleEmulator, MotoBackedGoogle, google};
pub use http::{Response, request};
pub use moto::Moto;
pub use s3s::{S3s, s3_storage};
