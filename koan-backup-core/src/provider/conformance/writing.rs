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
    Case::new("`overwrite` writes what is there again and leaves the rest", |database| {
        overwrite(database).boxed()
    }),
    Case::new("`keep` leaves what is there", |database| keep(database).boxed()),
    Case::new("`fail` is an error at a record that is there", |database| fail(database).boxed()),
    Case::new("each level writes the same", |database| levels(database).boxed()),
    Case::new("each option that keeps objects in place writes the same", |database| {
        keeping(database).boxed()
    }),
    Case::new("a session with an unfinished target is not committed", |database| {
        unfinished(database).boxed()
    })
    .needing(|capabilities| capabilities.atomic_restore),
    Case::new("`replace_existing` leaves exactly what was written", |database| replace(database).boxed())
        .needing(|capabilities| capabilities.bulk_delete),
    Case::new("`replace_existing` is refused before anything is written", |database| {
        no_replace(database).boxed()
    })
    .needing(|capabilities| !capabilities.bulk_delete),
    Case::new("sets are apart", |database| sets(database).boxed()).needing(|capabilities| capabilities.sets),
    Case::new("a set is refused before anything is written", |database| no_sets(database).boxed())
        .needing(|capabilities| !capabilities.sets),
    Case::new("a session that is rolled back leaves nothing", |database| rolled_back(database).boxed())
        .needing(|capabilities| capabilities.atomic_restore),
    Case::new("a session that is dropped leaves nothing", |database| dropped(database).boxed())
        .needing(|capabilities| capabilities.atomic_restore),
    Case::new("a session that fails half way leaves nothing", |database| failed_half_way(database).boxed())
        .needing(|capabilities| capabilities.atomic_restore),
    Case::new("nothing of a session shows before its commit", |database| hidden(database).boxed())
        .needing(|capabilities| capabilities.atomic_restore && capabilities.snapshot_reads),
    Case::new("a dry run counts what would be done and writes nothing", |database| compare(database).boxed()),
    Case::new("a restore counts what a dry run of it counts", |database| counts_agree(database).boxed())
        .needing(|capabilities| capabilities.bulk_delete),
    Case::new("a dry run refuses existing records that a restore refuses", |database| {
        refusals(database).boxed()
    }),
    Case::new("what can be written is assessed without a fault", |database| assessed(database).boxed()),
];

fn root() -> SetName {
    SetName::root()
}

/// Returns the default set of lines as a target.
fn lines() -> RestoreTarget {
    RestoreTarget::new(EntityCodec::new(Line::descriptor()), root())
}

fn before() -> Vec<Line> {
    vec![Line::new(1, "one"), Line::new(2, "two"), Line::new(3, "three")]
}

/// Returns an existing record with other values, and a new one.
fn after() -> Vec<Line> {
    vec![Line::new(2, "TWO"), Line::new(4, "four")]
}

async fn overwrite(database: &Database) -> Result<()> {
    database.write(&root(), &before(), &options()).await?;
    let counts = database.write(&root(), &after(), &options()).await?;
    counted(&counts, WriteCounts { inserted: 1, updated: 1, ..WriteCounts::default() })?;
    let wanted = [Line::new(1, "one"), Line::new(2, "TWO"), Line::new(3, "three"), Line::new(4, "four")];
    database.holds(&root(), &wanted).await?;
    // One of these records would be lost.
    let twice = [Line::new(9, "first"), Line::new(9, "last")];
    let written = database.write(&root(), &twice, &options()).await;
    ensure(written.is_err(), || "two records of one key were written in one session".to_owned())
}

async fn keep(database: &Database) -> Result<()> {
    database.write(&root(), &before(), &options()).await?;
    let counts = database.write(&root(), &after(), &on_conflict(ConflictMode::Keep)).await?;
    counted(&counts, WriteCounts { inserted: 1, kept: 1, ..WriteCounts::default() })?;
    let wanted = [Line::new(1, "one"), Line::new(2, "two"), Line::new(3, "three"), Line::new(4, "four")];
    database.holds(&root(), &wanted).await
}

