//! The built-in templates come out as they should, whatever stands in what they are given.

use serde_json::json;

use super::*;

/// The mail; kept for looking at where the build says so.
fn rendered(name: &str, number: usize, context: &Map<String, Value>) -> Mail {
    let mail = Templates::built_in().render(name, context).unwrap();
    assert!(!mail.subject.is_empty() && !mail.subject.contains('\n'), "{}", mail.subject);
    if let Some(folder) = option_env!("STAGEPOST_KEEP_MAILS") {
        let text = format!("{}\n\n{}", mail.subject, mail.text);
        std::fs::write(format!("{folder}/{name}-{number}.txt"), text).unwrap();
        std::fs::write(format!("{folder}/{name}-{number}.html"), &mail.html).unwrap();
    }
    mail
}

/// That each of `parts` is in both bodies.
fn assert_in_both(mail: &Mail, parts: &[&str]) {
    for part in parts {
        assert!(mail.text.contains(part), "{part}:\n{}", mail.text);
        assert!(mail.html.contains(part), "{part}:\n{}", mail.html);
    }
}

const PAGE: &str = "https://stagepost.example.com/act";

#[test]
fn a_stalled_journey_is_told_of_with_its_links() {
    for name in ["no_reply", FALLBACK] {
        Templates::built_in().check(name).unwrap();
        let [full, bare] = samples::of_journeys();
        let mail = rendered(name, 0, &full);
        assert_eq!(mail.subject, "019mr8mf4r is stuck in appointment_confirmation");
        assert_in_both(
            &mail,
            &[
                "21 Nov 2026, 10:29 CET",
                "31 minutes",
                "arrived 21 Nov 2026, 10:26 CET",
                "Europe/Brussels",
                "28 Nov 2026, 11:00 CET",
            ],
        );
        for link in ["acknowledge", "resolve", "snoozeHour", "snoozeTomorrow"] {
            assert!(mail.text.contains(&format!("\n{PAGE}/{link}\n")), "{link}:\n{}", mail.text);
            assert!(mail.html.contains(&format!("href=\"{PAGE}/{link}\"")), "{link}:\n{}", mail.html);
        }
        assert!(!mail.text.contains("curl") && !mail.html.contains("curl"));
        assert!(mail.html.contains("href=\"tel:+15550001111\""));

        let bare = rendered(name, 1, &bare);
        assert!(!bare.html.contains("tel:") && !bare.text.contains("none"), "{}", bare.text);
        assert_in_both(
            &bare,
            &["21 Nov 2026, 09:12 UTC", "/api/journeys/jny_01m8x3q4r5s6t7v8w9x0y1z2a3/resolve"],
        );
        assert!(!bare.text.contains("times are"));
    }
    Templates::built_in().render(FALLBACK, &Map::new()).unwrap();
}

#[test]
fn without_links_there_are_calls_of_the_api() {
    let [mut context, _] = samples::of_journeys();
    context.remove("links");
    let mail = rendered("no_reply", 2, &context);
    assert_in_both(
        &mail,
        &["$TOKEN\" https://stagepost.example.com/api/journeys/jny_01m8x3q4r5s6t7v8w9x0y1z2a3/acknowledge"],
    );
    assert!(!mail.text.contains("/act/") && !mail.html.contains("/act/"));
}

#[test]
fn later_mails_on_a_journey_have_the_subject_of_the_first() {
    let [mut context, _] = samples::of_journeys();
    let first = rendered("no_reply", 3, &context).subject;
    context["thread"] = "dlv_01m8x3q4r5s6t7v8w9x0y1z2a3".into();
    context["level"] = 2.into();
    context["again"] = 1.into();
    context["stalledFor"] = "2 hours".into();
    context["journey"]["stage"] = "reminded".into();
    let later = rendered(FALLBACK, 3, &context);
    assert_eq!(later.subject, format!("Re: {first}"));
    assert_in_both(&later, &["level 2 of 2, after 30 minutes, once more (1)", "This was the last level"]);
}

#[test]
fn a_digest_lists_who_is_stuck() {
    Templates::built_in().check("digest").unwrap();
    let [full, bare] = samples::of_digests();
    let mail = rendered("digest", 0, &full);
    assert_eq!(mail.subject, "137 journeys stuck in appointment_confirmation, no_reply");
    let links =
        ["https://stagepost.example.com/act/acknowledgeAll", "https://stagepost.example.com/act/AQGgxFBv6A"];
    assert_in_both(&mail, &links);
    assert_in_both(
        &mail,
        &["019mr8mf4r", "019mr8mf5s", "+15550001111", "31 minutes", "and 135 more", "11:05 CET"],
    );
    let bare = rendered("digest", 1, &bare);
    assert_eq!(bare.subject, "1 journey stuck in appointment_confirmation");
    assert_in_both(&bare, &["initiation", "2 hours", "/api/journeys/{id}/acknowledge"]);
    assert!(!bare.text.contains("more\n") && !bare.text.contains("none"), "{}", bare.text);
}

