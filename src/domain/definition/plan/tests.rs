use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::domain::definition::{Destination, DestinationKind, Source, Status, document, render};

/// The plan where every address is allowed.
fn plan(
    existing: &Definitions,
    wanted: Vec<Definition>,
    prune: bool,
    now: Timestamp,
    ids: &mut IdSource,
) -> Result<Plan, Vec<Problem>> {
    super::plan(existing, wanted, prune, now, ids, &AddressPolicy::allow_all())
}

/// 1970: any time will do.
fn now() -> Timestamp {
    Timestamp::from_millis(0)
}

fn ids() -> IdSource {
    IdSource::new([3; 32])
}

fn later(seconds: i64) -> Timestamp {
    Timestamp::from_millis(now().millis() + seconds * 1000)
}

fn read(document: Value) -> Vec<Definition> {
    document::read(&document).unwrap()
}

/// The definitions after `plan` was carried out.
fn carried_out(existing: &Definitions, plan: &Plan) -> Definitions {
    let mut after = existing.clone();
    for (kind, key) in &plan.deletes {
        assert!(after.remove(*kind, key));
    }
    for put in &plan.puts {
        after.put(put.definition.clone());
    }
    after
}

fn applied(document: Value) -> Definitions {
    let plan = plan(&Definitions::default(), read(document), false, now(), &mut ids()).unwrap();
    carried_out(&Definitions::default(), &plan)
}

fn sample() -> Value {
    json!({
        "source": [{"key": "studio", "kind": "studio", "twilio_auth_tokens": ["t0ken"]}],
        "flow": [{"name": "f", "initial": "a"}],
        "destination": [{"key": "crm", "kind": "webhook", "shared_secret": "s3cret",
            "urls": [{"url": "https://x.example", "headers": {"Authorization": "Bearer x", "X-Team": "t"}}]}],
        "audience": [{"name": "VIPs", "query": "event('A').count() >= 1", "destinations": ["crm"]}],
    })
}

#[test]
fn ids_and_write_keys_are_made_once_and_kept() {
    let existing = applied(sample());
    let write_key = &existing.sources["studio"].write_key;
    assert!(write_key.starts_with("wk_") && write_key.len() == 3 + 32, "{write_key}");
    assert!(existing.audiences["vips"].id.starts_with("aud_"));

    let mut changed = sample();
    changed["source"][0]["properties"] = json!(["x"]);
    changed["audience"][0]["destinations"] = json!([]);
    let plan = plan(&existing, read(changed), false, later(60), &mut ids()).unwrap();
    assert_eq!(plan.changed, ["source studio", "audience vips"]);
    assert_eq!(plan.unchanged, ["flow f", "destination crm"]);
    let after = carried_out(&existing, &plan);
    assert_eq!(&after.sources["studio"].write_key, write_key);
    assert_eq!(after.audiences["vips"].id, existing.audiences["vips"].id);
    assert_eq!((after.audiences["vips"].created_at, after.audiences["vips"].updated_at), (now(), later(60)));
    assert!(plan.puts.iter().all(|put| !put.recompute), "who is in did not change");
}

#[test]
fn an_audience_is_recomputed_when_its_question_changes() {
    let mut existing = applied(sample());
    let mut live = (*existing.audiences["vips"]).clone();
    live.status = Status::Live;
    existing.put(Definition::Audience(live));
    for (key, value) in [("query", json!("event('B').count() >= 1")), ("enabled", json!(false))] {
        let mut changed = sample();
        changed["audience"][0][key] = value;
        let plan = plan(&existing, read(changed), false, later(1), &mut ids()).unwrap();
        let [Put { definition: Definition::Audience(audience), recompute: true }] = plan.puts.as_slice()
        else {
            panic!("{plan:?}");
        };
        assert_eq!(audience.status, Status::Live, "the engine has not set it yet");
    }
    let mut renamed = sample();
    renamed["audience"][0]["name"] = json!("vips");
    let plan = plan(&existing, read(renamed), false, later(1), &mut ids()).unwrap();
    assert!(matches!(plan.puts.as_slice(), [Put { recompute: false, .. }]));
}

#[test]
fn pruning_removes_what_is_not_named() {
    let existing = applied(sample());
    let wanted = json!({"flow": [{"name": "f", "initial": "a"}]});
    let kept = plan(&existing, read(wanted.clone()), false, later(1), &mut ids()).unwrap();
    assert_eq!((kept.deletes.len(), kept.puts.len()), (0, 0));
    let pruned = plan(&existing, read(wanted), true, later(1), &mut ids()).unwrap();
    assert_eq!(pruned.removed, ["source studio", "destination crm", "audience vips"]);
    assert_eq!(pruned.unchanged, ["flow f"]);
    assert_eq!(carried_out(&existing, &pruned).flows.len(), 1);
}

