//! Rows of comma-separated values (RFC 4180, lines ended by LF).

/// Adds one row to `text`.
pub(super) fn row(text: &mut String, fields: &[&str]) {
    for (index, field) in fields.iter().enumerate() {
        if index > 0 {
            text.push(',');
        }
        let edges = field.starts_with(' ') || field.ends_with(' ');
        if edges || field.contains([',', '"', '\n', '\r']) {
            text.push('"');
            text.push_str(&field.replace('"', "\"\""));
            text.push('"');
        } else {
            text.push_str(field);
        }
    }
    text.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_only_where_needed() {
        let mut text = String::new();
        row(&mut text, &["u1", "2026-01-01T00:00:00.000Z"]);
        row(&mut text, &["a,b", "say \"hi\""]);
        row(&mut text, &["two\nlines", " edge"]);
        row(&mut text, &["", "é"]);
        assert_eq!(
            text,
            "u1,2026-01-01T00:00:00.000Z\n\"a,b\",\"say \"\"hi\"\"\"\n\"two\nlines\",\" edge\"\n,é\n"
        );
    }
}
