//! The list of posts and ends, for people.

use serde_json::{Map, Value};

use crate::cli::count;
use crate::domain::studio_flow::{Done, Instrumented, Moment, Outcome, Settings};
use crate::file::write;

/// What was done to a flow, place by place, and in a sentence; and what the definitions may say of it. `sid` is its SID, where
/// that is known.
pub(super) fn shown(done: &Instrumented, settings: &Settings, sid: Option<&str>) -> String {
    let states = count(done.flow.states().len(), "state");
    let mut text = format!("{}: {states}, posts to {}\n\n", settings.flow, settings.address.shown());
    let mut rows = vec![["", "place", "what", "stage", "then"].map(str::to_owned)];
    rows.extend(done.outcomes.iter().map(row));
    rows.extend(done.removed.iter().map(|name| ["-", name, "", "", ""].map(str::to_owned)));
    for row in &rows {
        let line: String = row
            .iter()
            .enumerate()
            .map(|(column, cell)| format!("{cell:<width$}  ", width = width(&rows, column)))
            .collect();
        text.push_str(&format!("  {}\n", line.trim_end()));
    }
    text.push_str(&format!("\n{}\n", sentence(done)));
    let stages = stages(done.outcomes.iter());
    text.push_str(&format!("stages: {}\n\n", stages.join(", ")));
    text.push_str(
        "For the definitions (stages that complete a journey belong into `terminal`, those that somebody has to look after need a \
         [[flow.escalation]]):\n\n",
    );
    text.push_str(&definition(&done.outcomes, settings, sid));
    text
}

fn width(rows: &[[String; 5]], column: usize) -> usize {
    rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0)
}

fn row(outcome: &Outcome) -> [String; 5] {
    let point = &outcome.point;
    let mark = match outcome.done {
        Done::Added => "+",
        Done::Changed => "~",
        Done::Kept => "=",
        Done::LeftOut => "",
    };
    let then = point.next.as_deref().unwrap_or("(end)");
    let then = match point.stands.as_slice() {
        [] => then.to_owned(),
        stands => format!("{then}: no post, runs come here with {}", stands.join(", ")),
    };
    let stage = point.stage.as_deref().unwrap_or("");
    [mark.to_owned(), point.key.clone(), point.moment.as_str().to_owned(), stage.to_owned(), then]
}

fn sentence(done: &Instrumented) -> String {
    let number = |wanted: Done| done.outcomes.iter().filter(|outcome| outcome.done == wanted).count();
    let (added, changed, kept) = (number(Done::Added), number(Done::Changed), number(Done::Kept));
    let posts = count(added + changed + kept, "post");
    let silent = done.outcomes.iter().filter(|it| it.point.next.is_none() && it.post.is_none()).count();
    let ends = done.outcomes.iter().filter(|it| it.point.next.is_none()).count();
    let removed = done.removed.len();
    format!(
        "{posts}: {added} new, {changed} changed, {kept} as before, {removed} taken out; {}, {silent} without a post",
        count(ends, "end")
    )
}

/// The stages that are posted, each once.
fn stages<'a>(outcomes: impl Iterator<Item = &'a Outcome>) -> Vec<&'a str> {
    let mut stages: Vec<&str> = Vec::new();
    for stage in outcomes.filter_map(|outcome| outcome.point.stage.as_deref()) {
        if !stages.contains(&stage) {
            stages.push(stage);
        }
    }
    stages
}

/// The flow's table. What completes a journey is a guess: the stages at ends, but for those that nobody's answer or a failure
/// leads to anywhere.
fn definition(outcomes: &[Outcome], settings: &Settings, sid: Option<&str>) -> String {
    let of = |moments: &[Moment]| -> Vec<&str> {
        stages(outcomes.iter().filter(|outcome| moments.contains(&outcome.point.moment)))
    };
    let entries = of(&[Moment::Entry]);
    let open = of(&[Moment::NoReply, Moment::NoAnswer, Moment::Failure]);
    let mut terminal = stages(outcomes.iter().filter(|outcome| outcome.point.next.is_none()));
    terminal.retain(|stage| !entries.contains(stage) && !open.contains(stage));
    let mut table = Map::new();
    table.insert("name".to_owned(), settings.flow.as_str().into());
    table.insert("sid".to_owned(), sid.into());
    table.insert("initial".to_owned(), entries.first().copied().into());
    table.insert("terminal".to_owned(), terminal.into_iter().map(Value::from).collect());
    write::definition("flow", &table)
}
