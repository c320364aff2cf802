//! Tables, whose rows become cards on a narrow screen.

use maud::{Markup, html};

/// A column of a table, with its heading.
#[derive(Clone, Copy, Debug)]
pub(super) enum Column<'a> {
    /// A column of texts.
    Text(&'a str),
    /// A column of numbers, which are aligned at their last digit.
    Number(&'a str),
}

/// Returns a table. Each cell of `rows` has the heading of its column in `data-label`, which a narrow screen shows.
pub(super) fn card(columns: &[Column<'_>], rows: &Markup) -> Markup {
    html! {
        div.card {
            table {
                thead {
                    tr {
                        @for column in columns {
                            @match column {
                                Column::Text(heading) => th scope="col" { (heading) },
                                Column::Number(heading) => th.number scope="col" { (heading) },
                            }
                        }
                    }
                }
                tbody { (rows) }
            }
        }
    }
}
