//! Charts of the sizes of backups, as SVG.

use jiff::Timestamp;
use maud::{Markup, html};

use super::wording;

/// The size of one backup.
#[derive(Clone, Copy, Debug)]
pub(super) struct Point {
    pub(super) at: Timestamp,
    pub(super) bytes: u64,
}

const SPARK_HEIGHT: u64 = 24;
const BAR: u64 = 3;
const STEP: u64 = 4;

/// Returns a small chart without axes, as high bars as the sizes, oldest first.
pub(super) fn sparkline(points: &[Point]) -> Markup {
    let (min, max) = range(points);
    let width = STEP * u64::try_from(points.len()).unwrap_or_default();
    let label = format!(
        "Sizes of the last {}: from {} to {}",
        wording::counted(u64::try_from(points.len()).unwrap_or_default(), "backup"),
        wording::size(min),
        wording::size(max)
    );
    html! {
        svg.spark role="img" aria-label=(label) width=(width) height=(SPARK_HEIGHT)
            viewBox=(format!("0 0 {width} {SPARK_HEIGHT}")) {
            @for (x, point) in (0_u64..).zip(points) {
                @let height = scaled(point.bytes, max, SPARK_HEIGHT).max(2);
                rect x=(x * STEP) y=(SPARK_HEIGHT - height) width=(BAR) height=(height) {}
            }
        }
    }
}

const WIDTH: u64 = 640;
const HEIGHT: u64 = 160;
const LEFT: u64 = 88;
const BOTTOM: u64 = 24;
const TOP: u64 = 8;

/// Returns a chart with axes, oldest first, and a table with the same figures.
pub(super) fn sizes(points: &[Point]) -> Markup {
    let (_, max) = range(points);
    let plot = HEIGHT - BOTTOM - TOP;
    let last = u64::try_from(points.len().saturating_sub(1)).unwrap_or_default().max(1);
    let x = |index: u64| LEFT + (WIDTH - LEFT - 8) * index / last;
    let y = |bytes: u64| TOP + plot - scaled(bytes, max, plot);
    let line: Vec<_> =
        (0_u64..).zip(points).map(|(index, point)| format!("{},{}", x(index), y(point.bytes))).collect();
    html! {
        figure.chart {
            figcaption { "Size of the archive by the day of the backup" }
            div.plot tabindex="0" role="group" aria-label="Chart" {
            svg role="img" aria-label="Size of the archive by the day of the backup; the table has the same figures"
                viewBox=(format!("0 0 {WIDTH} {HEIGHT}")) {
                @for part in [0, 1, 2] {
                    @let bytes = max / 2 * part;
                    line.grid x1=(LEFT) x2=(WIDTH - 8) y1=(y(bytes)) y2=(y(bytes)) {}
                    text x=(LEFT - 8) y=(y(bytes) + 4) text-anchor="end" { (wording::size(bytes)) }
                }
                polyline points=(line.join(" ")) {}
                @for (index, point) in (0_u64..).zip(points) {
                    circle cx=(x(index)) cy=(y(point.bytes)) r="3" {}
                }
                @if let (Some(first), Some(newest)) = (points.first(), points.last()) {
                    text x=(LEFT) y=(HEIGHT - 6) { (wording::day(first.at)) }
                    @if wording::day(first.at) != wording::day(newest.at) {
                        text x=(WIDTH - 8) y=(HEIGHT - 6) text-anchor="end" { (wording::day(newest.at)) }
                    }
                }
            }
            }
            details {
                summary { "The same figures as a table" }
                table {
                    thead { tr { th scope="col" { "Started" } th.number scope="col" { "Size" } } }
                    tbody {
                        @for point in points.iter().rev() {
                            tr {
                                td data-label="Started" { (wording::exact(point.at)) }
                                td.number data-label="Size" { (wording::size(point.bytes)) }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn range(points: &[Point]) -> (u64, u64) {
    let bytes = || points.iter().map(|point| point.bytes);
    (bytes().min().unwrap_or_default(), bytes().max().unwrap_or_default())
}

/// Returns the part of `height` that `bytes` is of `max`.
fn scaled(bytes: u64, max: u64, height: u64) -> u64 {
    u64::try_from(u128::from(bytes) * u128::from(height) / u128::from(max.max(1))).unwrap_or(height)
}
