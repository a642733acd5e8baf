//! From link to link, through every kind of page.

use std::collections::{BTreeMap, BTreeSet};

use crate::browser::Browser;

/// The addresses of the console that the page links to, from their paths on. A list of members is no page, and the preview of a
/// mail, in which no script runs, is not one of ours.
const LINKS: &str = "return [...document.querySelectorAll('a[href]')].map(it => new URL(it.href))
    .filter(it => it.origin === location.origin && it.pathname.startsWith('/console') && !/(\\.csv|\\/preview)$/.test(it.pathname))
    .map(it => it.pathname + it.search)";

/// Goes to every kind of page that links lead to, to as many as `most` of each, and first to those named by hostile posts.
pub async fn walk(browser: &Browser, most: usize, mut look: impl AsyncFnMut(&str)) {
    let mut found = vec!["/console".to_owned()];
    let mut known: BTreeSet<String> = found.iter().cloned().collect();
    let mut visits: BTreeMap<String, usize> = BTreeMap::new();
    while let Some(path) = found.pop() {
        let visited = visits.entry(kind(&path)).or_default();
        if *visited >= most {
            continue;
        }
        *visited += 1;
        browser.go(&path).await;
        look(&path).await;
        let links = browser.script(LINKS, vec![]).await;
        let links: Vec<String> = serde_json::from_value(links).expect("a list of links");
        found.extend(links.into_iter().filter(|link| known.insert(link.clone())));
        found.sort_by_key(|link| link.contains("__owned"));
    }
    println!("{} pages of {} kinds", visits.values().sum::<usize>(), visits.len());
}

/// `journeys-one`: the page without what it is about, and without its filters.
pub fn kind(path: &str) -> String {
    let path = path.split(['?', '#']).next().unwrap_or_default();
    let mut parts: Vec<&str> = path.split('/').skip(2).collect();
    if let Some(about) = parts.get_mut(1).filter(|part| **part != "new") {
        *about = "one";
    }
    if parts.is_empty() { "overview".to_owned() } else { parts.join("-") }
}
