use super::*;

fn problems(text: &str) -> Vec<String> {
    StudioFlow::read(text).unwrap_err().iter().map(ToString::to_string).collect()
}

#[test]
fn what_is_no_flow_is_refused_with_its_place() {
    let trigger = r#"{"name":"Trigger","type":"trigger","properties":{},"transitions":[{"event":"incomingRequest","next":"send_1"}]}"#;
    let send = r#"{"name":"send_1","type":"send-message","properties":{},"transitions":[{"event":"sent","next":"sned_1"}]}"#;
    let whole = |states: &[&str], initial: &str| {
        format!(r#"{{"states":[{}],"initial_state":"{initial}"}}"#, states.join(","))
    };
    for (text, expected) in [
        ("{", "is not JSON: EOF while parsing an object at line 1 column 1"),
        ("[]", "is no flow: a flow definition is a JSON object with `states`"),
        ("{}", "states: is missing: this is no flow definition"),
        (r#"{"states":{}}"#, "states: must be a list of states"),
        (
            r#"{"sid":"FW","definition":{"states":[]}}"#,
            "is a flow as the API answers it; give its `definition` alone, or the flow's SID",
        ),
        (r#"{"states":[]}"#, "initial_state: is missing: it names the state of the type `trigger`"),
        (
            &whole(&[trigger, send], "Trigger"),
            "states[1].transitions[0].next: state `send_1`: `sent` leads to `sned_1`, which is no state of this flow; \
             did you mean `send_1`?",
        ),
        (
            &whole(&[trigger, trigger], "Trigger"),
            "states[1].name: `Trigger` is the name of states[0] too; names must differ",
        ),
        (
            &whole(&[&trigger.replace("send_1", "")], "Triger"),
            "initial_state: `Triger` is no state of this flow; did you mean `Trigger`?",
        ),
        (
            &whole(&[&send.replace("sned_1", "")], "send_1"),
            "initial_state: `send_1` is not of the type `trigger`, in which every flow begins",
        ),
        (
            &whole(&[r#"{"name":"a","type":"x","properties":{}}"#], "a"),
            "states[0].transitions: state `a`: it needs a list of transitions, be it empty",
        ),
        (
            &whole(&[r#"{"type":"x","properties":{},"transitions":[]}"#], "a"),
            "states[0].name: a state needs a name",
        ),
        (
            &whole(&[r#"{"name":"a","properties":{},"transitions":[]}"#], "a"),
            "states[0].type: state `a`: it needs a type, such as `send-message`",
        ),
        (
            &whole(&[r#"{"name":"a","type":"x","properties":[],"transitions":[]}"#], "a"),
            "states[0].properties: state `a`: must be an object",
        ),
        (
            &whole(&[r#"{"name":"a","type":"x","properties":{},"transitions":[{"next":"a"}]}"#], "a"),
            "states[0].transitions[0].event: state `a`: a transition needs an event",
        ),
        (r#"{"description":1,"states":[]}"#, "description: must be a text"),
        (r#"{"flags":[],"states":[]}"#, "flags: must be an object"),
        (
            &whole(&[r#"{"name":"a","type":"x","transitions":[{"event":"match","conditions":{}}]}"#], "a"),
            "states[0].transitions[0].conditions: state `a`: must be a list",
        ),
        (
            &whole(&[r#"{"name":"a","type":"x","transitions":[{"event":"e","next":7}]}"#], "a"),
            "states[0].transitions[0].next: state `a`: must be a state's name",
        ),
    ] {
        assert_eq!(problems(text).first().map(String::as_str), Some(expected), "{text}");
    }
}

#[test]
fn stages_that_cannot_be_are_refused() {
    let long = "x".repeat(501);
    let wanted = [("menu/timout", "x"), ("menu/timeout", &long), ("slots/timeout", "a\nb"), ("nowhere", "x")];
    let problems = instrument(&read(CLINIC), &with_stages(&wanted)).unwrap_err();
    let texts: Vec<String> = problems.iter().map(ToString::to_string).collect();
    assert_eq!(
        texts,
        [
            "menu/timout: is no transition that a post can stand on, written as `state/event`; did you mean `menu/timeout`?",
            "menu/timeout: `xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx…` is longer than 500 bytes",
            "slots/timeout: \"a\\nb\" has control characters",
            "nowhere: is no transition that a post can stand on, written as `state/event`",
        ]
    );
    let nameless = Settings { flow: " ".to_owned(), ..settings() };
    let problems = instrument(&read(CLINIC), &nameless).unwrap_err();
    assert_eq!(problems[0].to_string(), "flow: the flow needs a name");
}

#[test]
fn addresses_are_checked() {
    for (server, key, why) in [
        ("stagepost.example.com", "wk_1", "is not a URL such as https://stagepost.example.com"),
        ("ftp://stagepost.example.com", "wk_1", "must begin with https:// and name a host"),
        ("https://stagepost.example.com/?a=1", "wk_1", "must not have a query or a fragment"),
        ("https://stagepost.example.com", "", "is no write key"),
        ("https://stagepost.example.com", "wk/1", "is no write key"),
    ] {
        let error = PostAddress::new(server, key).unwrap_err();
        assert!(error.contains(why), "{error}");
    }
    for (server, warning) in [
        ("https://stagepost.example.com", None),
        ("http://stagepost.example.com", Some("unencrypted")),
        ("http://127.0.0.1:8080", Some("tests only")),
        ("https://localhost", Some("tests only")),
        ("http://[::1]:8080/", Some("tests only")),
    ] {
        let address = PostAddress::new(server, "wk_1").unwrap();
        assert_eq!(address.warning().is_some(), warning.is_some(), "{server}");
        assert!(address.warning().unwrap_or_default().contains(warning.unwrap_or_default()), "{server}");
    }
    let secret = PostAddress::new("https://user:pass@stagepost.example.com:8443/base/", "wk_1").unwrap();
    assert_eq!(secret.as_str(), "https://user:pass@stagepost.example.com:8443/base/studio/wk_1");
    assert_eq!(secret.shown(), "https://stagepost.example.com:8443/base/studio/…");
}

#[test]
fn no_flow_gets_more_states_than_studio_takes() {
    let send = |number: usize| {
        json!({ "name": format!("s{number}"), "type": "send-message", "properties": {},
        "transitions": [{ "event": "sent" }, { "event": "failed" }] })
    };
    let states = |count: usize| Value::Array((0..count).map(send).collect());
    // The trigger, its post, and three states for each.
    assert_eq!(instrument(&flow("s0", states(666)), &settings()).unwrap().flow.states().len(), 2000);
    let problems = instrument(&flow("s0", states(667)), &settings()).unwrap_err();
    assert_eq!(
        problems[0].to_string(),
        "states: with 1335 posts there would be 2003 states; Studio takes 2000: leave some out by a stages file"
    );
    let too_many: Vec<Value> = (0..2001).map(send).collect();
    let text = json!({ "states": too_many, "initial_state": "s0" }).to_string();
    assert_eq!(problems_of(&text), "states: there are 2001 states; Studio takes 2000");
}

fn problems_of(text: &str) -> String {
    problems(text).join("; ")
}

#[test]
fn places_that_studio_names_are_shown_with_their_state() {
    let flow = read(CLINIC);
    for (path, shown) in [
        ("#/states/3/properties/timeout", "states[3].properties.timeout: state `ask_name`: bad"),
        ("#/states/3", "states[3]: state `ask_name`: bad"),
        ("#/initial_state", "initial_state: bad"),
        ("#/states/99/name", "states[99].name: bad"),
        ("#/", "bad"),
    ] {
        assert_eq!(flow.problem_at(path, "bad").to_string(), shown);
    }
}
