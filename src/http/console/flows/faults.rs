//! Which field of a flow's form something is wrong with.

/// The field of the form for a path such as `escalation[1].actions[0].to[2]`, and the line of it.
pub(super) fn field(path: &str) -> (String, Option<usize>) {
    let (path, line) = match path.rsplit_once('[') {
        Some((list, index)) if list.ends_with(".to") || list == "terminal" => {
            (list, index.trim_end_matches(']').parse::<usize>().ok().map(|index| index + 1))
        }
        Some(_) | None => (path, None),
    };
    let Some((level, rest)) = indexed(path, "escalation") else {
        let name = path.strip_prefix("digest.").unwrap_or(if path == "digest" { "within" } else { path });
        let name = if super::form::FLOW.contains(&name) { name } else { "" };
        return (name.to_owned(), line);
    };
    for (key, list) in [("actions", "a"), ("after_hours", "i")] {
        if let Some((action, rest)) = indexed(rest, key) {
            let name = match rest.split(['.', '[']).next().unwrap_or_default() {
                "" => "channel",
                "parameters" | "attributes" => "values",
                other => other,
            };
            return (format!("{level}.{list}.{action}.{name}"), line);
        }
    }
    let name = match rest {
        "outside_hours" | "after_hours" => "outside",
        "repeat" => "every",
        other => other.strip_prefix("repeat.").unwrap_or(other),
    };
    if super::form::LEVEL.contains(&name) {
        (format!("{level}.{name}"), line)
    } else {
        (level.to_string(), line)
    }
}

/// The index and the rest of `<key>[<index>].<rest>`.
fn indexed<'p>(path: &'p str, key: &str) -> Option<(usize, &'p str)> {
    let (index, rest) = path.strip_prefix(key)?.strip_prefix('[')?.split_once(']')?;
    Some((index.parse().ok()?, rest.strip_prefix('.').unwrap_or(rest)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_path_has_its_field() {
        for (path, expected, line) in [
            ("expire_after", "expire_after", None),
            ("terminal[1]", "terminal", Some(2)),
            ("digest.more_than", "more_than", None),
            ("digest", "within", None),
            ("name", "", None),
            ("escalation", "", None),
            ("escalation[1]", "1", None),
            ("escalation[1].after", "1.after", None),
            ("escalation[1].actions", "1", None),
            ("escalation[1].repeat.times", "1.times", None),
            ("escalation[1].repeat", "1.every", None),
            ("escalation[1].after_hours", "1.outside", None),
            ("escalation[12].actions[3].to[2]", "12.a.3.to", Some(3)),
            ("escalation[1].actions[0]", "1.a.0.channel", None),
            ("escalation[1].after_hours[0].attributes", "1.i.0.values", None),
            ("escalation[1].actions[0].parameters.x[0]", "1.a.0.values", None),
        ] {
            assert_eq!(field(path), (expected.to_owned(), line), "{path}");
        }
    }
}
