//! Flows from files.

use std::fs;
use std::process::Command;

use serde_json::Value;

use crate::command::{KEY, SERVER, fixture, instrument, shown, studio, studio_in};

#[test]
fn a_flow_is_printed_with_its_posts_and_a_second_run_changes_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let copy = shown(&folder.path().join("visit_confirmation.json"));
    fs::copy(fixture("confirmation.json"), &copy).expect("a copy");
    let said = instrument(&copy, &[]).ok();
    assert!(
        said.err.contains("visit_confirmation: 47 states, posts to https://stagepost.example.com/studio/…"),
        "{}",
        said.err
    );
    assert!(said.err.contains("\n  +  send reminder/timeout"), "{}", said.err);
    assert!(said.err.contains("31 posts: 31 new"), "{}", said.err);
    assert!(said.err.contains("2 without a post"), "{}", said.err);
    assert!(
        said.err.contains("warning: runs that begin at Trigger/incomingMessage have no {{flow.data.userID}}")
    );
    let flow = said.json();
    assert_eq!(flow["x_team"]["weights"][1], 1e21);

    instrument(&copy, &["--output", &copy]).ok();
    assert_eq!(fs::read_to_string(&copy).expect("the flow"), said.out);
    let again = instrument(&copy, &[]).ok();
    assert_eq!(again.out, said.out);
    assert!(again.err.contains("0 new, 0 changed"), "{}", again.err);
    assert_eq!(instrument(&copy, &["--diff"]).ok().out, "");
}

#[test]
fn nobody_has_to_listen() {
    let flow = fixture("confirmation.json");
    let words = ["studio", "instrument", &flow, "--server", SERVER, "--key", KEY];
    // A pipe that nobody reads, in place of either.
    let (reader, unheard) = std::io::pipe().expect("a pipe");
    drop(reader);
    let binary = || Command::new(env!("CARGO_BIN_EXE_stagepost"));
    let printed =
        binary().args(words).stderr(unheard.try_clone().expect("a pipe")).output().expect("its end");
    assert_eq!(printed.status.code(), Some(0));
    assert_eq!(String::from_utf8(printed.stdout).expect("text"), instrument(&flow, &[]).ok().out);
    let told = binary().args(words).stdout(unheard).output().expect("its end");
    let err = String::from_utf8(told.stderr).expect("text");
    assert_eq!(told.status.code(), Some(0), "{err}");
    assert!(err.contains("31 posts") && !err.contains("panicked"), "{err}");
}

#[test]
fn what_is_told_can_be_pasted_into_the_definitions() {
    let said = instrument(&fixture("confirmation.json"), &["--flow", "visits"]).ok();
    let table = &said.err[said.err.find("[[flow]]").expect("a table")..];
    let table = table.split("warning:").next().expect("a table");
    let folder = tempfile::tempdir().expect("a folder");
    let file = shown(&folder.path().join("definitions.toml"));
    fs::write(&file, table).expect("the definitions");
    let checked =
        Command::new(env!("CARGO_BIN_EXE_stagepost")).args(["check", &file]).output().expect("its end");
    assert!(checked.status.success(), "{table}\n{}", String::from_utf8_lossy(&checked.stdout));
}

#[test]
fn standard_input_and_the_environment_do_as_well() {
    let text = fs::read_to_string(fixture("clinic.json")).expect("the fixture");
    let environment = [("STAGEPOST_PUBLIC_URL", SERVER), ("STAGEPOST_WRITE_KEY", KEY)];
    let words = ["instrument", "-", "--flow", "clinic"];
    let said = studio_in(&words, &environment, &text).ok();
    assert_eq!(said.out, instrument(&fixture("clinic.json"), &[]).ok().out);
    studio_in(&words[..2], &environment, &text).failed(1, "give --flow NAME");
    // Once it has posts, they say its name.
    let again = studio_in(&words[..2], &environment, &said.out).ok();
    assert_eq!(again.out, said.out);
}

#[test]
fn a_second_run_with_fewer_arguments_changes_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = |name: &str| shown(&folder.path().join(name));
    let (flow, stages) = (file("flow.json"), file("stages.toml"));
    fs::write(&stages, "\"greet/sent\" = \"greeted\"\n").expect("the stages");
    let words = ["--flow", "visits", "--user", "flow.data.patient", "--phone", "flow.data.phone"];
    let words = [&words[..], &["--stages", &stages, "--output", &flow]].concat();
    instrument(&fixture("confirmation.json"), &words).ok();
    let said = instrument(&flow, &["--stages", &stages, "--diff"]).ok();
    assert_eq!(said.out, "");
    // What it was asked for is only in the file.
    let said = instrument(&flow, &["--diff"]).ok();
    assert!(
        said.err.contains("warning: without --stages") && said.err.contains("stagepost_greet_sent"),
        "{}",
        said.err
    );
    assert!(!said.out.contains("+  parameters.userID"), "{}", said.out);
}

