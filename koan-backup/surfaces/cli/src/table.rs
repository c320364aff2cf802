//! Tables that fit the terminal.

use comfy_table::presets::NOTHING;
use comfy_table::{Cell, CellAlignment, ColumnConstraint, ContentArrangement};

use crate::output::printable;

/// How the values of a column are aligned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Align {
    /// Text, which wraps if the terminal is narrow.
    Text,
    /// Short text, such as an id, which never wraps.
    Fixed,
    /// Numbers, which are right-aligned and never wrap.
    Number,
}

/// A table: a heading, and rows with one cell for each column.
#[derive(Debug)]
pub(crate) struct Table {
    columns: Vec<(&'static str, Align)>,
    rows: Vec<Vec<String>>,
    /// The columns that a narrow terminal does not show, in the order in which they are left out.
    optional: &'static [&'static str],
}

/// The number of spaces between two columns.
const GAP: u16 = 3;
/// The number of columns to which text is wrapped before a column of the table is left out.
const MIN_TEXT_WIDTH: usize = 12;

impl Table {
    /// Creates a table without rows.
    pub(crate) fn new(columns: impl Into<Vec<(&'static str, Align)>>) -> Self {
        Self { columns: columns.into(), rows: Vec::new(), optional: &[] }
    }

    /// Sets the columns that a narrow terminal does not show, in the order in which they are left out.
    pub(crate) fn optional(mut self, columns: &'static [&'static str]) -> Self {
        self.optional = columns;
        self
    }

    /// Adds a row.
    pub(crate) fn row(&mut self, cells: impl Into<Vec<String>>) {
        self.rows.push(cells.into());
    }

    /// Returns the lines of the table. With a width, text wraps so that no line is longer, if possible.
    pub(crate) fn lines(mut self, width: Option<u16>) -> Vec<String> {
        if let Some(width) = width {
            self.leave_out(usize::from(width));
        }
        let mut table = comfy_table::Table::new();
        table.load_style(NOTHING).set_content_arrangement(ContentArrangement::Disabled);
        if let Some(width) = width {
            table.set_content_arrangement(ContentArrangement::Dynamic).set_width(width);
        }
        table.set_header(self.columns.iter().map(|(name, _)| Cell::new(name)));
        for row in self.rows {
            table.add_row(row.iter().map(|cell| Cell::new(printable(cell))));
        }
        let last = self.columns.len().saturating_sub(1);
        for (column, (index, (_, align))) in table.column_iter_mut().zip(self.columns.iter().enumerate()) {
            column.set_padding((0, if index == last { 0 } else { GAP }));
            if *align == Align::Number {
                column.set_cell_alignment(CellAlignment::Right);
            }
            if *align != Align::Text {
                column.set_constraint(ColumnConstraint::ContentWidth);
            }
        }
        table.lines().map(|line| line.trim_end().to_owned()).collect()
    }

    /// Removes optional columns until the table fits.
    fn leave_out(&mut self, width: usize) {
        for name in self.optional {
            if self.min_width() <= width {
                return;
            }
            if let Some(index) = self.columns.iter().position(|(column, _)| column == name) {
                self.columns.remove(index);
                self.rows.iter_mut().for_each(|row| drop(row.remove(index)));
            }
        }
    }

    /// Returns the number of columns that the table needs when its text is wrapped.
    fn min_width(&self) -> usize {
        let content = |index: usize| self.rows.iter().filter_map(move |row| row.get(index));
        let widths = self.columns.iter().enumerate().map(|(index, (name, align))| {
            let widest = content(index).map(|cell| console::measure_text_width(cell)).max().unwrap_or(0);
            let widest = if *align == Align::Text { widest.min(MIN_TEXT_WIDTH) } else { widest };
            widest.max(name.len())
        });
        widths.sum::<usize>() + usize::from(GAP) * self.columns.len().saturating_sub(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        let mut table =
            Table::new([("ID", Align::Fixed), ("RECORDS", Align::Number), ("STATUS", Align::Text)]);
        table.row(["3f2a91c4".into(), "12 041".into(), "ok".into()]);
        table.row(["b81e07d2".into(), "7".into(), "attention: not verified since it was made".into()]);
        table
    }

    #[test]
    fn columns_are_aligned_and_lines_have_no_space_at_the_end() {
        let expected = [
            "ID         RECORDS   STATUS",
            "3f2a91c4    12 041   ok",
            "b81e07d2         7   attention: not verified since it was made",
        ];
        assert_eq!(table().lines(None), expected);
    }

    #[test]
    fn only_text_wraps_in_a_narrow_terminal() {
        let expected = [
            "ID         RECORDS   STATUS",
            "3f2a91c4    12 041   ok",
            "b81e07d2         7   attention: not",
            "                     verified since it",
            "                     was made",
        ];
        assert_eq!(table().lines(Some(40)), expected);
    }

    #[test]
    fn optional_columns_are_left_out_in_their_order_until_the_table_fits() {
        let heading = |width| table().optional(&["RECORDS", "ID"]).lines(Some(width))[0].clone();
        assert_eq!(heading(33), "ID         RECORDS   STATUS");
        assert_eq!(heading(32), "ID         STATUS");
        assert_eq!(heading(22), "STATUS");
    }

    #[test]
    fn control_characters_are_not_written_to_the_terminal() {
        let mut table = Table::new([("NAME", Align::Text)]);
        table.row(["a\u{1b}[2Jb".into()]);
        assert_eq!(table.lines(None), ["NAME", "a [2Jb"]);
    }
}
