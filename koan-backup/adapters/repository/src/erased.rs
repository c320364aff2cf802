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

/// The number of records that are deleted in one call.
const BATCH: usize = 1_000;

/// A type-erased repository.
#[async_trait]
pub(super) trait ErasedRepository: Send + Sync {
    fn entity(&self) -> TypeId;
    fn name(&self) -> &'static str;
    /// Refuses a maintained field that is not a field of the entity, or that is a field of the key.
    ///
    /// # Errors
    /// Such a name was found.
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
    async fn present(&self, codec: &EntityCodec) -> Result<Present>;
    /// Returns the key of a record by the repository's own definition, or `None` if the repository has no
    /// definition.
    fn own_key(&self, record: &Record, codec: &EntityCodec, fields: &Projection)
    -> Result<Option<RecordKey>>;
    /// Writes records, and adds the key and the values of each record to `written`.
    async fn upsert(&self, records: Vec<Record>, codec: &EntityCodec, written: &mut Written) -> Result<()>;
    /// Reads all records again. Each record with a decision must exist, and each written record must have the
    /// written values. Then, if requested, deletes the records that existed before and have no decision,
    /// checks that they no longer exist, and returns their number.
    async fn check_and_delete(
        &self,
        present: &Present,
        decisions: &Decisions,
        written: &Written,
        codec: &EntityCodec,
        others: Others,
    ) -> Result<usize>;
}

/// The keys of the written records, each with the hashes of its values.
pub(super) type Written = HashMap<RecordKey, WrittenValues>;

/// The [hashes of the values](Record::value_hashes) of a written record.
pub(super) struct WrittenValues {
    hashes: Box<[u64]>,
    /// The second hash of each value whose two hashes differ, with its index.
    seconds: Box<[(usize, u64)]>,
}

impl WrittenValues {
    fn of(record: &Record, codec: &EntityCodec) -> Self {
        let both = record.value_hashes(codec.schema());
        let seconds = both.iter().enumerate().filter(|(_, [one, other])| one != other);
        Self {
            hashes: both.iter().map(|[one, _]| *one).collect(),
            seconds: seconds.map(|(index, [_, other])| (index, *other)).collect(),
        }
    }

    /// Returns the indexes of the values that differ in a record that was read, without maintained fields.
    fn differences(&self, read: &Record, codec: &EntityCodec, maintained: &[&str]) -> Vec<usize> {
        let is_maintained = |index: usize| {
            codec.schema().fields.get(index).is_some_and(|field| maintained.contains(&field.name.as_str()))
        };
        let is_other = |(index, [hash, _]): &(usize, [u64; 2])| {
            self.hashes.get(*index) != Some(hash) && !self.seconds.contains(&(*index, *hash))
        };
        let read = read.value_hashes(codec.schema()).into_iter().enumerate();
        read.filter(is_other).map(|(index, _)| index).filter(|&index| !is_maintained(index)).collect()
    }
}

/// What happens to existing records that are not in the archive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Others {
    Keep,
    Delete,
}

/// The keys of the existing records, each with the hash of its record.
pub(super) type Present = HashMap<RecordKey, RecordSetHash>;

/// Returns the hash of a record, which is compared with the hashes of other records.
///
/// # Errors
/// The record does not decode as its type.
pub(super) fn hash(record: &Record, codec: &EntityCodec, fields: &Projection) -> Result<RecordSetHash> {
    let mut line = Vec::new();
    let encoded = record.with_row(fields, |row| codec.encode(row, &mut line).map(drop));
    encoded.map_err(|error| undecodable(record, codec, error))?;
    let mut hash = RecordSetHash::default();
    hash.add(&line);
    Ok(hash)
}

fn undecodable(record: &Record, codec: &EntityCodec, error: RecordError) -> Error {
    let text = format!("{} `{}` does not decode as its type", codec.name(), codec.record_key(record));
    Error::with_source(ErrorKind::Record, text, error)
}

/// A repository of `T`.
pub(super) struct Typed<T, R> {
    repository: R,
    entity: PhantomData<fn() -> T>,
}

