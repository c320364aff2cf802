//! The cases for writing.

use futures::FutureExt;

use super::case::Case;
use super::database::{Database, ensure, on_conflict, options, record};
use super::model::{Line, Specimen, specimens};
use crate::entity::{Entity, EntityCodec};
use crate::foundation::error::{Error, ErrorKind, Result};
use crate::foundation::id::SetName;
use crate::provider::{
    ConflictMode, RestoreLevel, RestoreSession, RestoreTarget, SessionIntent, SessionOptions, TargetWriter,
    WriteCounts,
};

pub(super) const CASES: &[Case] = &[
    Case::new("`overwrite` overwrites existing records and leaves other records unchanged", |database| {
        overwrite(database).boxed()
    }),
    Case::new("`keep` leaves existing records unchanged", |database| keep(database).boxed()),
    Case::new("`fail` returns an error for an existing record", |database| fail(database).boxed()),
    Case::new("each restore level writes the same records", |database| levels(database).boxed()),
    Case::new("a restore writes the same records with each option that prevents suspension", |database| {
        no_suspension_options(database).boxed()
    }),
    Case::new("a session with an unfinished target is not committed", |database| {
        unfinished(database).boxed()
    })
    .needing(|capabilities| capabilities.atomic_restore),
    Case::new("`replace_existing` leaves exactly the written records", |database| replace(database).boxed())
        .needing(|capabilities| capabilities.bulk_delete),
    Case::new("`replace_existing` is refused before anything is written", |database| {
        no_replace(database).boxed()
    })
    .needing(|capabilities| !capabilities.bulk_delete),
    Case::new("sets are independent", |database| sets(database).boxed())
        .needing(|capabilities| capabilities.sets),
    Case::new("a set is refused before anything is written", |database| no_sets(database).boxed())
        .needing(|capabilities| !capabilities.sets),
    Case::new("a session that is rolled back leaves no records", |database| rolled_back(database).boxed())
        .needing(|capabilities| capabilities.atomic_restore),
    Case::new("a session that is dropped leaves no records", |database| dropped(database).boxed())
        .needing(|capabilities| capabilities.atomic_restore),
    Case::new("a session that fails halfway leaves no records", |database| failure_halfway(database).boxed())
        .needing(|capabilities| capabilities.atomic_restore),
    Case::new("no record of a session is visible before its commit", |database| visibility(database).boxed())
        .needing(|capabilities| capabilities.atomic_restore && capabilities.snapshot_reads),
    Case::new("a dry run counts what a restore would do and writes nothing", |database| {
        dry_run(database).boxed()
    }),
    Case::new("a restore and its dry run return the same counts", |database| counts_agree(database).boxed())
        .needing(|capabilities| capabilities.bulk_delete),
    Case::new("a dry run refuses existing records that a restore refuses", |database| {
        refusals(database).boxed()
    }),
    Case::new("the assessment of a possible restore finds no error", |database| assessment(database).boxed()),
];

fn root() -> SetName {
    SetName::root()
}

/// Returns the target for `Line` records in the root set.
fn lines() -> RestoreTarget {
    RestoreTarget::new(EntityCodec::new(Line::descriptor()), root())
}

fn first_records() -> Vec<Line> {
    vec![Line::new(1, "one"), Line::new(2, "two"), Line::new(3, "three")]
}

/// Returns a record of [`first_records`] with different values, and a new record.
fn second_records() -> Vec<Line> {
    vec![Line::new(2, "TWO"), Line::new(4, "four")]
}

async fn overwrite(database: &Database) -> Result<()> {
    database.write(&root(), &first_records(), &options()).await?;
    let counts = database.write(&root(), &second_records(), &options()).await?;
    require_counts(&counts, WriteCounts { inserted: 1, updated: 1, ..WriteCounts::default() })?;
    let expected = [Line::new(1, "one"), Line::new(2, "TWO"), Line::new(3, "three"), Line::new(4, "four")];
    database.require_records(&root(), &expected).await?;
    // Duplicate keys in one session must be refused: otherwise one of the two records would be lost.
    let duplicates = [Line::new(9, "first"), Line::new(9, "last")];
    let written = database.write(&root(), &duplicates, &options()).await;
    ensure(written.is_err(), || "two records with the same key were written in one session".to_owned())
}

async fn keep(database: &Database) -> Result<()> {
    database.write(&root(), &first_records(), &options()).await?;
    let counts = database.write(&root(), &second_records(), &on_conflict(ConflictMode::Keep)).await?;
    require_counts(&counts, WriteCounts { inserted: 1, kept: 1, ..WriteCounts::default() })?;
    let expected = [Line::new(1, "one"), Line::new(2, "two"), Line::new(3, "three"), Line::new(4, "four")];
    database.require_records(&root(), &expected).await
}