#[test]
fn references_have_to_hold_afterwards() {
    let existing = applied(sample());
    let audience = json!({"name": "VIPs", "query": "event('A').count() >= 1", "destinations": ["crm"]});
    assert!(plan(&existing, read(json!({"audience": [audience]})), false, now(), &mut ids()).is_ok());
    let problems =
        plan(&existing, read(json!({"audience": [audience]})), true, now(), &mut ids()).unwrap_err();
    assert_eq!(
        problems,
        [Problem::new(
            "audience[0].destinations[0]",
            "destination `crm` is not in the document, so pruning would remove it"
        )]
    );
    let mut typo = sample();
    typo["audience"][0]["destinations"] = json!(["crn"]);
    let problems = plan(&Definitions::default(), read(typo), false, now(), &mut ids()).unwrap_err();
    assert_eq!(problems[0].message, "there is no destination `crn`; did you mean `crm`?");

    assert_eq!(
        needed_by(&existing, Kind::Destination, "crm").as_deref(),
        Some("destination `crm` is still used by `vips`")
    );
    assert_eq!(needed_by(&existing, Kind::Destination, "other"), None);
    assert_eq!(needed_by(&existing, Kind::Source, "studio"), None);
}

#[test]
fn what_flows_and_teams_name_has_to_be_there() {
    let team = json!({"key": "ops", "time_zone": "UTC", "on_call": [{"phone": "+32470123456"}],
        "summary": {"at": "08:00", "to": ["a@example.com"], "flows": ["f"]}});
    let level = |channel: Value| {
        let mut level = json!({"stage": "no_reply", "after": "1h"});
        level.as_object_mut().unwrap().extend(channel.as_object().unwrap().clone());
        level
    };
    let crm = json!({"key": "crm", "kind": "webhook", "urls": [{"url": "https://crm.example.com"}]});
    let good = json!({"team": [team], "destination": [crm], "flow": [{"name": "f", "team": "ops",
        "escalation": [level(json!({"channel": "webhook", "to": ["crm"]}))]}]});
    let existing = applied(good);
    for (kind, key, message) in [
        (Kind::Team, "ops", "team `ops` is still named by `f`"),
        (Kind::Destination, "crm", "destination `crm` is still used by `f`"),
        (Kind::Flow, "f", "flow `f` is still named by `ops`"),
    ] {
        assert_eq!(needed_by(&existing, kind, key).as_deref(), Some(message));
    }
    let account = |key: &str, workspace: Value| {
        json!({"key": key, "kind": "twilio", "account_sid": format!("AC{:032x}", 1), "auth_token": "x",
            "from": "+15005550006", "workspace_sid": workspace})
    };
    let bad = json!({
        "destination": [account("office", Value::Null), account("desk", format!("WS{:032x}", 2).into())],
        "team": [{"key": "night", "time_zone": "UTC", "summary": {"at": "08:00", "to": ["a@example.com"], "flows": ["g"]}}],
        "flow": [{"name": "f", "team": "opps", "escalation": [
            level(json!({"channel": "email", "to": ["on_call:ops", "on_call:night", "on_call:day"], "template": "x"})),
            level(json!({"channel": "sms", "to": ["on_call:ops"], "via": "crm"})),
            level(json!({"channel": "webhook", "to": ["crn"]})),
            level(json!({"actions": [{"channel": "call", "to": ["on_call:ops"]}]})),
            level(json!({"channel": "task", "via": "office"})),
            level(json!({"channel": "task", "via": "office", "workspace_sid": format!("WS{:032x}", 1)})),
            level(json!({"channel": "task", "via": "desk"})),
        ]}],
    });
    let problems = plan(&existing, read(bad), false, now(), &mut ids()).unwrap_err();
    let problems: Vec<(&str, &str)> =
        problems.iter().map(|problem| (problem.field.as_str(), problem.message.as_str())).collect();
    let level = ["0", "1", "2", "3", "4"].map(|index| format!("flow[0].escalation[{index}]"));
    let level = level.each_ref().map(String::as_str);
    let expected = [
        ("team[0].summary.flows[0]", "there is no flow `g`; did you mean `f`?"),
        ("flow[0].team", "there is no team `opps`; did you mean `ops`?"),
        (
            level[0],
            "level `no_reply` after 1h: nobody in the table `on_call` of team `ops` has a mail address",
        ),
        (level[0], "level `no_reply` after 1h: team `night` has no table `on_call`"),
        (level[0], "level `no_reply` after 1h: there is no team `day`"),
        (level[1], "level `no_reply` after 1h: destination `crm` is of the kind webhook, not twilio"),
        (level[2], "level `no_reply` after 1h: there is no destination `crn`; did you mean `crm`?"),
        (level[3], "level `no_reply` after 1h: there is no destination `twilio`"),
        (
            level[4],
            "level `no_reply` after 1h: a task needs a workspace: set `workspace_sid` (WS…) of the action, or of destination `office`",
        ),
    ];
    let sid = "FW0123456789abcdef0123456789abcdef";
    let twins = json!({"flow": [{"name": "a", "sid": sid}, {"name": "b"}, {"name": "c", "sid": sid}]});
    let found = plan(&Definitions::default(), read(twins), false, now(), &mut ids()).unwrap_err();
    let twin = |at: &str, other: &str| Problem::new(at, format!("is the Studio flow of flow `{other}` too"));
    assert_eq!(found, [twin("flow[0].sid", "c"), twin("flow[2].sid", "a")]);

    let sorted = |mut all: Vec<(String, String)>| {
        all.sort();
        all
    };
    let owned =
        |all: &[(&str, &str)]| all.iter().map(|(at, say)| ((*at).to_owned(), (*say).to_owned())).collect();
    assert_eq!(sorted(owned(&problems)), sorted(owned(&expected)));
}