#[test]
fn a_summary_shows_the_day() {
    Templates::built_in().check("summary").unwrap();
    let [full, quiet] = samples::of_summaries();
    let mail = rendered("summary", 0, &full);
    assert_eq!(mail.subject, "front_desk: 41 stalled, 10 waiting, 21 Nov 2026");
    assert_in_both(
        &mail,
        &["intake_form", "74 alarms, 18 acknowledged, 12 resolved, 0 expired", "40 hours", "08:00"],
    );
    assert_in_both(&mail, &["https://stagepost.example.com/act/unsubscribe", "20 Nov 2026, 08:00 CET"]);
    assert!(mail.html.contains("src=\"cid:chart\" alt=\"2 at 08:00, 5 at 09:00\""), "{}", mail.html);
    assert!(mail.text.contains("  08:00     2 ##\n"), "{}", mail.text);
    let quiet = rendered("summary", 1, &quiet);
    assert_in_both(&quiet, &["Nothing stalled.", "20 Nov 2026, 07:00 UTC"]);
    assert!(!quiet.html.contains("<img") && !quiet.html.contains("By flow"));
}

#[test]
fn the_mails_on_destinations_come_out() {
    let context = json!({
        "destination": { "key": "crm", "kind": "webhook" }, "failingSince": "2026-11-21T09:00:00.000Z",
        "failingFor": "60 minutes", "failures": 42, "lastError": "answered 503 <b>", "probeEvery": "60 seconds",
        "waiting": 1207, "failed": 3, "link": "https://stagepost.example.com/api/destinations/crm", "now": "2026-11-21T10:00:00.000Z",
    });
    for name in ["destination_paused", "destination_resumed"] {
        let mail = rendered(name, 0, context.as_object().unwrap());
        assert!(mail.subject.starts_with("Destination crm "), "{}", mail.subject);
        assert_in_both(&mail, &["crm (webhook)", "60 minutes", "42", "1207", "21 Nov 2026, 09:00 UTC"]);
        assert!(mail.html.contains("answered 503 &lt;b&gt;") && !mail.html.contains("<b>"));
        let resume = mail.text.contains("/api/destinations/crm/resume\n");
        assert_eq!(resume, name == "destination_paused", "{}", mail.text);
        let mut bare = context.as_object().unwrap().clone();
        for key in ["failingSince", "lastError", "link"] {
            bare.insert(key.to_owned(), json!(null));
        }
        Templates::built_in().render(name, &bare).unwrap();
    }
}

