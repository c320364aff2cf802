//! Restores the documents of one object name.

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;

use super::decisions::{Difference, ObjectDecisions};
use super::target::{Target, other_part};
use crate::entity::stream::{StreamDocument, StreamPart};
use crate::foundation::error::Result;
use crate::provider::event_store::{
    EventWriter, MaskedWriter, OrderCheck, RecordPosition, Start, StreamRecords,
};
use crate::provider::{RecordBatch, TargetWriter, WriteCounts};

/// The writer of the documents of one object name, after its events.
#[derive(Debug)]
pub(super) struct DocumentTarget<'s>(Target<'s>);

impl<'s> DocumentTarget<'s> {
    pub(super) fn new(writer: MaskedWriter<'s>, decisions: &'s mut ObjectDecisions) -> Self {
        let order = OrderCheck::new(StreamPart::Documents, Start::OfPart);
        Self(Target { writer, decisions, counts: WriteCounts::default(), order })
    }

    /// Returns those of these aggregates that have events in the store and none in the backup.
    async fn with_later_events(&mut self, documents: &[StreamDocument]) -> Result<BTreeSet<String>> {
        let is_without_events =
            |document: &&StreamDocument| document.version.is_none() && document.terminated_streams.is_empty();
        let ids = documents.iter().filter(is_without_events).map(|document| document.object_id.clone());
        let ids: Vec<_> = ids.collect();
        if ids.is_empty() || self.0.decisions.was_empty {
            return Ok(BTreeSet::new());
        }
        let heads = self.0.writer.heads(self.0.decisions.object, &ids).await?.into_iter();
        Ok(heads.filter(|heads| !heads.streams.is_empty()).map(|heads| heads.object_id).collect())
    }

    async fn restore(
        &mut self,
        document: StreamDocument,
        existing: Option<&StreamDocument>,
        has_later_events: bool,
    ) -> Result<()> {
        let Target { writer, decisions, counts, .. } = &mut self.0;
        let object_id = document.object_id.clone();
        if decisions.kept.contains(&object_id) {
            counts.kept += 1;
            return Ok(());
        }
        let is_replaced = decisions.without_document.remove(&object_id);
        if existing.is_some() && !is_replaced {
            decisions.refuse_existing(&object_id)?;
        }
        // The store may have changed the document of a replaced aggregate with its events.
        if existing == Some(&document) && !has_later_events && !is_replaced {
            counts.unchanged += 1;
            return Ok(());
        }
        if !is_replaced && (existing.is_some() || has_later_events) {
            let difference = match has_later_events {
                true => "it has events, and the backup has none",
                false => "its document differs",
            };
            if decisions.differs(&object_id, difference)? == Difference::Kept {
                counts.kept += 1;
                return Ok(());
            }
            decisions.without_document.remove(&object_id);
            if has_later_events && decisions.is_writing() {
                writer.remove(decisions.object, &object_id).await?;
            }
        }
        match existing {
            None => counts.inserted += 1,
            Some(_) => counts.updated += 1,
        }
        if decisions.is_writing() {
            writer.put_document(decisions.object, document).await?;
        }
        Ok(())
    }
}

#[async_trait]
impl TargetWriter for DocumentTarget<'_> {
    async fn write(&mut self, batch: RecordBatch) -> Result<()> {
        let StreamRecords::Documents(documents) = batch.into_stream_records()? else {
            return Err(other_part());
        };
        documents.iter().for_each(|document| self.0.order.push(RecordPosition::from(document)));
        self.0.decisions.require_order(&self.0.order)?;
        let mut existing = BTreeMap::new();
        if !self.0.decisions.was_empty {
            let ids: Vec<_> = documents.iter().map(|document| document.object_id.clone()).collect();
            let found = self.0.writer.documents_of(self.0.decisions.object, &ids).await?;
            existing.extend(found.into_iter().map(|document| (document.object_id.clone(), document)));
        }
        let with_later_events = self.with_later_events(&documents).await?;
        for document in documents {
            let has_later_events = with_later_events.contains(&document.object_id);
            let existing = existing.remove(&document.object_id);
            self.restore(document, existing.as_ref(), has_later_events).await?;
        }
        Ok(())
    }

    async fn finish(self: Box<Self>) -> Result<WriteCounts> {
        let Target { mut writer, decisions, mut counts, .. } = self.0;
        counts.deleted += std::mem::take(&mut decisions.deleted_documents);
        for object_id in std::mem::take(&mut decisions.without_document) {
            let exists =
                !writer.documents_of(decisions.object, std::slice::from_ref(&object_id)).await?.is_empty();
            if exists && decisions.is_writing() {
                writer.remove_document(decisions.object, &object_id).await?;
            }
            counts.deleted += u64::from(exists);
        }
        Ok(counts)
    }
}
