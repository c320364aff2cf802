//! One entry of records, block by block.

use bytes::Bytes;
use sha2::{Digest, Sha256};

use super::blocks::{ahead, read_blocks};
use super::contents::hash_in_steps;
use super::report::{EntityVerification, Issue};
use super::{Comparing, Documents, VerifyScope};
use crate::archive::{ArchiveReader, Block, BlockFault, EntityManifest};
use crate::entity::EntityCodec;
use crate::environment::event::{Event, Listener};
use crate::foundation::digest::RecordSetHash;
use crate::foundation::error::Result;
use crate::foundation::lines::lines;

/// One entry to verify.
#[derive(Debug)]
pub(crate) struct VerifyEntity<'a> {
    pub(crate) reader: &'a ArchiveReader,
    pub(crate) documents: &'a Documents,
    pub(crate) entity: &'a EntityManifest,
    pub(crate) file: &'a str,
    pub(crate) codec: Option<&'a EntityCodec>,
    pub(crate) comparing: Comparing,
    pub(crate) listener: &'a Listener,
}

/// What one block turned out to hold.
struct Opened {
    index: usize,
    records: u64,
    lines: std::result::Result<Bytes, BlockFault>,
    set_hash: RecordSetHash,
    refused: Option<(u64, String)>,
    /// Whether all lines were found to be what their type writes.
    as_written: bool,
}

impl VerifyEntity<'_> {
    /// Verifies the entry; what is wrong goes to `issues`.
    pub(crate) async fn verify(
        &self,
        scope: VerifyScope,
        issues: &mut Vec<Issue>,
    ) -> Result<EntityVerification> {
        let name = &self.entity.entity;
        let mut verification = EntityVerification {
            entity: name.clone(),
            set: self.entity.set.clone(),
            records_checked: 0,
            records: self.entity.item_count,
            decoded: self.codec.is_some(),
            as_written: false,
        };
        let mut fail = |issue: Issue| issues.push(issue);
        let is_locked = self.documents.require_opened(self.entity).is_err();
        // Of what cannot be opened no block can be chosen.
        if self.entity.policy.encrypt && (is_locked || scope == VerifyScope::Everything) {
            self.compare_sealed(&mut fail).await?;
        }
        if is_locked {
            verification.decoded = false;
            return Ok(verification);
        }
        if let Err(error) = self.reader.check_blocks(self.file, &self.documents.blocks) {
            fail(Issue::of_entity(name, self.file, error.to_string()));
            return Ok(verification);
        }
        let all: Vec<_> =
            self.documents.blocks.get(self.file).into_iter().flatten().copied().enumerate().collect();
        let chosen = choose(&all, scope);
        let complete = chosen.len() == all.len();
        let (codec, comparing) = (self.codec.cloned(), self.comparing);
        let opened = read_blocks(self.reader, self.file, chosen, usize::MAX, move |index, block, lines| {
            inspect(index, block, lines, codec.as_ref(), comparing)
        });
        let (reading, mut opened) = ahead(opened);
        let (mut hasher, mut set_hash) = (Sha256::new(), RecordSetHash::default());
        let (mut intact, mut as_written) = (true, true);
        let inspecting = async {
            while let Some(block) = opened.recv().await {
                match block.lines {
                    Err(fault) => {
                        intact = false;
                        fail(Issue {
                            block: Some(block.index),
                            ..Issue::of_entity(name, self.file, fault.to_string())
                        });
                    }
                    Ok(lines) => {
                        hasher =
                            crate::foundation::digest::updated(std::mem::take(&mut hasher), lines).await?;
                        set_hash.merge(&block.set_hash);
                    }
                }
                as_written &= block.as_written;
                if let Some((record, problem)) = block.refused {
                    let record = Some(verification.records_checked + record);
                    fail(Issue {
                        block: Some(block.index),
                        record,
                        ..Issue::of_entity(name, self.file, problem)
                    });
                }
                verification.records_checked = verification.records_checked.saturating_add(block.records);
                let records = verification.records_checked;
                self.listener.emit(|| Event::BlockVerified {
                    entity: name.clone(),
                    set: self.entity.set.clone(),
                    records,
                });
            }
            Ok(())
        };
        tokio::try_join!(reading, inspecting)?;
        if !self.reader.tail_is_intact(self.file).await? {
            fail(Issue::of_entity(name, self.file, "the end of its stream is damaged"));
        }
        verification.as_written = as_written && complete;
        if intact && complete {
            self.compare(hasher, set_hash, &verification, &mut fail);
        }
        Ok(verification)
    }

    /// Compares the bytes of a sealed entry with what the manifest and the checksums say: that takes no key.
    async fn compare_sealed(&self, fail: &mut impl FnMut(Issue)) -> Result<()> {
        let mut wrong = |problem: &str| fail(Issue::of_entity(&self.entity.entity, self.file, problem));
        let place = self.reader.byte_range(self.file)?;
        if self.entity.compressed_bytes != place.end - place.start {
            wrong("it has another size than the manifest says");
        }
        let object = self.reader.object();
        let hash = hash_in_steps(place, |range| object.range(range)).await?;
        if self.entity.content_hash.as_ref() != Some(&hash) {
            wrong("its bytes have another hash than the manifest says");
        }
        if self.documents.checksums.get(self.file) != Some(&hash) {
            wrong("its bytes have another hash than `verification/checksums.json` says");
        }
        Ok(())
    }

    /// Compares what was read with what the manifest and the checksums say.
    fn compare(
        &self,
        hasher: Sha256,
        set_hash: RecordSetHash,
        verification: &EntityVerification,
        fail: &mut impl FnMut(Issue),
    ) {
        let (name, file) = (&self.entity.entity, self.file);
        let mut wrong = |problem: &str| fail(Issue::of_entity(name, file, problem));
        let content_hash = crate::foundation::digest::finish(hasher);
        let (expected_content, expected_set) = self.documents.hashes(self.entity, file);
        if expected_content != Some(&content_hash) {
            wrong("its content has another hash than the manifest says");
        }
        if expected_set != Some(set_hash) {
            wrong("its records have another set hash than the manifest says");
        }
        if verification.records_checked != self.entity.item_count {
            wrong("it holds another number of records than the manifest says");
        }
        let blocks = || self.documents.blocks.get(file).into_iter().flatten();
        if self.entity.policy.encrypt {
            // The directory tells of the sealed bytes only.
            if blocks().map(|block| block.raw_length).sum::<u64>() != self.entity.size_bytes {
                wrong("it has another size than the manifest says");
            }
            return;
        }
        if self.documents.checksums.get(file) != Some(&content_hash) {
            wrong("its content has another hash than `verification/checksums.json` says");
        }
        let declared = self.reader.declared(file).map(|(size, _)| size);
        if declared != Some(self.entity.size_bytes) {
            wrong("it has another size than the manifest says");
        }
        let mut crc = crc32fast::Hasher::new();
        blocks().for_each(|block| {
            crc.combine(&crc32fast::Hasher::new_with_initial_len(block.crc32, block.raw_length))
        });
        if self.reader.declared(file).map(|(_, crc32)| crc32) != Some(crc.finalize()) {
            wrong("its checksum in the directory of the archive is not that of its content");
        }
    }
}