async fn fail(database: &Database) -> Result<()> {
    database.write(&root(), &first_records(), &options()).await?;
    let result = database.write(&root(), &second_records(), &on_conflict(ConflictMode::Fail)).await;
    let error = result.err().ok_or_else(|| {
        super::database::failed("with `fail`, writing an existing record did not return an error".to_owned())
    })?;
    ensure(error.kind() == ErrorKind::Conflict, || {
        format!("the error must have the kind `Conflict`, but has the kind {:?}", error.kind())
    })?;
    ensure(error.chain().contains("Line") && error.chain().contains("id=2"), || {
        format!("the error describes another record: {}", error.chain())
    })?;
    if database.provider.capabilities().atomic_restore {
        database.require_records(&root(), &first_records()).await?;
    }
    let counts = database.write(&root(), &[Line::new(5, "five")], &on_conflict(ConflictMode::Fail)).await?;
    require_counts(&counts, WriteCounts { inserted: 1, ..WriteCounts::default() })
}

async fn levels(database: &Database) -> Result<()> {
    for level in [RestoreLevel::Fast, RestoreLevel::Balanced, RestoreLevel::Safe] {
        let options = SessionOptions { level, ..options() };
        database.write(&root(), &specimens(), &options).await?;
        database.require_records::<Specimen>(&root(), &specimens()).await?;
    }
    Ok(())
}

async fn no_suspension_options(database: &Database) -> Result<()> {
    let mut options_list = vec![
        SessionOptions { keep_indexes: true, ..options() },
        SessionOptions { keep_constraints: true, ..options() },
        SessionOptions { without_bulk_mode: true, ..options() },
    ];
    if database.provider.capabilities().bulk_delete {
        let replacing =
            options_list.iter().map(|options| SessionOptions { replace_existing: true, ..options.clone() });
        options_list.extend(replacing.collect::<Vec<_>>());
    }
    for options in options_list {
        database.write(&root(), &specimens(), &options).await?;
        database.require_records::<Specimen>(&root(), &specimens()).await?;
    }
    Ok(())
}

fn replacing() -> SessionOptions {
    SessionOptions { replace_existing: true, ..options() }
}

async fn replace(database: &Database) -> Result<()> {
    database.write(&root(), &first_records(), &options()).await?;
    let counts = database.write(&root(), &second_records(), &replacing()).await?;
    let total = counts.inserted + counts.updated;
    // For a record that exists both in the database and among the written records, a provider may either
    // update it, or delete and insert it.
    ensure(total == 2 && matches!(counts.deleted, 2 | 3), || {
        format!("2 records must be written, and 2 or 3 deleted, but the counts are {counts:?}")
    })?;
    database.require_records(&root(), &second_records()).await?;
    let counts = database.write::<Line>(&root(), &[], &replacing()).await?;
    ensure(counts.deleted == 2, || format!("2 records must be deleted, but the counts are {counts:?}"))?;
    database.require_records::<Line>(&root(), &[]).await
}

async fn no_replace(database: &Database) -> Result<()> {
    database.write(&root(), &first_records(), &options()).await?;
    require_unsupported(database.write(&root(), &second_records(), &replacing()).await)?;
    database.require_records(&root(), &first_records()).await
}

async fn sets(database: &Database) -> Result<()> {
    let archive = SetName::new("archive")?;
    database.write(&root(), &first_records(), &options()).await?;
    database.write(&archive, &second_records(), &options()).await?;
    database.require_records(&root(), &first_records()).await?;
    database.require_records(&archive, &second_records()).await?;
    let snapshot = database.provider.snapshot().await?;
    let codec = EntityCodec::new(Line::descriptor());
    let sets = snapshot.sets(&codec).await?;
    ensure(sets == [root(), archive.clone()], || format!("the sets are {sets:?}"))?;
    let count = snapshot.count(&codec, &archive).await?;
    ensure(count == 2, || format!("{count} records are counted in a set of 2"))?;
    drop(snapshot);
    if database.provider.capabilities().bulk_delete {
        // Both directions are checked: emptying one set must not change the other.
        database.write::<Line>(&archive, &[], &replacing()).await?;
        database.require_records::<Line>(&archive, &[]).await?;
        database.require_records(&root(), &first_records()).await?;
        database.write(&archive, &second_records(), &options()).await?;
        database.write::<Line>(&root(), &[], &replacing()).await?;
        database.require_records::<Line>(&root(), &[]).await?;
        database.require_records(&archive, &second_records()).await?;
    }
    Ok(())
}

async fn no_sets(database: &Database) -> Result<()> {
    require_unsupported(database.write(&SetName::new("archive")?, &second_records(), &options()).await)?;
    database.require_records::<Line>(&root(), &[]).await
}

