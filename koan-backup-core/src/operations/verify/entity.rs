//! Verifies one entry of records, block by block.

use bytes::Bytes;
use sha2::{Digest, Sha256};

use super::options::VerifyScope;
use super::report::{EntityVerification, Issue};
use crate::archive::{
    Block, BlockFault, EntityManifest, OpenArchive, hash_in_steps, read_ahead, read_blocks,
};
use crate::entity::EntityCodec;
use crate::entity::stream::StreamPart;
use crate::environment::event::{Event, Listener};
use crate::foundation::digest::RecordSetHash;
use crate::foundation::error::Result;
use crate::foundation::lines::lines;
use crate::provider::event_store::{OrderCheck, RecordPosition, Start};

/// One entry to verify.
#[derive(Debug)]
pub(crate) struct VerifyEntity<'a> {
    pub(crate) archive: &'a OpenArchive,
    pub(crate) entity: &'a EntityManifest,
    pub(crate) file: &'a str,
    pub(crate) codec: Option<&'a EntityCodec>,
    pub(crate) listener: &'a Listener,
}

/// The result of the inspection of one block.
struct InspectedBlock {
    index: usize,
    records: u64,
    lines: std::result::Result<Bytes, BlockFault>,
    set_hash: RecordSetHash,
    /// The first record that cannot be decoded: its number, counted from 0 within the block, and the error.
    refused: Option<(u64, String)>,
    /// Whether all lines of the block round-trip through the type.
    round_trips: bool,
    /// The order of the records, if they belong to event streams.
    order: Option<OrderCheck>,
}