async fn fail(database: &Database) -> Result<()> {
    database.write(&root(), &before(), &options()).await?;
    let ended = database.write(&root(), &after(), &on_conflict(ConflictMode::Fail)).await;
    let error = ended.err().ok_or_else(|| super::database::failed("it was written".to_owned()))?;
    ensure(error.kind() == ErrorKind::Conflict, || format!("it is a fault of kind {:?}", error.kind()))?;
    ensure(error.chain().contains("Line") && error.chain().contains("id=2"), || {
        format!("it names another record: {}", error.chain())
    })?;
    if database.provider.capabilities().atomic_restore {
        database.holds(&root(), &before()).await?;
    }
    let counts = database.write(&root(), &[Line::new(5, "five")], &on_conflict(ConflictMode::Fail)).await?;
    counted(&counts, WriteCounts { inserted: 1, ..WriteCounts::default() })
}

async fn levels(database: &Database) -> Result<()> {
    for level in [RestoreLevel::Fast, RestoreLevel::Balanced, RestoreLevel::Safe] {
        let options = SessionOptions { level, ..options() };
        database.write(&root(), &specimens(), &options).await?;
        database.holds::<Specimen>(&root(), &specimens()).await?;
    }
    Ok(())
}

async fn keeping(database: &Database) -> Result<()> {
    let mut all = vec![
        SessionOptions { keep_indexes: true, ..options() },
        SessionOptions { keep_constraints: true, ..options() },
        SessionOptions { without_bulk_mode: true, ..options() },
    ];
    if database.provider.capabilities().bulk_delete {
        let replacing =
            all.iter().map(|options| SessionOptions { replace_existing: true, ..options.clone() });
        all.extend(replacing.collect::<Vec<_>>());
    }
    for options in all {
        database.write(&root(), &specimens(), &options).await?;
        database.holds::<Specimen>(&root(), &specimens()).await?;
    }
    Ok(())
}

fn replacing() -> SessionOptions {
    SessionOptions { replace_existing: true, ..options() }
}

async fn replace(database: &Database) -> Result<()> {
    database.write(&root(), &before(), &options()).await?;
    let counts = database.write(&root(), &after(), &replacing()).await?;
    let total = counts.inserted + counts.updated;
    // A provider may delete the record that is in both and write it again, or leave it.
    ensure(total == 2 && matches!(counts.deleted, 2 | 3), || format!("{counts:?} were counted"))?;
    database.holds(&root(), &after()).await?;
    let counts = database.write::<Line>(&root(), &[], &replacing()).await?;
    ensure(counts.deleted == 2, || format!("{counts:?} were counted"))?;
    database.holds::<Line>(&root(), &[]).await
}

async fn no_replace(database: &Database) -> Result<()> {
    database.write(&root(), &before(), &options()).await?;
    refused(database.write(&root(), &after(), &replacing()).await)?;
    database.holds(&root(), &before()).await
}

async fn sets(database: &Database) -> Result<()> {
    let archive = SetName::new("archive")?;
    database.write(&root(), &before(), &options()).await?;
    database.write(&archive, &after(), &options()).await?;
    database.holds(&root(), &before()).await?;
    database.holds(&archive, &after()).await?;
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
        database.holds::<Line>(&archive, &[]).await?;
        database.holds(&root(), &before()).await?;
        database.write(&archive, &after(), &options()).await?;
        database.write::<Line>(&root(), &[], &replacing()).await?;
        database.holds::<Line>(&root(), &[]).await?;
        database.holds(&archive, &after()).await?;
    }
    Ok(())
}

async fn no_sets(database: &Database) -> Result<()> {
    refused(database.write(&SetName::new("archive")?, &after(), &options()).await)?;
    database.holds::<Line>(&root(), &[]).await
}

fn refused(ended: Result<WriteCounts>) -> Result<()> {
    let kind = ended.as_ref().err().map(Error::kind);
    ensure(kind == Some(ErrorKind::Unsupported), || {
        format!("it is not claimed, and was not refused as unsupported: {kind:?}")
    })
}

