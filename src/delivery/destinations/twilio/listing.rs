//! Finding a call or message in Twilio's lists, which know nothing of our ids: by when it was made.

use chrono::DateTime;
use serde_json::Value;

use super::answer::Refusal;
use super::doubt::Doubt;
use super::{Letter, receipt};
use crate::domain::delivery::Receipt;
use crate::domain::time::Timestamp;
use crate::domain::twilio::Thing;

/// How many are asked for: more to one number since the doubt are too many to tell apart.
pub(super) const PAGE: &str = "200";

/// The day on which the doubt begins, as lists take it.
pub(super) fn day(doubt: &Doubt) -> String {
    doubt.bounds().0.to_chrono().format("%Y-%m-%d").to_string()
}

/// Of those that are listed under `name`, the one that `delivery` became, if any.
///
/// # Errors
/// When the list can't be read, or is not the whole one.
pub(super) fn find(
    letter: &Letter<'_>,
    found: &Value,
    name: &str,
    thing: Thing,
    doubt: &Doubt,
    is_it: impl Fn(&Value) -> bool,
) -> Result<Option<Receipt>, Box<Refusal>> {
    let memory = &letter.client.network.twilio;
    let Some(rows) = found.get(name).and_then(Value::as_array) else {
        return Err(Refusal::before_sending(format!("Twilio's list of {name} can't be read")));
    };
    let text = |row: &Value, name: &str| row.get(name).and_then(Value::as_str).map(str::to_owned);
    for row in rows {
        let is_outbound = text(row, "direction").is_none_or(|direction| direction.starts_with("outbound"));
        let at = text(row, "date_created").or_else(|| text(row, "start_time"));
        let at = at.and_then(|at| rfc_2822(&at));
        // The newest come first, so that nothing of then is behind this.
        if at.is_some_and(|at| at < doubt.bounds().0) {
            return Ok(None);
        }
        let is_of_then = at.is_some_and(|at| doubt.holds(at));
        let Some(sid) = text(row, "sid").filter(|_| is_outbound && is_of_then && is_it(row)) else {
            continue;
        };
        if !memory.is_of_another(&sid, letter.delivery.id) {
            let status = text(row, "status").unwrap_or_default();
            return Ok(Some(receipt(thing, sid, &status, letter.client.network.clock.now())));
        }
    }
    let is_whole = found.get("next_page_uri").is_none_or(Value::is_null);
    if is_whole {
        Ok(None)
    } else {
        Err(Refusal::before_sending(format!("there are too many {name} to tell")))
    }
}

fn rfc_2822(text: &str) -> Option<Timestamp> {
    DateTime::parse_from_rfc2822(text).ok().map(|at| Timestamp::from_chrono(at.to_utc()))
}