impl VerifyEntity<'_> {
    /// Verifies the entry, and adds the problems that it finds to `issues`.
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
            round_trips: false,
        };
        let mut add_issue = |issue: Issue| issues.push(issue);
        let lacks_key = self.archive.require_decrypted(self.entity).is_err();
        // The blocks of an entry that cannot be decrypted are unknown, so its bytes are hashed even for a
        // sample.
        if self.entity.policy.encrypt && (lacks_key || scope == VerifyScope::Everything) {
            self.compare_encrypted(&mut add_issue).await?;
        }
        if lacks_key {
            verification.decoded = false;
            return Ok(verification);
        }
        let all = match self.archive.blocks(self.file) {
            Ok(blocks) => blocks,
            Err(error) => {
                add_issue(Issue::for_entity(name, self.file, error.to_string()));
                return Ok(verification);
            }
        };
        let chosen = choose(&all, scope);
        let complete = chosen.len() == all.len();
        let (codec, part) = (self.codec.cloned(), self.stream_part());
        let mut order = part.map(|part| OrderCheck::new(part, Start::OfPart));
        let reader = self.archive.reader();
        let opened = read_blocks(reader, self.file, chosen, usize::MAX, move |index, block, lines| {
            inspect(index, block, lines, codec.as_ref(), part)
        });
        let (reading, mut opened) = read_ahead(opened);
        let (mut hasher, mut set_hash) = (Sha256::new(), RecordSetHash::default());
        let (mut intact, mut round_trips) = (true, true);
        let inspecting = async {
            while let Some(block) = opened.recv().await {
                match block.lines {
                    Err(fault) => {
                        intact = false;
                        add_issue(Issue {
                            block: Some(block.index),
                            ..Issue::for_entity(name, self.file, fault.to_string())
                        });
                    }
                    Ok(lines) => {
                        hasher =
                            crate::foundation::digest::update(std::mem::take(&mut hasher), lines).await?;
                        set_hash.merge(&block.set_hash);
                    }
                }
                round_trips &= block.round_trips;
                match (&mut order, block.order) {
                    // Blocks of a sample are not adjacent.
                    (Some(order), Some(next)) if complete => order.join(next),
                    (Some(order), Some(next)) => order.fault = order.fault.take().or(next.fault),
                    _ => {}
                }
                if let Some((record, problem)) = block.refused {
                    let record = Some(verification.records_checked + record);
                    add_issue(Issue {
                        block: Some(block.index),
                        record,
                        ..Issue::for_entity(name, self.file, problem)
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
        if !self.archive.reader().tail_is_intact(self.file).await? {
            add_issue(Issue::for_entity(name, self.file, "the end of its stream is damaged"));
        }
        if let Some(fault) = order.and_then(|order| order.fault) {
            add_issue(Issue::for_entity(name, self.file, fault.text(!self.entity.policy.encrypt)));
        }
        verification.round_trips = round_trips && complete;
        if intact && complete {
            self.compare(hasher, set_hash, &verification, &mut add_issue);
        }
        Ok(verification)
    }

    /// Returns the part of event streams that the entry contains, if it contains one.
    fn stream_part(&self) -> Option<StreamPart> {
        let declared = self.codec.and_then(|codec| codec.descriptor().stream_part());
        declared.or_else(|| self.entity.stream.as_ref().map(|stream| stream.part.into()))
    }

    /// Compares the encrypted bytes of an entry with the manifest and the checksums, which needs no key.
    async fn compare_encrypted(&self, add_issue: &mut impl FnMut(Issue)) -> Result<()> {
        let mut add_problem =
            |problem: &str| add_issue(Issue::for_entity(&self.entity.entity, self.file, problem));
        let range = self.archive.reader().byte_range(self.file)?;
        if self.entity.compressed_bytes != range.end - range.start {
            add_problem("its size differs from the manifest");
        }
        let object = self.archive.reader().object();
        let hash = hash_in_steps(range, |range| object.range(range)).await?;
        if self.entity.content_hash.as_ref() != Some(&hash) {
            add_problem("the hash of its bytes differs from the manifest");
        }
        if self.archive.documents().checksums.get(self.file) != Some(&hash) {
            add_problem("the hash of its bytes differs from `verification/checksums.json`");
        }
        Ok(())
    }

    /// Compares the content that was read with the manifest and the checksums.
    fn compare(
        &self,
        hasher: Sha256,
        set_hash: RecordSetHash,
        verification: &EntityVerification,
        add_issue: &mut impl FnMut(Issue),
    ) {
        let (name, file) = (&self.entity.entity, self.file);
        let mut add_problem = |problem: &str| add_issue(Issue::for_entity(name, file, problem));
        let content_hash = crate::foundation::digest::finish(hasher);
        let (expected_content, expected_set) = self.archive.documents().hashes(self.entity, file);
        if expected_content != Some(&content_hash) {
            add_problem("the hash of its content differs from the manifest");
        }
        if expected_set != Some(set_hash) {
            add_problem("its record-set hash differs from the manifest");
        }
        if verification.records_checked != self.entity.item_count {
            add_problem("its number of records differs from the manifest");
        }
        let blocks = || self.archive.documents().blocks.get(file).into_iter().flatten();
        if self.entity.policy.encrypt {
            // The directory of the archive describes only the encrypted bytes.
            if blocks().map(|block| block.raw_length).sum::<u64>() != self.entity.size_bytes {
                add_problem("its size differs from the manifest");
            }
            return;
        }
        if self.archive.documents().checksums.get(file) != Some(&content_hash) {
            add_problem("the hash of its content differs from `verification/checksums.json`");
        }
        let declared = self.archive.reader().declared_size_and_crc32(file).map(|(size, _)| size);
        if declared != Some(self.entity.size_bytes) {
            add_problem("its size differs from the manifest");
        }
        let mut crc = crc32fast::Hasher::new();
        blocks().for_each(|block| {
            crc.combine(&crc32fast::Hasher::new_with_initial_len(block.crc32, block.raw_length))
        });
        if self.archive.reader().declared_size_and_crc32(file).map(|(_, crc32)| crc32) != Some(crc.finalize())
        {
            add_problem("its checksum in the directory of the archive differs from that of its content");
        }
    }
}

/// Returns the blocks of a scope: all blocks, or a sample that is spread evenly.
fn choose(all: &[(usize, Block)], scope: VerifyScope) -> Vec<(usize, Block)> {
    let wanted = match scope {
        VerifyScope::Everything => all.len(),
        VerifyScope::Sample { blocks_per_entity } => blocks_per_entity,
        VerifyScope::SamplePercent { percent } => (all.len() * usize::from(percent)).div_ceil(100).max(2),
    };
    match wanted {
        wanted if wanted < all.len() => {
            let sample_size = wanted.max(1);
            let last = all.len() - 1;
            let interval_count = sample_size.saturating_sub(1).max(1);
            (0..sample_size).map(|position| all[position * last / interval_count]).collect()
        }
        _ => all.to_vec(),
    }
}

fn inspect(
    index: usize,
    block: Block,
    lines: std::result::Result<Bytes, BlockFault>,
    codec: Option<&EntityCodec>,
    part: Option<StreamPart>,
) -> InspectedBlock {
    let mut inspected = InspectedBlock {
        index,
        records: block.records,
        lines,
        set_hash: RecordSetHash::default(),
        refused: None,
        round_trips: codec.is_some(),
        order: part.map(|part| OrderCheck::new(part, Start::Within)),
    };
    let Ok(bytes) = &inspected.lines else { return inspected };
    let mut written = Vec::new();
    for (record, line) in (0..).zip(self::lines(bytes)) {
        inspected.set_hash.add(line);
        if let Some(order) = &mut inspected.order {
            match RecordPosition::of_line(line, order.part()) {
                Ok(position) => order.push(position),
                Err(error) => inspected.refused = inspected.refused.or(Some((record, error.to_string()))),
            }
        }
        let (Some(codec), None) = (codec, &inspected.refused) else { continue };
        let checked = match inspected.round_trips {
            true => codec.round_trips(line, &mut written),
            false => codec.check(line).map(|()| false),
        };
        match checked {
            Ok(round_trips) => inspected.round_trips &= round_trips,
            Err(error) => inspected.refused = Some((record, error.to_string())),
        }
    }
    inspected
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_contains_the_first_and_last_block_and_is_spread_evenly() {
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
        let percent = |percent| choose(&all, VerifyScope::SamplePercent { percent }).len();
        assert_eq!([0, 1, 20, 21, 50, 91, 100, 255].map(percent), [2, 2, 2, 3, 5, 10, 10, 10]);
    }
}
