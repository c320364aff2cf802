//! A ZIP file, entry by entry, written without regard to whether it makes sense.

use std::io::{Cursor, Read, Write};

use super::len64;

/// A ZIP file, entry by entry. Written without regard to whether it makes sense.
#[derive(Clone, Debug, Default)]
pub struct Zip {
    /// Its entries, in the order of the file.
    pub entries: Vec<ZipEntry>,
    /// How many entries it claims to have, where that is not the truth.
    pub claimed: Option<u16>,
}

/// One entry, as it is stored.
#[derive(Clone, Debug)]
pub struct ZipEntry {
    /// Its name, whatever it is.
    pub name: String,
    /// 0 stored, 8 deflated.
    pub method: u16,
    /// Its claimed checksum.
    pub crc32: u32,
    /// Its data as they are stored.
    pub data: Vec<u8>,
    /// The size it claims to have when extracted.
    pub size: u64,
    /// Where the directory says it begins.
    pub place: Place,
}

/// Where the directory says that an entry begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Where it is.
    Own,
    /// So many bytes behind the beginning of the entry of this index; it is not written itself.
    Within(usize, usize),
}

const LOCAL_HEADER: usize = 30;

impl Zip {
    /// The entries of a file.
    ///
    /// # Panics
    /// It is not a ZIP file.
    pub fn read(bytes: &[u8]) -> Self {
        let mut archive = ::zip::ZipArchive::new(Cursor::new(bytes)).expect("a ZIP file");
        let mut entries = Vec::new();
        for index in 0..archive.len() {
            let mut file = archive.by_index_raw(index).expect("an entry");
            let mut data = Vec::new();
            file.read_to_end(&mut data).expect("its data");
            let method = if file.compression() == ::zip::CompressionMethod::Stored { 0 } else { 8 };
            let name = String::from_utf8(file.name_raw().to_vec()).expect("a name");
            let (crc32, size) = (file.crc32(), file.size());
            entries.push(ZipEntry { name, method, crc32, data, size, place: Place::Own });
        }
        Self { entries, claimed: None }
    }

    /// Where the data of each entry lie in a file.
    ///
    /// # Panics
    /// It is not a ZIP file.
    pub fn ranges(bytes: &[u8]) -> Vec<(String, std::ops::Range<usize>)> {
        let mut archive = ::zip::ZipArchive::new(Cursor::new(bytes)).expect("a ZIP file");
        let count = archive.len();
        let place = |index| {
            let file = archive.by_index_raw(index).expect("an entry");
            let start = usize::try_from(file.data_start().expect("it was found")).expect("fits");
            let length = usize::try_from(file.compressed_size()).expect("fits");
            let name = String::from_utf8(file.name_raw().to_vec()).expect("a name");
            (name, start..start + length)
        };
        (0..count).map(place).collect()
    }

    /// The entry of a name.
    pub fn entry(&self, name: &str) -> &ZipEntry {
        self.entries.iter().find(|entry| entry.name == name).expect("the entry is there")
    }

    /// The entry of a name, to alter it.
    pub fn entry_mut(&mut self, name: &str) -> &mut ZipEntry {
        self.entries.iter_mut().find(|entry| entry.name == name).expect("the entry is there")
    }

    /// Takes an entry out.
    pub fn remove(&mut self, name: &str) -> ZipEntry {
        let index = self.entries.iter().position(|entry| entry.name == name).expect("the entry is there");
        self.entries.remove(index)
    }

    /// The file.
    pub fn write(&self) -> Vec<u8> {
        let mut out = Vec::new();
        let mut offsets: Vec<usize> = Vec::new();
        for entry in &self.entries {
            match entry.place {
                Place::Own => {
                    offsets.push(out.len());
                    out.extend(entry.local_header());
                    out.extend_from_slice(&entry.data);
                }
                Place::Within(index, distance) => offsets.push(offsets[index] + distance),
            }
        }
        let directory = out.len();
        for (entry, offset) in self.entries.iter().zip(offsets) {
            out.extend(entry.directory_record(offset));
        }
        let directory_length = len32(out.len() - directory);
        let count = self.claimed.unwrap_or_else(|| u16::try_from(self.entries.len()).expect("few entries"));
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
    /// An entry with this content.
    pub fn deflated(name: &str, content: &[u8]) -> Self {
        let mut encoder = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(content).expect("memory");
        let data = encoder.finish().expect("memory");
        let (crc32, size) = (crc32fast::hash(content), len64(content));
        Self { name: name.to_owned(), method: 8, crc32, data, size, place: Place::Own }
    }

    /// An entry that says it is `claimed` bytes long and inflates to `inflated` zeros.
    pub fn bomb(name: &str, claimed: u64, inflated: u64) -> Self {
        let mut encoder = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::best());
        std::io::copy(&mut std::io::repeat(b'0').take(inflated), &mut encoder).expect("memory");
        let data = encoder.finish().expect("memory");
        Self { data, size: claimed, ..Self::deflated(name, b"") }
    }

    /// The content as it is extracted.
    pub fn content(&self) -> Vec<u8> {
        if self.method == 0 {
            return self.data.clone();
        }
        let mut content = Vec::new();
        // A damaged stream gives what there is.
        let _ = flate2::read::DeflateDecoder::new(&self.data[..]).read_to_end(&mut content);
        content
    }

    /// What stands before the data.
    pub fn local_header(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(LOCAL_HEADER + self.name.len());
        out.extend(b"PK\x03\x04");
        out.extend(self.common());
        out.extend(self.name.as_bytes());
        out
    }

    fn directory_record(&self, offset: usize) -> Vec<u8> {
        let mut out = Vec::with_capacity(46 + self.name.len());
        out.extend(b"PK\x01\x02\x14\0");
        out.extend(self.common());
        out.extend([0; 10]);
        out.extend(len32(offset).to_le_bytes());
        out.extend(self.name.as_bytes());
        out
    }

    /// From the version that is needed to the length of the extra field.
    fn common(&self) -> Vec<u8> {
        let mut out = vec![20, 0, 0, 8];
        out.extend(self.method.to_le_bytes());
        out.extend([0; 4]);
        out.extend(self.crc32.to_le_bytes());
        out.extend(len32(self.data.len()).to_le_bytes());
        out.extend(u32::try_from(self.size).expect("less than 4 GiB").to_le_bytes());
        out.extend(u16::try_from(self.name.len()).expect("a short name").to_le_bytes());
        out.extend([0, 0]);
        out
    }
}

fn len32(length: usize) -> u32 {
    u32::try_from(length).expect("less than 4 GiB")
}