impl<T: Entity, R: Repository<T>> Typed<T, R> {
    pub(super) fn new(repository: R) -> Self {
        Self { repository, entity: PhantomData }
    }

    fn failed(&self, what: &str) -> impl FnOnce(RepositoryError) -> Error + use<T, R> {
        let text = format!("the repository of `{}` {what}", T::descriptor().name());
        move |source| Error::with_source(ErrorKind::Provider, text, source)
    }

    /// Returns the key of a record as the repository compares keys.
    fn comparable(&self, record: &T, fields: &Record, codec: &EntityCodec) -> RecordKey {
        match self.repository.comparable_key(record) {
            Some(text) => RecordKey::of_values(&[Value::Str(text.into())]),
            None => RecordKey::of(fields, codec.schema()),
        }
    }

    fn record(codec: &EntityCodec, record: &T) -> Result<Record> {
        codec.record(record).map_err(|error| {
            let text = format!("a record of {} in its repository cannot be told as values", codec.name());
            Error::with_source(ErrorKind::Record, text, error)
        })
    }
}

#[async_trait]
impl<T: Entity, R: Repository<T>> ErasedRepository for Typed<T, R> {
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
                    "`maintained_fields` of the repository of `{}` names `{name}`, which is none of its fields, or one of its key; name \
                     fields as serde writes them",
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
        // Records come in any order, so records with the same key need not be adjacent.
        let mut keys = HashSet::new();
        let wanted = request.key.as_deref().map(RecordKey::of_values);
        while let Some(record) = all.next().await {
            let record = record.map_err(self.failed("failed while it was read"))?;
            let fields = match Self::record(&request.entity, &record) {
                Ok(fields) => fields,
                // The sink refuses the record as well, and its error names the record.
                Err(error) => return Err(sink.push_record(&record).err().unwrap_or(error)),
            };
            if wanted
                .as_ref()
                .is_some_and(|wanted| *wanted != RecordKey::of(&fields, request.entity.schema()))
            {
                continue;
            }
            if !keys.insert(self.comparable(&record, &fields, &request.entity)) {
                return Err(sink.duplicate_key_error(&record));
            }
            if sink.push_record(&record)? == Flow::Flush {
                sink.flush().await?;
            }
        }
        sink.finish().await
    }

    async fn count(&self) -> Result<u64> {
        self.repository.count().await.map_err(self.failed("was not counted"))
    }

    async fn prepare_restore(&self, request: &RestoreRequest) -> Result<()> {
        self.repository.prepare_restore(request).await.map_err(self.failed("failed in `prepare_restore`"))
    }

    async fn finish_restore(&self, outcome: RestoreOutcome) -> Result<()> {
        self.repository.finish_restore(outcome).await.map_err(self.failed("failed in `finish_restore`"))
    }

    async fn present(&self, codec: &EntityCodec) -> Result<Present> {
        let (mut present, fields) = (Present::new(), Projection::of(codec.schema()));
        let mut all = self.repository.all();
        while let Some(record) = all.try_next().await.map_err(self.failed("failed while it was read"))? {
            let values = Self::record(codec, &record)?;
            let key = self.comparable(&record, &values, codec);
            if present.insert(key, hash(&values, codec, &fields)?).is_some() {
                let text = format!(
                    "{} `{}` is in its repository twice; remove one of them, or declare a key that tells records apart",
                    codec.name(),
                    codec.record_key(&values)
                );
                return Err(Error::new(ErrorKind::Record, text));
            }
        }
        Ok(present)
    }

    fn own_key(
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
            // These are the values as the type writes them, because they are read again in this form.
            let values = Self::record(codec, &read)?;
            written.insert(self.comparable(&read, &values, codec), WrittenValues::of(&values, codec));
            typed.push(read);
        }
        self.repository.upsert_many(typed).await.map_err(self.failed("did not write records"))
    }

    async fn check_and_delete(
        &self,
        present: &Present,
        decisions: &Decisions,
        written: &Written,
        codec: &EntityCodec,
        others: Others,
    ) -> Result<usize> {
        let (mut found, mut gone, mut gone_keys) = (HashSet::new(), Vec::new(), HashSet::new());
        let mut all = self.repository.all();
        while let Some(record) = all.try_next().await.map_err(self.failed("failed while it was read"))? {
            let values = Self::record(codec, &record)?;
            let key = self.comparable(&record, &values, codec);
            let differences = written.get(&key).map_or_else(Vec::new, |written| {
                written.differences(&values, codec, self.repository.maintained_fields())
            });
            if !differences.is_empty() {
                return Err(has_other_values(codec, &codec.record_key(&values), &differences));
            }
            if decisions.has_seen(&key) {
                found.insert(key);
            } else if others == Others::Delete && present.contains_key(&key) {
                // Records that the application has written in the meantime are not deleted.
                gone.push(record);
                gone_keys.insert(key);
            }
        }
        drop(all);
        if let Some(missing) = decisions.seen().find(|key| !found.contains(key)) {
            let key = if codec.shows_keys() { missing.shown() } else { "(hidden)".to_owned() };
            return Err(Error::new(
                ErrorKind::Constraint,
                format!(
                    "{} `{key}` is not in its repository after it was written, so another record has taken its place or it was \
                     dropped, and nothing was removed; if the database takes keys for one that differ, have `comparable_key` of \
                     the repository say so",
                    codec.name()
                ),
            ));
        }
        if gone.is_empty() {
            return Ok(0);
        }
        let count = gone.len();
        let mut gone = gone.into_iter();
        loop {
            let batch: Vec<_> = gone.by_ref().take(BATCH).collect();
            if batch.is_empty() {
                break;
            }
            self.repository.delete_many(batch).await.map_err(self.failed("did not remove records"))?;
        }
        self.require_gone(&gone_keys, decisions, codec).await?;
        Ok(count)
    }
}