fn require_unsupported(result: Result<WriteCounts>) -> Result<()> {
    let kind = result.as_ref().err().map(Error::kind);
    ensure(kind == Some(ErrorKind::Unsupported), || {
        format!(
            "the provider does not declare the capability, but the write did not fail with `Unsupported`: \
             {kind:?}"
        )
    })
}

async fn rolled_back(database: &Database) -> Result<()> {
    database.write(&root(), &first_records(), &options()).await?;
    let options = if database.provider.capabilities().bulk_delete { replacing() } else { options() };
    let (session, _) = database.write_uncommitted(&root(), &second_records(), &options).await?;
    session.rollback().await?;
    database.require_records(&root(), &first_records()).await
}

async fn dropped(database: &Database) -> Result<()> {
    database.write(&root(), &first_records(), &options()).await?;
    let (session, _) = database.write_uncommitted(&root(), &second_records(), &options()).await?;
    drop(session);
    database.require_records(&root(), &first_records()).await?;
    // The session is dropped during a write, as in a restore that is cancelled.
    let mut session = database.provider.begin_restore(&options()).await?;
    let mut writer = session.begin(lines()).await?;
    let records = second_records().iter().map(record).collect::<Result<Vec<_>>>()?;
    let _ = writer.write(records.into()).now_or_never();
    drop(writer);
    session.rollback().await?;
    database.require_records(&root(), &first_records()).await?;
    database.write(&root(), &second_records(), &options()).await.map(drop)
}

async fn failure_halfway(database: &Database) -> Result<()> {
    database.write(&root(), &first_records(), &options()).await?;
    let mut session = database.provider.begin_restore(&on_conflict(ConflictMode::Fail)).await?;
    let specimens = specimens().iter().map(record).collect::<Result<Vec<_>>>()?;
    let mut writer =
        session.begin(RestoreTarget::new(EntityCodec::new(Specimen::descriptor()), root())).await?;
    writer.write(specimens.into()).await?;
    writer.finish().await?;
    let result = write_target(session.begin(lines()).await?, &second_records()).await;
    ensure(result.is_err(), || "with `fail`, writing an existing record did not return an error".to_owned())?;
    session.rollback().await?;
    database.require_records(&root(), &first_records()).await?;
    database.require_records::<Specimen>(&root(), &[]).await
}

/// Checks that an error or a cancellation that the database does not detect never leads to a partial commit.
async fn unfinished(database: &Database) -> Result<()> {
    database.write(&root(), &first_records(), &options()).await?;
    let require_refusal = async |mut session: Box<dyn RestoreSession>, reason: &str| {
        let begun = session.begin(lines()).await.map(drop);
        ensure(begun.is_err(), || format!("a target was begun, although {reason}"))?;
        let result = session.commit().await;
        ensure(result.is_err(), || format!("a session was committed, although {reason}"))
    };
    let mut session = database.provider.begin_restore(&options()).await?;
    drop(session.begin(lines()).await?);
    require_refusal(session, "a writer was dropped before its first record").await?;
    let mut session = database.provider.begin_restore(&options()).await?;
    let mut writer = session.begin(lines()).await?;
    writer.write(second_records().iter().map(record).collect::<Result<Vec<_>>>()?.into()).await?;
    drop(writer);
    require_refusal(session, "a writer was dropped after its last record").await?;
    let mut session = database.provider.begin_restore(&on_conflict(ConflictMode::Fail)).await?;
    let result = write_target(session.begin(lines()).await?, &second_records()).await;
    ensure(result.is_err(), || "with `fail`, writing an existing record did not return an error".to_owned())?;
    require_refusal(session, "a writer failed").await?;
    database.require_records(&root(), &first_records()).await
}

/// Writes records and finishes the target.
async fn write_target(mut writer: Box<dyn TargetWriter + '_>, records: &[Line]) -> Result<WriteCounts> {
    writer.write(records.iter().map(record).collect::<Result<Vec<_>>>()?.into()).await?;
    writer.finish().await
}

async fn visibility(database: &Database) -> Result<()> {
    database.write(&root(), &first_records(), &options()).await?;
    let (session, _) = database.write_uncommitted(&root(), &second_records(), &options()).await?;
    // The snapshot is opened after the write.
    database.require_records(&root(), &first_records()).await?;
    session.commit().await?;
    let expected = [Line::new(1, "one"), Line::new(2, "TWO"), Line::new(3, "three"), Line::new(4, "four")];
    database.require_records(&root(), &expected).await
}

