//! The chart of a daily summary: how many journeys stalled in each hour, as a picture that mail programs show, and in words for those
//! that don't.

use serde_json::{Map, Value, json};

use crate::domain::time::{Span, Timestamp};

/// The picture's size in pixels. It is shown at half of it, so that it is sharp on fine screens.
const WIDTH: usize = 1136;
const HEIGHT: usize = 240;
/// Space above the highest bar.
const TOP: usize = 8;
/// The line that the bars stand on.
const BASE: usize = HEIGHT - 4;
/// Share of its place that a bar fills, in hundredths.
const FILL: usize = 72;
/// Most hours that are shown; a summary is of a day.
const MAX_HOURS: usize = 24 * 8;
/// Longest bar of the text, in characters.
const TEXT_BAR: u64 = 40;

type Colour = [u8; 4];
/// Both are seen on white and on black; the rest of the picture is transparent.
const BAR: Colour = [0xd9, 0x48, 0x0f, 0xff];
const LINE: Colour = [0x88, 0x88, 0x88, 0x66];

/// A chart, ready to be put into a mail.
pub(super) struct Chart {
    /// The picture.
    pub png: Vec<u8>,
    /// What the template sees: `{src, alt, most, rows: [{at, count, bar}]}`.
    pub context: Value,
}

/// The chart of the summary that `context` holds, if it holds one; its picture is called `content_id` in the mail.
pub(super) fn of(context: &Map<String, Value>, content_id: &str) -> Option<Chart> {
    let summary = context.get("summary")?;
    let from = Timestamp::parse_lenient(summary.get("from")?.as_str()?)?;
    let hours: Vec<u64> = summary
        .get("hours")?
        .as_array()?
        .iter()
        .take(MAX_HOURS)
        .map(|count| count.as_u64().unwrap_or(0))
        .collect();
    let most = hours.iter().copied().max().filter(|most| *most > 0)?;
    let mut rows = Vec::with_capacity(hours.len());
    let mut at = from;
    for &count in &hours {
        rows.push(json!({ "at": at, "count": count, "bar": text_bar(count, most) }));
        at = at.plus(Span::from_hours(1));
    }
    let counts: Vec<String> = hours.iter().map(u64::to_string).collect();
    let alt = format!("Stalls in each hour, the oldest first: {}", counts.join(", "));
    let context = json!({ "src": format!("cid:{content_id}"), "alt": alt, "most": most, "rows": rows });
    Some(Chart { png: encoded(&drawn(&hours, most))?, context })
}

/// A bar of letters; every count but 0 has at least one.
fn text_bar(count: u64, most: u64) -> String {
    let length = (count * TEXT_BAR.min(most)).div_ceil(most);
    "#".repeat(usize::try_from(length).unwrap_or(0))
}

/// The pixels, row by row.
fn drawn(hours: &[u64], most: u64) -> Vec<u8> {
    let mut pixels = vec![0; WIDTH * HEIGHT * 4];
    for line in [TOP, TOP + (BASE - TOP) / 2, BASE] {
        fill(&mut pixels, 0..WIDTH, line..line + 2, LINE);
    }
    for (place, &count) in hours.iter().enumerate() {
        let (left, right) = (place * WIDTH / hours.len(), (place + 1) * WIDTH / hours.len());
        let gap = (right - left) * (100 - FILL) / 200;
        let full = u64::try_from(BASE - TOP).unwrap_or(0);
        // Rounded up: a single stall on a busy day is seen, too.
        let height = usize::try_from((count * full).div_ceil(most)).unwrap_or(0);
        fill(&mut pixels, left + gap..right - gap, BASE - height..BASE, BAR);
    }
    pixels
}

fn fill(pixels: &mut [u8], columns: std::ops::Range<usize>, rows: std::ops::Range<usize>, colour: Colour) {
    for row in rows {
        let line = &mut pixels[(row * WIDTH + columns.start) * 4..(row * WIDTH + columns.end) * 4];
        line.chunks_exact_mut(4).for_each(|pixel| pixel.copy_from_slice(&colour));
    }
}

fn encoded(pixels: &[u8]) -> Option<Vec<u8>> {
    let mut file = Vec::new();
    let mut encoder = png::Encoder::new(&mut file, u32::try_from(WIDTH).ok()?, u32::try_from(HEIGHT).ok()?);
    encoder.set_color(png::ColorType::Rgba);
    encoder.set_depth(png::BitDepth::Eight);
    let mut writer = encoder.write_header().ok()?;
    writer.write_image_data(pixels).ok()?;
    writer.finish().ok()?;
    Some(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn summary(hours: Value) -> Map<String, Value> {
        let context = json!({ "summary": { "from": "2026-11-20T07:00:00.000Z", "hours": hours } });
        context.as_object().unwrap().clone()
    }

    /// How high the bar of each hour is, in pixels.
    fn bars(file: &[u8], hours: usize) -> Vec<usize> {
        let mut reader = png::Decoder::new(std::io::Cursor::new(file)).read_info().unwrap();
        let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
        let info = reader.next_frame(&mut pixels).unwrap();
        assert_eq!((info.width as usize, info.height as usize), (WIDTH, HEIGHT));
        let at = |x: usize, y: usize| &pixels[(y * WIDTH + x) * 4..][..4];
        (0..hours)
            .map(|place| {
                let middle = (2 * place + 1) * WIDTH / (2 * hours);
                (0..HEIGHT).filter(|row| at(middle, *row) == BAR).count()
            })
            .collect()
    }

    #[test]
    fn each_hour_has_its_bar() {
        let chart = of(&summary(json!([0, 10, 5, 1, 0])), "c1").unwrap();
        assert_eq!(bars(&chart.png, 5), [0, BASE - TOP, (BASE - TOP) / 2, (BASE - TOP).div_ceil(10), 0]);
        assert_eq!(chart.context["src"], "cid:c1");
        assert_eq!(chart.context["alt"], "Stalls in each hour, the oldest first: 0, 10, 5, 1, 0");
        assert_eq!(
            chart.context["rows"][1],
            json!({ "at": "2026-11-20T08:00:00.000Z", "count": 10, "bar": "##########" })
        );
        assert!(chart.png.len() < 20_000, "{}", chart.png.len());
    }

    #[test]
    fn whatever_stands_there_there_is_a_chart_or_none() {
        for hours in [json!([]), json!([0, 0]), json!("many"), json!(null)] {
            assert!(of(&summary(hours), "c1").is_none());
        }
        assert!(of(&Map::new(), "c1").is_none());
        let long = of(&summary(json!(vec![u64::from(u32::MAX); 5000])), "c1").unwrap();
        assert_eq!(bars(&long.png, MAX_HOURS), [BASE - TOP; MAX_HOURS]);
        assert_eq!(long.context["rows"][0]["bar"].as_str().unwrap().len(), 40);
        assert_eq!(text_bar(1, 1000), "#");
    }
}
