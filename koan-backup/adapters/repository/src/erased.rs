//! A type-erased repository.

use std::any::TypeId;
use std::collections::{HashMap, HashSet};
use std::fmt;
use std::marker::PhantomData;

use async_trait::async_trait;
use futures::{StreamExt, TryStreamExt};
use koan_backup_core::{
    Entity, Error, ErrorKind, Result,
    archive::RecordSetHash,
    entity::{EntityCodec, Projection, Record, RecordError},
    provider::{Consistency, Flow, ReadRequest, ReadSummary, RecordSink},
    value::Value,
};

use super::{Repository, RepositoryError};
use crate::restore_request::{RestoreOutcome, RestoreRequest};
use koan_backup_core::provider::keyed::{Decisions, RecordKey};

/// The maximum number of records that are deleted in one call.
const MAX_DELETED_RECORDS_PER_CALL: usize = 1_000;

/// A type-erased repository.
#[async_trait]
pub(super) trait ErasedRepository: Send + Sync {
    fn entity(&self) -> TypeId;
    fn name(&self) -> &'static str;
    /// Checks the names of [`Repository::maintained_fields`].
    ///
    /// # Errors
    /// Returns an error if a name is not a field of the entity, or is a field of the key.
    fn require_known_fields(&self, codec: &EntityCodec) -> Result<()>;
    fn consistency(&self) -> Consistency;
    fn deletes(&self) -> bool;
    async fn read(&self, request: ReadRequest, sink: RecordSink) -> Result<ReadSummary>;
    async fn count(&self) -> Result<u64>;
    /// Calls [`Repository::prepare_restore`].
    async fn prepare_restore(&self, request: &RestoreRequest) -> Result<()>;
    /// Calls [`Repository::finish_restore`].
    async fn finish_restore(&self, outcome: RestoreOutcome) -> Result<()>;
    /// Reads the keys of the existing records and the hash of each record.
    async fn existing(&self, codec: &EntityCodec) -> Result<ExistingRecords>;
    /// Returns the key of a record by [`Repository::comparable_key`], or `None` if the repository does not
    /// implement this function.
    fn comparable_key(
        &self,
        record: &Record,
        codec: &EntityCodec,
        fields: &Projection,
    ) -> Result<Option<RecordKey>>;
    /// Writes records, and adds the key and the values of each record to `written`.
    async fn upsert(&self, records: Vec<Record>, codec: &EntityCodec, written: &mut Written) -> Result<()>;
    /// Reads all records again. Each record of the archive, for which `decisions` contains a decision, must
    /// exist, and each written record must have the written values. Then, if requested, deletes the records
    /// that existed before and have no decision, checks that they no longer exist, and returns their number.
    async fn check_and_delete(
        &self,
        existing: &ExistingRecords,
        decisions: &Decisions,
        written: &Written,
        codec: &EntityCodec,
        others: OtherRecords,
    ) -> Result<usize>;
}

/// The keys of the written records, each with the hashes of its values.
pub(super) type Written = HashMap<RecordKey, WrittenValues>;

/// The [hashes of the values](Record::value_hashes) of a written record.
pub(super) struct WrittenValues {
    hashes: Box<[u64]>,
    /// The second hash of each value whose two hashes differ (the hash of its time of day rounded up), with
    /// the index of the value.
    second_hashes: Box<[(usize, u64)]>,
}

impl WrittenValues {
    fn new(record: &Record, codec: &EntityCodec) -> Self {
        let pairs = record.value_hashes(codec.schema());
        let second_hashes = pairs.iter().enumerate().filter(|(_, [first, second])| first != second);
        Self {
            hashes: pairs.iter().map(|[first, _]| *first).collect(),
            second_hashes: second_hashes.map(|(index, [_, second])| (index, *second)).collect(),
        }
    }

