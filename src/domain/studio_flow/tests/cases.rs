use super::schema::assert_valid;
use super::*;

#[test]
fn a_confirmation_flow_gets_its_posts() {
    let done = instrument(&read(CONFIRMATION), &settings()).unwrap();
    assert_eq!(
        stages(&done),
        [
            ("Trigger/incomingMessage", "initiation"),
            ("Trigger/incomingRequest", "initiation"),
            // The split after it judges the reply.
            ("send reminder/timeout", "no_reply"),
            ("send reminder/deliveryFailure", "failed"),
            // `noMatch` leads to a second split over the same reply.
            ("which_digit/match", "confirmed"),
            ("which_digit/match_2", "2"),
            ("which_digit/match_3", "reschedule"),
            ("is_it_a_word/noMatch", "other_reply"),
            ("is_it_a_word/match", "confirmed"),
            ("is_it_a_word/match_2", "cancelled"),
            ("second_try/timeout", "no_reply"),
            ("second_try/deliveryFailure", "failed"),
            ("which_digit_now/noMatch", "other_reply"),
            ("which_digit_now/match", "confirmed"),
            ("which_digit_now/match_2", "cancelled"),
            ("ask_day/incomingMessage", "replied"),
            ("ask_day/timeout", "no_reply"),
            ("ask_day/deliveryFailure", "failed"),
            ("note_day/fail", "failed"),
            ("call_instead/busy", "no_answer"),
            ("call_instead/noAnswer", "no_answer"),
            ("call_instead/failed", "failed"),
            ("speak/speech", "replied"),
            ("speak/timeout", "no_reply"),
            ("which_key/noMatch", "other_reply"),
            ("which_key/match", "1"),
            // Runs come here with different stages: `ended` would contradict some of them.
            ("say_thanks/sent", "-"),
            ("say_thanks/failed", "failed"),
            ("say_bye/sent", "-"),
            ("say_bye/failed", "failed"),
            ("greet/sent", "ended"),
            ("greet/failed", "failed"),
            // No way leads to this one.
            ("experiment/gaveUp", "ended"),
        ]
    );
    assert_valid(&Value::Object(done.flow.document().clone()));
    let sent = done.outcomes.iter().find(|outcome| outcome.point.key == "say_thanks/sent").unwrap();
    assert_eq!(sent.point.stands, ["replied", "1", "confirmed"]);
}

#[test]
fn a_post_says_all_it_can_and_leads_on_whatever_becomes_of_it() {
    let done = instrument(&read(CONFIRMATION), &settings()).unwrap();
    assert_eq!(next(&done.flow, "which_digit", "match"), Some("stagepost_which_digit_match"));
    assert_eq!(
        *state(&done.flow, "stagepost_which_digit_match"),
        json!({
            "name": "stagepost_which_digit_match",
            "type": "make-http-request",
            "transitions": [
                { "next": "say_thanks", "event": "success" },
                { "next": "say_thanks", "event": "failed" },
            ],
            "properties": {
                // Below the state that it follows.
                "offset": { "x": -420, "y": 960 },
                "method": "POST",
                "content_type": "application/x-www-form-urlencoded;charset=utf-8",
                "parameters": [
                    { "key": "userID", "value": "{{flow.data.userID}}" },
                    { "key": "phoneNumber", "value": "{{contact.channel.address}}" },
                    { "key": "flow", "value": "appointment_confirmation" },
                    { "key": "stage", "value": "confirmed" },
                    { "key": "executionSid", "value": "{{flow.sid}}" },
                    { "key": "flowSid", "value": "{{flow.flow_sid}}" },
                    { "key": "reply", "value": "{{widgets.send reminder.inbound.Body}}" },
                ],
                "url": "https://stagepost.example.com/studio/wk_studio",
            },
        })
    );
    let at_the_end = state(&done.flow, "stagepost_second_try_timeout");
    assert_eq!(at_the_end["transitions"], json!([{ "event": "success" }, { "event": "failed" }]));
    assert_eq!(next(&done.flow, "stagepost_which_key_match", "failed"), Some("say_thanks"));
    let keypad = &state(&done.flow, "stagepost_which_key_match")["properties"]["parameters"][6];
    assert_eq!(keypad["value"], "{{widgets.speak.Digits}}");
    // A space can't be in the name of ours.
    assert_eq!(next(&done.flow, "send reminder", "timeout"), Some("stagepost_send_reminder_timeout"));
}