async fn dry_run(database: &Database) -> Result<()> {
    database.write(&root(), &first_records(), &options()).await?;
    let records = [Line::new(1, "one"), Line::new(2, "TWO"), Line::new(4, "four")];
    let counts = dry_run_counts(database, &records, options()).await?;
    require_counts(&counts, WriteCounts { inserted: 1, updated: 1, unchanged: 1, ..WriteCounts::default() })?;
    let counts = dry_run_counts(database, &records, on_conflict(ConflictMode::Keep)).await?;
    require_counts(&counts, WriteCounts { inserted: 1, kept: 2, ..WriteCounts::default() })?;
    let result = dry_run_counts(database, &records, on_conflict(ConflictMode::Fail)).await;
    let kind = result.as_ref().err().map(Error::kind);
    ensure(kind == Some(ErrorKind::Conflict), || format!("with `fail`, the dry run ended with {kind:?}"))?;
    if database.provider.capabilities().bulk_delete {
        let counts = dry_run_counts(database, &records, replacing()).await?;
        let expected =
            WriteCounts { inserted: 1, updated: 1, unchanged: 1, deleted: 1, ..WriteCounts::default() };
        require_counts(&counts, expected)?;
    }
    Ok(())
}

async fn counts_agree(database: &Database) -> Result<()> {
    let records = [Line::new(1, "one"), Line::new(2, "TWO"), Line::new(4, "four")];
    let options_list = [options(), on_conflict(ConflictMode::Keep), replacing()];
    // The levels differ only if the provider declares this capability.
    let levels: &[_] = match database.provider.capabilities().restore_optimisation {
        true => &[RestoreLevel::Fast, RestoreLevel::Balanced, RestoreLevel::Safe],
        false => &[RestoreLevel::Fast],
    };
    for &level in levels {
        for options in &options_list {
            let options = SessionOptions { level, ..options.clone() };
            database.write(&root(), &first_records(), &replacing()).await?;
            let dry_counts = dry_run_counts(database, &records, options.clone()).await?;
            let restore_counts = database.write(&root(), &records, &options).await?;
            ensure(dry_counts == restore_counts, || {
                format!(
                    "at level {level:?}, the dry run counts {dry_counts:?} and the restore {restore_counts:?}"
                )
            })?;
            ensure(dry_counts.unchanged == 1 || dry_counts.kept == 2, || {
                format!("1 record must be unchanged, or 2 records kept, but the counts are {dry_counts:?}")
            })?;
        }
    }
    Ok(())
}

/// Checks every case in which records of the archive or existing records make a restore fail.
async fn refusals(database: &Database) -> Result<()> {
    let mut options_list = vec![options(), on_conflict(ConflictMode::Keep), on_conflict(ConflictMode::Fail)];
    if database.provider.capabilities().bulk_delete {
        options_list.push(replacing());
    }
    let duplicates = [Line::new(8, "eight"), Line::new(9, "first"), Line::new(9, "last")];
    database.write(&root(), &first_records(), &options()).await?;
    for options in &options_list {
        let result = dry_run_counts(database, &duplicates, options.clone()).await;
        ensure(result.is_err(), || {
            format!("a dry run with {options:?} accepts two records with the same key")
        })?;
    }
    let result = dry_run_counts(database, &second_records(), on_conflict(ConflictMode::Fail)).await;
    ensure(result.is_err(), || "a dry run with `fail` accepts an existing record".to_owned())?;
    let result = database.write(&root(), &second_records(), &on_conflict(ConflictMode::Fail)).await;
    ensure(result.is_err(), || "with `fail`, writing an existing record did not return an error".to_owned())
}

/// Returns the counts of a dry run, and checks that it wrote nothing.
async fn dry_run_counts(
    database: &Database,
    records: &[Line],
    options: SessionOptions,
) -> Result<WriteCounts> {
    let comparing = SessionOptions { intent: SessionIntent::Compare, ..options };
    let mut session = database.provider.begin_restore(&comparing).await?;
    let written = write_target(session.begin(lines()).await?, records).await;
    let counts = match written {
        Ok(counts) => session.check_constraints().await.map(|()| counts),
        Err(error) => Err(error),
    };
    session.rollback().await?;
    database.require_records(&root(), &first_records()).await?;
    counts
}

async fn assessment(database: &Database) -> Result<()> {
    let targets: Vec<_> =
        super::entities().into_iter().map(|entity| RestoreTarget::new(entity, root())).collect();
    let findings = database.provider.assess(&targets, &options()).await?;
    let errors: Vec<_> =
        findings.iter().filter(|finding| finding.severity == crate::provider::Severity::Error).collect();
    ensure(errors.is_empty(), || format!("the assessment reports errors: {errors:?}"))
}

fn require_counts(counts: &WriteCounts, expected: WriteCounts) -> Result<()> {
    ensure(*counts == expected, || format!("the counts are {counts:?} instead of {expected:?}"))
}
