//! The cases for reading.

use futures::FutureExt;
use tokio_util::sync::CancellationToken;

use super::case::Case;
use super::database::{
    Database, ensure, failed, line, on_conflict, options, read, request, require_same, small_sink,
};
use super::model::{Line, Pair, Specimen, specimens};
use crate::entity::{Entity, EntityCodec};
use crate::foundation::consistency::Consistency;
use crate::foundation::error::{ErrorKind, Result};
use crate::foundation::id::SetName;
use crate::foundation::value::Value;
use crate::provider::{ConflictMode, ReadRequest};

/// A number of records that is larger than any batch of a provider.
const MANY_RECORDS: i64 = 100_000;

pub(super) const CASES: &[Case] = &[
    Case::new("every value round-trips", |database| values(database).boxed()),
    Case::new(
        "the error for text that the database cannot store contains the entity and the key",
        |database| text_limits(database).boxed(),
    ),
    Case::new("records are distinguished by all fields of a composite key", |database| {
        composite_keys(database).boxed()
    }),
    Case::new("an entity without records has no records and only the root set", |database| {
        no_records(database).boxed()
    }),
    Case::new("batches are reported and end with the number of records", |database| {
        batches(database).boxed()
    }),
    Case::new("one record is found by its key", |database| by_key(database).boxed()),
    Case::new("all 100 000 records are read", |database| many_records(database).boxed()),
    Case::new("records are read in the order of their keys", |database| ordered(database).boxed())
        .needing(|capabilities| capabilities.ordered_reads),
    Case::new("a later write is not visible in a snapshot", |database| isolation(database).boxed())
        .needing(|capabilities| capabilities.snapshot_reads),
    Case::new("no snapshot consistency is reported without snapshot reads", |database| {
        undeclared_consistency(database).boxed()
    })
    .needing(|capabilities| !capabilities.snapshot_reads),
    Case::new("the declared number of entities can be read at the same time", |database| {
        parallel_reads(database).boxed()
    }),
    Case::new("a cancelled read returns an error, and the next read succeeds", |database| {
        cancelled(database).boxed()
    }),
    Case::new("a read whose receiver is dropped ends with an error", |database| abandoned(database).boxed()),
    Case::new("a dropped read leaves no lock", |database| dropped(database).boxed()),
    Case::new("each entity is described, in order and without a problem", |database| {
        described(database).boxed()
    }),
];

fn root() -> SetName {
    SetName::root()
}

/// Returns records in the order of their keys.
fn lines(count: i64) -> Vec<Line> {
    (0..count).map(|id| Line::new(id, &format!("line {id}"))).collect()
}

async fn values(database: &Database) -> Result<()> {
    let specimens = specimens();
    let counts = database.write(&root(), &specimens, &options()).await?;
    ensure(counts.inserted == 3 && counts.updated == 0, || {
        format!("3 records must be inserted, but the counts are {counts:?}")
    })?;
    database.require_records(&root(), &specimens).await
}

async fn text_limits(database: &Database) -> Result<()> {
    for (id, text) in [(1, "a\0b".to_owned()), (2, "x".repeat(1 << 20))] {
        let record = [Line::new(id, &text)];
        match database.write(&root(), &record, &options()).await {
            Ok(_) => {
                let found = database.read::<Line>(&root()).await?;
                let expected = line(&record[0])?;
                ensure(found.lines.contains(&expected), || {
                    format!("record {id} was read with different values")
                })?;
            }
            Err(error) => {
                let text = error.chain();
                ensure(text.contains("Line") && text.contains(&format!("id={id}")), || {
                    format!("the error does not contain the entity and the key: {text}")
                })?;
            }
        }
    }
    Ok(())
}

async fn composite_keys(database: &Database) -> Result<()> {
    let pair =
        |owner: &str, number| Pair { owner: owner.to_owned(), number, content: format!("{owner}{number}") };
    // These keys would be equal if their fields were concatenated.
    let pairs = [pair("a", 11), pair("a1", 1), pair("A", 11), pair("a ", 11), pair("", 0)];
    database.write(&root(), &pairs, &options()).await?;
    database.require_records(&root(), &pairs).await?;
    let changed = Pair { content: "changed".to_owned(), ..pair("a", 11) };
    database.write(&root(), std::slice::from_ref(&changed), &options()).await?;
    database
        .require_records(&root(), &[changed, pair("a1", 1), pair("A", 11), pair("a ", 11), pair("", 0)])
        .await
}

