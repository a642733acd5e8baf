//! A user with a hundred thousand entries: what one more costs, and how large anything stored is.

use serde_json::{Value, json};

use super::stored::Stored;
use super::{at, entry, ordered};
use crate::domain::leaf::pages::Capacity;
use crate::domain::leaf::{As, Entry, Reduce, Shape, Window};
use crate::domain::time::Span;

const MANY: i64 = 100_000;
const MINUTE: i64 = 60_000;

/// One entry a minute for 69 days; the window is just as long, so that from now on each minute one enters and one leaves.
fn within() -> Window {
    Window::Within(Span::from_millis(MANY * MINUTE))
}

/// Adds many entries and then some more, looking at what those take.
fn check(window: Window, reduce: Reduce, make: &dyn Fn(i64) -> Entry) -> Stored {
    let shape = Shape { window, reduce, keep: None };
    let mut hot = Stored::new(shape, Capacity::STANDARD);
    for n in 0..MANY {
        let entry = make(n);
        let now = entry.at;
        assert!(hot.add_in_memory(entry, now));
    }
    hot.save();
    let mut most = (0, 0);
    for n in MANY..MANY + 300 {
        hot.forget();
        let entry = make(n);
        let now = entry.at;
        assert!(hot.add(entry, now));
        most = (most.0.max(hot.touched.0), most.1.max(hot.touched.1));
        // A late one, somewhere in the window.
        hot.forget();
        assert!(hot.add(make(300 + n * 7919 % (MANY - 400)), now));
        most = (most.0.max(hot.touched.0), most.1.max(hot.touched.1));
    }
    let state = rmp_serde::to_vec_named(&hot.state).unwrap().len();
    let page = hot.store.values().map(Vec::len).max().unwrap_or(0);
    let all: usize = hot.store.values().map(Vec::len).sum();
    println!(
        "{reduce:?}: {most:?} pages read and written, {state} bytes in the profile, {page} on the largest page"
    );
    println!("  {} entries on {} pages, {all} bytes", hot.state.len(), hot.store.len());
    // A total of many texts is loaded whole.
    assert!(most.0 <= 8 + hot.state.kept.pages.len() && most.1 <= 8, "{most:?} pages touched");
    assert!(state <= 1500, "{state} bytes in the profile");
    assert!(page <= 5 * 1024, "{page} bytes on a page");
    hot
}

#[test]
fn counts_and_sums_over_a_window() {
    let mut count = check(within(), Reduce::Count, &|n| entry(n * MINUTE, Value::Null));
    let now = (MANY + 299) * MINUTE;
    assert_eq!(count.read(at(now)).value, json!(100_001 + 300));
    let mut sum = check(within(), Reduce::Sum, &|n| entry(n * MINUTE, json!(n as f64 / 100.0)));
    assert!(sum.read(at(now)).value.as_f64().is_some_and(|sum| sum > 5e7));
    // Idle for longer than the window: all goes, and only what has to be cut is looked at.
    sum.forget();
    sum.advance(at(3 * now));
    assert!(sum.touched.0 <= 40, "{:?}", sum.touched);
    assert_eq!(sum.read(at(3 * now)).value, json!(0));
    sum.check_no_page_is_left_behind();
    assert_eq!(sum.store.len(), 0);
}

#[test]
fn unique_values_over_a_window() {
    let shape_of = |n: i64| entry(n * MINUTE, format!("value number {}", n * n % 700));
    let mut unique = check(within(), Reduce::Unique, &shape_of);
    assert!(unique.read(at((MANY + 299) * MINUTE)).value.as_array().is_some_and(|texts| texts.len() > 50));
}

#[test]
fn first_and_last_with_long_ids() {
    let make = |n: i64| ordered(n * MINUTE, n * MINUTE, &format!("{n:0>36}"), "spring-campaign");
    check(within(), Reduce::First, &make);
    let last = check(within(), Reduce::Last, &make);
    assert_eq!(last.state.len(), 1);
}

#[test]
fn a_maximum_that_never_rises_keeps_every_candidate() {
    // Late ones lie below their neighbours or above, as it comes.
    let make = |n: i64| entry(n * MINUTE, json!(10_000_000 - n * 10));
    let mut maximum = check(within(), Reduce::Maximum(As::Number), &make);
    assert!(maximum.state.len() > 90_000);
    let now = (MANY + 300) * MINUTE;
    // One above all: every candidate goes, in few rounds.
    maximum.forget();
    assert!(maximum.add(entry(now, json!(20_000_000)), at(now)));
    assert_eq!(maximum.state.len(), 1);
    maximum.check_no_page_is_left_behind();
    assert!(maximum.store.len() <= 1);
}

#[test]
fn a_session_that_never_ends() {
    let window = Window::Session(Span::from_hours(1));
    let mut session = check(window, Reduce::Count, &|n| entry(n * MINUTE, Value::Null));
    assert_eq!(session.read(at((MANY + 299) * MINUTE)).value, json!(MANY + 600));
    // Another, and a late one that joins both.
    let next = (MANY + 299 + 119) * MINUTE;
    session.forget();
    assert!(session.add(entry(next, Value::Null), at(next)));
    assert_eq!(session.read(at(next)).value, json!(1));
    session.forget();
    assert!(session.add(entry(next - 59 * MINUTE, Value::Null), at(next)));
    assert_eq!(session.read(at(next)).value, json!(MANY + 602));
}

#[test]
fn lists_keep_the_newest() {
    let make = |n: i64| ordered(n * MINUTE, n * MINUTE, &format!("{n:0>36}"), json!(["Bought", {"sku": n}]));
    let mut list = check(Window::All, Reduce::List, &make);
    assert_eq!(list.entries().len(), 2000);
}

#[test]
fn totals_of_all_time_need_no_entries() {
    let unique = check(Window::All, Reduce::Unique, &|n| entry(n, format!("value number {}", n % 900)));
    assert_eq!((unique.state.len(), unique.state.is_paged()), (0, true));
    let sum = check(Window::All, Reduce::Average, &|n| entry(n, json!(n as f64 / 8.0)));
    assert!(!sum.state.is_paged());
}