    /// Compares the written values with the values of `read`, the same record read again, and returns the
    /// indexes of the values that differ. Maintained fields are not compared.
    fn differences(&self, read: &Record, codec: &EntityCodec, maintained: &[&str]) -> Vec<usize> {
        let is_maintained = |index: usize| {
            codec.schema().fields.get(index).is_some_and(|field| maintained.contains(&field.name.as_str()))
        };
        let is_different = |(index, [hash, _]): &(usize, [u64; 2])| {
            self.hashes.get(*index) != Some(hash) && !self.second_hashes.contains(&(*index, *hash))
        };
        let read = read.value_hashes(codec.schema()).into_iter().enumerate();
        read.filter(is_different).map(|(index, _)| index).filter(|&index| !is_maintained(index)).collect()
    }
}

/// What a restore does with existing records that are not in the archive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum OtherRecords {
    Keep,
    Delete,
}

/// The keys of the existing records, each with the hash of its record.
pub(super) type ExistingRecords = HashMap<RecordKey, RecordSetHash>;

/// Returns the hash of a record. Records with equal hashes are considered equal.
///
/// # Errors
/// Returns an error if the record does not decode as its type.
pub(super) fn hash(record: &Record, codec: &EntityCodec, fields: &Projection) -> Result<RecordSetHash> {
    let mut line = Vec::new();
    let encoded = record.with_row(fields, |row| codec.encode(row, &mut line).map(drop));
    encoded.map_err(|error| undecodable(record, codec, error))?;
    let mut hash = RecordSetHash::default();
    hash.add(&line);
    Ok(hash)
}

/// Returns the error for a record that does not decode as its type.
fn undecodable(record: &Record, codec: &EntityCodec, error: RecordError) -> Error {
    let text = format!(
        "{} `{}` does not decode as its type; check that `Serialize` and `Deserialize` of the type are inverses of \
         each other",
        codec.name(),
        codec.record_key(record)
    );
    Error::with_source(ErrorKind::Record, text, error)
}

/// A repository of records of type `T`.
pub(super) struct TypedRepository<T, R> {
    repository: R,
    entity: PhantomData<fn() -> T>,
}

impl<T: Entity, R: Repository<T>> TypedRepository<T, R> {
    pub(super) fn new(repository: R) -> Self {
        Self { repository, entity: PhantomData }
    }

    /// Returns a function that converts an error of the repository. `problem` completes the
    /// message "the repository of `X` …".
    fn failed(&self, problem: &str) -> impl FnOnce(RepositoryError) -> Error + use<T, R> {
        let text = format!("the repository of `{}` {problem}", T::descriptor().name());
        move |source| Error::with_source(ErrorKind::Provider, text, source)
    }

    /// Returns the key of a record by the key equality of the repository.
    fn key(&self, record: &T, values: &Record, codec: &EntityCodec) -> RecordKey {
        match self.repository.comparable_key(record) {
            Some(text) => RecordKey::of_values(&[Value::Str(text.into())]),
            None => RecordKey::of(values, codec.schema()),
        }
    }

    /// Converts a record of the repository to values.
    fn record(codec: &EntityCodec, record: &T) -> Result<Record> {
        codec.record(record).map_err(|error| {
            let text = format!(
                "a record of {} in its repository cannot be converted to values; correct the record, or the \
                 `Serialize` implementation of its type",
                codec.name()
            );
            Error::with_source(ErrorKind::Record, text, error)
        })
    }
}

#[async_trait]
impl<T: Entity, R: Repository<T>> ErasedRepository for TypedRepository<T, R> {
    fn entity(&self) -> TypeId {
        TypeId::of::<T>()
    }