async fn no_records(database: &Database) -> Result<()> {
    database.require_records::<Line>(&root(), &[]).await?;
    let snapshot = database.provider.snapshot().await?;
    let codec = EntityCodec::new(Line::descriptor());
    let sets = snapshot.sets(&codec).await?;
    ensure(sets == [root()], || {
        format!("an entity without records must have only the root set, but its sets are {sets:?}")
    })?;
    let count = snapshot.count(&codec, &root()).await?;
    ensure(count == 0, || format!("the count of an empty set is {count}"))
}

async fn batches(database: &Database) -> Result<()> {
    database.write(&root(), &lines(7), &options()).await?;
    let snapshot = database.provider.snapshot().await?;
    for (size, expected) in [(3, vec![3, 6, 7]), (7, vec![7]), (1_000, vec![7])] {
        let found = read::<Line>(snapshot.as_ref(), &root(), size).await?;
        ensure(found.batches == expected, || {
            format!("batches of {size} were reported as {:?}", found.batches)
        })?;
        require_same(&found, &lines(7))?;
    }
    Ok(())
}

async fn by_key(database: &Database) -> Result<()> {
    database.write(&root(), &lines(10), &options()).await?;
    let snapshot = database.provider.snapshot().await?;
    let codec = EntityCodec::new(Line::descriptor());
    for (key, expected) in [(4, vec![Line::new(4, "line 4")]), (10, vec![])] {
        let by_key = ReadRequest::one(codec.clone(), root(), vec![Value::I64(key)]);
        require_same(&request(snapshot.as_ref(), by_key, 10, CancellationToken::new()).await?, &expected)?;
    }
    Ok(())
}

async fn many_records(database: &Database) -> Result<()> {
    let lines = lines(MANY_RECORDS);
    database.write(&root(), &lines, &options()).await?;
    database.require_records(&root(), &lines).await?;
    let snapshot = database.provider.snapshot().await?;
    let count = snapshot.count(&EntityCodec::new(Line::descriptor()), &root()).await?;
    ensure(i64::try_from(count) == Ok(MANY_RECORDS), || {
        format!("`count` returned {count} instead of 100 000")
    })
}

async fn ordered(database: &Database) -> Result<()> {
    let mut lines = lines(2_000);
    lines.rotate_left(700);
    lines.push(Line::new(-5, "before"));
    database.write(&root(), &lines, &options()).await?;
    lines.sort_by_key(|line| line.id);
    let expected: Vec<_> = lines.iter().map(line).collect::<Result<_>>()?;
    let found = database.read::<Line>(&root()).await?;
    ensure(found.lines == expected, || "integer keys are not in the order of their values".to_owned())?;
    let owners = ["b", "ab", "", "Z", "a", "é", "z"];
    let pair = |owner: &&str| Pair { owner: (*owner).to_owned(), number: 1, content: String::new() };
    let mut pairs: Vec<_> = owners.iter().map(pair).collect();
    database.write(&root(), &pairs, &options()).await?;
    pairs.sort_by(|a, b| a.owner.as_bytes().cmp(b.owner.as_bytes()));
    let expected: Vec<_> = pairs.iter().map(line).collect::<Result<_>>()?;
    let found = database.read::<Pair>(&root()).await?;
    ensure(found.lines == expected, || "text keys are not in the order of their bytes".to_owned())
}

async fn isolation(database: &Database) -> Result<()> {
    database.write(&root(), &lines(5), &options()).await?;
    let snapshot = database.provider.snapshot().await?;
    ensure(snapshot.consistency() == Consistency::Snapshot, || {
        "the consistency of the snapshot is not `Snapshot`, although the capability `snapshot_reads` is \
         declared"
            .to_owned()
    })?;
    // The first read precedes the write, because some providers take the snapshot with their first read.
    require_same(&read::<Line>(snapshot.as_ref(), &root(), 10).await?, &lines(5))?;
    database.write(&root(), &[Line::new(2, "changed"), Line::new(9, "new")], &options()).await?;
    // The reads use every connection that the snapshot may have.
    let root = root();
    let reads = (0..snapshot.concurrent_reads().min(4)).map(|_| read::<Line>(snapshot.as_ref(), &root, 10));
    for found in futures::future::try_join_all(reads).await? {
        require_same(&found, &lines(5))?;
    }
    // The snapshot must also apply to an entity that is read for the first time after a write.
    database.write(&root, &specimens(), &options()).await?;
    require_same::<Specimen>(&read::<Specimen>(snapshot.as_ref(), &root, 10).await?, &[])
}