async fn rolled_back(database: &Database) -> Result<()> {
    database.write(&root(), &before(), &options()).await?;
    let options = if database.provider.capabilities().bulk_delete { replacing() } else { options() };
    let (session, _) = database.written(&root(), &after(), &options).await?;
    session.rollback().await?;
    database.holds(&root(), &before()).await
}

async fn dropped(database: &Database) -> Result<()> {
    database.write(&root(), &before(), &options()).await?;
    let (session, _) = database.written(&root(), &after(), &options()).await?;
    drop(session);
    database.holds(&root(), &before()).await?;
    // The session is dropped during a write, as in a restore that is cancelled.
    let mut session = database.provider.begin_restore(&options()).await?;
    let mut writer = session.begin(lines()).await?;
    let records = after().iter().map(record).collect::<Result<Vec<_>>>()?;
    let _ = writer.write(records.into()).now_or_never();
    drop(writer);
    session.rollback().await?;
    database.holds(&root(), &before()).await?;
    database.write(&root(), &after(), &options()).await.map(drop)
}

async fn failed_half_way(database: &Database) -> Result<()> {
    database.write(&root(), &before(), &options()).await?;
    let mut session = database.provider.begin_restore(&on_conflict(ConflictMode::Fail)).await?;
    let specimens = specimens().iter().map(record).collect::<Result<Vec<_>>>()?;
    let mut writer =
        session.begin(RestoreTarget::new(EntityCodec::new(Specimen::descriptor()), root())).await?;
    writer.write(specimens.into()).await?;
    writer.finish().await?;
    let ended = written(session.begin(lines()).await?, &after()).await;
    ensure(ended.is_err(), || "an existing record was written".to_owned())?;
    session.rollback().await?;
    database.holds(&root(), &before()).await?;
    database.holds::<Specimen>(&root(), &[]).await
}

/// Checks that an error or a cancellation that the database does not notice never leads to a partial commit.
async fn unfinished(database: &Database) -> Result<()> {
    database.write(&root(), &before(), &options()).await?;
    let refuses = async |mut session: Box<dyn RestoreSession>, what: &str| {
        let begun = session.begin(lines()).await.map(drop);
        ensure(begun.is_err(), || format!("a target was begun after {what}"))?;
        let ended = session.commit().await;
        ensure(ended.is_err(), || format!("a session was committed after {what}"))
    };
    let mut session = database.provider.begin_restore(&options()).await?;
    drop(session.begin(lines()).await?);
    refuses(session, "a writer was dropped before its first record").await?;
    let mut session = database.provider.begin_restore(&options()).await?;
    let mut writer = session.begin(lines()).await?;
    writer.write(after().iter().map(record).collect::<Result<Vec<_>>>()?.into()).await?;
    drop(writer);
    refuses(session, "a writer was dropped after its last record").await?;
    let mut session = database.provider.begin_restore(&on_conflict(ConflictMode::Fail)).await?;
    let ended = written(session.begin(lines()).await?, &after()).await;
    ensure(ended.is_err(), || "an existing record was written".to_owned())?;
    refuses(session, "a writer failed").await?;
    database.holds(&root(), &before()).await
}

/// Writes records and finishes the target.
async fn written(mut writer: Box<dyn TargetWriter + '_>, records: &[Line]) -> Result<WriteCounts> {
    writer.write(records.iter().map(record).collect::<Result<Vec<_>>>()?.into()).await?;
    writer.finish().await
}

async fn hidden(database: &Database) -> Result<()> {
    database.write(&root(), &before(), &options()).await?;
    let (session, _) = database.written(&root(), &after(), &options()).await?;
    // The snapshot is opened after the write.
    database.holds(&root(), &before()).await?;
    session.commit().await?;
    let wanted = [Line::new(1, "one"), Line::new(2, "TWO"), Line::new(3, "three"), Line::new(4, "four")];
    database.holds(&root(), &wanted).await
}

