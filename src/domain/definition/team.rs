//! Teams: the people whom escalations reach. When they work, who of them is on call, and the summary that they get.

use chrono::{NaiveDate, NaiveTime, Weekday};
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};

use crate::domain::time::Timestamp;

/// A piece of the week by the team's clock. One that ends at or before its begin ends on the next day.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WeekHours {
    /// The days on which it begins; at least one.
    pub days: Vec<Weekday>,
    /// When it begins, to the minute.
    pub from: NaiveTime,
    /// When it ends, to the minute; midnight is the end of the day.
    pub until: NaiveTime,
}

/// Who is on call when.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shift {
    /// When; also on holidays.
    #[serde(flatten)]
    pub hours: WeekHours,
    /// What people call him; may be empty.
    #[serde(default)]
    pub name: String,
    /// Mail addresses.
    #[serde(default)]
    pub email: Vec<String>,
    /// Telephone numbers.
    #[serde(default)]
    pub phone: Vec<String>,
}

/// A mail every day about the day before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Summary {
    /// When, by the team's clock.
    pub at: NaiveTime,
    /// On which days; at least one.
    pub days: Vec<Weekday>,
    /// To whom; at least one mail address.
    pub to: Vec<String>,
    /// About which flows; empty for all.
    #[serde(default)]
    pub flows: Vec<String>,
}

/// People whom escalations reach.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Team {
    /// Its key.
    pub key: String,
    /// By whose clock everything here is.
    pub time_zone: Tz,
    /// When it works; empty for always.
    #[serde(default)]
    pub hours: Vec<WeekHours>,
    /// Days on which it does not work, whatever the hours say.
    #[serde(default)]
    pub holidays: Vec<NaiveDate>,
    /// Who is on call when.
    #[serde(default)]
    pub on_call: Vec<Shift>,
    /// The mail that it gets every day.
    #[serde(default)]
    pub summary: Option<Summary>,
    /// When it was first defined.
    pub created_at: Timestamp,
    /// When its definition changed last.
    pub updated_at: Timestamp,
}