#[test]
fn stages_come_from_a_file_and_a_diff_shows_them() {
    let folder = tempfile::tempdir().expect("a folder");
    let stages = shown(&folder.path().join("stages.toml"));
    fs::write(&stages, "\"which_digit/match_2\" = \"cancelled\"\n\"greet/sent\" = \"\"\n")
        .expect("the stages");
    let output = shown(&folder.path().join("flow.json"));
    let words = ["--stages", &stages, "--diff", "--output", &output, "--user", "contact.channel.address"];
    let said = instrument(&fixture("confirmation.json"), &words).ok();
    assert!(said.out.contains("@@ which_digit (split-based-on)\n-  on match: say_thanks\n"), "{}", said.out);
    assert!(said.out.contains("+  parameters.stage: cancelled\n"), "{}", said.out);
    assert!(said.out.contains("+  parameters.userID: {{contact.channel.address}}\n"), "{}", said.out);
    assert!(!said.out.contains("stagepost_greet_sent"));
    assert!(!said.err.contains("warning"), "{}", said.err);
    let flow: Value = serde_json::from_str(&fs::read_to_string(&output).expect("the flow")).expect("JSON");
    assert_eq!(flow["initial_state"], "Trigger");

    fs::write(&stages, "\"which_digit/mach_2\" = \"cancelled\"\n").expect("the stages");
    let said = instrument(&fixture("confirmation.json"), &["--stages", &stages]);
    let said = said.failed(1, "which_digit/mach_2: is no transition that a post can stand on");
    assert!(
        said.err.contains("did you mean `which_digit/match_2`?") && said.err.contains(&stages),
        "{}",
        said.err
    );
    assert_eq!(said.out, "");
    fs::write(&stages, "\"greet/sent\" = 1\n").expect("the stages");
    instrument(&fixture("confirmation.json"), &["--stages", &stages])
        .failed(1, "greet/sent: must be a stage");
}

#[test]
fn what_cannot_be_is_refused_before_anything_is_written() {
    let folder = tempfile::tempdir().expect("a folder");
    let flow = shown(&folder.path().join("flow.json"));
    for (text, words) in [
        ("nonsense", "is not JSON"),
        ("{\"a\": 1}", "states: is missing"),
        (
            r#"{"states":[{"name":"Trigger","type":"trigger","transitions":[{"event":"incomingCall","next":"gone"}]}],"initial_state":"Trigger"}"#,
            "states[0].transitions[0].next: state `Trigger`: `incomingCall` leads to `gone`",
        ),
    ] {
        fs::write(&flow, text).expect("the flow");
        let said = instrument(&flow, &["--output", &flow]).failed(1, words);
        assert!(said.err.starts_with(&flow) && said.err.ends_with("1 problem\n"), "{}", said.err);
        assert_eq!(fs::read_to_string(&flow).expect("the flow"), text);
    }
    instrument("no/such/file.json", &[]).failed(1, "no/such/file.json: can't be read");
    let clinic = fixture("clinic.json");
    studio(&["instrument", &clinic, "--server", SERVER]).failed(2, "--key");
    studio(&["instrument", &clinic, "--server", "stagepost", "--key", KEY]).failed(1, "is not a URL");
    studio(&["instrument", &clinic, "--server", SERVER, "--key", "a b"]).failed(1, "is no write key");
    instrument(&clinic, &["--flow", &"x".repeat(501)]).failed(1, "is longer than 500 bytes");
    let said =
        studio(&["instrument", &clinic, "--server", "http://stagepost.example.com", "--key", KEY]).ok();
    assert!(said.err.starts_with("warning: the server's address is http"), "{}", said.err);
}

#[test]
fn the_help_is_whole() {
    for words in [&["--help"][..], &["instrument", "--help"], &["template", "--help"]] {
        assert!(studio(words).ok().out.contains("Usage: stagepost studio"));
    }
    assert!(studio(&["instrument", "--help"]).ok().out.contains("\"split_1/match_2\" = \"cancelled\""));
}

#[test]
fn the_template_is_whole() {
    let said = studio(&["template", "--server", SERVER, "--key", KEY, "--from", "+15005550006"]).ok();
    let flow = said.json();
    let posts = flow["states"].as_array().expect("states").iter();
    let posts =
        posts.filter(|state| state["properties"]["url"] == "https://stagepost.example.com/studio/wk_studio");
    assert_eq!(posts.count(), 17);
    assert!(said.out.contains("\"from\": \"+15005550006\""));
}