/// Every text in `value` that a sender of events chose is made hostile.
fn poisoned(value: &mut Value) {
    const CHOSEN: [&str; 6] = ["userId", "phoneNumber", "flow", "stage", "executionSid", "team"];
    match value {
        Value::Object(fields) => {
            for (key, value) in fields {
                match value {
                    Value::String(text) if CHOSEN.contains(&key.as_str()) => {
                        *text = "<script>\"x\"'y'\r\nBcc: a@b {{ 7*7 }}".to_owned();
                    }
                    other => poisoned(other),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(poisoned),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[test]
fn whatever_is_posted_html_is_escaped_and_subjects_stay_one_line() {
    let mails = [
        ("no_reply", samples::of_journeys()),
        (FALLBACK, samples::of_journeys()),
        ("digest", samples::of_digests()),
        ("summary", samples::of_summaries()),
    ];
    for (name, contexts) in mails {
        for (number, context) in contexts.into_iter().enumerate() {
            let mut context = Value::Object(context);
            poisoned(&mut context);
            let mail = rendered(name, number + 10, context.as_object().unwrap());
            assert!(mail.html.contains("&lt;script&gt;&quot;x&quot;&#39;y&#39;"), "{}", mail.html);
            assert!(!mail.html.contains("<script") && !mail.html.contains("49"), "{}", mail.html);
            assert!(!mail.text.lines().any(|line| line.starts_with("Bcc")), "{}", mail.text);
            assert!(mail.subject.contains("<script>\"x\"'y' Bcc: a@b"), "{}", mail.subject);
        }
    }
    let [mut context, _] = samples::of_journeys();
    context["journey"]["userId"] = "x".repeat(500).into();
    assert_eq!(rendered("no_reply", 20, &context).subject.chars().count(), 250);
}

#[test]
fn an_own_folder_wins_file_by_file() {
    let folder = tempfile::tempdir().unwrap();
    for (file, text) in [
        ("email/no_reply/subject.txt", "Ours: {{ journey.userId }}"),
        ("email/mine/subject.txt", "s"),
        (
            "email/mine/body.txt",
            "{% for i in range(1000) %}{% for j in range(1000) %}{{ j }}{% endfor %}{% endfor %}",
        ),
        ("email/mine/body.html", "x"),
        ("email/part/subject.txt", "s"),
        ("act/journey.html", "not ours"),
    ] {
        std::fs::create_dir_all(folder.path().join(file).parent().unwrap()).unwrap();
        std::fs::write(folder.path().join(file), text).unwrap();
    }
    let templates = Templates::new(Some(folder.path().to_owned()));
    let mail = templates.render("no_reply", &samples::of_journeys()[0]).unwrap();
    assert_eq!(mail.subject, "Ours: 019mr8mf4r");
    assert!(mail.text.contains("has not replied"));
    assert!(templates.check("mine").unwrap_err().contains("fuel"), "{:?}", templates.check("mine"));
    assert!(templates.check("part").unwrap_err().contains("part/body.txt"));
    for name in ["absent", "../../etc", "No_Reply", ""] {
        assert!(templates.check(name).is_err(), "{name}");
    }
}

#[test]
fn a_built_in_mail_takes_the_place_of_one_of_its_kind() {
    let [digest, _] = samples::of_digests();
    assert!(Templates::render_built_in("digest", &digest).unwrap().subject.starts_with("137 journeys"));
    let [journey, _] = samples::of_journeys();
    for name in ["mine", "../etc", "no_reply"] {
        assert!(
            Templates::render_built_in(name, &journey).unwrap().subject.contains("is stuck in"),
            "{name}"
        );
    }
}

#[test]
fn texts_are_short_and_say_what_to_do() {
    let built_in = Templates::built_in();
    let [mut full, bare] = samples::of_journeys();
    let call = render_text(&built_in, TextKind::Call, None, &full).unwrap();
    assert_eq!(
        call,
        "This is stagepost. 019mr8mf4r is stuck in the flow appointment confirmation, in the stage no reply, for 31 minutes. \
         The number is 1 5 5 5 0 0 0 1 1 1 1."
    );
    let sms = render_text(&built_in, TextKind::Sms, None, &full).unwrap();
    assert_eq!(
        sms,
        "019mr8mf4r (+15550001111) is stuck in appointment_confirmation, no_reply, for 31 minutes.\n\
         Acknowledge: https://stagepost.example.com/act/acknowledge"
    );
    assert!(!render_text(&built_in, TextKind::Sms, None, &bare).unwrap().contains("Acknowledge"));
    for field in ["userId", "phoneNumber", "flow", "stage"] {
        full["journey"][field] = "x".repeat(500).into();
    }
    full["links"]["acknowledge"] =
        format!("https://stagepost.clinic.example.com/act/{}", "x".repeat(75)).into();
    let sms = render_text(&built_in, TextKind::Sms, None, &full).unwrap();
    assert!(sms.chars().count() <= 320, "{}: {sms}", sms.chars().count());
}

#[test]
fn own_texts_are_used_unless_they_fail() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("call")).unwrap();
    std::fs::write(folder.path().join("call/stalled.txt"), "{% include \"who.txt\" %}: call back").unwrap();
    std::fs::write(folder.path().join("call/who.txt"), "{{ user.email|default(journey.userId) }}").unwrap();
    let templates = Templates::new(Some(folder.path().to_owned()));
    let [full, bare] = samples::of_journeys();
    let made = |text: Option<&str>, context| render_text(&templates, TextKind::Call, text, context).unwrap();
    assert_eq!(made(None, &full), "ada@example.com: call back");
    assert_eq!(made(None, &bare), "019mr8mf4r: call back");
    assert_eq!(made(Some("{{ journey.stage }}\n <b>"), &full), "no_reply <b>");
    check_text(&templates, TextKind::Call, None).unwrap();
    for broken in [
        "{{ journey.nonsense }}",
        "{% if %}",
        "{% include \"absent.txt\" %}",
        "{{ journey.executionSid or '' }}",
    ] {
        assert!(check_text(&templates, TextKind::Call, Some(broken)).is_err(), "{broken}");
    }
    assert!(made(Some("{{ journey.nonsense }}"), &full).starts_with("This is stagepost."));
}
