//! Object stores and vector stores for tests. Each store is started on a free port, in memory or in its own folder, and is
//! stopped when its value is dropped.

mod answering;
mod azurite;
mod chroma;
mod elasticsearch;
mod google;
mod http;
mod milvus_lite;
mod moto;
mod opensearch;
mod program;
mod s3s;
mod weaviate;

pub use answering::{ReceivedRequest, start_responder};
pub use azurite::{Azurite, KEY as AZURITE_KEY};
pub use chroma::Chroma;
pub use elasticsearch::{Elasticsearch, ElasticsearchVersion};
pub use google::{GoogleEmulator, MotoBackedGoogle, google};
pub use http::{Response, request, send_json};
pub use milvus_lite::MilvusLite;
pub use moto::Moto;
pub use opensearch::OpenSearch;
pub use s3s::{S3s, s3_storage};
pub use weaviate::Weaviate;
