//! What is refused, and what is forgotten.

use serde_json::{Value, json};

use super::random::SMALL;
use super::stored::Stored;
use super::{at, entry};
use crate::domain::leaf::pages::Capacity;
use crate::domain::leaf::{MAX_TEXT_BYTES, MAX_TEXTS, Reduce, SESSION_LATE, Shape, Window};
use crate::domain::time::Span;

fn stored(window: Window, reduce: Reduce) -> Stored {
    Stored::new(Shape { window, reduce, keep: None }, Capacity::STANDARD)
}

#[test]
fn entries_beyond_the_limit_are_refused() {
    let shape = Shape { window: Window::Within(Span::from_millis(100)), reduce: Reduce::Count, keep: None };
    let mut small = Stored::new(shape, Capacity { entries: 20, ..SMALL });
    for n in 0..20 {
        assert!(small.add(entry(n, Value::Null), at(0)));
    }
    assert!(!small.add(entry(5, Value::Null), at(0)));
    assert_eq!(small.read(at(19)).value, json!(20));
    // What leaves makes room.
    assert!(small.add(entry(101, Value::Null), at(101)));
    assert_eq!(small.read(at(101)).value, json!(20));
}

#[test]
fn texts_beyond_the_limit_are_refused() {
    for window in [Window::All, Window::Within(Span::from_days(1))] {
        let mut unique = stored(window, Reduce::UniqueCount);
        for n in 0..MAX_TEXTS {
            assert!(unique.add(entry(0, format!("{n}")), at(0)));
        }
        assert!(!unique.add(entry(0, "another"), at(0)));
        assert!(unique.add(entry(0, "0"), at(0)), "one that is known needs no room");
        assert_eq!(unique.read(at(0)).value, json!(MAX_TEXTS));
        let mut long = stored(window, Reduce::Unique);
        assert!(!long.add(entry(0, "x".repeat(MAX_TEXT_BYTES + 1)), at(0)));
        assert!(long.add(entry(0, "x".repeat(MAX_TEXT_BYTES)), at(0)));
        assert!(!long.add(entry(0, "y"), at(0)));
        let mut mode = stored(window, Reduce::Mode { least: 1 });
        assert!(mode.add(entry(0, json!(["a"])), at(0)));
        let many: Vec<String> = (0..MAX_TEXTS).map(|n| n.to_string()).collect();
        assert!(!mode.add(entry(0, json!(many)), at(0)), "all of an entry or nothing");
        assert_eq!(mode.read(at(0)).value, json!("a"));
    }
}

#[test]
fn texts_that_find_no_room_when_they_enter_are_forgotten() {
    let near = Span::from_millis(10);
    let mut unique = stored(Window::Between { near, far: Span::from_millis(1000) }, Reduce::UniqueCount);
    for n in 0..MAX_TEXTS + 50 {
        assert!(unique.add(entry(i64::from(n >= 500), format!("{n}")), at(0)));
    }
    unique.advance(at(10));
    assert_eq!(unique.read(at(10)).value, json!(500));
    unique.advance(at(11));
    assert_eq!(unique.read(at(11)).value, json!(MAX_TEXTS));
    assert_eq!(unique.state.len(), MAX_TEXTS);
    unique.advance(at(1001));
    assert_eq!(unique.read(at(1001)).value, json!(500));
    unique.advance(at(1002));
    assert_eq!(unique.read(at(1002)).value, json!(0));
    unique.check_no_page_is_left_behind();
}

#[test]
fn what_is_long_before_a_session_is_forgotten() {
    let day = Span::from_days(1).millis();
    let start = 1000 * day;
    let mut session = stored(Window::Session(Span::from_days(40)), Reduce::Count);
    session.add(entry(start, Value::Null), at(start));
    session.add(entry(start - SESSION_LATE.millis(), Value::Null), at(start));
    assert_eq!(session.state.len(), 2);
    session.add(entry(start - SESSION_LATE.millis() - 1, Value::Null), at(start));
    assert_eq!(session.state.len(), 2);
    // The session grows to its front, and there the bound moves with it.
    session.add(entry(start - 39 * day, Value::Null), at(start));
    session.add(entry(start - 120 * day, Value::Null), at(start));
    assert_eq!(session.state.len(), 4);
    session.add(entry(start - 70 * day, Value::Null), at(start));
    assert_eq!(session.read(at(start)).value, json!(5));
    session.add(entry(start - 100 * day, Value::Null), at(start));
    assert_eq!(session.read(at(start)).value, json!(6));
    // With long gaps one late arrival joins what is farther away.
    let mut session = stored(Window::Session(Span::from_days(80)), Reduce::Count);
    session.add(entry(start, Value::Null), at(start));
    session.add(entry(start - 160 * day, Value::Null), at(start));
    assert_eq!(session.read(at(start)).value, json!(1));
    session.add(entry(start - 80 * day, Value::Null), at(start));
    assert_eq!(session.read(at(start)).value, json!(3));
}

#[test]
fn one_large_value_is_on_a_page_of_its_own() {
    let text = "x".repeat(30_000);
    for window in [Window::All, Window::Within(Span::from_days(1)), Window::Session(Span::from_days(1))] {
        let mut first = stored(window, Reduce::First);
        assert!(first.add(entry(0, text.as_str()), at(0)));
        assert!(first.add(entry(1, "short"), at(0)));
        first.forget();
        assert_eq!(first.read(at(0)).value, json!(text));
        assert!(rmp_serde::to_vec_named(&first.state).unwrap().len() < 100);
    }
}
