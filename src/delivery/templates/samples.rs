//! What templates are tried with before they are used.

use serde_json::{Map, Value, json};

/// What the mail template `name` is tried with.
pub(super) fn of_mail(name: &str) -> Vec<Map<String, Value>> {
    match name {
        "digest" => of_digests().into(),
        "summary" => of_summaries().into(),
        _ => of_journeys().into(),
    }
}

/// A journey with everything, and one of which little is known.
pub(in crate::delivery) fn of_journeys() -> [Map<String, Value>; 2] {
    let step = |stage: &str, at: &str, received: &str| json!({ "stage": stage, "at": format!("2026-11-21T{at}.000Z"), "receivedAt": format!("2026-11-21T{received}.000Z") });
    let full = json!({
        "journey": {
            "id": "jny_01m8x3q4r5s6t7v8w9x0y1z2a3",
            "userId": "019mr8mf4r",
            "phoneNumber": "+15550001111",
            "flow": "appointment_confirmation",
            "stage": "no_reply",
            "status": "stalled",
            "executionSid": "FN0123456789abcdef0123456789abcdef",
            "startedAt": "2026-11-21T09:12:04.000Z",
            "stageAt": "2026-11-21T09:29:10.000Z",
            "steps": [
                step("initiation", "09:12:04", "09:12:04"),
                step("reminder_sent", "09:20:00", "09:26:31"),
                step("no_reply", "09:29:10", "09:29:10"),
            ],
            "alarms": [
                { "at": "2026-11-21T09:44:10.000Z", "stage": "no_reply", "level": 1, "channel": "email" },
            ],
        },
        "user": { "email": "ada@example.com" },
        "level": 1,
        "levels": 2,
        "after": "30m",
        "again": 0,
        "stalledFor": "31 minutes",
        "thread": null,
        "timeZone": "Europe/Brussels",
        "link": "https://stagepost.example.com/api/journeys/jny_01m8x3q4r5s6t7v8w9x0y1z2a3",
        "links": links(&["acknowledge", "resolve", "snoozeHour", "snoozeTomorrow"]),
        "now": "2026-11-21T10:00:10.000Z",
    });
    let bare = json!({
        "journey": {
            "id": "jny_01m8x3q4r5s6t7v8w9x0y1z2a3",
            "userId": "019mr8mf4r",
            "phoneNumber": null,
            "flow": "appointment_confirmation",
            "stage": "initiation",
            "status": "stalled",
            "executionSid": null,
            "startedAt": "2026-11-21T09:12:04.000Z",
            "stageAt": "2026-11-21T09:12:04.000Z",
            "steps": [],
        },
        "level": 1,
        "levels": 1,
        "after": "30m",
        "stalledFor": "30 minutes",
        "link": null,
        "now": "2026-11-21T09:42:04.000Z",
    });
    [full, bare].map(object)
}

/// The journey with everything, with what `about` says in place of its own; of its `journey`, field by field.
pub(super) fn of_journey(about: &Map<String, Value>) -> Map<String, Value> {
    let [mut sample, _] = of_journeys();
    for (name, value) in about {
        match (sample.get_mut(name), value) {
            (Some(Value::Object(known)), Value::Object(fields)) => known.extend(fields.clone()),
            (Some(_) | None, value) => {
                sample.insert(name.clone(), value.clone());
            }
        }
    }
    sample
}

