//! TOML as a JSON value, with the line of everything in it.

use std::collections::HashMap;

use serde_json::{Map, Number, Value};
use toml::Spanned;
use toml::de::{DeArray, DeTable, DeValue};

/// Where everything of a document stands: lines from 1, by path (`flow[0].escalation[1].after`).
#[derive(Debug, Default)]
pub(super) struct Lines(HashMap<String, usize>);

impl Lines {
    /// The line of `field`, or of the closest thing around it that is there.
    pub fn of(&self, field: &str) -> Option<usize> {
        let mut field = field;
        loop {
            if let Some(line) = self.0.get(field) {
                return Some(*line);
            }
            field = &field[..field.rfind(['.', '['])?];
        }
    }
}

/// Something that is no TOML, or cannot be taken over from it.
#[derive(Debug)]
pub(super) struct Fault {
    pub line: usize,
    pub column: usize,
    pub message: String,
}

/// Reads a document; the faults are all that could be found.
pub(super) fn parse(text: &str) -> Result<(Map<String, Value>, Lines), Vec<Fault>> {
    let (document, errors) = DeTable::parse_recoverable(text);
    let place = Places::new(text);
    let mut faults: Vec<Fault> = errors
        .iter()
        .map(|error| place.fault(error.span().map_or(0, |span| span.start), error.message()))
        .collect();
    let mut reading = Reading { places: place, lines: Lines::default(), faults: Vec::new() };
    // Behind an error of the syntax, the rest is only guessed at: nothing else is said then.
    if faults.is_empty() {
        let map = reading.table("", document.get_ref());
        if reading.faults.is_empty() {
            return Ok((map, reading.lines));
        }
        faults = reading.faults;
    }
    faults.sort_by_key(|fault| (fault.line, fault.column));
    Err(faults)
}

/// Lines and columns of byte offsets.
struct Places<'t> {
    text: &'t str,
    line_starts: Vec<usize>,
}

impl<'t> Places<'t> {
    fn new(text: &'t str) -> Self {
        let starts = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(at, _)| at + 1);
        Self { text, line_starts: std::iter::once(0).chain(starts).collect() }
    }

    fn line(&self, offset: usize) -> usize {
        self.line_starts.partition_point(|start| *start <= offset)
    }

    fn fault(&self, offset: usize, message: impl Into<String>) -> Fault {
        let offset = self.text.floor_char_boundary(offset);
        let line = self.line(offset);
        let column = 1 + self.text[self.line_starts[line - 1]..offset].chars().count();
        Fault { line, column, message: message.into() }
    }
}

struct Reading<'t> {
    places: Places<'t>,
    lines: Lines,
    faults: Vec<Fault>,
}

impl Reading<'_> {
    fn note(&mut self, at: &str, offset: usize) {
        let line = self.places.line(offset);
        self.lines.0.insert(at.to_owned(), line);
    }

    fn table(&mut self, at: &str, table: &DeTable<'_>) -> Map<String, Value> {
        let mut map = Map::new();
        for (key, value) in table {
            let name = key.get_ref().as_ref();
            let at = if at.is_empty() { name.to_owned() } else { format!("{at}.{name}") };
            self.note(&at, key.span().start);
            let value = self.value(&at, value);
            map.insert(name.to_owned(), value);
        }
        map
    }

    fn array(&mut self, at: &str, array: &DeArray<'_>) -> Value {
        let mut items = Vec::with_capacity(array.len());
        for (index, item) in array.iter().enumerate() {
            let at = format!("{at}[{index}]");
            self.note(&at, item.span().start);
            items.push(self.value(&at, item));
        }
        Value::Array(items)
    }

    fn value(&mut self, at: &str, value: &Spanned<DeValue<'_>>) -> Value {
        let offset = value.span().start;
        let number = match value.get_ref() {
            DeValue::String(text) => return Value::from(text.as_ref()),
            DeValue::Boolean(truth) => return Value::from(*truth),
            // Nothing in a definition is a date: it is taken for the text it is, and refused where it stands.
            DeValue::Datetime(date) => return Value::from(date.to_string()),
            DeValue::Array(array) => return self.array(at, array),
            DeValue::Table(table) => return Value::Object(self.table(at, table)),
            DeValue::Integer(number) => {
                i64::from_str_radix(number.as_str(), number.radix()).ok().map(Number::from)
            }
            DeValue::Float(number) => number.as_str().parse().ok().and_then(Number::from_f64),
        };
        number.map_or_else(
            || {
                self.faults.push(self.places.fault(offset, "is not a number that can be used"));
                Value::Null
            },
            Value::Number,
        )
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn everything_has_its_line() {
        let text = "# a comment\nlisten = \"x\"\n\n[[flow]]\nname = \"a\"\n\n[[flow]]\nname = \"é\" # ü\n\
                    [[flow.escalation]]\nafter = \"1m\"\nto = [\n  \"a\",\n  \"b\",\n]\n[twilio]\n";
        let (map, lines) = parse(text).unwrap();
        assert_eq!(map["flow"][1]["escalation"][0], json!({"after": "1m", "to": ["a", "b"]}));
        for (field, line) in [
            ("listen", 2),
            ("flow[0]", 4),
            ("flow[0].name", 5),
            ("flow[1]", 7),
            ("flow[1].name", 8),
            ("flow[1].escalation[0]", 9),
            ("flow[1].escalation[0].to[1]", 13),
            ("twilio", 15),
            // What is missing stands where it would have to be.
            ("flow[1].initial", 7),
            ("flow[1].escalation[0].channel.x", 9),
        ] {
            assert_eq!(lines.of(field), Some(line), "{field}");
        }
        assert_eq!(lines.of(""), None);
        assert_eq!(lines.of("nothing"), None);
    }

    #[test]
    fn faults_of_the_syntax_have_line_and_column() {
        let faults = parse("a = 1\nb = \nc = \"é\" x\n").unwrap_err();
        let places: Vec<(usize, usize)> = faults.iter().map(|fault| (fault.line, fault.column)).collect();
        assert_eq!(places.first(), Some(&(2, 5)), "{faults:?}");
        assert!(places.iter().any(|(line, _)| *line == 3), "{faults:?}");
        assert!(parse("a = 1\na = 2\n").is_err());
    }

    #[test]
    fn numbers() {
        let (map, _) = parse("a = 1_000\nb = 0x1F\nc = 1.5\nd = -3\ne = +2\n").unwrap();
        assert_eq!(Value::Object(map), json!({"a": 1000, "b": 31, "c": 1.5, "d": -3, "e": 2}));
        let faults = parse("a = 1\nb = nan\nc = 99999999999999999999999\n").unwrap_err();
        assert_eq!(faults.iter().map(|fault| fault.line).collect::<Vec<_>>(), [2, 3]);
    }
}
