//! `[[team]]`.

use super::check;
use super::reader::Table;
use crate::domain::definition::Team;
use crate::domain::time::Timestamp;

pub(super) fn read(table: &mut Table<'_, '_>) -> Option<Team> {
    let key = table.required("key").and_then(|field| field.parse(check::key));
    let time_zone = table.required("time_zone").and_then(|field| field.parse(check::time_zone));
    Some(Team {
        key: key?.to_owned(),
        time_zone: time_zone?,
        hours: Vec::new(),
        holidays: Vec::new(),
        on_call: Vec::new(),
        summary: None,
        created_at: Timestamp::default(),
        updated_at: Timestamp::default(),
    })
}