async fn undeclared_consistency(database: &Database) -> Result<()> {
    let consistency = database.provider.snapshot().await?.consistency();
    ensure(consistency != Consistency::Snapshot, || {
        "the consistency of the snapshot is `Snapshot`, although the capability `snapshot_reads` is not \
         declared"
            .to_owned()
    })
}

async fn parallel_reads(database: &Database) -> Result<()> {
    database.write(&root(), &lines(3_000), &options()).await?;
    let snapshot = database.provider.snapshot().await?;
    let root = root();
    let reads = (0..snapshot.concurrent_reads().min(4)).map(|_| read::<Line>(snapshot.as_ref(), &root, 100));
    for found in futures::future::try_join_all(reads).await? {
        require_same(&found, &lines(3_000))?;
    }
    Ok(())
}

async fn cancelled(database: &Database) -> Result<()> {
    database.write(&root(), &lines(3_000), &options()).await?;
    let snapshot = database.provider.snapshot().await?;
    let token = CancellationToken::new();
    let (cancel, all) = (token.clone(), ReadRequest::all(EntityCodec::new(Line::descriptor()), root()));
    // The read is cancelled in the second batch.
    let on_batch = move |records| {
        if records == 20 {
            cancel.cancel()
        }
    };
    let (sink, mut chunks) = small_sink(all.entity.clone(), 10, token, on_batch);
    let receiving = async { while chunks.recv().await.is_some() {} };
    let (result, ()) = tokio::join!(snapshot.read(all, sink), receiving);
    let kind = result.as_ref().err().map(crate::foundation::error::Error::kind);
    ensure(kind == Some(ErrorKind::Cancelled), || format!("the cancelled read ended with {kind:?}"))?;
    drop(snapshot);
    database.require_records(&root(), &lines(3_000)).await
}

async fn abandoned(database: &Database) -> Result<()> {
    database.write(&root(), &lines(3_000), &options()).await?;
    let snapshot = database.provider.snapshot().await?;
    let all = ReadRequest::all(EntityCodec::new(Line::descriptor()), root());
    let (sink, chunks) = small_sink(all.entity.clone(), 10, CancellationToken::new(), |_| {});
    drop(chunks);
    let result = snapshot.read(all, sink).await;
    ensure(result.is_err(), || "a read without a receiver ended without an error".to_owned())?;
    drop(snapshot);
    database.require_records(&root(), &lines(3_000)).await
}

async fn dropped(database: &Database) -> Result<()> {
    database.write(&root(), &lines(20_000), &options()).await?;
    let snapshot = database.provider.snapshot().await?;
    let all = ReadRequest::all(EntityCodec::new(Line::descriptor()), root());
    // No chunk is received, so the read waits before its end. The read is dropped after it has read its first
    // batch.
    let started = CancellationToken::new();
    let on_first_batch = started.clone();
    let on_batch = move |_| on_first_batch.cancel();
    let (sink, chunks) = small_sink(all.entity.clone(), 10, CancellationToken::new(), on_batch);
    tokio::select! {
        _ = snapshot.read(all, sink) => {
            return Err(failed("a read from which nothing was received ended".to_owned()));
        }
        () = started.cancelled() => {}
    }
    drop(chunks);
    require_same::<Pair>(&read::<Pair>(snapshot.as_ref(), &root(), 10).await?, &[])?;
    drop(snapshot);
    let changed = [Line::new(1, "changed")];
    database.write(&root(), &changed, &on_conflict(ConflictMode::Overwrite)).await.map(drop)
}

async fn described(database: &Database) -> Result<()> {
    let entities = super::entities();
    let description = database.provider.describe(&entities).await?;
    ensure(!description.version.is_empty(), || {
        "the provider does not report the version of its database".to_owned()
    })?;
    let names: Vec<_> = description.entities.iter().map(|coverage| coverage.entity.as_str()).collect();
    let expected: Vec<_> = entities.iter().map(EntityCodec::name).collect();
    ensure(names == expected, || format!("the described entities are {names:?} instead of {expected:?}"))?;
    for coverage in &description.entities {
        ensure(coverage.problem.is_none(), || format!("an entity cannot be read: {coverage:?}"))?;
        ensure(coverage.unmapped_fields.is_empty(), || {
            format!("an entity has fields without a column: {coverage:?}")
        })?;
    }
    Ok(())
}