/// The blocks of a scope: all, or so many spread evenly.
fn choose(all: &[(usize, Block)], scope: VerifyScope) -> Vec<(usize, Block)> {
    match scope {
        VerifyScope::Sample { blocks_per_entity } if blocks_per_entity < all.len() => {
            let wanted = blocks_per_entity.max(1);
            let last = all.len() - 1;
            let spread = wanted.saturating_sub(1).max(1);
            (0..wanted).map(|n| all[n * last / spread]).collect()
        }
        _ => all.to_vec(),
    }
}

fn inspect(
    index: usize,
    block: Block,
    lines: std::result::Result<Bytes, BlockFault>,
    codec: Option<&EntityCodec>,
    comparing: Comparing,
) -> Opened {
    let mut opened = Opened {
        index,
        records: block.records,
        lines,
        set_hash: RecordSetHash::default(),
        refused: None,
        as_written: comparing == Comparing::WithType && codec.is_some(),
    };
    let Ok(bytes) = &opened.lines else { return opened };
    let mut written = Vec::new();
    for (record, line) in (0..).zip(self::lines(bytes)) {
        opened.set_hash.add(line);
        let (Some(codec), None) = (codec, &opened.refused) else { continue };
        let checked = match opened.as_written {
            true => codec.round_trips(line, &mut written),
            false => codec.check(line).map(|()| false),
        };
        match checked {
            Ok(round_trips) => opened.as_written &= round_trips,
            Err(error) => opened.refused = Some((record, error.to_string())),
        }
    }
    opened
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_has_the_first_block_and_the_last_and_is_spread_between_them() {
        let block = Block { offset: 0, length: 0, raw_length: 0, records: 0, crc32: 0 };
        let all: Vec<_> = (0..10).map(|index| (index, block)).collect();
        let sample = |blocks_per_entity| {
            let chosen = choose(&all, VerifyScope::Sample { blocks_per_entity });
            chosen.into_iter().map(|(index, _)| index).collect::<Vec<_>>()
        };
        for (wanted, chosen) in [
            (0, vec![0]),
            (1, vec![0]),
            (2, vec![0, 9]),
            (3, vec![0, 4, 9]),
            (4, vec![0, 3, 6, 9]),
            (9, vec![0, 1, 2, 3, 4, 5, 6, 7, 9]),
            (10, (0..10).collect()),
            (99, (0..10).collect()),
        ] {
            assert_eq!(sample(wanted), chosen, "{wanted}");
        }
        assert_eq!(choose(&all, VerifyScope::Everything).len(), 10);
    }
}
