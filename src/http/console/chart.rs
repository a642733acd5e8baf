//! Charts: numbers over time, laid out on a plane of 1000 by 100 that stretches to its place. `parts/chart.html` draws them; every
//! column tells its numbers, and a table holds them all.

use std::cmp::Reverse;

use serde_json::{Value, json};

use super::texts::text;
use super::{calendar, texts};
use crate::domain::figures::{FigurePoint, Grain};
use crate::domain::time::Timestamp;

/// The plane's width and height.
const WIDTH: f64 = 1000.0;
const HEIGHT: f64 = 100.0;
/// How many colours there are.
const COLOURS: usize = 6;

/// Times from one instant to another, in steps of one grain: what all series of a chart share.
#[derive(Clone, Debug)]
pub(super) struct Axis {
    grain: Grain,
    starts: Vec<Timestamp>,
}

impl Axis {
    /// The newest `count` steps of that grain, the one that is under way included.
    pub fn newest(grain: Grain, count: usize, now: Timestamp) -> Self {
        let last = grain.start_of(now);
        let back = |steps: usize| {
            let steps = i64::try_from(steps).unwrap_or(0);
            Timestamp::from_millis(last.millis() - grain.span().map_or(0, |span| span.millis() * steps))
        };
        Self { grain, starts: (0..count).rev().map(back).collect() }
    }

    /// The minutes of the last hour, from the one in which that began.
    pub fn last_hour(now: Timestamp) -> Self {
        Self::newest(Grain::Minute, 61, now)
    }

    /// The hours of the last 24, from the one in which those began.
    pub fn last_day(now: Timestamp) -> Self {
        Self::newest(Grain::Hour, 25, now)
    }

    /// Where it begins.
    pub fn from(&self) -> Timestamp {
        self.starts.first().copied().unwrap_or_default()
    }

    /// After its end.
    pub fn to(&self) -> Timestamp {
        let last = self.starts.last().copied().unwrap_or_default();
        self.grain.span().map_or(last, |span| last.plus(span))
    }

    /// Where its steps begin.
    pub fn starts(&self) -> &[Timestamp] {
        &self.starts
    }

    /// Its grain.
    pub fn grain(&self) -> Grain {
        self.grain
    }

    /// `points` as one number per step; what lies beside it is left out.
    pub fn counts<'p>(&self, points: impl IntoIterator<Item = &'p FigurePoint>) -> Vec<u64> {
        let mut counts = vec![0; self.starts.len()];
        for point in points {
            if let Ok(place) = self.starts.binary_search(&point.start) {
                counts[place] += point.count;
            }
        }
        counts
    }
}

/// What one colour of a chart shows.
#[derive(Clone, Debug)]
pub(super) struct Series {
    /// Its name, shown.
    pub name: String,
    /// A number per step of the axis.
    pub counts: Vec<u64>,
    /// Its colour, 1 to 6; `None`: that of its place.
    colour: Option<usize>,
}

impl Series {
    /// A series in the colour of its place.
    pub fn new(name: impl Into<String>, counts: Vec<u64>) -> Self {
        Self { name: name.into(), counts, colour: None }
    }

    /// What became of journeys or attempts: good is green and bad is red, wherever it stands; what people closed is told from what
    /// ended by itself.
    pub fn of_status(status: &str, counts: Vec<u64>) -> Self {
        let colour = match status {
            "resolved" => Some(1),
            "delivered" | "completed" => Some(2),
            "retry" | "stalled" => Some(3),
            "dead" | "expired" | "refused" => Some(4),
            "failed" => Some(5),
            "ambiguous" | "superseded" => Some(6),
            _ => None,
        };
        Self { name: texts::word("states", status), counts, colour }
    }

