//! Reads and writes ZIP files entry by entry. Files are written without a check that they are valid.

use std::io::{Cursor, Read, Write};

use super::len64;

/// The entries of a ZIP file. [`write`](Self::write) does not check that the file is valid.
#[derive(Clone, Debug, Default)]
pub struct Zip {
    /// The entries, in the order of the file.
    pub entries: Vec<ZipEntry>,
    /// The number of entries that the directory declares. `None` declares the actual number.
    pub declared_entries: Option<u16>,
}

/// An entry with its data as they are stored.
#[derive(Clone, Debug)]
pub struct ZipEntry {
    /// The name, which may be invalid.
    pub name: String,
    /// The compression method: 0 is stored, 8 is deflated.
    pub method: u16,
    /// The declared checksum.
    pub crc32: u32,
    /// The data as they are stored in the file.
    pub data: Vec<u8>,
    /// The declared size of the extracted data.
    pub size: u64,
    /// The position that the directory records.
    pub offset: RecordedOffset,
}

/// The position of an entry that the directory records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordedOffset {
    /// The actual position.
    Actual,
    /// A position within another entry: the index of that entry, and the number of bytes after its start. The
    /// data of the entry itself are not written.
    Within(usize, usize),
}

/// The length of a local header without the name, in bytes.
const LOCAL_HEADER_BYTES: usize = 30;

impl Zip {
    /// Reads the entries of a file.
    ///
    /// # Panics
    /// The file is not a ZIP file.
    pub fn read(bytes: &[u8]) -> Self {
        let mut archive = ::zip::ZipArchive::new(Cursor::new(bytes)).expect("a ZIP file");
        let mut entries = Vec::new();
        for index in 0..archive.len() {
            let mut file = archive.by_index_raw(index).expect("an entry");
            let mut data = Vec::new();
            file.read_to_end(&mut data).expect("the data of an entry are readable");
            let method = if file.compression() == ::zip::CompressionMethod::Stored { 0 } else { 8 };
            let name = String::from_utf8(file.name_raw().to_vec()).expect("the name of an entry is UTF-8");
            let (crc32, size) = (file.crc32(), file.size());
            entries.push(ZipEntry { name, method, crc32, data, size, offset: RecordedOffset::Actual });
        }
        Self { entries, declared_entries: None }
    }

    /// Returns the name of each entry of a ZIP file, and the range of its data in the file.
    ///
    /// # Panics
    /// The file is not a ZIP file.
    pub fn ranges(bytes: &[u8]) -> Vec<(String, std::ops::Range<usize>)> {
        let mut archive = ::zip::ZipArchive::new(Cursor::new(bytes)).expect("a ZIP file");
        let count = archive.len();
        let range = |index| {
            let file = archive.by_index_raw(index).expect("an entry");
            let start = usize::try_from(file.data_start().expect("the local header is valid"))
                .expect("an offset fits into usize");
            let length = usize::try_from(file.compressed_size()).expect("a size fits into usize");
            let name = String::from_utf8(file.name_raw().to_vec()).expect("the name of an entry is UTF-8");
            (name, start..start + length)
        };
        (0..count).map(range).collect()
    }

    /// Returns the entry with a name.
    pub fn entry(&self, name: &str) -> &ZipEntry {
        self.entries.iter().find(|entry| entry.name == name).expect("the entry exists")
    }

    /// Returns the entry with a name, so that the caller can modify it.
    pub fn entry_mut(&mut self, name: &str) -> &mut ZipEntry {
        self.entries.iter_mut().find(|entry| entry.name == name).expect("the entry exists")
    }

    /// Removes an entry.
    pub fn remove(&mut self, name: &str) -> ZipEntry {
        let index = self.entries.iter().position(|entry| entry.name == name).expect("the entry exists");
        self.entries.remove(index)
    }

    /// Returns the content of the ZIP file.
    pub fn write(&self) -> Vec<u8> {
        let mut out = Vec::new();
        let mut offsets: Vec<usize> = Vec::new();
        for entry in &self.entries {
            match entry.offset {
                RecordedOffset::Actual => {
                    offsets.push(out.len());
                    out.extend(entry.local_header());
                    out.extend_from_slice(&entry.data);
                }
                RecordedOffset::Within(index, distance) => offsets.push(offsets[index] + distance),
            }
        }
        let directory = out.len();
        for (entry, offset) in self.entries.iter().zip(offsets) {
            out.extend(entry.directory_record(offset));
        }
        let directory_length = len32(out.len() - directory);
        let count = self.declared_entries.unwrap_or_else(|| {
            u16::try_from(self.entries.len()).expect("the number of entries fits into u16")
        });
        out.extend(b"PK\x05\x06\0\0\0\0");
        out.extend(count.to_le_bytes());
        out.extend(count.to_le_bytes());
        out.extend(directory_length.to_le_bytes());
        out.extend(len32(directory).to_le_bytes());
        out.extend([0, 0]);
        out
    }
}

impl ZipEntry {
    /// Creates an entry with this content.
    pub fn deflated(name: &str, content: &[u8]) -> Self {
        let mut encoder = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(content).expect("memory is writable");
        let data = encoder.finish().expect("memory is writable");
        let (crc32, size) = (crc32fast::hash(content), len64(content));
        Self { name: name.to_owned(), method: 8, crc32, data, size, offset: RecordedOffset::Actual }
    }

    /// Creates an entry that declares a size of `declared` bytes. Its data decompress to `inflated` bytes,
    /// each of which is the digit `0`.
    pub fn bomb(name: &str, declared: u64, inflated: u64) -> Self {
        let mut encoder = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::best());
        std::io::copy(&mut std::io::repeat(b'0').take(inflated), &mut encoder).expect("memory is writable");
        let data = encoder.finish().expect("memory is writable");
        Self { data, size: declared, ..Self::deflated(name, b"") }
    }

    /// Returns the extracted content.
    pub fn content(&self) -> Vec<u8> {
        if self.method == 0 {
            return self.data.clone();
        }
        let mut content = Vec::new();
        // If the stream is damaged, the content is the part before the damage.
        let _ = flate2::read::DeflateDecoder::new(&self.data[..]).read_to_end(&mut content);
        content
    }

    /// Returns the header before the data.
    pub fn local_header(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(LOCAL_HEADER_BYTES + self.name.len());
        out.extend(b"PK\x03\x04");
        out.extend(self.common_fields());
        out.extend(self.name.as_bytes());
        out
    }

    fn directory_record(&self, offset: usize) -> Vec<u8> {
        let mut out = Vec::with_capacity(46 + self.name.len());
        out.extend(b"PK\x01\x02\x14\0");
        out.extend(self.common_fields());
        out.extend([0; 10]);
        out.extend(len32(offset).to_le_bytes());
        out.extend(self.name.as_bytes());
        out
    }

    /// Returns the fields that the local header and the directory record have in common: from the required
    /// version to the length of the extra field.
    fn common_fields(&self) -> Vec<u8> {
        let mut out = vec![20, 0, 0, 8];
        out.extend(self.method.to_le_bytes());
        out.extend([0; 4]);
        out.extend(self.crc32.to_le_bytes());
        out.extend(len32(self.data.len()).to_le_bytes());
        out.extend(u32::try_from(self.size).expect("a length is less than 4 GiB").to_le_bytes());
        out.extend(u16::try_from(self.name.len()).expect("the length of a name fits into u16").to_le_bytes());
        out.extend([0, 0]);
        out
    }
}

fn len32(length: usize) -> u32 {
    u32::try_from(length).expect("a length is less than 4 GiB")
}