#[test]
fn write_keys_are_unique_over_all_sources() {
    let existing = applied(json!({"source": [{"key": "a", "kind": "http", "write_key": "wk_shared"}]}));
    let wanted = json!({"source": [
        {"key": "b", "kind": "http", "write_key": "wk_other"},
        {"key": "c", "kind": "http", "write_key": "wk_shared"},
    ]});
    let problems = plan(&existing, read(wanted.clone()), false, now(), &mut ids()).unwrap_err();
    assert_eq!(problems, [Problem::new("source[1].write_key", "is the write key of source `a` too")]);
    assert!(plan(&existing, read(wanted), true, now(), &mut ids()).is_ok(), "a is pruned, its key is free");
    // Two sources may swap keys in one go.
    let swap = |a: &str, b: &str| json!({"source": [{"key": "a", "kind": "http", "write_key": a}, {"key": "b", "kind": "http", "write_key": b}]});
    let existing = applied(swap("wk_first1", "wk_second"));
    let plan = plan(&existing, read(swap("wk_second", "wk_first1")), false, now(), &mut ids()).unwrap();
    assert_eq!(plan.changed.len(), 2);
}

/// The one source after `wanted` was applied to what exists.
fn source_after(existing: &Definitions, wanted: Value, now: Timestamp) -> (Definitions, Source) {
    let plan = plan(existing, read(json!({"source": [wanted]})), false, now, &mut ids()).unwrap();
    let after = carried_out(existing, &plan);
    let source = (*after.sources["web"]).clone();
    (after, source)
}

#[test]
fn two_write_keys_work_during_the_change_over() {
    let existing = applied(json!({"source": [{"key": "web", "kind": "http", "write_key": "wk_first1"}]}));
    let day = 24 * 3600;
    let rotated = existing.sources["web"].rotated("wk_second".to_owned(), now());
    let wanted = vec![Definition::Source(rotated)];
    let existing = carried_out(&existing, &plan(&existing, wanted, false, now(), &mut ids()).unwrap());
    let opens = |definitions: &Definitions, key: &str, at| definitions.source_by_write_key(key, at).is_some();
    let last = Timestamp::from_millis(later(7 * day).millis() - 1);
    for (key, at, is_open) in [
        ("wk_first1", now(), true),
        ("wk_second", now(), true),
        ("wk_first1", last, true),
        ("wk_first1", later(7 * day), false),
        ("wk_second", later(7 * day), true),
        ("wk_third1", now(), false),
    ] {
        assert_eq!(opens(&existing, key, at), is_open, "{key} {at:?}");
    }
    // What says nothing of it leaves it alone; another key ends both.
    let (same, source) = source_after(&existing, json!({"key": "web", "kind": "http"}), later(60));
    assert!(source.valid_previous(later(60)).is_some() && opens(&same, "wk_first1", later(60)));
    let third = json!({"key": "web", "kind": "http", "write_key": "wk_third1"});
    let (other, source) = source_after(&existing, third, later(60));
    assert_eq!(source.previous_write_key, None);
    assert!(opens(&other, "wk_third1", later(60)) && !opens(&other, "wk_second", later(60)));
    // To end it is to say that it ended.
    let ended = vec![Definition::Source(existing.sources["web"].without_previous(later(60)))];
    let ended = carried_out(&existing, &plan(&existing, ended, false, later(60), &mut ids()).unwrap());
    assert!(!opens(&ended, "wk_first1", later(60)) && opens(&ended, "wk_second", later(60)));
    assert_eq!(ended.sources["web"].previous_write_key, None);
    // A key that still works is nobody else's.
    let thief = json!({"source": [{"key": "thief", "kind": "http", "write_key": "wk_first1"}]});
    let problems = plan(&existing, read(thief.clone()), false, later(60), &mut ids()).unwrap_err();
    assert_eq!(problems, [Problem::new("source[0].write_key", "is the write key of source `web` too")]);
    assert!(plan(&existing, read(thief), false, later(7 * day), &mut ids()).is_ok());
}

