//! Pages are minijinja templates that are built in, compiled once.

use std::sync::LazyLock;

use chrono_tz::Tz;
use minijinja::value::{Kwargs, Serde};
use minijinja::{AutoEscape, Environment, Error, ErrorKind, State, Value};
use serde_json::Value as Json;

use super::texts::filled;
use super::{assets, calendar, texts};
use crate::delivery::templates;
use crate::domain::time::{Span, Timestamp};

static PAGES: LazyLock<Environment<'static>> = LazyLock::new(environment);

fn environment() -> Environment<'static> {
    let mut env = templates::pages(Tz::UTC);
    env.add_global("t", Value::from(Serde(texts::all().clone())));
    env.add_function("asset", |name: String| assets::url(&name));
    env.add_filter("when", |state: &State<'_, '_>, value: Value, format: Option<String>| {
        when(state, &value, format.as_deref())
    });
    env.add_filter("number", |value: Value| number(&value));
    env.add_filter("percent", |value: Value| {
        f64::try_from(value).map(|part| format!("{:.1} %", part * 100.0)).unwrap_or_default()
    });
    env.add_filter("seconds", |value: Value| f64::try_from(value).map(lasting).unwrap_or_default());
    env.add_filter("pretty", |value: Value| serde_json::to_string_pretty(&value).unwrap_or_default());
    env.add_filter("indented", |text: String| indented(&text));
    env.add_filter("json", |value: Value| serde_json::to_string(&value).unwrap_or_default());
    env.add_filter("url", |value: Value| segment(&plain(&value)));
    env.add_filter("fill", fill);
    env
}

/// The page made of `templates/console/<name>`.
///
/// # Errors
/// A message that names file and line.
pub(super) fn render(name: &str, context: Json) -> Result<String, String> {
    let template = PAGES.get_template(name).map_err(|error| templates::explain(&error))?;
    template.render(Value::from(Serde(context))).map_err(|error| templates::explain(&error))
}

/// Whether that template can be read.
///
/// # Errors
/// A message that names file and line.
#[cfg(test)]
pub(super) fn check(name: &str) -> Result<(), String> {
    PAGES.get_template(name).map(|_| ()).map_err(|error| templates::explain(&error))
}

fn plain(value: &Value) -> String {
    if value.is_none() || value.is_undefined() { String::new() } else { value.to_string() }
}

/// An instant, in UTC; a script puts it into the viewer's zone. `format` is `precise` (to the millisecond), `date`, or `day`: a whole
/// day of UTC, which is the same one in every zone.
fn when(state: &State<'_, '_>, value: &Value, format: Option<&str>) -> Result<Value, Error> {
    let text = plain(value);
    let Some(at) = Timestamp::parse_lenient(&text) else { return Ok(Value::from(text)) };
    let utc = at.to_chrono();
    let shown = match format {
        Some("precise") => utc.format("%H:%M:%S%.3f UTC").to_string(),
        Some("date" | "day") => calendar::day(at),
        _ => calendar::minute(at),
    };
    let title = utc.format("%Y-%m-%d %H:%M:%S%.3f UTC");
    let html = format!(
        "<time datetime=\"{at}\" title=\"{title}\" data-zone=\"{}\">{shown}</time>",
        format.unwrap_or("minute")
    );
    match state.auto_escape() {
        AutoEscape::Html => Ok(Value::from_safe_string(html)),
        _ => Ok(Value::from(shown)),
    }
}

/// A text that is JSON, with its lines indented; another as it is.
fn indented(text: &str) -> String {
    let value = serde_json::from_str::<Json>(text).ok();
    value.and_then(|value| serde_json::to_string_pretty(&value).ok()).unwrap_or_else(|| text.to_owned())
}

/// Thousands apart: `1,234,567`; up to two digits behind the point.
fn number(value: &Value) -> String {
    let Ok(number) = f64::try_from(value.clone()) else { return plain(value) };
    let text = format!("{:.2}", number.abs());
    let (whole, part) = text.split_once('.').unwrap_or((&text, ""));
    let mut grouped = String::new();
    for (place, digit) in whole.chars().enumerate() {
        if place > 0 && (whole.len() - place).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    let part = part.trim_end_matches('0');
    let sign = if number < 0.0 { "-" } else { "" };
    if part.is_empty() { format!("{sign}{grouped}") } else { format!("{sign}{grouped}.{part}") }
}

/// `3 min 20 s` of 200 seconds: the largest unit and the next.
#[allow(clippy::cast_possible_truncation, reason = "a time in milliseconds; what is larger is clamped")]
pub(super) fn lasting(seconds: f64) -> String {
    let millis = (seconds * 1000.0).round() as i64;
    if millis < 1000 {
        return filled("units.milliseconds", &[("n", &millis.max(0).to_string())]);
    }
    let units = [("units.days", 86_400), ("units.hours", 3600), ("units.minutes", 60), ("units.seconds", 1)];
    let seconds = Span::from_millis(millis).millis() / 1000;
    let first = units.iter().position(|(_, length)| seconds >= *length).unwrap_or(units.len() - 1);
    let mut rest = seconds;
    let mut words = Vec::new();
    for (name, length) in units.iter().skip(first).take(2) {
        if rest / length > 0 {
            words.push(filled(name, &[("n", &(rest / length).to_string())]));
        }
        rest %= length;
    }
    words.join(" ")
}

/// The same of a span.
#[allow(clippy::cast_precision_loss, reason = "a time in milliseconds is below 2^53")]
pub(super) fn lasting_span(span: Span) -> String {
    lasting(span.millis() as f64 / 1000.0)
}

/// A part of an address, with everything escaped that could end it.
pub(super) fn segment(text: &str) -> String {
    // A space is `%20` in a path; `+` is only one in a query.
    form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>().replace('+', "%20")
}

fn fill(text: String, values: Kwargs) -> Result<String, Error> {
    let mut given = Vec::new();
    for name in values.args() {
        let value: Value = values.get(name)?;
        given.push((name.to_owned(), plain(&value)));
    }
    values.assert_all_used().map_err(|error| Error::new(ErrorKind::InvalidOperation, error.to_string()))?;
    let given: Vec<_> = given.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    Ok(texts::fill(&text, &given))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_easy_to_read() {
        for (from, to) in
            [(0.0, "0"), (999.0, "999"), (1234.0, "1,234"), (1_234_567.5, "1,234,567.5"), (-1000.0, "-1,000")]
        {
            assert_eq!(number(&Value::from(from)), to);
        }
    }

    #[test]
    fn times_are_told_in_two_units() {
        for (from, to) in
            [(0.25, "250 ms"), (59.0, "59 s"), (200.0, "3 min 20 s"), (7200.0, "2 h"), (90_000.0, "1 d 1 h")]
        {
            assert_eq!(lasting(from), to);
        }
    }

    #[test]
    fn what_is_put_into_an_address_stays_in_its_place() {
        assert_eq!(segment("a/b?c#d e\"<"), "a%2Fb%3Fc%23d%20e%22%3C");
    }
}
