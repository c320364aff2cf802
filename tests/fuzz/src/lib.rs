//! The checks of the fuzz targets. Each `run` panics if its input violates a guarantee of the library.

#![forbid(unsafe_code)]

pub mod alteration;
pub mod archive;
pub mod codec;
pub mod manifest;
pub mod rich;
pub mod shop;