    fn sum(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// Who entered audiences and who left them, in this order.
    pub fn of_moves(entered: Vec<u64>, left: Vec<u64>) -> [Self; 2] {
        let series = |name: &str, counts, colour| Self { name: text(name), counts, colour: Some(colour) };
        [series("overview.entered", entered, 2), series("overview.exited", left, 6)]
    }

    fn colour(&self, place: usize) -> usize {
        self.colour.unwrap_or(place + 1).min(COLOURS)
    }
}

/// As many of them as there are colours, in their order: the smallest are one, "others", where there are more.
pub(super) fn biggest(mut series: Vec<Series>) -> Vec<Series> {
    if series.len() <= COLOURS {
        return series;
    }
    let mut places: Vec<usize> = (0..series.len()).collect();
    places.sort_by_key(|place| Reverse(series[*place].sum()));
    let mut small = places.split_off(COLOURS - 1);
    small.sort_unstable_by_key(|place| Reverse(*place));
    let small: Vec<Series> = small.into_iter().map(|place| series.remove(place)).collect();
    let others = (0..small[0].counts.len()).map(|step| small.iter().map(|one| one.counts[step]).sum());
    series.push(Series::new(text("frame.others"), others.collect()));
    series
}

/// A chart of columns, the series on top of each other.
pub(super) fn columns(title: &str, unit: &str, axis: &Axis, series: &[Series]) -> Value {
    let sums: Vec<u64> =
        (0..axis.starts.len()).map(|place| series.iter().map(|one| one.counts[place]).sum()).collect();
    let top = sums.iter().copied().max().unwrap_or(0);
    if top == 0 {
        return json!({ "title": title, "columns": [] });
    }
    let step = WIDTH / real(axis.starts.len() as u64);
    let column = |(place, start): (usize, &Timestamp)| {
        let mut y = HEIGHT;
        let parts: Vec<Value> = series
            .iter()
            .enumerate()
            .map(|(number, one)| {
                let height = real(one.counts[place]) / real(top) * HEIGHT;
                y -= height;
                json!({ "name": one.name, "value": one.counts[place], "series": one.colour(number), "y": short(y), "height": short(height) })
            })
            .collect();
        let x = step * real(place as u64);
        json!({
            "start": start, "label": label(*start, axis.grain), "any": sums[place] > 0, "parts": parts,
            "x": short(x), "width": short(step), "bar_x": short(x + step * 0.1), "bar_width": short(step * 0.8),
        })
    };
    json!({
        "title": title, "unit": unit, "top": top, "lines": [],
        "columns": axis.starts.iter().enumerate().map(column).collect::<Vec<_>>(),
        "series": series.iter().enumerate().map(|(place, one)| legend(one, place)).collect::<Vec<_>>(),
        "first": axis.from(), "last": axis.starts.last(),
        // Of days nobody wants to read the hour.
        "format": (axis.grain == Grain::Day).then_some("day"),
    })
}

/// What the legend says of a series.
fn legend(one: &Series, place: usize) -> Value {
    json!({ "name": one.name, "sum": one.sum(), "colour": one.colour(place) })
}

/// A chart of one line: what a number was at each step.
pub(super) fn line(title: &str, unit: &str, axis: &Axis, one: &Series) -> Value {
    let mut chart = columns(title, unit, axis, std::slice::from_ref(one));
    let top = one.counts.iter().copied().max().unwrap_or(0);
    if top > 0 {
        let step = WIDTH / real(one.counts.len() as u64);
        let points = points(&one.counts, top, step, HEIGHT, step / 2.0);
        chart["lines"] = json!([{ "series": 1, "points": points }]);
        // The columns stay to be pointed at; what is drawn is the line.
        for part in chart["columns"].as_array_mut().into_iter().flatten() {
            part["parts"][0]["height"] = json!(0);
        }
    }
    chart
}

/// A curve without axes, for a cell of a table.
pub(super) fn spark(title: String, counts: &[u64]) -> Value {
    let top = counts.iter().copied().max().unwrap_or(0).max(1);
    let step = if counts.len() > 1 { 100.0 / real(counts.len() as u64 - 1) } else { 0.0 };
    json!({ "title": title, "points": points(counts, top, step, 18.0, 0.0) })
}

fn points(counts: &[u64], top: u64, step: f64, height: f64, first: f64) -> String {
    let point = |(place, count): (usize, &u64)| {
        let (x, y) = (first + step * real(place as u64), height - real(*count) / real(top) * height + 1.0);
        format!("{},{}", short(x), short(y))
    };
    counts.iter().enumerate().map(point).collect::<Vec<_>>().join(" ")
}

/// What is shown when a column is pointed at; in UTC, since no script reaches it.
fn label(start: Timestamp, grain: Grain) -> String {
    match grain {
        Grain::Minute | Grain::Hour => calendar::minute(start),
        Grain::Day | Grain::Ever => calendar::day(start),
    }
}

#[allow(clippy::cast_precision_loss, reason = "what is drawn needs no more than 53 bits")]
fn real(number: u64) -> f64 {
    number as f64
}

/// Two digits behind the point are finer than any screen.
fn short(number: f64) -> f64 {
    (number * 100.0).round() / 100.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(minutes: i64) -> Timestamp {
        Timestamp::from_millis(minutes * 60_000)
    }

    #[test]
    fn the_newest_steps_end_with_the_one_under_way() {
        let axis = Axis::newest(Grain::Minute, 3, Timestamp::from_millis(10 * 60_000 + 30_000));
        assert_eq!((axis.from(), axis.to()), (at(8), at(11)));
        let point = |minute, count| FigurePoint { start: at(minute), detail: String::new(), count };
        assert_eq!(
            axis.counts(&[point(7, 9), point(8, 1), point(10, 2), point(10, 3), point(11, 9)]),
            [1, 0, 5]
        );
    }

    #[test]
    fn the_smallest_of_too_many_are_told_together() {
        let series = |count: u64| Series::new(count.to_string(), vec![count, 1]);
        let names = |series: &[Series]| -> Vec<(String, u64)> {
            series.iter().map(|one| (one.name.clone(), one.sum())).collect()
        };
        assert_eq!(names(&biggest((1..=6).map(series).collect())).len(), 6);
        let told = names(&biggest([3, 5, 1, 5, 5, 5, 2, 9].map(series).into()));
        let of = |name: &str, sum| (name.to_owned(), sum);
        assert_eq!(told, [of("5", 6), of("5", 6), of("5", 6), of("5", 6), of("9", 10), of("others", 9)]);
    }

    #[test]
    fn a_day_is_no_shorter_for_the_hour_under_way() {
        let now = Timestamp::parse_lenient("2026-11-22T13:20:00Z").unwrap();
        assert_eq!(Axis::last_day(now).from().to_rfc3339(), "2026-11-21T13:00:00.000Z");
        assert_eq!(Axis::last_hour(now).from().to_rfc3339(), "2026-11-22T12:20:00.000Z");
    }

    #[test]
    fn columns_stand_on_each_other_and_fill_the_plane() {
        let axis = Axis::newest(Grain::Hour, 2, at(600));
        let series = |name: &str, counts: &[u64]| Series::new(name, counts.to_vec());
        let chart = columns("x", "", &axis, &[series("a", &[1, 3]), series("b", &[1, 1])]);
        let parts = &chart["columns"][1]["parts"];
        assert_eq!((&parts[0]["y"], &parts[0]["height"]), (&json!(25.0), &json!(75.0)));
        assert_eq!((&parts[1]["y"], &parts[1]["height"]), (&json!(0.0), &json!(25.0)));
        assert_eq!((&chart["top"], &chart["series"][0]["sum"]), (&json!(4), &json!(4)));
        assert_eq!(columns("x", "", &axis, &[series("a", &[0, 0])])["columns"], json!([]));
        let of_status = |status: &str| Series::of_status(status, vec![1, 0]);
        let chart =
            columns("x", "", &axis, &[of_status("dead"), of_status("delivered"), series("c", &[1, 0])]);
        let colours: Vec<&Value> = (0..3).map(|place| &chart["series"][place]["colour"]).collect();
        assert_eq!(colours, [&json!(4), &json!(2), &json!(3)]);
        assert_eq!(chart["columns"][0]["parts"][0]["series"], 4);
    }
}
