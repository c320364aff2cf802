//! What the lists of backups and of single backups have in common: their headings, their pages, and what they say about
//! nothing, about a deletion and about files that cannot be read.

use koan_backup_core::BackupId;
use maud::{Markup, html};
use serde::Serialize;

use super::frame::View;
use super::state::Level;
use super::wording::sentence;
use super::{address, wording};
use crate::problem::{Problem, ProblemKind};

/// The number of items on a page of a list.
pub(super) const PAGE_SIZE: usize = 50;

/// The filter of a list, which the addresses of its pages contain.
pub(super) trait ListFilter: Serialize + Sized {
    /// The route of the list.
    const ROUTE: &'static str;
    /// What an item is called, such as `backup`.
    const ITEM: &'static str;

    /// Returns whether a condition is set.
    fn is_set(&self) -> bool;

    /// Returns the number of the requested page.
    fn page(&self) -> Option<usize>;

    /// Returns the same filter with another page.
    fn at_page(&self, page: usize) -> Self;

    /// Returns the number of the page, from 1.
    fn number(&self) -> usize {
        self.page().unwrap_or(1).clamp(1, 1_000_000)
    }

    /// Returns the number of items on the pages before this one.
    fn skipped(&self) -> usize {
        (self.number() - 1) * PAGE_SIZE
    }

    /// Returns the address of another page of the list.
    fn address(&self, page: usize) -> Result<String, Problem> {
        let query = serde_html_form::to_string(self.at_page(page))
            .map_err(|_| Problem::new(ProblemKind::Internal, "the address of a page cannot be composed"))?;
        Ok(format!("{}?{query}", Self::ROUTE))
    }
}

/// One page of a list.
#[derive(Debug)]
pub(super) struct ListPage<'l, F> {
    view: &'l View<'l>,
    filter: &'l F,
    /// The number of items on all pages.
    total: usize,
}

impl<'l, F: ListFilter> ListPage<'l, F> {
    pub(super) fn new(view: &'l View<'l>, filter: &'l F, total: usize) -> Self {
        Self { view, filter, total }
    }

    fn pages(&self) -> usize {
        self.total.div_ceil(PAGE_SIZE)
    }

    /// Returns whether the list ends before this page.
    fn is_beyond(&self) -> bool {
        self.total > 0 && self.filter.number() > self.pages()
    }

    /// Returns the number of items as a text.
    pub(super) fn heading(&self) -> Markup {
        let count = u64::try_from(self.total).unwrap_or(u64::MAX);
        html! {
            @match (self.total, self.filter.is_set()) {
                (0, false) => { "There are no " (F::ITEM) "s" },
                (_, false) => (wording::counted(count, F::ITEM)),
                (_, true) => { (wording::counted(count, F::ITEM)) " of this filter" },
            }
        }
    }

    /// Returns why the page has no items. `hint` follows if the list has none at all.
    pub(super) fn empty(&self, hint: &Markup) -> Result<Markup, Problem> {
        let first = self.filter.address(1)?;
        Ok(html! {
            p.empty {
                @if self.is_beyond() {
                    "The list ends before this page. " a href=(self.view.link(first)) { "Show its first page" }
                } @else if self.filter.is_set() {
                    "No " (F::ITEM) " matches the filter. "
                    a href=(self.view.link(F::ROUTE)) { "Show all " (F::ITEM) "s" }
                } @else {
                    "Each " (F::ITEM) " appears here once it is published." (hint)
                }
            }
        })
    }

    /// Returns the links to the pages before and after this one.
    pub(super) fn links(&self) -> Result<Markup, Problem> {
        let (number, pages) = (self.filter.number(), self.pages());
        Ok(html! {
            @if pages > 1 && !self.is_beyond() {
                nav.pages aria-label="Pages" {
                    @if number > 1 { a href=(self.view.link(self.filter.address(number - 1)?)) { "Newer" } }
                    span { "Page " (number) " of " (pages) }
                    @if number < pages { a href=(self.view.link(self.filter.address(number + 1)?)) { "Older" } }
                }
            }
        })
    }

    /// Returns the notice that an item was deleted from a storage profile.
    pub(super) fn deleted(&self, id: BackupId, profile: &str) -> Markup {
        let text = format!("{} {} is not in {profile} any more", F::ITEM, address::short(id));
        html! { p.notice role="status" { (sentence(&text)) } }
    }
}

/// Returns the files that cannot be read, each described by one item.
pub(super) fn unreadable(files: impl ExactSizeIterator<Item = Markup>) -> Markup {
    html! {
        @if files.len() > 0 {
            section aria-labelledby="unreadable" {
                h2 #unreadable { "Not readable" }
                ul.problems {
                    @for file in files.take(PAGE_SIZE) {
                        li { (Level::Problem.mark()) div { (file) } }
                    }
                }
            }
        }
    }
}