#[test]
fn a_file_that_still_has_the_key_before_cuts_nobody_off() {
    let file = json!({"key": "web", "kind": "http", "write_key": "wk_first1"});
    let existing = applied(json!({"source": [file]}));
    let rotated = existing.sources["web"].rotated("wk_second".to_owned(), now());
    let wanted = vec![Definition::Source(rotated)];
    let existing = carried_out(&existing, &plan(&existing, wanted, false, now(), &mut ids()).unwrap());
    let day = 24 * 3600;
    let opens = |definitions: &Definitions, key: &str, at| definitions.source_by_write_key(key, at).is_some();
    // The server starts again with the file: who went over to the new key goes on, as long as the change-over was to last.
    let (back, source) = source_after(&existing, file.clone(), later(day));
    assert_eq!(source.write_key, "wk_first1");
    let until = existing.sources["web"].previous_write_key.as_ref().unwrap().until;
    let previous = source.previous_write_key.as_ref().unwrap();
    assert_eq!((previous.write_key.as_str(), previous.until), ("wk_second", until));
    assert!(opens(&back, "wk_first1", later(day)) && opens(&back, "wk_second", later(6 * day)));
    assert!(!opens(&back, "wk_second", later(7 * day)));
    // And again: nothing changes any more.
    let again = plan(&back, read(json!({"source": [file]})), false, later(2 * day), &mut ids()).unwrap();
    assert_eq!(again.unchanged, ["source web"]);
    // A change-over that is over, or that the file itself tells of, is left to the file.
    let (_, source) = source_after(&existing, file, later(7 * day));
    assert_eq!(source.previous_write_key, None);
    let told = json!({"key": "web", "kind": "http", "write_key": "wk_first1", "previous_write_key": "wk_zeroth",
        "previous_write_key_until": "2030-01-01T00:00:00Z"});
    let (_, source) = source_after(&existing, told, later(day));
    assert_eq!(source.previous_write_key.unwrap().write_key, "wk_zeroth");
}

#[test]
fn write_keys_that_are_not_shown_are_kept() {
    let until = "1970-01-08T00:00:00Z";
    let existing = applied(json!({"source": [
        {"key": "web", "kind": "http", "write_key": "wk_second", "previous_write_key": "wk_first1",
         "previous_write_key_until": until},
    ]}));
    let shown = render::source(&existing.sources["web"], false);
    assert!(!shown.to_string().contains("wk_"), "{shown}");
    let back = document::read_one(Kind::Source, Some("web"), &shown).unwrap();
    let back = plan(&existing, vec![back], false, now(), &mut ids()).unwrap();
    assert_eq!(back.unchanged, ["source web"]);
    let other = json!({"source": [{"key": "web", "kind": "http", "write_key": "********00000000"}]});
    let problems = plan(&existing, read(other), false, now(), &mut ids()).unwrap_err();
    assert_eq!(problems[0].field, "source[0].write_key");
}

#[test]
fn keys_wanted_twice_are_refused() {
    let one = read(json!({"flow": [{"name": "f"}]}));
    let twice = [one.clone(), one].concat();
    let problems = plan(&Definitions::default(), twice, false, now(), &mut ids()).unwrap_err();
    assert_eq!(problems[0].field, "flow[1].name");
}