    fn name(&self) -> &'static str {
        T::descriptor().name()
    }

    fn require_known_fields(&self, codec: &EntityCodec) -> Result<()> {
        let fields = &codec.schema().fields;
        let is_known = |name: &str| fields.iter().any(|field| field.name == name && !field.key);
        match self.repository.maintained_fields().iter().find(|name| !is_known(name)) {
            None => Ok(()),
            Some(name) => Err(Error::new(
                ErrorKind::Configuration,
                format!(
                    "`maintained_fields` of the repository of `{}` contains `{name}`, which is not a field of \
                     the entity or is a field of its key; use the serde names of fields outside of the key",
                    codec.name()
                ),
            )),
        }
    }

    fn consistency(&self) -> Consistency {
        self.repository.consistency()
    }

    fn deletes(&self) -> bool {
        self.repository.deletes()
    }

    async fn read(&self, request: ReadRequest, mut sink: RecordSink) -> Result<ReadSummary> {
        let mut all = self.repository.all();
        // Records are read in any order, so records with the same key need not be adjacent.
        let mut keys = HashSet::new();
        let wanted = request.key.as_deref().map(RecordKey::of_values);
        while let Some(record) = all.next().await {
            let record = record.map_err(self.failed("returned an error while its records were read"))?;
            let values = match Self::record(&request.entity, &record) {
                Ok(values) => values,
                // The sink refuses the record as well, and its error contains the key of the record.
                Err(error) => return Err(sink.push_record(&record).err().unwrap_or(error)),
            };
            if wanted
                .as_ref()
                .is_some_and(|wanted| *wanted != RecordKey::of(&values, request.entity.schema()))
            {
                continue;
            }
            if !keys.insert(self.key(&record, &values, &request.entity)) {
                return Err(sink.duplicate_key_error(&record));
            }
            if sink.push_record(&record)? == Flow::Flush {
                sink.flush().await?;
            }
        }
        sink.finish().await
    }

    async fn count(&self) -> Result<u64> {
        self.repository.count().await.map_err(self.failed("returned an error from `count`"))
    }

    async fn prepare_restore(&self, request: &RestoreRequest) -> Result<()> {
        let prepared = self.repository.prepare_restore(request).await;
        prepared.map_err(self.failed("returned an error from `prepare_restore`"))
    }

    async fn finish_restore(&self, outcome: RestoreOutcome) -> Result<()> {
        let finished = self.repository.finish_restore(outcome).await;
        finished.map_err(self.failed("returned an error from `finish_restore`"))
    }

    async fn existing(&self, codec: &EntityCodec) -> Result<ExistingRecords> {
        let (mut existing, fields) = (ExistingRecords::new(), Projection::of(codec.schema()));
        let mut all = self.repository.all();
        let to_error = || self.failed("returned an error while its records were read");
        while let Some(record) = all.try_next().await.map_err(to_error())? {
            let values = Self::record(codec, &record)?;
            let key = self.key(&record, &values, codec);
            if existing.insert(key, hash(&values, codec, &fields)?).is_some() {
                let text = format!(
                    "{} `{}` has a duplicate key in its repository; remove one of the records, or declare a key \
                     that distinguishes the records",
                    codec.name(),
                    codec.record_key(&values)
                );
                return Err(Error::new(ErrorKind::Record, text));
            }
        }
        Ok(existing)
    }

    fn comparable_key(
        &self,
        record: &Record,
        codec: &EntityCodec,
        fields: &Projection,
    ) -> Result<Option<RecordKey>> {
        let typed = record.with_row(fields, |row| row.read::<T>());
        let typed = typed.map_err(|error| undecodable(record, codec, error))?;
        let key = self.repository.comparable_key(&typed);
        Ok(key.map(|text| RecordKey::of_values(&[Value::Str(text.into())])))
    }

    async fn upsert(&self, records: Vec<Record>, codec: &EntityCodec, written: &mut Written) -> Result<()> {
        let fields = Projection::of(codec.schema());
        let mut typed = Vec::with_capacity(records.len());
        for record in &records {
            let read = record.with_row(&fields, |row| row.read::<T>());
            let read = read.map_err(|error| undecodable(record, codec, error))?;
            // The values are those that the type serializes, because later reads return the same form.
            let values = Self::record(codec, &read)?;
            written.insert(self.key(&read, &values, codec), WrittenValues::new(&values, codec));
            typed.push(read);
        }
        let result = self.repository.upsert_many(typed).await;
        result.map_err(self.failed("returned an error from `upsert_many`"))
    }

    async fn check_and_delete(
        &self,
        existing: &ExistingRecords,
        decisions: &Decisions,
        written: &Written,
        codec: &EntityCodec,
        others: OtherRecords,
    ) -> Result<usize> {
        let (mut found, mut deleted, mut deleted_keys) = (HashSet::new(), Vec::new(), HashSet::new());
        let mut all = self.repository.all();
        let to_error = || self.failed("returned an error while its records were read");
        while let Some(record) = all.try_next().await.map_err(to_error())? {
            let values = Self::record(codec, &record)?;
            let key = self.key(&record, &values, codec);
            let differences = written.get(&key).map_or_else(Vec::new, |written| {
                written.differences(&values, codec, self.repository.maintained_fields())
            });
            if !differences.is_empty() {
                return Err(different_values_error(codec, &codec.record_key(&values), &differences));
            }
            if decisions.is_decided(&key) {
                found.insert(key);
            } else if others == OtherRecords::Delete && existing.contains_key(&key) {
                // Records that the application has written since the restore began are not deleted.
                deleted.push(record);
                deleted_keys.insert(key);
            }
        }
        drop(all);
        if let Some(missing) = decisions.seen().find(|key| !found.contains(key)) {
            let key = if codec.shows_keys() { missing.shown() } else { "(hidden)".to_owned() };
            return Err(Error::new(
                ErrorKind::Constraint,
                format!(
                    "{} `{key}` is not in its repository after it was written: the repository discarded it, or \
                     another record with an equal key replaced it; no record was deleted. If the database \
                     considers different keys equal, implement `comparable_key` of the repository accordingly",
                    codec.name()
                ),
            ));
        }
        if deleted.is_empty() {
            return Ok(0);
        }
        let count = deleted.len();
        let mut deleted = deleted.into_iter();
        loop {
            let batch: Vec<_> = deleted.by_ref().take(MAX_DELETED_RECORDS_PER_CALL).collect();
            if batch.is_empty() {
                break;
            }
            let result = self.repository.delete_many(batch).await;
            result.map_err(self.failed("returned an error from `delete_many`"))?;
        }
        self.require_deleted(&deleted_keys, decisions, codec).await?;
        Ok(count)
    }
}

