//! What all pages have in common.

mod places;
mod words;

use std::fs;
use std::path::{Path, PathBuf};

/// Everything in a folder of this repository that has such a name, with its text.
fn files(folder: &str, ending: &str) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    gather(&Path::new(env!("CARGO_MANIFEST_DIR")).join(folder), ending, &mut found);
    assert!(!found.is_empty(), "nothing in {folder}");
    found.sort();
    found
}

fn gather(folder: &Path, ending: &str, found: &mut Vec<(PathBuf, String)>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            gather(&path, ending, found);
        } else if path.to_string_lossy().ends_with(ending) {
            found.push((path.clone(), fs::read_to_string(&path).unwrap()));
        }
    }
}

/// The sources of the pages, without these tests.
fn sources() -> Vec<(PathBuf, String)> {
    let mut all = files("src/http/console", ".rs");
    all.retain(|(path, _)| !path.to_string_lossy().contains("console/tests"));
    all
}
