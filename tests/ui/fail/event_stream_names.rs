//! Object names that are refused.

use koan_backup::EventStream;
use serde::Deserialize;

#[derive(Deserialize, EventStream)]
#[event_stream(object = "")]
struct Empty;

#[derive(Deserialize, EventStream)]
#[event_stream(object = " ")]
struct Blank;

#[derive(Deserialize, EventStream)]
#[event_stream(object = "or\u{7}der")]
struct Control;

#[derive(Deserialize, EventStream)]
#[event_stream(object = "order.documents")]
struct Documents;

#[derive(Deserialize, EventStream)]
#[event_stream(object = "order.snapshots")]
struct Snapshots;

#[derive(Deserialize, EventStream)]
#[event_stream(object = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaä")]
struct Long;

#[derive(Deserialize, EventStream)]
#[event_stream(object = "order", provider = "", tag = " ", content = "pay\nload")]
struct Others;

fn main() {}