/// A digest with everything, and one without links.
pub(in crate::delivery) fn of_digests() -> [Map<String, Value>; 2] {
    let journey = |user: &str, phone: Option<&str>, stage: &str, stalled_for: &str| {
        json!({
            "id": "jny_01m8x3q4r5s6t7v8w9x0y1z2a3", "userId": user, "phoneNumber": phone, "stage": stage,
            "stageAt": "2026-11-21T09:29:10.000Z", "stalledFor": stalled_for, "level": 1,
        })
    };
    let mut linked = journey("019mr8mf4r", Some("+15550001111"), "no_reply", "31 minutes");
    linked["acknowledge"] = "https://stagepost.example.com/act/AQGgxFBv6A".into();
    let full = json!({
        "digest": {
            "flow": "appointment_confirmation", "stage": "no_reply", "since": "2026-11-21T10:00:10.000Z",
            "until": "2026-11-21T10:05:10.000Z", "count": 137, "more": 135,
            "journeys": [linked, journey("019mr8mf5s", None, "no_reply", "30 minutes")],
        },
        "timeZone": "Europe/Brussels",
        "link": "https://stagepost.example.com/api/journeys?flow=appointment_confirmation&status=stalled",
        "links": links(&["acknowledgeAll"]),
        "now": "2026-11-21T10:05:10.000Z",
    });
    let bare = json!({
        "digest": {
            "flow": "appointment_confirmation", "stage": null, "since": "2026-11-21T10:00:10.000Z",
            "until": "2026-11-21T10:05:10.000Z", "count": 1, "more": 0,
            "journeys": [journey("019mr8mf4r", None, "initiation", "2 hours")],
        },
        "link": null,
        "now": "2026-11-21T10:05:10.000Z",
    });
    [full, bare].map(object)
}

/// A summary of a busy day, and one of a day on which nothing happened.
pub(in crate::delivery) fn of_summaries() -> [Map<String, Value>; 2] {
    let figures = |flow: &str, started: u32, stalled: u32| {
        json!({
            "flow": flow, "started": started, "completed": started / 2, "stalled": stalled, "escalations": stalled * 2,
            "acknowledged": stalled / 2, "resolved": stalled / 3, "expired": 0, "waiting": stalled / 4,
        })
    };
    let full = json!({
        "summary": {
            "team": "front_desk", "from": "2026-11-20T07:00:00.000Z", "until": "2026-11-21T07:00:00.000Z",
            "flows": [figures("appointment_confirmation", 412, 37), figures("intake_form", 58, 4)],
            "total": figures("", 470, 41),
            "hours": [2, 5, 9, 4, 1, 0, 3, 6, 5, 2, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 2],
            "oldest": [{
                "id": "jny_01m8x3q4r5s6t7v8w9x0y1z2a3", "userId": "019mr8mf4r", "flow": "appointment_confirmation",
                "stage": "no_reply", "stageAt": "2026-11-19T14:02:10.000Z", "stalledFor": "40 hours",
                "phoneNumber": "+15550001111", "link": "https://stagepost.example.com/api/journeys/jny_01m8x3q4r5s6t7v8w9x0y1z2a3",
            }],
            "moreFlows": 3, "whole": false,
        },
        "timeZone": "Europe/Brussels",
        "link": "https://stagepost.example.com/api/journeys?status=stalled",
        "links": links(&["unsubscribe"]),
        "chart": { "src": "cid:chart", "alt": "2 at 08:00, 5 at 09:00", "most": 9, "rows": [{ "at": "2026-11-20T07:00:00.000Z", "count": 2, "bar": "##" }] },
        "now": "2026-11-21T07:00:01.000Z",
    });
    let quiet = json!({
        "summary": {
            "team": "front_desk", "from": "2026-11-20T07:00:00.000Z", "until": "2026-11-21T07:00:00.000Z",
            "flows": [], "total": figures("", 0, 0), "hours": vec![0; 24], "oldest": [],
            "moreFlows": 0, "whole": true,
        },
        "link": null,
        "now": "2026-11-21T07:00:01.000Z",
    });
    [full, quiet].map(object)
}

fn links(names: &[&str]) -> Value {
    let mut links: Map<String, Value> = names
        .iter()
        .map(|name| ((*name).to_owned(), format!("https://stagepost.example.com/act/{name}").into()))
        .collect();
    links.insert("until".to_owned(), "2026-11-28T10:00:10.000Z".into());
    Value::Object(links)
}

fn object(sample: Value) -> Map<String, Value> {
    match sample {
        Value::Object(sample) => sample,
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => Map::new(),
    }
}