#[test]
fn a_clinics_flow_gets_its_posts() {
    let done = instrument(&read(CLINIC), &settings()).unwrap();
    let stages = stages(&done);
    for expected in [
        ("Trigger/incomingMessage", "initiation"),
        ("menu/timeout", "no_reply"),
        ("choice/match", "book"),
        ("choice/match_2", "cancelled"),
        ("really/match", "confirmed"),
        ("ask_name/incomingMessage", "replied"),
        ("remind_answer/match_2", "cancelled"),
        ("slots/timeout", "no_reply"),
        // Its message may have failed.
        ("post_booked/success", "-"),
        ("no_answer_bye/sent", "no_reply"),
        ("to_agent/failedToEnqueue", "failed"),
    ] {
        assert!(stages.contains(&expected), "{expected:?} is not among {stages:#?}");
    }
    assert_valid(&Value::Object(done.flow.document().clone()));
    assert_eq!(done.flow.states().len(), 26 + done.outcomes.iter().filter(|it| it.post.is_some()).count());
}

#[test]
fn what_is_not_ours_stays_as_it_is_and_where_it_is() {
    for text in [CLINIC, CONFIRMATION] {
        let before = read(text);
        let after = instrument(&before, &settings()).unwrap().flow;
        let keys = |flow: &StudioFlow| flow.document().keys().cloned().collect::<Vec<_>>();
        assert_eq!(keys(&before), keys(&after));
        for (old, new) in before.raw_states().iter().zip(after.raw_states()) {
            let mut back = new.clone();
            for (index, transition) in State(old).transitions().enumerate() {
                edges::set_next(&mut back["transitions"][index], transition.next());
            }
            // As text, which shows the order of the keys; an empty `next` may have become none.
            let plain = old.to_string().replace(r#""next":"","#, "");
            assert_eq!(back.to_string().replace(r#""next":"","#, ""), plain);
        }
    }
}

#[test]
fn a_second_run_changes_nothing() {
    for text in [CLINIC, CONFIRMATION] {
        let once = instrument(&read(text), &settings()).unwrap();
        let twice = instrument(&read(&once.flow.to_text()), &settings()).unwrap();
        assert_eq!(twice.flow.to_text(), once.flow.to_text());
        assert!(!twice.changes(&once.flow) && twice.removed.is_empty());
        assert!(twice.outcomes.iter().all(|outcome| matches!(outcome.done, Done::Kept | Done::LeftOut)));
        assert_eq!(diff(&once.flow, &twice.flow), "");
    }
}

#[test]
fn another_server_key_flow_or_stage_changes_posts_in_place() {
    let once = instrument(&read(CONFIRMATION), &settings()).unwrap().flow;
    let address = PostAddress::new("https://new.example.com/base", "wk_other").unwrap();
    let stages = vec![("which_digit/match_2".to_owned(), "cancelled".to_owned())];
    let other = Settings { stages, user: "{{flow.data.patient}}".into(), ..Settings::new(address, "visits") };
    let moved = instrument(&once, &other).unwrap();
    assert_eq!(moved.flow.states().len(), once.states().len());
    for (old, new) in once.raw_states().iter().zip(moved.flow.raw_states()) {
        assert_eq!(old["name"], new["name"]);
        assert_eq!(old["transitions"], new["transitions"]);
        assert_eq!(old["properties"]["offset"], new["properties"]["offset"]);
    }
    let post = &state(&moved.flow, "stagepost_which_digit_match_2")["properties"];
    assert_eq!(post["url"], "https://new.example.com/base/studio/wk_other");
    assert_eq!(post["parameters"][0]["value"], "{{flow.data.patient}}");
    assert_eq!(post["parameters"][2]["value"], "visits");
    assert_eq!(post["parameters"][3]["value"], "cancelled");
    assert!(moved.outcomes.iter().all(|outcome| matches!(outcome.done, Done::Changed | Done::LeftOut)));
    assert_eq!(agreed(&moved.flow, "flow").as_deref(), Some("visits"));
}

#[test]
fn the_authors_stages_go_first_and_reach_every_transition() {
    let wanted = [
        ("which_digit/match_2", "cancelled"),
        ("say_thanks/sent", "ended"),
        ("set_language/next", "language_known"),
        ("greet/failed", ""),
        ("Trigger/incomingMessage", ""),
    ];
    let done = instrument(&read(CONFIRMATION), &with_stages(&wanted)).unwrap();
    let now = stages(&done);
    for (key, stage) in wanted {
        assert!(now.contains(&(key, if stage.is_empty() { "-" } else { stage })), "{key}: {now:?}");
    }
    assert_eq!(next(&done.flow, "set_language", "next"), Some("stagepost_set_language_next"));
    assert_eq!(next(&done.flow, "greet", "failed"), None);
    // Without them, what they asked for is taken back.
    let back = instrument(&done.flow, &settings()).unwrap();
    assert_eq!(back.removed, ["stagepost_set_language_next", "stagepost_say_thanks_sent"]);
    assert_eq!(next(&back.flow, "set_language", "next"), Some("send reminder"));
    assert!(stages(&back).contains(&("greet/failed", "failed")));
}

#[test]
fn the_last_word_does_not_contradict_an_earlier_one() {
    let wait = json!({ "name": "ask", "type": "send-and-wait-for-reply", "properties": {}, "transitions": [
        { "event": "incomingMessage", "next": "thank" }, { "event": "timeout", "next": "bye" },
        { "event": "deliveryFailure", "next": "bye" } ] });
    let send = |name: &str| {
        json!({ "name": name, "type": "send-message", "properties": {}, "transitions": [
        { "event": "sent" }, { "event": "failed" } ] })
    };
    let flow = flow("ask", json!([wait, send("thank"), send("bye")]));
    let stage_at = |settings: &Settings, key: &str| {
        let done = instrument(&flow, settings).unwrap();
        let outcome = done.outcomes.into_iter().find(|outcome| outcome.point.key == key).unwrap();
        (outcome.point.stage, outcome.point.stands)
    };
    // A reply that nobody judged says nothing yet; what is known otherwise stays.
    assert_eq!(stage_at(&settings(), "thank/sent").0.as_deref(), Some("ended"));
    let both = stage_at(&settings(), "bye/sent");
    assert_eq!(both, (None, vec!["failed".to_owned(), "no_reply".to_owned()]));
    let same = with_stages(&[("ask/deliveryFailure", "no_reply")]);
    assert_eq!(stage_at(&same, "bye/sent").0.as_deref(), Some("no_reply"));
}

#[test]
fn posts_made_by_hand_are_left_alone_and_counted() {
    let by_hand = |name: &str, stage: &str, next: Value| {
        json!({ "name": name, "type": "make-http-request", "transitions": [
            { "event": "success", "next": next }, { "event": "failed" } ],
            "properties": { "method": "POST", "content_type": "application/json;charset=utf-8",
                "url": "https://stagepost.example.com/studio/wk_studio",
                "parameters": [{ "key": "stage", "value": stage }] } })
    };
    let send = json!({ "name": "bye", "type": "send-message", "properties": {}, "transitions": [
        { "event": "sent" }, { "event": "failed", "next": "tell" } ] });
    let flow = flow(
        "begin",
        json!([by_hand("begin", "confirmed", json!("bye")), send, by_hand("tell", "failed", Value::Null)]),
    );
    let done = instrument(&flow, &settings()).unwrap();
    assert_eq!(stages(&done), [("bye/sent", "confirmed")]);
    assert_eq!(state(&done.flow, "begin"), state(&flow, "begin"));
    let problems = instrument(&flow, &with_stages(&[("bye/failed", "x")])).unwrap_err();
    assert_eq!(problems[0].to_string(), "bye/failed: has a post that was made by hand; change it there");
}

#[test]
fn what_an_author_did_to_posts_of_ours_is_mended_or_kept() {
    let send = |name: &str, next: Value| {
        json!({ "name": name, "type": "send-message", "properties": {}, "transitions": [
        { "event": "sent", "next": next }, { "event": "failed", "next": "" } ] })
    };
    let plain = flow("hello", json!([send("hello", Value::Null), send("more", Value::Null)]));
    let once = instrument(&plain, &settings()).unwrap().flow;
    let mut document = Value::Object(once.document().clone());
    let states = document["states"].as_array_mut().unwrap();
    let place = |states: &[Value], name: &str| states.iter().position(|it| it["name"] == name).unwrap();
    // He drew on from a post's success, added a field and moved it; had another state lead to a post; and threw a state away,
    // but not the post behind it.
    let sent = place(states, "stagepost_hello_sent");
    states[sent]["transitions"][0]["next"] = json!("more");
    states[sent]["properties"]["offset"]["x"] = json!(77);
    states[sent]["properties"]["parameters"]
        .as_array_mut()
        .unwrap()
        .insert(0, json!({ "key": "room", "value": "5" }));
    let more = place(states, "more");
    states[more]["transitions"][0]["next"] = json!("stagepost_hello_failed");
    states.retain(|state| state["name"] != "stagepost_more_sent");
    let edited = StudioFlow::from_value(document).unwrap();

    let asked = with_stages(&[("hello/sent", "greeted")]);
    let done = instrument(&edited, &asked).unwrap();
    let post = state(&done.flow, "stagepost_hello_sent");
    assert_eq!(
        (&post["properties"]["offset"]["x"], &post["properties"]["parameters"][0]["key"]),
        (&json!(77), &json!("room"))
    );
    // An outage of ours would have ended the flow before `more`.
    assert_eq!(next(&done.flow, "stagepost_hello_sent", "failed"), Some("more"));
    // A post says one thing, so the second place has its own.
    assert_eq!(next(&done.flow, "hello", "failed"), Some("stagepost_hello_failed"));
    assert_eq!(next(&done.flow, "more", "sent"), Some("stagepost_more_sent"));
    assert!(!instrument(&done.flow, &asked).unwrap().changes(&done.flow));
    // Without being asked for, no post stands there any more: the flow goes on after `hello`.
    let done = instrument(&edited, &settings()).unwrap();
    assert_eq!(done.removed, ["stagepost_hello_sent"]);
    assert_eq!(next(&done.flow, "hello", "sent"), Some("more"));
}

#[test]
fn an_author_may_do_something_else_when_a_post_fails() {
    let once = instrument(&read(CONFIRMATION), &settings()).unwrap().flow;
    let mut document = Value::Object(once.document().clone());
    let states = document["states"].as_array_mut().unwrap();
    let post = states.iter_mut().find(|it| it["name"] == "stagepost_send_reminder_timeout").unwrap();
    post["transitions"][1]["next"] = json!("call_instead");
    let edited = StudioFlow::from_value(document).unwrap();
    let address = PostAddress::new("https://new.example.com", "wk_studio").unwrap();
    let done = instrument(&edited, &Settings::new(address, "visits")).unwrap().flow;
    assert_eq!(next(&done, "stagepost_send_reminder_timeout", "success"), Some("second_try"));
    assert_eq!(next(&done, "stagepost_send_reminder_timeout", "failed"), Some("call_instead"));
}

#[test]
fn a_large_flow_is_planned_before_anybody_loses_patience() {
    // A ring through which as many stages go as there are branches; a search that follows whole sets of them would take minutes.
    let split = |number: usize| {
        json!({ "name": format!("s{number}"), "type": "split-based-on", "properties": { "input": "{{widgets.ask.inbound.Body}}" },
            "transitions": [{ "event": "match", "next": format!("v{number}"),
                "conditions": [{ "friendly_name": format!("Choice {number}"), "type": "equal_to", "value": "x", "arguments": [] }] }] })
    };
    let variables = |number: usize| {
        json!({ "name": format!("v{number}"), "type": "set-variables", "properties": {},
            "transitions": [{ "event": "next", "next": format!("v{}", (number + 1) % 600) }] })
    };
    let wait = json!({ "name": "ask", "type": "send-and-wait-for-reply", "properties": {},
        "transitions": [{ "event": "incomingMessage", "next": "fork" }] });
    let ways: Vec<Value> = (0..600)
        .map(|number| json!({ "event": format!("way{number}"), "next": format!("s{number}") }))
        .collect();
    let fork =
        json!({ "name": "fork", "type": "a-widget-of-tomorrow", "properties": {}, "transitions": ways });
    let mut states: Vec<Value> = (0..600).flat_map(|number| [split(number), variables(number)]).collect();
    states.extend([wait, fork]);
    let done = instrument(&flow("ask", Value::Array(states)), &settings()).unwrap();
    assert_eq!(done.outcomes.iter().filter(|outcome| outcome.post.is_some()).count(), 602);
}

#[test]
fn a_ring_of_posts_leads_nowhere() {
    let send = json!({ "name": "hello", "type": "send-message", "properties": {},
        "transitions": [{ "event": "sent" }, { "event": "failed" }] });
    let once = instrument(&flow("hello", json!([send])), &settings()).unwrap().flow;
    let mut document = Value::Object(once.document().clone());
    for state in document["states"].as_array_mut().unwrap() {
        let name = state["name"].as_str().unwrap().to_owned();
        let other = match name.as_str() {
            "stagepost_hello_sent" => "stagepost_hello_failed",
            "stagepost_hello_failed" => "stagepost_hello_sent",
            _ => continue,
        };
        state["transitions"][0]["next"] = json!(other);
    }
    let ring = StudioFlow::from_value(document).unwrap();
    let done = instrument(&ring, &settings()).unwrap();
    assert_eq!(next(&done.flow, "stagepost_hello_sent", "success"), None);
    assert_eq!(done.flow.states().len(), once.states().len());
}

#[test]
fn names_are_free_and_plain() {
    let send = |name: &str| {
        json!({ "name": name, "type": "send-message", "properties": {}, "transitions": [
        { "event": "sent" }, { "event": "failed", "next": "a_b" } ] })
    };
    let flow = flow("a b", json!([send("a b"), send("a-b"), send("a_b"), send("stagepost_a_b_sent")]));
    let done = instrument(&flow, &settings()).unwrap();
    let names: Vec<&str> = done
        .outcomes
        .iter()
        .filter_map(|it| it.post.as_deref())
        .filter(|it| it.contains("_sent") && !it.contains("failed"))
        .collect();
    assert_eq!(
        names,
        [
            "stagepost_a_b_sent_2",
            "stagepost_a_b_sent_3",
            "stagepost_a_b_sent_4",
            "stagepost_stagepost_a_b_sent_sent"
        ]
    );
}

#[test]
fn a_diff_is_for_reading() {
    let send = json!({ "name": "hello", "type": "send-message", "properties": {}, "transitions": [
        { "event": "sent" }, { "event": "failed", "next": "hello" } ] });
    let before = flow("hello", json!([send]));
    let stages = [("Trigger/incomingRequest", ""), ("hello/failed", "")];
    let after = instrument(&before, &with_stages(&stages)).unwrap().flow;
    assert_eq!(
        diff(&before, &after),
        "@@ hello (send-message)\n-  on sent: (end)\n+  on sent: stagepost_hello_sent\n\
         @@ stagepost_hello_sent (make-http-request, new)\n+  on success: (end)\n+  on failed: (end)\n\
         +  type: make-http-request\n+  offset.x: 0\n+  offset.y: 200\n+  method: POST\n\
         +  content_type: application/x-www-form-urlencoded;charset=utf-8\n\
         +  parameters.userID: {{flow.data.userID}}\n+  parameters.phoneNumber: {{contact.channel.address}}\n\
         +  parameters.flow: appointment_confirmation\n+  parameters.stage: ended\n\
         +  parameters.executionSid: {{flow.sid}}\n+  parameters.flowSid: {{flow.flow_sid}}\n\
         +  url: https://stagepost.example.com/studio/wk_studio\n"
    );
    assert!(
        diff(&after, &before)
            .contains("@@ stagepost_hello_sent (make-http-request, removed)\n-  on success: (end)\n")
    );
}