impl<T: Entity, R: Repository<T>> TypedRepository<T, R> {
    /// Reads all records again. No deleted record may exist, and each record of the archive must exist.
    async fn require_deleted(
        &self,
        deleted: &HashSet<RecordKey>,
        decisions: &Decisions,
        codec: &EntityCodec,
    ) -> Result<()> {
        let mut remaining = HashSet::new();
        let mut all = self.repository.all();
        let to_error = || self.failed("returned an error while its records were read");
        while let Some(record) = all.try_next().await.map_err(to_error())? {
            let values = Self::record(codec, &record)?;
            let key = self.key(&record, &values, codec);
            if deleted.contains(&key) {
                return Err(Error::new(
                    ErrorKind::Constraint,
                    format!(
                        "{} `{}` is still in its repository after it was deleted because of \
                         `replace_existing`; `delete_many` of the repository must delete every record that is \
                         passed to it",
                        codec.name(),
                        codec.record_key(&values)
                    ),
                ));
            }
            if decisions.is_decided(&key) {
                remaining.insert(key);
            }
        }
        let Some(missing) = decisions.seen().find(|key| !remaining.contains(key)) else { return Ok(()) };
        let key = if codec.shows_keys() { missing.shown() } else { "(hidden)".to_owned() };
        Err(Error::new(
            ErrorKind::Constraint,
            format!(
                "{} `{key}`, which is in the archive, was deleted from its repository together with other \
                 records; `delete_many` of the repository must delete only the records that are passed to it",
                codec.name()
            ),
        ))
    }
}

/// Returns the error for a record whose values differ from the written values.
fn different_values_error(codec: &EntityCodec, key: &str, differences: &[usize]) -> Error {
    let name = |index: &usize| match codec.schema().fields.get(*index) {
        Some(field) => format!("`{}`", field.name),
        None => "values without a declared field".to_owned(),
    };
    let names = differences.iter().map(name).collect::<Vec<_>>().join(", ");
    Error::new(
        ErrorKind::Constraint,
        format!(
            "{} `{key}` has other values than in the archive after it was written to its repository, in \
             {names}; no record was deleted. `upsert_many` of the repository must replace an existing record \
             and write every field unchanged (a trigger, a default, a narrower column or another program may \
             have changed the values); `maintained_fields` must return the fields that the database or the ORM \
             fills automatically",
            codec.name()
        ),
    )
}

impl<T: Entity, R> fmt::Debug for TypedRepository<T, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Repository({})", T::descriptor().name())
    }
}