#[test]
fn what_is_shown_can_be_put_back() {
    let existing = applied(sample());
    for kind in Kind::ALL {
        for key in existing.keys(kind) {
            let definition = existing.get(kind, key).unwrap();
            let shown =
                render::definition(&definition, &render::Shown { size: 7, progress: None, write_keys: true });
            for secret in ["s3cret", "t0ken", "Bearer"] {
                assert!(!shown.to_string().contains(secret), "{shown}");
            }
            let wanted = document::read_one(kind, Some(key), &shown).unwrap();
            let plan = plan(&existing, vec![wanted], false, later(9), &mut ids()).unwrap();
            assert_eq!((plan.unchanged.len(), plan.puts.len()), (1, 0), "{shown}");
        }
    }
}

#[test]
fn a_kept_secret_has_to_exist_and_does_not_follow_to_another_address() {
    let existing = applied(sample());
    let mut shown = render::destination(&existing.destinations["crm"]);
    shown["urls"][0]["url"] = json!("https://attacker.example");
    let wanted = document::read_one(Kind::Destination, None, &shown).unwrap();
    let problems = plan(&existing, vec![wanted.clone()], false, now(), &mut ids()).unwrap_err();
    assert_eq!(problems[0].field, "destination[0].urls[0].headers.Authorization");
    assert_eq!(problems[0].clone().of_one().field, "urls[0].headers.Authorization");
    let problems = plan(&Definitions::default(), vec![wanted], false, now(), &mut ids()).unwrap_err();
    assert_eq!(problems.len(), 2);

    shown["urls"] = json!([{"url": "https://other.example"}]);
    let wanted = document::read_one(Kind::Destination, None, &shown).unwrap();
    let plan = plan(&existing, vec![wanted], false, now(), &mut ids()).unwrap();
    let Definition::Destination(Destination { kind, .. }) = &plan.puts[0].definition else {
        panic!("{plan:?}")
    };
    let DestinationKind::Webhook { signing, .. } = kind else { panic!("{kind:?}") };
    assert_eq!(signing.shared_secret.as_deref(), Some("s3cret"));
}

/// Documents over few keys, so that two of them overlap.
fn documents() -> impl Strategy<Value = Value> {
    let sources = proptest::collection::btree_map(0..4u8, proptest::option::of(0..2u8), 0..4);
    let flows = proptest::collection::btree_map(0..4u8, 1..5u8, 0..4);
    let audiences = proptest::collection::btree_map(0..4u8, (0..3u8, any::<bool>()), 0..4);
    (sources, flows, audiences).prop_map(|(sources, flows, audiences)| {
        let source = |(key, write_key): (u8, Option<u8>)| {
            let write_key = write_key.map(|letter| format!("write_key_{key}_{letter}"));
            json!({"key": format!("s{key}"), "kind": "http", "write_key": write_key})
        };
        let audience = |(key, (event, enabled)): (u8, (u8, bool))| {
            let query = format!("event('e{event}').count() >= 1");
            json!({"name": format!("a{key}"), "query": query, "enabled": enabled})
        };
        let flow =
            |(key, days): (u8, u8)| json!({"name": format!("f{key}"), "expire_after": format!("{days}d")});
        json!({
            "source": sources.into_iter().map(source).collect::<Value>(),
            "flow": flows.into_iter().map(flow).collect::<Value>(),
            "audience": audiences.into_iter().map(audience).collect::<Value>(),
        })
    })
}

proptest! {
    #[test]
    fn applying_twice_changes_nothing(first in documents(), second in documents(), prune: bool) {
        // Another seed than that of the first, or the same write keys would be made again.
        let mut ids = IdSource::new([4; 32]);
        let before = applied(first);
        let wanted = read(second);
        let once = plan(&before, wanted.clone(), prune, later(1), &mut ids).unwrap();
        prop_assert_eq!(once.created.len() + once.changed.len() + once.unchanged.len(), wanted.len());
        prop_assert_eq!(once.created.len() + once.changed.len(), once.puts.len());
        let after = carried_out(&before, &once);
        let again = plan(&after, wanted.clone(), prune, later(2), &mut ids).unwrap();
        prop_assert!(again.puts.is_empty() && again.deletes.is_empty(), "{:?}", again);
        prop_assert_eq!(again.unchanged.len(), wanted.len());
        if prune {
            prop_assert_eq!(Kind::ALL.map(|kind| after.keys(kind).count()).iter().sum::<usize>(), wanted.len());
        }
    }
}
