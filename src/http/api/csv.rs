//! Files of comma-separated values (RFC 4180, lines ended by LF), streamed a page at a time.

use actix_web::HttpResponse;
use actix_web::web::Bytes;
use futures_util::stream;
use serde_json::Value;

use super::Answer;
use crate::domain::page::Page;
use crate::engine::EngineError;

/// How rows are written.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Csv {
    /// Whether cells that a spreadsheet would take for formulas get an apostrophe in front; JSON's numbers are none.
    pub guard: bool,
}

impl Csv {
    /// One row, with its line's end.
    pub(super) fn row<I: IntoIterator<Item: AsRef<str>>>(self, cells: I) -> String {
        let mut text = String::new();
        for (index, cell) in cells.into_iter().enumerate() {
            if index > 0 {
                text.push(',');
            }
            self.cell(&mut text, cell.as_ref());
        }
        text.push('\n');
        text
    }

    fn cell(self, text: &mut String, cell: &str) {
        let apostrophe = if self.guard && is_formula(cell) { "'" } else { "" };
        let edges = cell.starts_with(' ') || cell.ends_with(' ');
        if edges || cell.contains([',', '"', '\n', '\r']) {
            text.push('"');
            text.push_str(apostrophe);
            text.push_str(&cell.replace('"', "\"\""));
            text.push('"');
        } else {
            text.push_str(apostrophe);
            text.push_str(cell);
        }
    }
}

/// Whether a spreadsheet would take it for a formula; space in front, some of them skip.
fn is_formula(cell: &str) -> bool {
    let begins_one =
        cell.trim_start().starts_with(['=', '+', '-', '@']) || cell.starts_with(['\t', '\r', '\n']);
    begins_one && serde_json::from_str::<serde_json::Number>(cell).is_err()
}

/// A value as a cell: a text as it is, nothing for null, else its JSON.
pub(super) fn cell(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => value.to_string(),
    }
}

/// Answers with the file `<key>.csv`: the header, then the lines that `next` gives for each cursor. Memory does not grow with
/// the file. An error after the first page ends the connection in the middle, so that nobody takes a part for the whole.
pub(super) async fn download<N, F>(key: &str, header: String, next: N) -> Answer
where
    N: Fn(Option<String>) -> F + 'static,
    F: Future<Output = Result<Page<String>, EngineError>> + 'static,
{
    // The first page is read before anything is answered, so that what fails at once is a proper error.
    let first = next(None).await?;
    let start = Some((header, first));
    let pages = stream::try_unfold((next, start, None), |(next, start, cursor)| async move {
        let (mut text, page) = match (start, cursor) {
            (Some((header, page)), _) => (header, page),
            (None, Some(cursor)) => (String::new(), next(Some(cursor)).await?),
            (None, None) => return Ok(None),
        };
        page.rows.iter().for_each(|line| text.push_str(line));
        Ok::<_, EngineError>(Some((Bytes::from(text), (next, None, page.cursor))))
    });
    // A key has no character that would need quoting here.
    let file = format!("attachment; filename=\"{key}.csv\"");
    Ok(HttpResponse::Ok()
        .content_type("text/csv; charset=utf-8")
        .insert_header(("Content-Disposition", file))
        .streaming(pages))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn quotes_only_where_needed() {
        for (cells, line) in [
            (vec!["u1", "2026-01-01T00:00:00.000Z"], "u1,2026-01-01T00:00:00.000Z\n"),
            (vec!["a,b", "say \"hi\""], "\"a,b\",\"say \"\"hi\"\"\"\n"),
            (vec!["two\nlines", " edge"], "\"two\nlines\",\" edge\"\n"),
            (vec!["", "é", "a\rb"], ",é,\"a\rb\"\n"),
            (vec!["=1+1"], "=1+1\n"),
        ] {
            assert_eq!(Csv::default().row(cells), line);
        }
    }

    #[test]
    fn formulas_are_guarded_when_asked() {
        let guarded = Csv { guard: true };
        assert_eq!(guarded.row(["=1+1", "+1", "-x", "@x", "a=b", ""]), "'=1+1,'+1,'-x,'@x,a=b,\n");
        assert_eq!(guarded.row(["\t=1", " =1", "\rx", "\nx"]), "'\t=1,\"' =1\",\"'\rx\",\"'\nx\"\n");
        assert_eq!(guarded.row(["-1", "-0.5e3", "-1+1"]), "-1,-0.5e3,'-1+1\n", "numbers stay what they are");
        assert_eq!(guarded.row(["=A1,\"B\""]), "\"'=A1,\"\"B\"\"\"\n");
    }

    #[test]
    fn values_are_cells() {
        let cells =
            [json!(null), json!("a \"b\""), json!(1.5), json!(true), json!(["x", 1]), json!({"a": 1})];
        assert_eq!(cells.map(|value| cell(&value)), ["", "a \"b\"", "1.5", "true", "[\"x\",1]", "{\"a\":1}"]);
    }
}
