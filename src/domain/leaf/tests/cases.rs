//! Small histories with their values, and how they are stored.

use serde_json::{Value, json};

use super::random::SMALL;
use super::stored::Stored;
use super::{at, entry, ordered};
use crate::domain::leaf::state::State;
use crate::domain::leaf::{As, Pages, Reduce, Shape, Window, reduce_all};
use crate::domain::time::Span;

const DAY: i64 = 86_400_000;
const NOW: i64 = 1_769_817_600_000;

fn stored(window: Window, reduce: Reduce) -> Stored {
    Stored::new(Shape { window, reduce, keep: None }, SMALL)
}

fn packed(state: &State) -> usize {
    rmp_serde::to_vec_named(state).unwrap().len()
}

#[test]
fn states_are_stored_compactly() {
    assert_eq!(packed(&State::default()), 1);
    let mut pages = Pages::new();
    let mut add = |window, reduce, entries: &[super::Entry]| {
        let shape = Shape { window, reduce, keep: None };
        let mut state = State::default();
        entries.iter().for_each(|entry| assert!(state.add(&shape, entry.clone(), at(NOW), &mut pages)));
        packed(&state)
    };
    let three = [NOW - 6 * DAY, NOW - 2 * DAY, NOW - DAY].map(|ms| entry(ms, Value::Null));
    let week = Window::Within(Span::from_days(7));
    assert_eq!(add(Window::All, Reduce::Count, &three), 5);
    assert_eq!(add(week, Reduce::Count, &three), 28);
    let three = [NOW - 6 * DAY, NOW - 2 * DAY, NOW - DAY].map(|ms| entry(ms, 19.99));
    assert_eq!(add(Window::All, Reduce::Sum, &three), 12);
    assert_eq!(add(week, Reduce::Sum, &three), 28 + 3 * 9);
    assert_eq!(add(week, Reduce::Maximum(As::Number), &three), 18 + 9);
    let three = ["blue", "red", "blue"].map(|text| entry(NOW, text));
    assert_eq!(add(Window::All, Reduce::Unique, &three), 16);
}

#[test]
fn the_edges_are_exact() {
    let mut between =
        stored(Window::Between { near: Span::from_days(7), far: Span::from_days(10) }, Reduce::Sum);
    between.add(entry(NOW, 120.0), at(NOW));
    for (instant, value, until) in [
        (NOW, 0, Some(NOW + 7 * DAY)),
        (NOW + 7 * DAY - 1, 0, Some(NOW + 7 * DAY)),
        (NOW + 7 * DAY, 120, Some(NOW + 10 * DAY + 1)),
        (NOW + 10 * DAY, 120, Some(NOW + 10 * DAY + 1)),
        (NOW + 10 * DAY + 1, 0, None),
    ] {
        let reading = between.read(at(instant));
        assert_eq!((reading.value, reading.holds_until), (json!(value), until.map(at)), "at {instant}");
    }
    // The last of a session goes with it.
    let mut session = stored(Window::Session(Span::from_hours(1)), Reduce::Last);
    session.add(ordered(NOW, NOW, "1", "x"), at(NOW));
    session.add(ordered(NOW + 5, NOW, "2", "y"), at(NOW));
    assert_eq!(session.read(at(NOW)).holds_until, Some(at(NOW + 5)));
    assert_eq!(session.read(at(NOW + 5)).value, json!("y"));
    assert_eq!(session.read(at(NOW + 5)).holds_until, Some(at(NOW + 5 + 3_600_001)));
    assert_eq!(session.read(at(NOW + 5 + 3_600_000)).value, json!("y"));
    assert_eq!(session.read(at(NOW + 5 + 3_600_001)).value, Value::Null);
}

#[test]
fn equal_times_are_ordered_by_arrival_then_id() {
    for reverse in [false, true] {
        for window in [Window::All, Window::Within(Span::from_days(1)), Window::Session(Span::from_days(1))] {
            let mut entries =
                [ordered(0, 9, "b", "late"), ordered(0, 3, "b", "second"), ordered(0, 3, "a", "first")];
            if reverse {
                entries.reverse();
            }
            for (reduce, value) in [(Reduce::First, "first"), (Reduce::Last, "late")] {
                let mut state = stored(window, reduce);
                entries.iter().for_each(|entry| assert!(state.add(entry.clone(), at(0))));
                assert_eq!(state.read(at(0)).value, json!(value));
            }
        }
    }
}