async fn compare(database: &Database) -> Result<()> {
    database.write(&root(), &before(), &options()).await?;
    let records = [Line::new(1, "one"), Line::new(2, "TWO"), Line::new(4, "four")];
    let counts = compared(database, &records, options()).await?;
    counted(&counts, WriteCounts { inserted: 1, updated: 1, unchanged: 1, ..WriteCounts::default() })?;
    let counts = compared(database, &records, on_conflict(ConflictMode::Keep)).await?;
    counted(&counts, WriteCounts { inserted: 1, kept: 2, ..WriteCounts::default() })?;
    let ended = compared(database, &records, on_conflict(ConflictMode::Fail)).await;
    let kind = ended.as_ref().err().map(Error::kind);
    ensure(kind == Some(ErrorKind::Conflict), || format!("with `fail` it ended with {kind:?}"))?;
    if database.provider.capabilities().bulk_delete {
        let counts = compared(database, &records, replacing()).await?;
        let wanted =
            WriteCounts { inserted: 1, updated: 1, unchanged: 1, deleted: 1, ..WriteCounts::default() };
        counted(&counts, wanted)?;
    }
    Ok(())
}

async fn counts_agree(database: &Database) -> Result<()> {
    let records = [Line::new(1, "one"), Line::new(2, "TWO"), Line::new(4, "four")];
    let all = [options(), on_conflict(ConflictMode::Keep), replacing()];
    // Levels make a difference only if the provider declares this capability.
    let levels: &[_] = match database.provider.capabilities().restore_optimisation {
        true => &[RestoreLevel::Fast, RestoreLevel::Balanced, RestoreLevel::Safe],
        false => &[RestoreLevel::Fast],
    };
    for &level in levels {
        for options in &all {
            let options = SessionOptions { level, ..options.clone() };
            database.write(&root(), &before(), &replacing()).await?;
            let dry = compared(database, &records, options.clone()).await?;
            let done = database.write(&root(), &records, &options).await?;
            ensure(dry == done, || format!("a dry run counts {dry:?}, the restore {done:?}, at {level:?}"))?;
            ensure(dry.unchanged == 1 || dry.kept == 2, || format!("{dry:?} were counted"))?;
        }
    }
    Ok(())
}

/// Checks every case in which records of the archive or existing records make a restore fail.
async fn refusals(database: &Database) -> Result<()> {
    let mut all = vec![options(), on_conflict(ConflictMode::Keep), on_conflict(ConflictMode::Fail)];
    if database.provider.capabilities().bulk_delete {
        all.push(replacing());
    }
    let twice = [Line::new(8, "eight"), Line::new(9, "first"), Line::new(9, "last")];
    database.write(&root(), &before(), &options()).await?;
    for options in &all {
        let would = compared(database, &twice, options.clone()).await;
        ensure(would.is_err(), || {
            format!("a dry run with {options:?} accepts two records with the same key")
        })?;
    }
    let would = compared(database, &after(), on_conflict(ConflictMode::Fail)).await;
    ensure(would.is_err(), || "a dry run with `fail` accepts an existing record".to_owned())?;
    let ended = database.write(&root(), &after(), &on_conflict(ConflictMode::Fail)).await;
    ensure(ended.is_err(), || "an existing record was written".to_owned())
}

/// Returns the counts of a dry run, and checks that it wrote nothing.
async fn compared(database: &Database, records: &[Line], options: SessionOptions) -> Result<WriteCounts> {
    let comparing = SessionOptions { intent: SessionIntent::Compare, ..options };
    let mut session = database.provider.begin_restore(&comparing).await?;
    let written = written(session.begin(lines()).await?, records).await;
    let counts = match written {
        Ok(counts) => session.check_constraints().await.map(|()| counts),
        Err(error) => Err(error),
    };
    session.rollback().await?;
    database.holds(&root(), &before()).await?;
    counts
}

async fn assessed(database: &Database) -> Result<()> {
    let targets: Vec<_> =
        super::entities().into_iter().map(|entity| RestoreTarget::new(entity, root())).collect();
    let findings = database.provider.assess(&targets, &options()).await?;
    let faults: Vec<_> =
        findings.iter().filter(|finding| finding.severity == crate::provider::Severity::Error).collect();
    ensure(faults.is_empty(), || format!("{faults:?}"))
}

fn counted(counts: &WriteCounts, wanted: WriteCounts) -> Result<()> {
    ensure(*counts == wanted, || format!("{counts:?} were counted, and it was {wanted:?}"))
}
