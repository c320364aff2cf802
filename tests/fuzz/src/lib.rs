//! What the fuzz targets do with their input. Each `run` panics where a promise is broken.

#![forbid(unsafe_code)]

pub mod alteration;
pub mod archive;
pub mod codec;
pub mod manifest;
pub mod rich;
pub mod shop;
