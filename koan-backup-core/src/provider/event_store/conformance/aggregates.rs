//! The cases for object names and object ids.

use futures::FutureExt as _;

use super::case::Case;
use super::sample::{event, events, require_equal, require_events};
use super::subject::{OBJECT, Subject};
use crate::entity::stream::StreamPart;
use crate::foundation::error::Result;

pub(super) const CASES: &[Case] = &[
    Case::new("an empty store contains nothing", |store| empty(store).boxed()),
    Case::new("object names and object ids are ordered by their bytes", |store| order(store).boxed()),
    Case::new("ids that resemble paths, patterns or each other are distinct", |store| ids(store).boxed()),
    Case::new("object ids are listed in pages", |store| pages(store).boxed()),
    Case::new("aggregates with the same id and different object names are distinct", |store| {
        names(store).boxed()
    }),
];

async fn empty(store: &Subject) -> Result<()> {
    let reading = store.read().await?;
    let reader = reading.events();
    require_equal("the object names", &reader.object_names().await?, &Vec::new())?;
    require_equal("whether an aggregate is found", &reader.open(OBJECT, "1").await?.is_some(), &false)?;
    for part in StreamPart::ALL {
        require_equal("the count of an empty store", &reader.count(OBJECT, part).await?, &0)?;
    }
    store.require_nothing(OBJECT).await?;
    let mut writing = store.begin().await?;
    require_equal("whether the store is empty", &writing.events().is_empty(OBJECT).await?, &true)?;
    let heads = writing.events().heads(OBJECT, &["1".to_owned()]).await?;
    require_equal("the streams of an empty store", &heads, &Vec::new())?;
    writing.rollback().await
}

/// Ids in the order of their bytes.
fn ordered_ids() -> Vec<String> {
    let long = "long-".repeat(100);
    let mut ids: Vec<_> = [
        "10", "2", "A", "B", "Z", "a", "a-", "a.", "a/b", "aa", "b", "z", "ß", "ä", "日本", "🦀", "Z a",
        &long,
    ]
    .map(str::to_owned)
    .into();
    ids.sort();
    ids
}

async fn order(store: &Subject) -> Result<()> {
    let ids = ordered_ids();
    let expected: Vec<_> = ids.iter().flat_map(|id| events(id, 2)).collect();
    // Written in another order than the one in which they are read.
    for id in ids.iter().rev() {
        store.write(OBJECT, events(id, 2)).await?;
    }
    store.require(OBJECT, &expected).await?;
    let reading = store.read().await?;
    require_equal("the ids", &reading.events().object_ids(OBJECT, None, 100).await?, &ids)?;
    let mut writing = store.begin().await?;
    require_equal("the ids in a session", &writing.events().object_ids(OBJECT, None, 100).await?, &ids)?;
    writing.rollback().await?;
    let mut names = vec!["koan-b", "koan-ä", "koan-B", "koan-a.b", "koan-a", "koan-order"];
    for name in names.iter().filter(|name| **name != OBJECT) {
        store.write(name, events("1", 1)).await?;
    }
    names.sort_unstable();
    let read = store.read().await?.events().object_names().await?;
    require_equal("the object names", &read, &names.into_iter().map(str::to_owned).collect())
}

async fn ids(store: &Subject) -> Result<()> {
    let long = "x".repeat(800);
    let ids = [
        "a",
        "A",
        "a ",
        " a",
        "ab",
        "a%",
        "a_",
        "a%2Fb",
        "a/b",
        "a//b",
        "/a",
        "a/",
        "a\\b",
        "..",
        ".",
        "../a",
        "...",
        "'; drop table events; --",
        "\"",
        "`",
        "{}",
        "*",
        "?",
        "#",
        "~",
        "é",
        "e\u{301}",
        "É",
        "\n",
        "\t",
        "a\u{202e}b",
        "con",
        "sha256-",
        "stream.json",
        "-",
        "+",
        "a+b",
        "a b",
        "a&b=c",
        &long,
    ];
    let mut sorted = ids.to_vec();
    sorted.sort_unstable();
    let written: Vec<_> = ids.iter().map(|id| event(id, 0)).collect();
    store.write(OBJECT, written).await?;
    let expected: Vec<_> = sorted.iter().map(|id| event(id, 0)).collect();
    store.require(OBJECT, &expected).await?;
    let reading = store.read().await?;
    for id in ids {
        let opened = reading.open(id).await?;
        require_equal("the opened id", &opened.object_id.as_str(), &id)?;
        require_events(reading.stream(&opened, id).await?, &[event(id, 0)])?;
    }
    let mut writing = store.begin().await?;
    let all: Vec<_> = ids.iter().map(|id| (*id).to_owned()).collect();
    require_equal("the heads", &writing.events().heads(OBJECT, &all).await?.len(), &ids.len())?;
    let removed = writing.events().remove(OBJECT, "a%").await?;
    require_equal("the removed events of `a%`", &removed.events, &1)?;
    writing.commit().await?;
    let rest: Vec<_> = expected.into_iter().filter(|event| event.object_id != "a%").collect();
    store.require(OBJECT, &rest).await
}

async fn pages(store: &Subject) -> Result<()> {
    let ids: Vec<_> = (0..25).map(|number| format!("id-{number:02}")).collect();
    store.write(OBJECT, ids.iter().map(|id| event(id, 0)).collect()).await?;
    let reading = store.read().await?;
    let reader = reading.events();
    for limit in [1, 10, 25, 26] {
        let (mut listed, mut last) = (Vec::new(), None);
        loop {
            let page = reader.object_ids(OBJECT, last.as_deref(), limit).await?;
            require_equal("whether a page is longer than its limit", &(page.len() > limit), &false)?;
            let Some(end) = page.last() else { break };
            last = Some(end.clone());
            listed.extend(page);
        }
        require_equal("the ids of all pages", &listed, &ids)?;
    }
    let page = reader.object_ids(OBJECT, Some("id-0"), 2).await?;
    require_equal("the ids after one that does not exist", &page, &ids[..2].to_vec())?;
    let mut writing = store.begin().await?;
    let page = writing.events().object_ids(OBJECT, Some("id-23"), 10).await?;
    require_equal("the last ids in a session", &page, &ids[24..].to_vec())?;
    writing.rollback().await
}

async fn names(store: &Subject) -> Result<()> {
    store.write(OBJECT, events("1", 3)).await?;
    store.write("koan-invoice", events("1", 2)).await?;
    store.require(OBJECT, &events("1", 3)).await?;
    let mut writing = store.begin().await?;
    writing.events().remove("koan-invoice", "1").await?;
    writing.commit().await?;
    store.require_nothing("koan-invoice").await?;
    store.require(OBJECT, &events("1", 3)).await
}