#[test]
fn a_clock_that_goes_back_brings_nothing_back() {
    let mut count = stored(Window::Within(Span::from_millis(100)), Reduce::Count);
    for ms in 0..20 {
        count.add(entry(ms, Value::Null), at(0));
    }
    count.advance(at(105));
    assert_eq!(count.read(at(105)).value, json!(15));
    count.advance(at(50));
    count.add(entry(3, Value::Null), at(50));
    let reading = count.read(at(50));
    assert_eq!((reading.value, reading.holds_until), (json!(15), Some(at(106))));
}

#[test]
fn the_end_of_time_is_no_change() {
    let end = at(i64::MAX);
    for window in [Window::Within(Span::from_days(7)), Window::Session(Span::from_days(7))] {
        let mut count = stored(window, Reduce::Count);
        count.add(entry(i64::MAX, Value::Null), end);
        let reading = count.read(end);
        assert_eq!((reading.value, reading.holds_until), (json!(1), None));
        // The beginning is an instant like any other.
        let mut count = stored(window, Reduce::Count);
        count.add(entry(i64::MIN, Value::Null), at(i64::MIN));
        assert_eq!(count.read(at(i64::MIN)).value, json!(1));
        assert!(count.read(at(i64::MIN)).holds_until.is_some());
    }
    let late = Window::Between { near: Span::from_days(1), far: Span::from_days(2) };
    let mut count = stored(late, Reduce::Count);
    count.add(entry(i64::MIN, Value::Null), at(i64::MIN));
    assert_eq!(count.read(at(i64::MIN)).value, json!(0), "it is not a day old");
}

#[test]
fn values_of_nothing() {
    for (reduce, value) in [
        (Reduce::Count, json!(0)),
        (Reduce::Sum, json!(0)),
        (Reduce::Average, Value::Null),
        (Reduce::Minimum(As::Number), Value::Null),
        (Reduce::Maximum(As::Text), Value::Null),
        (Reduce::First, Value::Null),
        (Reduce::Last, Value::Null),
        (Reduce::Mode { least: 0 }, Value::Null),
        (Reduce::Unique, json!([])),
        (Reduce::UniqueCount, json!(0)),
    ] {
        let day = Span::from_days(1);
        for window in
            [Window::All, Window::Within(day), Window::Between { near: day, far: day }, Window::Session(day)]
        {
            let reading = stored(window, reduce).read(at(NOW));
            assert_eq!((reading.value, reading.holds_until), (value.clone(), None), "{reduce:?}");
        }
        assert_eq!(reduce_all(reduce, []), value);
    }
}

#[test]
fn values_of_another_kind_are_not_kept() {
    let week = Window::Within(Span::from_days(7));
    for (reduce, wrong) in [
        (Reduce::Sum, json!("12")),
        (Reduce::Average, Value::Null),
        (Reduce::Minimum(As::Text), json!(5)),
        (Reduce::Mode { least: 1 }, json!([])),
        (Reduce::Unique, json!({})),
    ] {
        let mut state = stored(week, reduce);
        assert!(state.add(entry(NOW, wrong), at(NOW)));
        assert!(state.state.len() == 0);
    }
}

#[test]
fn numbers_are_given_as_people_write_them() {
    let numbers = |reduce, values: &[Value]| {
        reduce_all(reduce, &values.iter().map(|value| entry(0, value.clone())).collect::<Vec<_>>())
    };
    assert_eq!(numbers(Reduce::Sum, &[json!(0.1), json!(0.2)]).to_string(), "0.3");
    assert_eq!(numbers(Reduce::Sum, &[json!(41.5), json!(0.5)]).to_string(), "42");
    assert_eq!(numbers(Reduce::Average, &[json!(20), json!(60)]).to_string(), "40");
    assert_eq!(numbers(Reduce::Average, &[json!(1), json!(2)]).to_string(), "1.5");
    assert_eq!(numbers(Reduce::Minimum(As::Number), &[json!(3.0), json!(10)]).to_string(), "3");
    assert_eq!(numbers(Reduce::Maximum(As::Number), &[json!(-0.0)]).to_string(), "0");
    assert_eq!(numbers(Reduce::Sum, &[json!(1e300), json!(1e300)]).to_string(), "2e+300");
    assert_eq!(numbers(Reduce::Sum, &[json!(9_007_199_254_740_991_i64)]).to_string(), "9007199254740991");
    assert_eq!(numbers(Reduce::Sum, &[json!(f64::MAX), json!(f64::MAX)]), json!(f64::MAX));
}
