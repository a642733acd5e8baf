//! `[[team]]`: its hours, who is on call, its summary.

use chrono::{NaiveTime, Weekday};

use super::check;
use super::reader::{Field, Table};
use crate::domain::definition::{Shift, Summary, Team, WeekHours};
use crate::domain::limits::{MAX_DEFINITIONS, MAX_HOLIDAYS, MAX_RECIPIENTS, MAX_SHIFT_ADDRESSES, MAX_SHIFTS};
use crate::domain::time::Timestamp;

const WEEK: [Weekday; 7] =
    [Weekday::Mon, Weekday::Tue, Weekday::Wed, Weekday::Thu, Weekday::Fri, Weekday::Sat, Weekday::Sun];

pub(super) fn read(table: &mut Table<'_, '_>) -> Option<Team> {
    let key = table.required("key").and_then(|field| field.parse(check::key));
    let time_zone = table.required("time_zone").and_then(|field| field.parse(check::time_zone));
    let hours_field = table.optional("hours");
    let hours = hours_field.as_ref().and_then(|field| field.items(MAX_SHIFTS)).unwrap_or_default();
    if let Some(field) = hours_field.filter(|field| field.value.as_array().is_some_and(Vec::is_empty)) {
        field.problem("is empty: leave it out for always");
    }
    let holidays = table.optional("holidays").and_then(|field| field.texts(MAX_HOLIDAYS, check::date));
    let on_call = table.optional("on_call").and_then(|field| field.items(MAX_SHIFTS)).unwrap_or_default();
    let summary = table.optional("summary").and_then(|field| summary(&field));
    let hours = hours.iter().filter_map(opening).collect();
    let on_call = on_call.iter().filter_map(shift).collect();
    Some(Team {
        key: key?.to_owned(),
        time_zone: time_zone?,
        hours,
        holidays: holidays.unwrap_or_default().iter().filter_map(|text| text.parse().ok()).collect(),
        on_call,
        summary,
        created_at: Timestamp::default(),
        updated_at: Timestamp::default(),
    })
}

fn opening(field: &Field<'_, '_>) -> Option<WeekHours> {
    let mut table = field.table()?;
    let hours = week_hours(&mut table);
    table.close(&[]);
    hours
}

/// `days`, `from` and `until`: every day, and the whole day, where they are left out.
fn week_hours(table: &mut Table<'_, '_>) -> Option<WeekHours> {
    let days = days(table);
    let mut time = |key, check: fn(&str) -> Result<NaiveTime, String>| match table.optional(key) {
        Some(field) => field.parse(check),
        None => Some(NaiveTime::MIN),
    };
    let (from, until) = (time("from", check::time_of_day), time("until", check::end_of_time));
    Some(WeekHours { days: days?, from: from?, until: until? })
}

/// `"mon-fri"`, or `["mon", "wed", "sat-sun"]`; in the order of the week.
fn days(table: &mut Table<'_, '_>) -> Option<Vec<Weekday>> {
    let Some(field) = table.optional("days") else { return Some(WEEK.to_vec()) };
    let texts = field.one_or_more(WEEK.len(), "day", |text| weekdays(text).map(|_| text))?;
    let named: Vec<Weekday> = texts.iter().filter_map(|text| weekdays(text).ok()).flatten().collect();
    Some(WEEK.into_iter().filter(|day| named.contains(day)).collect())
}

/// `mon`, or `fri-mon` for Friday to Monday.
fn weekdays(text: &str) -> Result<Vec<Weekday>, String> {
    let day = |text: &str| text.trim().parse::<Weekday>().ok();
    let (first, last) = match text.split_once('-') {
        Some((first, last)) => (day(first), day(last)),
        None => (day(text), day(text)),
    };
    let (Some(first), Some(last)) = (first, last) else {
        return Err(
            "is no day of the week: write mon, tue, wed, thu, fri, sat or sun, or several such as mon-fri"
                .to_owned(),
        );
    };
    let count = usize::try_from(last.days_since(first)).unwrap_or_default() + 1;
    Ok(std::iter::successors(Some(first), |day| Some(day.succ())).take(count).collect())
}

fn shift(field: &Field<'_, '_>) -> Option<Shift> {
    let mut table = field.table()?;
    let hours = week_hours(&mut table);
    let name = table.optional("name").and_then(|field| field.parse(check::name)).unwrap_or_default();
    let (email, phone) = (table.optional("email"), table.optional("phone"));
    table.close(&[]);
    if email.is_none() && phone.is_none() {
        field.problem("names nobody who could be reached: write `email`, `phone` or both");
    }
    let email = email.map(|field| field.one_or_more(MAX_SHIFT_ADDRESSES, "mail address", check::email));
    let phone = phone.map(|field| field.one_or_more(MAX_SHIFT_ADDRESSES, "telephone number", check::phone));
    let [email, phone] = [email, phone].map(|addresses| addresses.unwrap_or(Some(Vec::new())));
    Some(Shift { hours: hours?, name: name.to_owned(), email: email?, phone: phone? })
}

fn summary(field: &Field<'_, '_>) -> Option<Summary> {
    let mut table = field.table()?;
    let at = table.required("at").and_then(|field| field.parse(check::time_of_day));
    let days = days(&mut table);
    let to = table.required("to");
    let to = to.and_then(|field| field.one_or_more(MAX_RECIPIENTS, "mail address", check::email));
    let flows = table.optional("flows").and_then(|field| field.texts(MAX_DEFINITIONS, check::name));
    table.close(&[]);
    Some(Summary { at: at?, days: days?, to: to?, flows: flows.unwrap_or_default() })
}