impl<T: Entity, R: Repository<T>> Typed<T, R> {
    /// Reads all records again. No deleted record may exist, and each other record of the archive must exist.
    async fn require_gone(
        &self,
        removed: &HashSet<RecordKey>,
        decisions: &Decisions,
        codec: &EntityCodec,
    ) -> Result<()> {
        let mut left = HashSet::new();
        let mut all = self.repository.all();
        while let Some(record) = all.try_next().await.map_err(self.failed("failed while it was read"))? {
            let values = Self::record(codec, &record)?;
            let key = self.comparable(&record, &values, codec);
            if removed.contains(&key) {
                return Err(Error::new(
                    ErrorKind::Constraint,
                    format!(
                        "{} `{}` is in its repository after it was removed, as `replace_existing` asks; `delete_many` of the \
                         repository must remove each record that it is given",
                        codec.name(),
                        codec.record_key(&values)
                    ),
                ));
            }
            if decisions.has_seen(&key) {
                left.insert(key);
            }
        }
        let Some(missing) = decisions.seen().find(|key| !left.contains(key)) else { return Ok(()) };
        let key = if codec.shows_keys() { missing.shown() } else { "(hidden)".to_owned() };
        Err(Error::new(
            ErrorKind::Constraint,
            format!(
                "{} `{key}`, which is in the archive, was removed from its repository with records that are not; `delete_many` of \
                 the repository must remove the records that it is given, and no other",
                codec.name()
            ),
        ))
    }
}

/// Returns the error of a record that differs from what was written.
fn has_other_values(codec: &EntityCodec, key: &str, differences: &[usize]) -> Error {
    let name = |index: &usize| match codec.schema().fields.get(*index) {
        Some(field) => format!("`{}`", field.name),
        None => "other names".to_owned(),
    };
    let names = differences.iter().map(name).collect::<Vec<_>>().join(", ");
    Error::new(
        ErrorKind::Constraint,
        format!(
            "{} `{key}` is in its repository after it was written, but with other values than those of the archive in {names}, and \
             nothing was removed; `upsert_many` of the repository must replace a record that is there, and write each field as it \
             is given (a trigger, a default or a narrower column may change values, and another program may have written meanwhile); \
             fields that the database or the ORM fills by itself must be named by `maintained_fields` of the repository",
            codec.name()
        ),
    )
}

impl<T: Entity, R> fmt::Debug for Typed<T, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Repository({})", T::descriptor().name())
    }
}
